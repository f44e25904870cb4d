# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts of Deployments and StatefulSets, their gates and the way back, on real controllers and a real kubelet."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .conftest import ansible, workload

RUN = "hopsworks.airflow/restarted-by"
# Ends at once in a restart that is named so; each pod learns from its own template which restart made it.
OBEYS = "import os, signal; os.environ['RUN'].startswith('bad') and exit(3); signal.pause()"
READY = {"readinessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 2, "periodSeconds": 1}}
NEVER_TWO = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def obedient(name, kind="Deployment", **pod):
    """Ready two seconds after its start, so that a pod which ends at once never is."""
    field = {"fieldRef": {"fieldPath": f"metadata.annotations['{RUN}']"}}
    definition = workload(
        name, kind=kind, command=("python3", "-c", OBEYS), env=[{"name": "RUN", "valueFrom": field}], **READY, **pod
    )
    definition["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    return definition


@pytest.fixture
def made(cluster, namespace):
    """Makes workloads and waits until they are healthy."""

    def make(*definitions):
        for definition in definitions:
            kind, name = definition["kind"], definition["metadata"]["name"]
            create = getattr(
                cluster.apps, f"create_namespaced_{'stateful_set' if kind != 'Deployment' else 'deployment'}"
            )
            create(namespace, definition)
            until(lambda kind=kind, name=name: live(cluster, kind, name).status.ready_replicas == 1)
            until(lambda kind=kind, name=name: live(cluster, kind, name).status.available_replicas == 1)

    return make


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def live(cluster, kind, name):
    read = cluster.apps.read_namespaced_deployment
    if kind == "StatefulSet":
        read = cluster.apps.read_namespaced_stateful_set
    return read(name, cluster.namespace)


def template_annotations(cluster, kind, name):
    return live(cluster, kind, name).spec.template.metadata.annotations or {}


def pods(cluster, name):
    """Those that still do something; one that has ended may be there for a moment more."""
    found = cluster.core.list_namespaced_pod(cluster.namespace, label_selector=f"app={name}").items
    return {pod.metadata.uid: pod for pod in found if pod.status.phase not in ("Succeeded", "Failed")}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_restart_that_fails_goes_back_and_the_run_can_be_repeated(cluster, namespace, made, kind):
    name = f"back-{kind.lower()}"
    made(obedient(name, kind))
    before = set(pods(cluster, name))
    good = ansible(namespace, "rolling_restart", {"workloads": [name], "run": "good-1", "annotations": {"lab/n": "1"}})
    assert good["workloads"][0]["action"] == "restarted"
    assert not before & set(pods(cluster, name))
    arguments = {
        "workloads": [name],
        "run": "bad-1",
        "annotations": {"lab/n": "2", "lab/new": "x"},
        "on_failure": "previous_revision",
        "timeout": 90,
    }
    failed = ansible(namespace, "rolling_restart", arguments)
    assert failed["failed"]
    found = failed["failure"]["found"]
    assert "exit code 3" in found
    assert "previous revision was restored and serves again" in found
    assert template_annotations(cluster, kind, name) == {RUN: "good-1", "lab/n": "1"}
    status = live(cluster, kind, name).status
    assert (status.ready_replicas, status.available_replicas, status.replicas) == (1, 1, 1)
    assert all(pod.status.container_statuses[0].ready for pod in pods(cluster, name).values())
    # What was wrong is put right: the same workload is restarted as if nothing had been.
    again = ansible(namespace, "rolling_restart", {"workloads": [name], "run": "good-2"})
    assert again["workloads"][0]["action"] == "restarted"


def test_without_the_way_back_it_stays_where_it_failed(cluster, namespace, made):
    made(obedient("stays"))
    failed = ansible(namespace, "rolling_restart", {"workloads": ["stays"], "run": "bad-1", "timeout": 90})
    assert "exit code 3" in failed["failure"]["found"]
    assert template_annotations(cluster, "Deployment", "stays") == {RUN: "bad-1"}


def test_what_settles_in_the_end_does_not_wait_for_old_pods_in_between(cluster, namespace, made):
    web = obedient("served")
    web["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 15
    web["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 12}}}
    schedules = obedient("schedules")
    schedules["spec"]["strategy"] = NEVER_TWO
    made(web, schedules, obedient("parses"))
    old = set(pods(cluster, "served"))
    seen = []

    def watch():
        until(lambda: template_annotations(cluster, "Deployment", "schedules"))
        seen.append(old & set(pods(cluster, "served")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    components = {"served": "api-server", "schedules": "scheduler", "parses": "dag-processor"}
    arguments = {"workloads": list(components), "components": components, "run": "good-1", "settle": "end"}
    done = ansible(namespace, "rolling_restart", arguments)
    watcher.join()
    assert seen == [old], "the old pod of the api-server had ended before the scheduler was restarted"
    assert not old & set(pods(cluster, "served")), "it was not waited for"
    assert [window["name"] for window in done["windows"]] == ["api-server", "scheduler", "dag-processor"]
    for name in components:
        status = live(cluster, "Deployment", name).status
        assert (status.updated_replicas, status.available_replicas, status.replicas) == (1, 1, 1)


class Monitor(ThreadingHTTPServer):
    """The health of an Airflow whose scheduler has a heartbeat whenever it is asked, until `stops` says otherwise."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.begin()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def begin(self, stops=lambda: False):
        self.stops, self._stopped = stops, False
        self._beat = datetime.datetime.now(datetime.UTC)

    def last_heartbeat(self):
        self._stopped = self._stopped or self.stops()
        if not self._stopped:
            self._beat = datetime.datetime.now(datetime.UTC)
        return self._beat


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        beat = self.server.last_heartbeat().isoformat()
        body = {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": beat}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def monitor():
    server = Monitor()
    yield server
    server.shutdown()
    server.server_close()


def test_a_heartbeat_from_before_passes_no_gate_and_one_from_after_does(cluster, namespace, made, monitor):
    definition = workload("runs", **READY)
    definition["spec"]["strategy"] = {"type": "Recreate"}
    made(definition)
    arguments = {
        "workloads": ["runs"],
        "run": "first",
        "components": {"runs": "scheduler"},
        "health": {"url": f"http://127.0.0.1:{monitor.server_port}", "timeout": 5},
        "on_failure": "previous_revision",
    }
    predicted = ansible(namespace, "rolling_restart", arguments, "--check")
    assert [finding["kind"] for finding in predicted["workloads"][0]["findings"]] == ["pause"]
    monitor.begin(stops=lambda: RUN in template_annotations(cluster, "Deployment", "runs"))
    failed = ansible(namespace, "rolling_restart", arguments)
    assert "no heartbeat of the scheduler since its pod started" in failed["failure"]["found"]
    # The way back has the same gate.
    assert "does not become healthy either" in failed["failure"]["found"]
    assert RUN not in template_annotations(cluster, "Deployment", "runs")
    monitor.begin()
    passed = ansible(namespace, "rolling_restart", arguments)
    assert passed["workloads"][0]["gate"]["kind"] == "heartbeat"


def test_what_may_not_be_restarted_so_is_refused_before_anything_is_touched(cluster, namespace, made):
    surging = workload("surging")
    argo = workload("argo")
    argo["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "airflow:apps/Deployment:lab/argo"}
    made(surging, argo)
    arguments = {"workloads": ["surging"], "run": "one", "components": {"surging": "scheduler"}}
    assert "15 of 24 ran twice" in ansible(namespace, "rolling_restart", arguments, "--check")["failure"]["found"]
    refused = ansible(namespace, "rolling_restart", {"workloads": ["surging", "argo"], "run": "one"})
    assert "belongs to Argo CD" in refused["failure"]["found"]
    assert "managedFieldsManagers: [hopsworks.airflow.actions]" in refused["failure"]["next_step"]
    turned = {
        "workloads": ["surging", "argo"],
        "run": "one",
        "components": {"surging": "scheduler", "argo": "api-server"},
    }
    assert "would be restarted before" in ansible(namespace, "rolling_restart", turned)["failure"]["found"]
    assert (
        template_annotations(cluster, "Deployment", "surging")
        == template_annotations(cluster, "Deployment", "argo")
        == {}
    )
    # That field manager is the one that really writes.
    accepted = {"workloads": ["argo"], "run": "one", "managed_by_others": "accept"}
    assert any("Argo CD" in warning for warning in ansible(namespace, "rolling_restart", accepted)["warnings"])
    managers = {entry.manager for entry in live(cluster, "Deployment", "argo").metadata.managed_fields}
    assert "hopsworks.airflow.actions" in managers


def test_ten_restarts_leave_nothing_behind(cluster, namespace, made):
    definition = workload("ten")
    definition["spec"].update(revisionHistoryLimit=2, strategy=NEVER_TWO)
    definition["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
    made(definition)
    for number in range(10):
        arguments = {"workloads": ["ten"], "run": f"run-{number}", "annotations": {"lab/n": str(number)}}
        assert ansible(namespace, "rolling_restart", arguments)["changed"]
    assert template_annotations(cluster, "Deployment", "ten") == {RUN: "run-9", "lab/n": "9"}
    sets = cluster.apps.list_namespaced_replica_set(namespace, label_selector="app=ten").items
    assert len(sets) <= 3


@pytest.mark.skipif(
    os.environ.get("HOPSWORKS_AIRFLOW_DISRUPTIVE") != "1",
    reason="takes the bed's API server away for a moment; `make integration` does",
)
def test_a_restart_survives_one_of_the_api_server(cluster, namespace, made):
    slow = {"readinessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 20, "periodSeconds": 1}}
    made(workload("survives", **slow))
    kill = ["docker", "exec", "airflow-control-plane", "sh", "-c", "kill -9 $(pidof kube-apiserver)"]

    def when_patched():
        until(lambda: RUN in template_annotations(cluster, "Deployment", "survives"))
        time.sleep(2)
        subprocess.run(kill, check=True, capture_output=True)

    killer = threading.Thread(target=when_patched)
    killer.start()
    done = ansible(namespace, "rolling_restart", {"workloads": ["survives"], "run": "one", "timeout": 180})
    killer.join()
    assert done.get("changed"), done
    assert live(cluster, "Deployment", "survives").status.available_replicas == 1
