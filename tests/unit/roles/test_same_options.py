# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module is asked the same by everything that asks it: the plan, the phase and the look at how it is.

The tasks are compared as they are written: values would be equal where a variable has its default.
"""

from __future__ import annotations

import importlib
import pathlib
import re
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

ROLES = pathlib.Path(__file__).parents[3] / "roles"
PREFIX = "hopsworks.airflow."
# What only says how something is done, and changes nothing of what is predicted.
DOING = {
    "deployment_objects": {"backup_secret", "timeout"},
    "metadata_swap": {"verify", "rehearsed_dump"},
    "quiesce": {"timeout"},
    # A note beside the keys, of the settings that the same run replaces.
    "signing_keys": {"token_life"},
    "workloads": {"timeout"},
}
# What only a dry run has to be told, because it isn't there yet.
PREDICTING = {"workloads": {"provided"}}
# Whose the tables are, and which of them.
OWNED = {
    "database": "{{ airflow_database }}",
    "deployment": "{{ airflow_name }}",
    "extra_tables": "{{ airflow_database_extra_tables }}",
    "workspace": "{{ airflow_database_workspace }}",
}


@dataclass(frozen=True)
class Asked:
    """A task of a role's file."""

    file: str
    name: str
    module: str
    options: dict[str, Any]
    check_mode: bool

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"

    def takes(self, option: str) -> bool:
        module = importlib.import_module(f"ansible_collections.hopsworks.airflow.plugins.modules.{self.module}")
        return option in module.ACTION.argument_spec

    def without(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in self.options.items() if name not in names}


