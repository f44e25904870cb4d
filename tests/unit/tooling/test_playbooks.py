# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.record import PREPARING

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
OF_AWX = sorted((ROOT / "awx/playbooks").glob("*.yml"))


def plays(path: Path) -> list[dict]:
    return list(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_each_playbook_refuses_a_selection_of_nothing_before_all_else(path):
    """A play whose pattern or tags match nothing is left out, and that is a success for Ansible."""
    assert plays(path)[0]["ansible.builtin.import_playbook"] == "guards/selection.yml"
    assert len(plays(path)) > 1


@pytest.mark.parametrize("path", OF_AWX, ids=lambda path: path.stem)
def test_each_playbook_of_awx_comes_to_one_that_does(path):
    assert plays(path)[-1]["ansible.builtin.import_playbook"] == f"hopsworks.airflow.{path.stem}"
    assert path.name in {playbook.name for playbook in PLAYBOOKS}


def test_no_task_has_a_tag_of_its_own():
    """The guard tells operators that tags select nothing; roles included as they run would lose them in part."""
    tagged = [
        path
        for folder in ("playbooks", "roles")
        for path in (ROOT / folder).rglob("*.yml")
        if "tags:" in path.read_text(encoding="utf-8") and path.parent.name != "guards"
    ]
    assert not tagged


def test_defaults_of_actions_are_set_where_the_description_is():
    """Before ansible-core 2.19 they are evaluated for every task, before any role is there."""
    for path in PLAYBOOKS:
        assert not [play["name"] for play in plays(path) if "module_defaults" in play], path.name


@pytest.mark.parametrize("name", ["install", "rotate", "upgrade"])
def test_no_deployment_waits_for_another_one(name):
    """The default strategy takes all hosts through one task after the other, also past the failure of one of them."""
    (play,) = plays(ROOT / f"playbooks/{name}.yml")[1:]
    assert play["strategy"] == "ansible.builtin.free"
    assert "run_once" not in (ROOT / f"playbooks/{name}.yml").read_text(encoding="utf-8")


def test_no_role_needs_all_hosts_at_the_same_task():
    """Strategy `free` ignores these."""
    for path in (ROOT / "roles").rglob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert [word for word in ("run_once:", "any_errors_fatal:", "throttle:") if word in text] == [], path


def test_what_comes_before_a_cut_over_has_not_to_be_finished():
    """By these names a record tells that a run has changed nothing of what serves."""
    before = set()
    for name in ("upgrade", "install"):
        (play,) = plays(ROOT / f"playbooks/{name}.yml")[1:]
        phases = play["tasks"][0]["vars"]["run_phases"]
        before |= set(phases[: phases.index("cut_over")])
    assert before == PREPARING


@pytest.mark.parametrize(
    ("role", "phases"),
    [
        ("upgrade", {*PREPARING, "cut_over", "verify"}),
        # By the state of the keys.
        ("rotate", {"publish", "activate", "retire", "replace_keys"}),
    ],
)
def test_each_phase_is_a_file_that_is_described(role, phases):
    """A run reads them only when it comes to them, and there may be a record with that name."""
    folder = ROOT / "roles" / role
    described = yaml.safe_load((folder / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    assert described.keys() == {"preflight", "look", "plan"} | phases
    assert described.keys() <= {path.stem for path in folder.glob("tasks/*.yml")}
