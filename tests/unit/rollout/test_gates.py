# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import itertools
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import wait_budget
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.heartbeats import Pulse, patience_seconds
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import gates
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.gates import (
    Access,
    HeartbeatGate,
    LoginGate,
    first_look,
    gate_of,
    newest_start,
    prove,
)
from ansible_collections.hopsworks.airflow.tests.unit.http_server import HttpServer
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import container, runs


class Airflow(HttpServer):
    """The three answers that gates ask for; a number in an answer's place is a status, a list has one
    for each request."""

    def __init__(self):
        super().__init__(Handler)
        self.dags, self.login = {"total_entries": 7}, {"access_token": "CANARY-token"}
        self.health = {"metadatabase": {"status": "healthy"}}
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hopsworks-api/airflow"

    def beat(self, name, time, status="healthy"):
        self.health[name] = {"status": status, f"latest_{name}_heartbeat": time}


class Handler(BaseHTTPRequestHandler):
    def answer(self, body):
        path = self.path.removeprefix("/hopsworks-api/airflow")
        self.server.requests.append((self.command, path, self.headers.get("Authorization"), body))
        answers = {
            "/auth/token": self.server.login,
            "/api/v2/dags?limit=1": self.server.dags,
            "/api/v2/monitor/health": self.server.health,
        }
        answer = answers[path].pop(0) if isinstance(answers[path], list) else answers[path]
        self.send_response(answer if isinstance(answer, int) else 200)
        self.end_headers()
        self.wfile.write(answer.encode() if isinstance(answer, str) else json.dumps(answer).encode())

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))


@pytest.fixture
def airflow():
    server = Airflow()
    yield server
    server.close()


@pytest.fixture
def access(airflow):
    return Access(airflow.url, user="admin", password="CANARY-password")


def pod(started="2026-11-22T03:00:10Z", name="scheduler"):
    state = runs(started) if started else {"waiting": {}}
    return {"status": {"containerStatuses": [container({}, "side"), container(state, name)]}}


def test_a_login_and_a_call_for_each_pod(airflow, access):
    gate = LoginGate(access)
    assert gate.check([pod(), pod()]) is None
    assert gate.seen() == {"calls": 2}
    login = ("POST", "/auth/token", None, {"username": "admin", "password": "CANARY-password"})
    call = ("GET", "/api/v2/dags?limit=1", "Bearer CANARY-token", None)
    assert airflow.requests == [login, call] * 2


@pytest.mark.parametrize("status", [401, 403, 500, 502])
def test_a_token_that_is_refused_is_said_without_it(airflow, access, status):
    airflow.dags = status
    reason = LoginGate(access).check([pod()])
    assert f"answered with {status}" in reason
    assert "CANARY" not in reason


def test_a_login_that_is_refused_is_said_without_the_password(airflow, access):
    airflow.login = 401
    reason = LoginGate(access).check([pod()])
    assert "the login was answered with 401" in reason
    assert "CANARY" not in reason + repr(access)


def test_an_answer_of_somebody_else(airflow, access):
    airflow.login = "<html>welcome</html>"
    assert "not Airflow 3" in LoginGate(access).check([pod()])


def test_nobody_there():
    access = Access("http://127.0.0.1:9/airflow", user="admin", password="x")
    assert "got no answer" in LoginGate(access).check([pod()])
    assert "got no answer" in HeartbeatGate(access, "scheduler", "scheduler").check([pod()])


@pytest.mark.parametrize(
    ("component", "name"), [("scheduler", "scheduler"), ("dag-processor", "dag_processor"), ("triggerer", "triggerer")]
)
def test_a_second_heartbeat_newer_than_the_pod_counts(airflow, access, component, name):
    gate = HeartbeatGate(access, component, "scheduler")
    assert "no heartbeat" in gate.check([pod()])
    airflow.beat(name, "2026-11-22T03:00:09.999999+00:00")
    assert "since its pod started" in gate.check([pod()])
    assert not gate.awaits_second
    airflow.beat(name, "2026-11-22T03:00:12.5+00:00", "unhealthy")
    assert "unhealthy" in gate.check([pod()])
    assert not gate.awaits_second
    airflow.beat(name, "2026-11-22T03:00:12.5+00:00")
    assert "no second heartbeat" in gate.check([pod()])
    assert "no second heartbeat" in gate.check([pod()])
    assert gate.awaits_second
    airflow.beat(name, "2026-11-22T03:00:17.5+00:00", "unhealthy")
    assert "unhealthy" in gate.check([pod()])
    assert not gate.awaits_second
    airflow.beat(name, "2026-11-22T03:00:17.5+00:00")
    assert gate.check([pod()]) is None
    assert not gate.awaits_second
    assert gate.seen() == {"heartbeat": "2026-11-22T03:00:17.500000+00:00"}


