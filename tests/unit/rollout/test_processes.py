# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.gates import Access
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.processes import EachPodGate, for_each_pod

BEFORE, AFTER = "2026-11-22T03:00:19Z", "2026-11-22T03:00:30Z"


class Airflow(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.jobs, self.asked = {"jobs": []}, []


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
        self.answer({"access_token": "token"})

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def airflow():
    server = Airflow()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def access(airflow):
    return Access(f"http://127.0.0.1:{airflow.server_port}", user="admin", password="x")


class Inner:
    kind = "heartbeat"

    def __init__(self, answer=None):
        self.answer = answer

    def check(self, _pods):
        return self.answer

    def seen(self):
        return {"heartbeat": AFTER}


def pod(name, address, started):
    state = {"running": {"startedAt": started}}
    return {
        "metadata": {"name": name},
        "status": {"podIP": address, "containerStatuses": [{"name": "main", "state": state}]},
    }


def job(host, beat):
    return {"hostname": host, "latest_heartbeat": beat}


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
    reason = EachPodGate(Inner(), access, "scheduler", "main").check(PODS)
    assert (reason is None) == (not silent)
    for name in ("runs-a", "runs-b"):
        assert (name in (reason or "")) == (name in silent)
    ((path, authorization),) = airflow.asked
    assert path.startswith("/api/v2/jobs?job_type=SchedulerJob&order_by=-latest_heartbeat")
    assert authorization == "Bearer token"


@pytest.mark.parametrize("answer", [404, 403, {"jobs": None}, []])
def test_where_jobs_cannot_be_listed_the_newest_heartbeat_has_to_do(airflow, access, answer):
    airflow.jobs = answer
    assert EachPodGate(Inner(), access, "triggerer", "main").check(PODS) is None


def test_what_the_gate_itself_waits_for_comes_first(airflow, access):
    gate = EachPodGate(Inner("no heartbeat yet"), access, "scheduler", "main")
    assert gate.check(PODS) == "no heartbeat yet"
    assert (gate.kind, gate.seen()) == ("heartbeat", {"heartbeat": AFTER})
    assert airflow.asked == []


def test_one_pod_is_asked_nothing_more(airflow, access):
    airflow.jobs = {"jobs": [job("runs-b", AFTER)]}
    assert EachPodGate(Inner(), access, "scheduler", "main").check(PODS[:1]) is None
    assert airflow.asked == []


def test_which_gates_are_asked_of_each_pod(access):
    inner = Inner()
    assert isinstance(for_each_pod(inner, access, "dag-processor", "main"), EachPodGate)
    assert for_each_pod(inner, access, "api-server", "main") is inner
    assert for_each_pod(inner, replace(access, password=None), "scheduler", "main") is inner
    assert for_each_pod(None, access, "scheduler", "main") is None