def asked() -> list[Asked]:
    """All tasks of the roles that ask a module of the collection."""
    found: list[Asked] = []

    def collect(file: str, tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            for part in ("block", "rescue", "always"):
                collect(file, task.get(part, []))
            found.extend(
                Asked(file, task["name"], key.removeprefix(PREFIX), options or {}, task.get("check_mode") is True)
                for key, options in task.items()
                if key.startswith(PREFIX)
            )

    for path in sorted(ROLES.glob("*/tasks/*.yml")):
        collect(f"{path.parts[-3]}/{path.stem}", yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


ALL = asked()
# The status only looks, and takes no lock.
PREDICTIONS = [task for task in ALL if task.check_mode and task.file != "status/main"]
# Restarts are predicted for all components at once, and made for some at a time.
COMPARED = [task for task in PREDICTIONS if task.module != "rolling_restart"]


def test_every_plan_and_every_look_before_the_outage_is_compared():
    plans = {"upgrade/plan", "upgrade/plan_replacement", "upgrade/plan_restart", "rotate/plan"}
    assert {task.file for task in COMPARED} == {*plans, "upgrade/cut_over"}
    assert len(PREDICTIONS) == len(COMPARED) + 1


@pytest.mark.parametrize("prediction", COMPARED, ids=str)
def test_what_is_predicted_is_what_is_done(prediction):
    same = (prediction.module, prediction.options.get("state"))
    done = [task for task in ALL if not task.check_mode and (task.module, task.options.get("state")) == same]
    if prediction.module == "quiesce":
        # A replacement waits for all tasks, a restart for those that would outlast a grace.
        done = [task for task in done if ("grace" in task.options) is ("grace" in prediction.options)]
    assert done, "nothing does what is predicted"
    predicted = prediction.without(*PREDICTING.get(prediction.module, ()))
    for task in done:
        assert predicted == task.without(*(DOING.get(task.module, set()) - predicted.keys())), task.name


@pytest.mark.parametrize("task", [task for task in ALL if task.takes("extra_tables")], ids=str)
def test_whose_tables_are_looked_at_is_always_said(task):
    assert {name: task.options.get(name) for name in OWNED} == OWNED


def test_the_keys_are_looked_at_with_the_pods_that_have_them():
    tasks = [
        task for task in ALL if task.module in ("signing_keys", "signing_keys_info") and "state" not in task.options
    ]
    assert len(tasks) == 4
    assert {task.options.get("workloads") for task in tasks} == {
        "{{ airflow_components | map(attribute='workload') | list }}"
    }


# Which Secrets a runbook writes while pods that use them are running.
CHANGED = {
    "upgrade/preflight": {"{{ airflow_keys_secret }}", "{{ airflow_runtime_secret }}"},
    "restart/main": {"{{ airflow_keys_secret }}"},
    "rotate/plan": {"{{ airflow_keys_secret }}"},
    "rotate/preflight": {"{{ airflow_keys_secret }}"},
}
CHANGING = [task for task in ALL if task.takes("changed_secrets") and "workloads" in task.options]


def test_who_looks_at_workloads_is_told_which_secrets_change():
    """Without them, nobody sees that Reloader restarts the scheduler in the middle of its tasks."""
    assert {task.file: set(task.options.get("changed_secrets", [])) for task in CHANGING} == CHANGED
    assert len(CHANGING) == len(CHANGED), "two tasks of one file"


@pytest.mark.parametrize("playbook", ["upgrade", "rotate"])
def test_every_secret_that_a_phase_writes_is_among_them(playbook):
    names = {"upgrade": {"keys"}, "rotate": {"publish", "activate", "retire", "replace_keys"}}[playbook]
    phases = {f"{playbook}/{name}" for name in names}
    written = {
        task.options["secret"]
        for task in ALL
        if task.file in phases and task.module in ("signing_keys", "generated_secret")
    }
    assert written == CHANGED[f"{playbook}/preflight"]


@pytest.mark.parametrize(
    "task", [task for task in ALL if task.takes("managed_by_others") and "sessions" not in task.options], ids=str
)
def test_whether_others_may_write_as_well_is_always_said(task):
    assert task.options.get("managed_by_others") == "{{ airflow_managed_by_others }}"


@pytest.mark.parametrize(
    "task", [task for task in ALL if task.takes("ca_file") and task.options.get("state") in (None, "probing")], ids=str
)
def test_which_authorities_are_trusted_is_said_by_whatever_calls_the_public_address(task):
    assert task.options.get("ca_file") == "{{ airflow_ca_file or omit }}"


def test_the_same_heartbeats_are_waited_for_by_the_proof_and_by_the_status():
    asked = {task.file: task.options.get("components") for task in ALL if task.module == "airflow_health"}
    assert asked == dict.fromkeys(["status/main", "upgrade/verify"], "{{ airflow_health_components }}")


def test_how_long_tokens_live_is_written_down_with_every_step_of_a_rotation():
    """A life that is made shorter later must not have keys retired while tokens from before that still live."""
    steps = [task for task in ALL if task.module == "signing_keys" and "state" in task.options]
    phases = [*["activate"] * 2, "publish", *["replace_keys"] * 2, *["retire"] * 2]
    assert [task.file for task in steps] == [f"rotate/{phase}" for phase in phases]
    assert {str(task): task.options.get("token_life") for task in steps} == {
        str(task): "{{ airflow_configured.longest_token_seconds }}" for task in steps
    }


# Those of a look, and of what waits for nothing.
FIXED = {
    "upgrade/look: Read the metadata database",
    "run/put_back: Check where the tables are",
    "status/main: Read the metadata database",
    "upgrade/replace: Save the old deployment for a rollback",
    "upgrade/replace: Restore the old rows to their state before the pause",
    "status/main: Wait for two heartbeats of each component",
}


@pytest.mark.parametrize(
    "task",
    [
        task
        for task in ALL
        if task.takes("timeout") and not task.check_mode and task.module != "run_lock" and str(task) not in FIXED
    ],
    ids=str,
)
def test_how_long_a_phase_may_take_can_be_set(task):
    assert re.search(r"{{ (airflow_\w+|run_unpause)_timeout", str(task.options.get("timeout")))
