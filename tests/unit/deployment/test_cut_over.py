# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of the cut-over: what the old deployment needs is replaced only while it does not run."""

from __future__ import annotations

import pathlib

import yaml

ROLES = pathlib.Path(__file__).parents[3] / "roles"


def tasks(role, file):
    """Each task as its action and that action's arguments, those of blocks too."""
    found = []

    def collect(items):
        for item in items:
            for key in ("block", "rescue", "always"):
                collect(item.get(key, []))
            for action, arguments in item.items():
                if "." in action:
                    found.append((action.rpartition(".")[2], arguments, item.get("when")))

    collect(yaml.safe_load((ROLES / role / "tasks" / file).read_text(encoding="utf-8")))
    return found


def place(steps, action, **wanted):
    return [
        number
        for number, (name, arguments, _when) in enumerate(steps)
        if name == action
        and (wanted.items() <= arguments.items() if isinstance(arguments, dict) else arguments == wanted["file"])
    ]


def test_all_is_kept_before_the_stop_and_replaced_between_stop_and_move():
    steps = tasks("upgrade", "replace.yml")
    first, last = place(steps, "include_tasks", file="quiesce.yml")
    (copied,) = place(steps, "include_tasks", file="copy.yml")
    (kept,) = place(steps, "deployment_objects", state="saved")
    stops = place(steps, "workloads", state="stopped")
    (objects,) = place(steps, "include_tasks", file="objects.yml")
    (moved,) = place(steps, "include_tasks", file="reset.yml")
    assert first < copied < kept < min(stops) < max(stops) < objects < moved
    # Copying and keeping take minutes in which the UI answers: whether something runs is looked at again, at the end.
    assert last == min(stops) - 1
    assert [steps[number][2] for number in (first, last)] == ["airflow_stage == 'old'"] * 2
    (quiesced,) = tasks("upgrade", "quiesce.yml")
    assert (quiesced[0], quiesced[1]["state"]) == ("quiesce", "quiesced")
    assert "airflow_objects + airflow_workloads" in steps[kept][1]["definitions"]


def test_nothing_is_applied_while_the_old_deployment_runs():
    steps = tasks("upgrade", "cut_over.yml")
    includes = [(file, when) for name, file, when in steps if name == "include_tasks"]
    assert includes == [
        ("look.yml", "airflow_stage != 'installed'"),
        ("replace.yml", "airflow_stage != 'installed'"),
        ("reset.yml", "airflow_stage == 'installed'"),
        ("objects.yml", "airflow_stage == 'installed'"),
    ]
    assert "k8s" not in [name for name, _arguments, _when in steps]


def test_the_objects_are_put_back_before_the_old_workloads_start():
    steps = tasks("run", "put_back.yml")
    (restored,) = place(steps, "deployment_objects", state="restored")
    (started,) = place(steps, "workloads", state="started")
    assert restored < started
    (frame,) = yaml.safe_load((ROLES / "run/tasks/put_back.yml").read_text(encoding="utf-8"))
    # Even where an object can't be put back, the old workloads are started.
    assert ["rescue" in task for task in frame["block"] if "block" in task] == [True] * 3


def test_what_is_kept_is_what_is_replaced_and_put_back():
    named = [
        arguments["backup_secret"]
        for role, file in (
            ("upgrade", "replace.yml"),
            ("upgrade", "objects.yml"),
            ("upgrade", "cut_over.yml"),
            ("run", "put_back.yml"),
        )
        for _name, arguments, _when in tasks(role, file)
        if isinstance(arguments, dict) and "backup_secret" in arguments
    ]
    assert named == ["{{ airflow_backup_secret }}"] * 5
