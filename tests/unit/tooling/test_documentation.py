# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.doc_fragments import deployment
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.rights import RIGHTS, ROTATION_RIGHTS
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import action

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def rows(page: str, heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its first two lines."""
    text = (ROOT / page).read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_documented_rights_are_those_that_are_asked_for():
    documented = {name: (upgrade, rotation) for name, upgrade, rotation in rows("docs/operator.md", "Rights")}
    upgrade = {right.name: ", ".join(right.verbs) for right in RIGHTS}
    rotation = {right.name: ", ".join(right.verbs) for right in ROTATION_RIGHTS}
    # Beside these, a rotation asks for rights on single Secrets, which the roles name.
    rotation["secrets"] = "get, patch, by name"

    assert documented == {
        name: (upgrade.get(name, "none"), rotation.get(name, "none")) for name in {*upgrade, *rotation}
    }


def test_the_documented_defaults_are_those_of_the_role():
    defaults = yaml.safe_load((ROOT / "roles/deployment/defaults/main.yml").read_text(encoding="utf-8"))
    documented = {cells[0].strip("`"): cells[1].strip("`") for cells in rows("docs/rotation.md", "Settings")}
    assert documented.pop("airflow_components") == "three"
    assert len(defaults["airflow_components"]) == 3

    text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in defaults.items()}
    assert documented == {name: text[name] for name in documented}
    assert {name for name in defaults if "rotation" in name or "minimum_age" in name} <= documented.keys()


def test_everybody_is_told_to_install_the_same():
    """README, the execution environment, and what an action refuses."""
    wanted = sorted((ROOT / "meta/ee-requirements.txt").read_text(encoding="utf-8").split())
    command = re.search(r"^pip install (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert command is not None
    assert sorted(shlex.split(command[1])) == wanted
    kubernetes = next(line for line in wanted if line.startswith("kubernetes"))
    assert kubernetes.endswith(f",<{action.KUBERNETES_BEFORE}")
    assert kubernetes in action._another_client().next_step
    assert kubernetes.replace(">=", " >= ").replace(",<", ", < ") in deployment.ModuleDocFragment.DOCUMENTATION


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _hash, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in [re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in headings]


def test_the_picture_of_the_states_stands_by_itself():
    picture = ROOT / "docs/rotation.svg"
    text = picture.read_text(encoding="utf-8")
    ElementTree.fromstring(text)  # noqa: S314 (our own file)
    assert "href" not in text
    assert "prefers-color-scheme: dark" in text
