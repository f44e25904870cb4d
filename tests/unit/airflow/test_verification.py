# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from urllib.parse import quote

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import verification
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.verification import components, run_dag
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError

EXPECTED = ["metadatabase", "scheduler", "dag_processor"]


def health(second, **status):
    """As Airflow answers it: healthy for as long as the threshold, however old the heartbeat is."""
    names = ("scheduler", "dag_processor", "triggerer")
    found = {
        name: {"status": status.get(name, "healthy"), f"latest_{name}_heartbeat": f"2026-11-22T03:00:{second:02}+00:00"}
        for name in names
    }
    return {"metadatabase": {"status": status.get("metadatabase", "healthy")}, **found}


class Api:
    """Answers one after the other, and the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def get(self, _path, *, having):
        assert having in self.answers[0]
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(verification, "INTERVAL_SECONDS", 0.01)


def test_two_different_heartbeats_of_each_are_proof():
    states, heartbeats = components(Api(health(1), health(1), health(6)), EXPECTED, 5, print)
    assert states == dict.fromkeys(EXPECTED, "healthy")
    assert heartbeats == dict.fromkeys(EXPECTED[1:], "2026-11-22T03:00:06+00:00")


def test_a_scheduler_that_died_is_not_healthy_whatever_airflow_says():
    dead = health(6)
    dead["scheduler"] = health(1)["scheduler"]
    with pytest.raises(OperatorError, match="the heartbeat of the scheduler does not advance") as raised:
        components(Api(health(1), dead), EXPECTED, 0.1, print)
    assert "dag_processor does" not in raised.value.found


@pytest.mark.parametrize("name", EXPECTED)
def test_what_airflow_calls_unhealthy_is(name):
    with pytest.raises(OperatorError, match=f"the {name} is unhealthy"):
        components(Api(health(1), health(6, **{name: "unhealthy"})), EXPECTED, 0.1, print)


class Dags:
    """The REST API of one DAG: a run succeeds at the second look, and only while the DAG isn't paused."""

    def __init__(self, *, queued=0, **dag):
        self.dag = {"is_paused": True, "timetable_summary": None, "next_dagrun_run_after": None, **dag}
        self.queued, self.changes, self.looks = queued, [], 0

    def find(self, _path):
        return dict(self.dag)

    def patch(self, _path, body):
        self.dag.update(body)
        self.changes.append(body["is_paused"])

    def make(self, _path, body, made):
        self.changes.append("run")
        assert made.endswith(quote(body["dag_run_id"], safe=""))
        return {"dag_run_id": body["dag_run_id"], "state": "queued"}

    def get(self, path, **_query):
        if path.endswith("/taskInstances"):
            return {"task_instances": [{"task_id": "one", "state": "success"}]}
        if path.endswith("/dagRuns"):
            return {"total_entries": self.queued}
        self.looks += 1
        return {
            "dag_run_id": "manual",
            "state": "success" if self.looks > 1 and not self.dag["is_paused"] else "queued",
        }


def moment(seconds):
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    "dag",
    [
        {},  # no schedule
        {"timetable_summary": "0 0 * * *", "next_dagrun_run_after": moment(7200)},
        {"timetable_summary": "@once", "next_dagrun_run_after": None},
    ],
)
def test_a_paused_dag_is_unpaused_for_its_run_and_paused_again(dag):
    api = Dags(**dag)
    found = run_dag(api, "hello", 30, print)
    assert (found["state"], found["tasks"], found["why"]) == ("success", {"one": "success"}, None)
    assert api.changes == [False, "run", True]


@pytest.mark.parametrize(
    ("dag", "why"),
    [
        ({"timetable_summary": "0 0 * * *", "next_dagrun_run_after": "2026-11-21T00:00:00Z"}, "due at 2026-11-21"),
        ({"timetable_summary": "* * * * *", "next_dagrun_run_after": moment(10)}, "runs of its schedule"),
        ({"timetable_summary": "Asset"}, "an asset triggers"),
        ({"queued": 2}, "2 queued runs"),
    ],
)
def test_a_paused_dag_whose_schedule_would_begin_is_left_alone(dag, why):
    api = Dags(**dag)
    found = run_dag(api, "hello", 30, print)
    assert (found["state"], found["run_id"]) == ("not run", None)
    assert why in found["why"]
    assert api.changes == []


def test_a_dag_that_is_not_paused_is_run_whatever_its_schedule():
    api = Dags(is_paused=False, timetable_summary="0 0 * * *", next_dagrun_run_after="2026-11-21T00:00:00Z", queued=1)
    assert run_dag(api, "hello", 30, print)["state"] == "success"
    assert api.changes == ["run"]
