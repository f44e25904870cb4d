# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which keys a cut-over replaces, and what its plan says of them."""

from __future__ import annotations

from typing import Any

import pytest

TASKS = [
    *(
        {"ansible.builtin.include_role": {"name": f"hopsworks.airflow.{role}", "tasks_from": tasks, "public": True}}
        for role, tasks in (("deployment", "main"), ("rotate", "preflight"), ("rotate", "plan"))
    ),
    {"ansible.builtin.debug": {"msg": "TODO {{ airflow_rotation_todo | join(',') }}."}},
]
KEYS: dict[str, Any] = {
    "problem": None,
    "exists": True,
    "state": "steady",
    "rotation": "r1",
    "signers": {"api-server": {"kid": "kid-a"}, "scheduler": {"kid": "kid-s"}},
    "age_seconds": 465,
    "since": "2026-11-22T03:00:00Z",
    "due": True,
    "due_at": "2026-12-22T03:00:00Z",
    "retire_after": None,
    "replaced": [],
}
RESTARTED = {"name": "airflow-scheduler", "component": "scheduler", "grace_seconds": 600, "findings": []}


@pytest.fixture
def planned(stage):
    """The plan of a cut-over of keys that are like KEYS but for this."""

    def play(minimum_age=600, mode="cutover", in_scheduler=False, **keys):
        answers = {
            "quiesce:quiesced": {"paused": [], "running": []},
            "preflight": {"seen": {}},
            "signing_keys_info": {**KEYS, **keys},
            "airflow_configuration_info": {
                "trusted_jwks_url": "/x",
                "jwt_algorithm": "RS256",
                "executor": "KubernetesExecutor",
                "jwt_leeway": 10,
                "tasks_in_scheduler": in_scheduler,
                "clock_skew_seconds": 0,
                "heartbeat_seconds": 5,
            },
            "rolling_restart": {"workloads": [RESTARTED], "windows": []},
        }
        played = stage.play(
            TASKS,
            answers,
            airflow_rotation_mode=mode,
            airflow_confirm="demo",
            airflow_run="r2",
            airflow_cutover_minimum_age=minimum_age,
        )
        assert played.code == 0, played.output
        return " ".join(played.output.replace("\\n", " ").split())

    return play


def test_young_keys_of_an_ordinary_rotation_are_replaced(planned):
    said = planned()
    assert "TODO replace_keys." in said
    assert "rotate.yml (cutover) on demo" in said
    assert "7 minutes old" in said
    assert (
        "replaces all keys: kid-a, kid-s become invalid at once, and all sessions, tokens and running tasks end; "
        "restarts" in said
    )


def test_young_keys_of_a_cut_over_are_not_and_it_is_said_how_to_insist(planned):
    said = planned(replaced=["kid-o"])
    assert "TODO ." in said
    assert "a cut-over replaced the keys 465 s ago" in said
    assert "they are NOT replaced again" in said
    assert "add -e airflow_cutover_minimum_age=0" in said
    assert "TODO replace_keys." in planned(minimum_age=0, replaced=["kid-o"])
    assert "TODO replace_keys." in planned(age_seconds=601, replaced=["kid-o"])


def test_keys_of_before_and_of_next_end_too(planned):
    signers = {"api-server": {"kid": "kid-a", "previous": "kid-p"}, "scheduler": {"kid": "kid-s", "next": "kid-n"}}
    assert "replaces all keys: kid-a, kid-s, kid-n, kid-p become invalid at once" in planned(signers=signers)


def test_a_cut_over_that_goes_on_names_the_keys_that_it_has_ended(planned):
    said = planned(state="replaced", replaced=["kid-o", "kid-q"])
    assert "TODO replace_keys." in said
    assert (
        "finishes the cut-over that started at 2026-11-22T03:00:00Z: its keys exist, and the restarts invalidate "
        "kid-o, kid-q" in said
    )
    assert "kid-a, kid-s become invalid at once" not in said


def test_no_task_runs_now(planned):
    assert "no task runs now" in planned(mode="overlap", in_scheduler=True)
