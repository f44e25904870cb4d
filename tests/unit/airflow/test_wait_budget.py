# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An Airflow that is not reached yet is waited for by every call, and only that."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import verification
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import wait_budget as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.rest import AirflowApi
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.wait_budget import WaitBudget
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.modules import airflow_health
from ansible_collections.hopsworks.airflow.tests.unit.airflow.fake import BASE, PASSWORD
from ansible_collections.hopsworks.airflow.tests.unit.api_server import Clock

DEFAULTS = {
    name: option.get("default") for name, option in yaml.safe_load(airflow_health.DOCUMENTATION)["options"].items()
}
FROM_IN_FRONT = [None, 404, 502, 503, 504]
LOGIN = {"user": "admin", "secret": "runtime", "key": "passwords.json"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(subject, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(verification, "INTERVAL_SECONDS", 0.001)


@pytest.fixture
def act(airflow):
    airflow.cookie_path = BASE
    entries = {"passwords.json": json.dumps({"admin": PASSWORD}).encode()}
    told = []

    def call(**options):
        cluster = SimpleNamespace(secret_entries=lambda _name: entries)
        given = {**DEFAULTS, "url": airflow.url, "login": LOGIN, **options}
        return verification.act(Call(given, False, cluster, told.append, told.append))

    call.told = told
    return call


@pytest.mark.parametrize("status", FROM_IN_FRONT)
def test_every_call_of_the_proof_waits_for_whoever_stands_in_front(airflow, act, status):
    act()
    calls = len(airflow.paths)
    for position in range(calls):
        answers, route = iter(range(calls + 1)), airflow.answer

        def once(request, position=position, answers=answers, route=route):
            airflow.in_front = [status] if next(answers) == position else []
            return route(request)

        airflow.answer = once
        found = act()
        airflow.answer = route
        assert found["version"] == f"{airflow.line}.1"
        assert set(found["contracts"].values()) == {"ok"}
    assert any("waiting for Airflow" in line for line in act.told)


def test_no_part_waits_longer_than_its_time(airflow, act):
    airflow.in_front = [502] * 1000
    with pytest.raises(OperatorError, match="GET /api/v2/version was answered with 502"):
        act(timeout=0)
    assert airflow.paths == ["/api/v2/version"]


@pytest.mark.parametrize("status", FROM_IN_FRONT)
def test_the_time_is_that_of_all_requests_of_a_part_together(airflow, monkeypatch, status):
    monkeypatch.setattr(subject, "time", Clock())
    monkeypatch.setattr(subject, "PAUSE_SECONDS", 4)
    budget = WaitBudget(10)
    api = AirflowApi(airflow.url, budget=budget)
    airflow.in_front = [status] * 2
    api.get("/api/v2/version")
    airflow.in_front = [status] * 100
    with pytest.raises(OperatorError):
        api.get("/api/v2/version")
    assert len(airflow.in_front) == 98
    budget.begin()
    airflow.in_front = [status] * 3
    assert api.get("/api/v2/version")


def test_what_airflow_itself_answers_is_not_waited_for(airflow):
    api = AirflowApi(airflow.url, budget=WaitBudget(300))
    assert api.find("/api/v2/nothing") is None
    with pytest.raises(OperatorError, match="404"):
        api.get("/api/v2/nothing")
    with pytest.raises(OperatorError, match="401"):
        api.login("admin", "wrong")
    assert len(airflow.paths) == 3


def test_what_is_made_by_a_request_whose_answer_was_lost_is_found(airflow, monkeypatch):
    made, route = [], airflow.route

    def runs(path, headers, body):
        if path == "/api/v2/dags/hello/dagRuns":
            if made:
                return 409, {"detail": "there is one"}, []
            made.append(body["dag_run_id"])
            return 504, "the answer is lost", []
        return (200, {"state": "queued"}, []) if path == "/api/v2/dags/hello/dagRuns/r" else route(path, headers, body)

    monkeypatch.setattr(airflow, "route", runs)
    api = AirflowApi(airflow.url, budget=WaitBudget(300))
    path = "/api/v2/dags/hello/dagRuns"
    assert api.make(path, {"dag_run_id": "r"}, f"{path}/r") == {"state": "queued"}
    assert made == ["r"]
