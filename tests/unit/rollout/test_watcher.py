# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import ProtocolError

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import mirror
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import watcher as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.watcher import Watcher
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError


class Quiet:
    """The body of a watch in which nothing happens."""

    def stream(self, **_arguments):
        time.sleep(0.02)
        return iter(())

    def close(self):
        pass

    release_conn = close


class Objects:
    """The last state of a recorded update; `away` is raised in place of every answer."""

    def __init__(self):
        document = json.loads((Path(__file__).parent / "recordings" / "deployment-update.json").read_text())
        state = document["states"][-1]
        self.workload = {**document["objects"][state["workload"]], "kind": "Deployment"}
        self.items = {
            "Deployment": [self.workload],
            "Pod": [copy.deepcopy(document["objects"][position]) for position in state["pods"]],
            "ReplicaSet": [document["objects"][position] for position in state["replica_sets"]],
            "Event": [],
        }
        self.away = None
        self.refused = set()

    def list(self, kind, **arguments):
        if self.away is not None:
            self.refused.add(kind)
            raise self.away
        if arguments.get("watch"):
            return Quiet()
        return {"items": self.items[kind], "metadata": {"resourceVersion": "1"}}


class Core:
    """Nodes; `problem` is of all."""

    def __init__(self):
        self.problem, self.asked = None, []

    def list_node(self, field_selector):
        self.asked.append(field_selector)
        ready = {"type": "Ready", "status": "Unknown" if self.problem else "True", "message": self.problem}
        return {"items": [{"status": {"conditions": [ready]}}]}

    def read_namespaced_pod_log(self, *_arguments, **_options):
        return "a line of the log"


@pytest.fixture
def objects(monkeypatch):
    monkeypatch.setattr(mirror, "SHORTEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(mirror, "LONGEST_PAUSE_SECONDS", 0.01)
    return Objects()


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def watching(objects, core):
    """Makes a watcher of what the server has then."""
    made = []

    def make():
        cluster = SimpleNamespace(
            core=core, namespace="lab", plain=lambda found: found, secret_entries=lambda _name: None
        )
        made.append(Watcher(cluster, objects, objects.workload, lambda _line: None))
        return made[-1]

    yield make
    for watcher in made:
        watcher.__exit__(None, None, None)


def first_pod(objects, *, ready=True, ending=False):
    pod = objects.items["Pod"][0]
    pod["spec"]["nodeName"] = "node-a"
    pod["spec"]["containers"] = [{"name": "main"}]
    if not ready:
        for condition in pod["status"]["conditions"]:
            condition["status"] = "False"
    if ending:
        pod["metadata"].update(deletionTimestamp="2026-11-22T03:00:00Z", deletionGracePeriodSeconds=0)
    return pod


def test_nodes_are_asked_for_only_where_a_pod_is_not_well(objects, core, watching):
    first_pod(objects)
    assert watching().observe().nodes == {}
    assert core.asked == []
    first_pod(objects, ready=False)
    assert watching().observe().nodes == {"node-a": None}
    assert core.asked == ["metadata.name=node-a"]


def test_a_rollout_whose_node_is_lost_fails_long_before_its_time_is_up(objects, core, watching):
    first_pod(objects, ready=False)
    objects.workload["status"]["availableReplicas"] = 1
    core.problem = "Kubelet stopped posting node status."
    begun = time.monotonic()
    with pytest.raises(OperatorError, match="node node-a, which is lost"):
        watching().until_rolled_out(timeout_seconds=60, later=["next"])
    assert time.monotonic() - begun < 5


def test_a_workload_that_is_stopped_does_not_wait_for_a_lost_node(objects, core, watching):
    first_pod(objects, ending=True)
    core.problem = "Kubelet stopped posting node status."
    with pytest.raises(OperatorError, match=r"has not ended: pod .* cannot end, for its node node-a is lost"):
        watching().until_gone(timeout_seconds=60)


def test_a_pod_is_overdue_by_the_time_it_was_seen_ending(objects, core, watching, monkeypatch):
    """Not by the API server's times, which may be of another clock."""
    pod = first_pod(objects, ending=True)
    core.list_node = lambda **_arguments: (node for node in ()).throw(ApiException(status=403))
    watcher = watching()
    assert watcher.observe().overdue == frozenset()
    monkeypatch.setattr(subject, "GRACE_MARGIN_SECONDS", -1)
    assert watcher.observe().overdue == {pod["metadata"]["uid"]}


def test_that_the_api_server_was_away_is_part_of_the_reason(objects, watching, monkeypatch):
    objects.workload["status"]["availableReplicas"] = 1
    watcher = watching()
    objects.away = ProtocolError("refused")
    time.sleep(0.1)
    monkeypatch.setattr(mirror.Mirror, "away_seconds", lambda _mirror: 42.0)
    with pytest.raises(OperatorError, match="the API server has not answered for 42 s"):
        watcher.until_rolled_out(timeout_seconds=0.1, later=[])


def test_an_api_server_that_comes_back_is_gone_on_with(objects, watching):
    objects.workload["status"]["availableReplicas"] = 1
    watcher = watching()
    objects.away = ProtocolError("refused")
    # Each of its watches has noticed.
    deadline = time.monotonic() + 30
    while len(objects.refused) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    well = copy.deepcopy(objects.workload)
    well["status"]["availableReplicas"] = 2
    objects.items["Deployment"] = [well]
    objects.away = None
    watcher.until_rolled_out(timeout_seconds=5, later=[])


class Gate:
    kind = "test"

    def __init__(self, *answers):
        self.answers, self.pods = list(answers), []

    def check(self, pods):
        self.pods.append(len(pods))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def seen(self):
        return {}


def test_a_gate_is_asked_until_it_is_passed(watching, monkeypatch):
    monkeypatch.setattr(subject, "GATE_SECONDS", 0.01)
    gate = Gate("not yet", "not yet", None)
    watching().until_passed(gate, timeout_seconds=5, later=[])
    assert gate.pods == [2, 2, 2]


def test_a_gate_that_is_not_passed_fails_with_its_reason_and_a_log(objects, watching, monkeypatch):
    monkeypatch.setattr(subject, "GATE_SECONDS", 0.01)
    first_pod(objects)
    with pytest.raises(OperatorError, match="rolled out, but the login was answered with 500") as failure:
        watching().until_passed(Gate("the login was answered with 500"), timeout_seconds=0.1, later=["next"])
    assert any("a line of the log" in line for line in failure.value.evidence)
    assert "next" in failure.value.untouched


def test_what_breaks_while_a_gate_is_asked_fails_at_once(objects, watching):
    pod = first_pod(objects)
    pod["status"]["containerStatuses"][0].update(
        ready=False, state={"waiting": {"reason": "CrashLoopBackOff"}}, restartCount=3
    )
    gate = Gate("not yet")
    with pytest.raises(OperatorError, match="CrashLoopBackOff"):
        watching().until_passed(gate, timeout_seconds=60, later=[])
    assert gate.pods == []