def test_the_last_heartbeat_of_an_old_pod_is_not_enough_however_its_clock_stands(airflow, access):
    """Its node is 5 s ahead of that of the new pod, which was stopped 3 s before this one started."""
    gate = gate_of(workload(type="Recreate"), "scheduler", access)
    airflow.beat("scheduler", "2026-11-22T03:00:12+00:00")
    assert gate.check([pod("2026-11-22T03:00:10Z")]) is not None
    assert gate.check([pod("2026-11-22T03:00:10Z")]) is not None
    airflow.beat("scheduler", "2026-11-22T03:00:13+00:00")
    assert gate.check([pod("2026-11-22T03:00:10Z")]) is None


def test_heartbeats_of_before_a_container_started_again_count_for_nothing(airflow, access):
    gate = HeartbeatGate(access, "scheduler", "scheduler")
    airflow.beat("scheduler", "2026-11-22T03:00:12+00:00")
    assert gate.check([pod("2026-11-22T03:00:10Z")]) is not None
    airflow.beat("scheduler", "2026-11-22T03:00:22+00:00")
    assert gate.check([pod("2026-11-22T03:00:20Z")]) is not None
    airflow.beat("scheduler", "2026-11-22T03:00:27+00:00")
    assert gate.check([pod("2026-11-22T03:00:20Z")]) is None


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_finished_pods_are_no_pods(airflow, access, phase):
    evicted = {"status": {"phase": phase, "reason": "Evicted", "containerStatuses": []}}
    assert newest_start([evicted, pod()], "scheduler") == newest_start([pod()], "scheduler")
    gate = LoginGate(access)
    assert gate.check([evicted, pod()]) is None
    assert gate.seen() == {"calls": 1}


def test_the_youngest_pod_counts_and_each_has_to_run():
    pods = [pod("2026-11-22T03:00:10Z"), pod("2026-11-22T03:00:20Z")]
    assert newest_start(pods, "scheduler").isoformat() == "2026-11-22T03:00:20+00:00"
    assert newest_start([*pods, pod(None)], "scheduler") is None
    assert newest_start([], "scheduler") is None


def workload(**strategy):
    template = {"metadata": {}, "spec": {"containers": [{"name": "scheduler"}]}}
    return {"kind": "Deployment", "metadata": {"name": "x"}, "spec": {"strategy": strategy, "template": template}}


def test_which_gate_a_component_has(access):
    assert gate_of(workload(), None, access) is None
    assert gate_of(workload(), "scheduler", None) is None
    assert gate_of(workload(), "api-server", access).kind == "login"
    assert gate_of(workload(), "api-server", Access(access.url)) is None
    assert gate_of(workload(), "dag-processor", Access(access.url)).kind == "heartbeat"


@pytest.fixture
def beating(airflow):
    """Lets components send a heartbeat every 0.1 s."""
    names, done = [], threading.Event()

    def beat():
        for seconds in itertools.count():
            for name in names:
                airflow.beat(name, f"2026-11-22T03:{seconds // 60:02}:{seconds % 60:02}+00:00")
            if done.wait(0.1):
                return

    thread = threading.Thread(target=beat)

    def begin(*wanted):
        names.extend(wanted)
        thread.start()

    yield begin
    done.set()
    thread.join()


def test_all_that_does_not_work_is_told_before_anything_is_restarted(airflow, access, beating):
    airflow.login = 401
    airflow.beat("dag_processor", None, "unhealthy")
    beating("scheduler")
    with pytest.raises(OperatorError) as refused:
        prove(replace(access, timeout_seconds=1), {"api-server", "scheduler", "dag-processor", "triggerer"})
    found = refused.value.found
    for words in ("the login was answered with 401", "dag_processor is unhealthy", "triggerer is None"):
        assert words in found
    assert "scheduler is" not in found
    assert "of the scheduler" not in found
    assert refused.value.untouched == "all workloads"


