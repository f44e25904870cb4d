# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.doc_fragments import deployment
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.rights import RIGHTS, ROTATION_RIGHTS
from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight.preflight import OLDEST_KUBERNETES
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import action

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs/development/decisions").glob("*.md"))


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


def test_the_page_of_variables_has_each_of_them_once():
    specification = yaml.safe_load((ROOT / "roles/deployment/meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specification["argument_specs"]["main"]["options"].keys() - {"deployment_render"}
    text = (ROOT / "docs/variables.md").read_text(encoding="utf-8")
    cells = " ".join(line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `"))
    assert sorted(re.findall(r"`(\w+)`", cells)) == sorted(options)
    assert set(re.findall(r"`(airflow_\w+)`", text)) <= options


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


def phases() -> set[str]:
    """Names of the phases of all runbooks, by the task files that their roles describe."""
    found: set[str] = set()
    for role in ("upgrade", "rotate"):
        entries = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text(encoding="utf-8"))
        found |= entries["argument_specs"].keys()
    return found - {"main", "look"} | {"resume"}


def test_there_is_an_answer_for_a_kill_in_each_phase():
    text = (ROOT / "docs/what-if.md").read_text(encoding="utf-8")
    tables = text.split("\n## Killed during ", 1)[1].split("\n## The machine\n")[0]
    cells = " ".join(line.split(" | ")[0] for line in tables.splitlines() if line.startswith("|"))
    assert {phase for phase in phases() if f"`{phase}`" not in cells} == set()


def test_every_page_is_found_from_the_readme():
    readme, contributing = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    for page in {*PAGES, ROOT / "SECURITY.md"} - {*DECISIONS, ROOT / "README.md", ROOT / "CHANGELOG.md"}:
        name = page.relative_to(ROOT)
        assert f"({name})" in (contributing if page.parent.name == "development" else readme), name


def test_every_decision_is_listed_with_its_date():
    """The table of the architecture page has each record, and a record has all parts."""
    listed = rows("docs/development/architecture.md", "Decisions")
    found = []
    for number, page in enumerate(DECISIONS, 1):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Alternatives", "Consequences"]
        heading = re.match(rf"# ({number:04}): (.+)\n\nAccepted (\d{{4}}-\d\d-\d\d)", text)
        assert heading is not None, page.name
        found.append([f"[{heading[1]}](decisions/{page.name})", heading[2], heading[3]])
    assert listed == found


def test_the_commands_and_variables_of_the_cheat_sheet_are_there():
    text = (ROOT / "docs/cheatsheet.md").read_text(encoding="utf-8")
    playbooks = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert set(re.findall(r"^ansible-playbook hopsworks\.airflow\.(\w+)", text, re.MULTILINE)) == playbooks
    specs = yaml.safe_load((ROOT / "roles/deployment/meta/argument_specs.yml").read_text(encoding="utf-8"))
    variables = set(re.findall(r"-e (airflow_\w+)=", text))
    assert len(variables) > 5
    assert variables <= specs["argument_specs"]["main"]["options"].keys()


def test_the_output_in_the_tutorial_is_that_of_the_page_about_output():
    """It was recorded once; the tutorial shows less of it, and nothing else."""
    tutorial, recorded = (
        (ROOT / f"docs/{name}.md").read_text("utf-8") for name in ("tutorial", "understanding-output")
    )
    shown = re.findall(r"^```text\n(.*?)^```", tutorial, re.MULTILINE | re.DOTALL)
    assert len(shown) > 3
    assert {line for block in shown for line in block.splitlines()} <= set(recorded.splitlines())


def test_the_compatibility_matrix_is_what_is_tested():
    sections = (ROOT / "docs/limitations.md").read_text(encoding="utf-8").split("\n### ")
    (machine,) = [section for section in sections if section.startswith("The machine that runs the playbook")]
    (cluster,) = [section for section in sections if section.startswith("Cluster")]
    cells = {
        line.strip("|").split(" | ")[0].strip(): line.split(" | ")[1] for line in machine.splitlines() if "|" in line
    }
    # 2.19 is the one of .venv; `oldest` is the first 2.16.
    tested = {path.stem for path in (ROOT / "tests/environments/pins").glob("2.*.txt")} | {"2.19"}
    assert set(cells["ansible-core"].split(", ")) == tested
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    assert f"older than {runtime['requires_ansible'].removeprefix('>=').removesuffix('.0')}" in machine
    for requirement in (ROOT / "meta/ee-requirements.txt").read_text(encoding="utf-8").split():
        oldest = requirement.partition(">=")[2].partition(",")[0].removesuffix(".0.0")
        assert oldest in machine, requirement
    assert ".".join(map(str, OLDEST_KUBERNETES)) in cluster


# Messages are quoted with an ellipsis for what differs. What is in parentheses, or a name for a place, is not quoted.
LEAST_CHARACTERS = 8


def said_by_the_code() -> str:
    """All texts of the collection, with an ellipsis for what is filled in, and single spaces."""
    texts: list[str] = []
    for path in [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "roles").rglob("files/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    for folder in ("roles", "playbooks", "awx"):
        files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".yml", ".j2")]
        texts += [path.read_text(encoding="utf-8") for path in files]
        # As it is, for texts in expressions; and without what is filled in.
        texts += [re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "…", text, flags=re.DOTALL) for text in texts[-len(files) :]]
    return " ".join("\n".join(texts).replace("''", "'").split())


def quotes() -> list[tuple[str, str]]:
    """Each page with what it quotes: the first column of tables that list output, and what-if's italics."""
    found = []
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for table in re.findall(
            r"^\| (?:it says|line|question \| default) \|.*\n\|.*\n((?:\|.*\n)+)", text, re.MULTILINE
        ):
            found += [(page.name, line.strip("|").split(" | ")[0].strip()) for line in table.splitlines()]
        if page.name == "what-if.md":
            found += [(page.name, quote) for quote in re.findall(r"(?<![*\w])\*([^*\n]{12,})\*(?!\*)", text)]
    return found


def test_messages_that_pages_quote_are_said_by_the_code():
    said = said_by_the_code()
    assert len(quotes()) > 80
    unsaid = []
    for page, quote in quotes():
        plain = re.sub(r"\([^)]*\)", "…", quote.replace("`", "").replace("<pod>", "…"))
        pieces = [piece.strip(" .,:") for piece in re.split(r"[…;]", plain)]
        unsaid += [f"{page}: {piece!r}" for piece in pieces if len(piece) >= LEAST_CHARACTERS and piece not in said]
    assert not unsaid, "\n" + "\n".join(unsaid)
