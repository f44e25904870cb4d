# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import json
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.gates import Access, HeartbeatGate, LoginGate
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.processes import EachPodGate, for_each_pod
from ansible_collections.hopsworks.airflow.tests.unit.http_server import HttpServer
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import container, pod_of, runs

BEFORE, AFTER = "2026-11-22T03:00:19Z", "2026-11-22T03:00:30Z"


class Airflow(HttpServer):
    def __init__(self):
        super().__init__(Handler)
        self.jobs, self.asked, self.logins = {"jobs": []}, [], 0


class Handler(BaseHTTPRequestHandler):
    def answer(self, answer):
        self.send_response(answer if isinstance(answer, int) else 200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self.answer(self.server.jobs)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.logins += 1
        self.answer({"access_token": "token"})


@pytest.fixture
def airflow():
    server = Airflow()
    yield server
    server.close()


@pytest.fixture
def access(airflow):
    return Access(f"http://127.0.0.1:{airflow.server_port}", user="admin", password="x")


class Inner:
    kind = "heartbeat"

    def __init__(self, answer=None, *, awaits_second=False):
        self.answer, self.awaits_second = answer, awaits_second

    def check(self, _pods):
        return self.answer

    def seen(self):
        return {"heartbeat": AFTER}


def pod(name, address, started, owner="ReplicaSet"):
    return pod_of("runs", name, kind=owner, status={"podIP": address, "containerStatuses": [container(runs(started))]})


def job(host, beat, begun=BEFORE):
    return {"hostname": host, "start_date": begun, "latest_heartbeat": beat}


# Of pods that were there before, unless a test says otherwise.
EachPod = functools.partial(EachPodGate, made_by_this_run=False)
SECOND = "no second heartbeat"
PODS = [pod("runs-a", "10.0.0.1", "2026-11-22T03:00:10Z"), pod("runs-b", "10.0.0.2", "2026-11-22T03:00:20Z")]


@pytest.mark.parametrize(
    ("jobs", "silent"),
    [
        ([job("runs-a", AFTER)], ["runs-b"]),
        ([job("runs-a", AFTER), job("runs-b", BEFORE)], ["runs-b"]),
        ([job("runs-b", AFTER), job("runs-a", None)], ["runs-a"]),
        ([job("runs-a.runs.lab.svc", AFTER), job("runs-b", AFTER), job("runs-old", BEFORE)], []),
        # Of an address the newest counts: an earlier pod had it, too.
        ([job("10.0.0.1", AFTER), job("10.0.0.2", AFTER), job("10.0.0.2", BEFORE)], []),
        # Named by something that no pod knows.
        ([job("scheduler-of-hopsworks", AFTER)], []),
        ([], []),
    ],
)
def test_of_several_pods_each_has_to_have_a_heartbeat(airflow, access, jobs, silent):
    airflow.jobs = {"jobs": jobs}
    reason = EachPod(Inner(), access, "scheduler", "main").check(PODS)
    assert (reason is None) == (not silent)
    for name in ("runs-a", "runs-b"):
        assert (name in (reason or "")) == (name in silent)
    ((path, authorization),) = airflow.asked
    assert path.startswith("/api/v2/jobs?job_type=SchedulerJob&order_by=-latest_heartbeat")
    assert authorization == "Bearer token"


@pytest.mark.parametrize("answer", [404, 403, {"jobs": None}, []])
def test_where_jobs_cannot_be_listed_the_newest_heartbeat_has_to_do(airflow, access, answer):
    airflow.jobs = answer
    assert EachPod(Inner(), access, "triggerer", "main").check(PODS) is None


def test_what_the_gate_itself_waits_for_comes_first(airflow, access):
    gate = EachPod(Inner("no heartbeat yet"), access, "scheduler", "main")
    assert gate.check(PODS) == "no heartbeat yet"
    assert (gate.kind, gate.seen()) == ("heartbeat", {"heartbeat": AFTER})
    assert airflow.asked == []


def test_one_pod_is_asked_nothing_more(airflow, access):
    airflow.jobs = {"jobs": [job("runs-b", AFTER)]}
    assert EachPod(Inner(), access, "scheduler", "main").check(PODS[:1]) is None
    assert airflow.asked == []


@pytest.mark.parametrize("hosts", [("runs-a", "runs-b.runs.lab.svc"), ("10.0.0.1", "10.0.0.2")])
@pytest.mark.parametrize("pods", [PODS[1:], PODS])
def test_a_heartbeat_that_is_a_new_pods_own_is_enough(airflow, access, pods, hosts):
    gate = EachPod(Inner(SECOND, awaits_second=True), access, "scheduler", "main", made_by_this_run=True)
    airflow.jobs = {"jobs": [job("runs-old", AFTER, AFTER), job(hosts[0], AFTER, AFTER)]}
    assert gate.check(pods) == (
        SECOND if len(pods) == 1 else "no heartbeat of the scheduler in runs-b since it started"
    )
    airflow.jobs["jobs"] += [job(hosts[1], AFTER, AFTER)]
    assert gate.check(pods) is None
    assert airflow.logins == 1


@pytest.mark.parametrize(
    ("made_by_this_run", "owner", "jobs"),
    [
        # An interrupted run is gone on with, and the pod may have died since.
        (False, "ReplicaSet", [job("runs-b", AFTER, AFTER)]),
        # The old pod had this name, too, and perhaps another clock.
        (True, "StatefulSet", [job("runs-b", AFTER, AFTER)]),
        # The old pod had this address.
        (True, "ReplicaSet", [job("10.0.0.2", AFTER, BEFORE)]),
        (True, "ReplicaSet", [job("10.0.0.2", AFTER, None)]),
        (True, "ReplicaSet", [job("runs-old", AFTER, AFTER), job("runs-bb", AFTER, AFTER)]),
        (True, "ReplicaSet", [job("runs-b", BEFORE, AFTER)]),
        (True, "ReplicaSet", [job("runs-b", None, AFTER)]),
        (True, "ReplicaSet", []),
    ],
)
def test_what_may_be_an_old_pods_heartbeat_is_not_enough(airflow, access, made_by_this_run, owner, jobs):
    airflow.jobs = {"jobs": jobs}
    inner = Inner(SECOND, awaits_second=True)
    gate = EachPod(inner, access, "scheduler", "main", made_by_this_run=made_by_this_run)
    pods = [pod("runs-b", "10.0.0.2", "2026-11-22T03:00:20Z", owner)]
    assert "heartbeat" in gate.check(pods)
    inner.answer, inner.awaits_second = None, False
    assert gate.check(pods) is None


@pytest.mark.parametrize("answer", [404, 403, {"jobs": None}, []])
def test_without_a_list_of_jobs_a_second_heartbeat_is_waited_for(airflow, access, answer):
    airflow.jobs = answer
    gate = EachPod(Inner(SECOND, awaits_second=True), access, "scheduler", "main", made_by_this_run=True)
    assert [gate.check(PODS[:1]) for _look in range(3)] == [SECOND] * 3
    assert (airflow.logins, len(airflow.asked)) == (1, 1)


def test_which_gates_are_asked_of_each_pod(access):
    each = functools.partial(for_each_pod, made_by_this_run=True)
    gate = HeartbeatGate(access, "dag-processor", "main")
    assert isinstance(each(gate, access, "dag-processor", "main"), EachPodGate)
    login = LoginGate(access)
    assert each(login, access, "api-server", "main") is login
    assert each(gate, replace(access, password=None), "scheduler", "main") is gate
    assert each(None, access, "scheduler", "main") is None