def test_a_login_that_is_not_reached_is_waited_for(airflow, access, monkeypatch):
    monkeypatch.setattr(wait_budget, "PAUSE_SECONDS", 0.001)
    airflow.login = [502, 503, airflow.login]
    prove(access, {"api-server"})
    assert airflow.login == []


def test_a_scheduler_that_died_is_found_while_airflow_still_calls_it_healthy(airflow, access):
    airflow.beat("scheduler", "2026-11-22T03:00:12+00:00")
    with pytest.raises(OperatorError, match="heartbeat of the scheduler does not advance"):
        prove(replace(access, timeout_seconds=1), {"scheduler"})


def test_an_older_heartbeat_is_that_of_another_and_no_second_one(airflow, access):
    pulse = Pulse(["scheduler"])
    airflow.beat("scheduler", "2026-11-22T03:00:12+00:00")
    assert pulse.missing(airflow.health)
    airflow.beat("scheduler", "2026-11-22T03:00:02+00:00")
    assert pulse.missing(airflow.health)
    airflow.beat("scheduler", "2026-11-22T03:00:07+00:00")
    assert not pulse.missing(airflow.health)


BEFORE = "2026-11-22T03:00:07+00:00"


def seen(seconds_ago, heartbeats):
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
    return {"at": moment.isoformat(), "heartbeats": heartbeats}


def test_another_heartbeat_than_that_of_an_earlier_look_is_not_waited_for(airflow, access, monkeypatch):
    monkeypatch.setattr(gates.time, "sleep", pytest.fail)
    airflow.beat("scheduler", "2026-11-22T03:00:12+00:00")
    prove(replace(access, seen=seen(9, {"scheduler": BEFORE})), {"scheduler"})
    first = first_look(access)
    airflow.beat("scheduler", "2026-11-22T03:00:17+00:00")
    prove(replace(access, seen=first), {"scheduler"})


@pytest.mark.parametrize(
    ("seconds_ago", "heartbeats"),
    [
        (9, {"scheduler": "2026-11-22T03:00:12+00:00"}),
        # It may have died since.
        (61, {"scheduler": BEFORE}),
        # The clock of this machine was set.
        (-9, {"scheduler": BEFORE}),
        (9, {"dag_processor": BEFORE}),
    ],
)
def test_an_earlier_look_of_which_nothing_follows(airflow, access, seconds_ago, heartbeats):
    airflow.beat("scheduler", "2026-11-22T03:00:12+00:00")
    given = seen(seconds_ago, heartbeats)
    with pytest.raises(OperatorError, match="heartbeat of the scheduler does not advance"):
        prove(replace(access, seen=given, timeout_seconds=1), {"scheduler"})


@pytest.mark.parametrize(
    "given", [{"at": "x"}, {"at": BEFORE}, {"at": BEFORE, "heartbeats": ["x"]}, {"heartbeats": {}}]
)
def test_what_is_no_earlier_look_is_refused(access, given):
    with pytest.raises(OperatorError, match="`seen` is not the result of an earlier check"):
        prove(replace(access, seen=given), {"scheduler"})


def test_a_first_look_has_all_that_airflow_tells(airflow, access):
    airflow.beat("scheduler", "2026-11-22T03:00:12+00:00")
    airflow.beat("triggerer", None, "healthy")
    assert first_look(access)["heartbeats"] == {"scheduler": "2026-11-22T03:00:12+00:00"}


def test_a_first_look_at_an_airflow_that_is_away_has_seen_nothing():
    assert first_look(Access("http://127.0.0.1:9"))["heartbeats"] == {}


def test_how_long_a_heartbeat_is_waited_for_follows_from_its_interval(access, monkeypatch):
    waits = []
    monkeypatch.setattr(gates, "patience_seconds", lambda interval: waits.append(interval) or 0.0)
    with pytest.raises(OperatorError):
        prove(Access.of(None, {"url": access.url, "timeout": 9, "heartbeat_interval": 60.0}), {"scheduler"})
    assert waits == [60.0]
    assert patience_seconds(60.0) > 2 * 60
    assert patience_seconds(5.0) == 60


def test_what_works_is_not_told_of(access, beating):
    beating("scheduler", "dag_processor")
    prove(access, {"api-server", "scheduler", "dag-processor"})
    prove(Access(access.url), {"api-server"})  # nobody to log in as
