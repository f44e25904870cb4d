# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database that changes during a run: what is refused before the lock is refused after it, before anything stops."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import DATABASE
from ansible_collections.hopsworks.airflow.tests.unit.roles.test_cut_over import ANSWERS as INSTALLED

# In the place of `metadata_info`: each look has an answer of its own, and the last one stays.
LOOKS = """
import json, os
from ansible.plugins.action import ActionBase
from ansible_collections.hopsworks.airflow.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        name = "metadata_info"
        with open(os.environ["ASKED"]) as stream:
            before = sum(json.loads(line)["action"] == name for line in stream)
        with open(os.environ["ASKED"], "a") as stream:
            stream.write(json.dumps({"action": name, "check": False, **plain(self._task.args)}) + "\\n")
        with open(os.environ["ANSWERS"]) as stream:
            looks = json.load(stream)[name]["looks"]
        return {"changed": False, **looks[min(before, len(looks) - 1)]}
"""
BASE = {
    **DATABASE,
    "stage": "old",
    "moved": False,
    "tables": [],
    "bytes": 0,
    "revision": None,
    "installed": None,
    "sessions": [],
    "workspace": {"schema": "airflow_beside"},
}
FOREIGN = {**BASE, "stage": "foreign", "problems": ["it has what Airflow never makes: report (view)"]}
ANSWERS = {
    **INSTALLED,
    "metadata_migrate": {"changed": True, "revision": "x", "workspace": "airflow_beside", "tables": 45},
    "hopsfs_snapshot": {
        "copied_files": 0,
        "copied_bytes": 0,
        "snapshot": {"path": "/s", "files": 0, "bytes": 0, "manifest_sha256": "x"},
    },
    "metadata_dump": {"path": "/x", "bytes": 1, "sha256": "x"},
    "metadata_restore": {"tables": [], "rehearsed_dump": {}},
    "metadata_swap": {"changed": True, "set_aside": "airflow_before_r1"},
    "workloads:applied": {
        "changed": True,
        "workloads": [{"name": "airflow-scheduler", "kind": "Deployment", "action": "replaced", "grace_seconds": None}],
    },
}
UPGRADE = ("upgrade", ["snapshot", "backup", "keys", "images", "schema", "cut_over"])
INSTALL = ("install", ["keys", "images", "schema", "cut_over"])
PAUSES_OR_STOPS = ("quiesce", "workloads", "metadata_swap", "deployment_objects")


@pytest.fixture
def run(stage):
    """Runs a playbook's phases, with what each look at the database finds; returns what it did in earnest."""

    def play(runbook, *looks):
        stage.role("report", {"ansible.builtin.debug": {"msg": "report"}})
        stage.write("plugins/action/metadata_info.py", LOOKS)
        playbook, phases = runbook
        frame = {"run_playbook": playbook, "run_role": "upgrade", "run_replaces": True, "run_phases": phases}
        played = stage.play(
            [{"ansible.builtin.include_role": {"name": "hopsworks.airflow.run"}, "vars": frame}],
            {**ANSWERS, "metadata_info": {"looks": [{**BASE, **look} for look in looks]}},
            airflow_objects=[],
            airflow_workloads=[],
            airflow_confirm="demo",
        )
        played.asked = [entry for entry in played.asked if not entry["check"]]
        return played

    return play


def said_by(played):
    """What it said at its end, wherever the lines end."""
    return " ".join(played.output.split("Fail with the reason")[1].replace("\\n", " ").split())


@pytest.mark.parametrize(
    ("runbook", "planned", "found", "words"),
    [
        (UPGRADE, {}, FOREIGN, "it has what Airflow never makes: report (view)"),
        (UPGRADE, {}, {"unfit": ["the server is read-only"]}, "the server is read-only"),
        (UPGRADE, {}, {"stage": "installed"}, "was from an Airflow older than 2.7 when this run made its plan"),
        (INSTALL, {"stage": "empty"}, {"stage": "old"}, "is from an Airflow older than 2.7"),
        (INSTALL, {"stage": "absent"}, {"stage": "installed"}, "was absent when this run made its plan"),
    ],
)
def test_a_run_whose_plan_is_not_true_any_more_changes_nothing_under_the_lock(run, runbook, planned, found, words):
    played = run(runbook, planned, found)
    assert played.code != 0, played.output
    assert words in said_by(played)
    assert "Untouched: the live schema and the workloads" in said_by(played)
    assert played.actions("run_record", "run_lock", "hopsfs_snapshot", "signing_keys", *PAUSES_OR_STOPS) == [
        "run_record",
        "run_lock",
        "run_lock:released",
    ]


@pytest.mark.parametrize(
    ("runbook", "planned", "found", "words"),
    [
        (UPGRADE, {}, FOREIGN, "it has what Airflow never makes: report (view)"),
        (INSTALL, {"stage": "empty"}, {"stage": "old"}, "is from an Airflow older than 2.7"),
    ],
)
def test_nothing_is_stopped_where_the_stage_changed_during_the_phases_before(run, runbook, planned, found, words):
    """A backup takes an hour, a migration minutes."""
    played = run(runbook, planned, planned, found)
    assert played.code != 0, played.output
    assert "stopped in phase cut_over" in played.output
    assert words in said_by(played)
    assert played.actions(*PAUSES_OR_STOPS) == ["deployment_objects:restored", "workloads:started", "quiesce:resumed"]


def test_an_empty_schema_that_is_created_meanwhile_is_still_one(run):
    played = run(INSTALL, {"stage": "absent"}, {"stage": "empty"})
    assert played.code == 0, played.output
    assert "metadata_swap:reset" in played.actions("metadata_swap")
