# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import itertools
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import ProtocolError

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import watch
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import watcher as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.terminal_failure import Patience
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.watcher import Watcher


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
        self.patches, self.deleted = [], []

    def list(self, kind, **arguments):
        if self.away is not None:
            self.refused.add(kind)
            raise self.away
        if arguments.get("watch"):
            return Quiet()
        return {"items": self.items[kind], "metadata": {"resourceVersion": "1"}}

    def patch(self, kind, name, change):
        self.patches.append((kind, name, change))

    def delete(self, kind, name, *, uid):
        if self.away is not None:
            raise self.away
        self.deleted.append((kind, name))
        self.items["Pod"] = [pod for pod in self.items["Pod"] if pod["metadata"]["uid"] != uid]


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
    monkeypatch.setattr(watch, "SHORTEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(watch, "LONGEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(subject, "JUDGE_SECONDS", 0.01)
    # For the news of a deleted pod, which no watch here tells.
    monkeypatch.setattr(subject, "RETRY_SECONDS", 0.05)
    return Objects()


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def watching(objects, core):
    """Makes a watcher of what the server has then."""
    made = []

    def make(patience=None):
        cluster = SimpleNamespace(
            core=core, namespace="lab", plain=lambda found: found, secret_entries=lambda _name: None
        )
        made.append(Watcher(cluster, objects, objects.workload, lambda _line: None, patience))
        return made[-1]

    yield make
    for watcher in made:
        watcher.__exit__(None, None, None)


def impatient():
    """A quarter of an hour goes by each time that the clock is looked at."""
    return Patience(clock=itertools.count(0, 900).__next__)


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
    with pytest.raises(OperatorError, match="node node-a, which is lost"):
        watching(impatient()).until_rolled_out(timeout_seconds=3600, later=["next"])


def stopped(objects):
    objects.workload["spec"]["replicas"] = 0


def test_a_workload_that_is_stopped_does_not_wait_for_a_lost_node(objects, core, watching):
    stopped(objects)
    first_pod(objects, ending=True)
    core.problem = "Kubelet stopped posting node status."
    with pytest.raises(OperatorError, match=r"did not end: pod .* cannot end because its node node-a is lost"):
        watching(impatient()).until_gone(timeout_seconds=3600)


def test_a_workload_is_stopped_although_an_evicted_pod_lies_about(objects, watching):
    stopped(objects)
    for pod in objects.items["Pod"]:
        pod["status"].update(phase="Failed", reason="Evicted")
    watching().until_gone(timeout_seconds=0)


def test_who_starts_it_again_while_it_is_stopped_is_told_of(objects, watching):
    with pytest.raises(OperatorError, match=r"was scaled to 2 again \(by an autoscaler\?\)"):
        watching().until_gone(timeout_seconds=3600)


def refused(objects):
    """A quota is used up: the ReplicaSet has one pod less than it should."""
    replica_set = next(r for r in objects.items["ReplicaSet"] if r["spec"]["replicas"])
    condition = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods"}
    replica_set["status"].update(replicas=1, conditions=[condition])
    objects.workload["status"].update(replicas=1, availableReplicas=1)
    objects.items["Pod"].pop()


def test_a_controller_that_gave_up_before_is_made_to_try_again_at_once(objects, watching):
    """Its own next attempt may be a quarter of an hour away, and its condition stays until then."""
    refused(objects)
    with pytest.raises(OperatorError, match="exceeded quota: pods"):
        watching().until_rolled_out(timeout_seconds=0.1, later=[])
    ((kind, name, change),) = objects.patches
    assert (kind, name) == ("Deployment", "up")
    # A change of the object, and none that makes new pods.
    assert list(change) == ["metadata"]
    assert list(change["metadata"]["annotations"]) == [subject.AGAIN_ANNOTATION]


def test_a_controller_is_made_to_try_again_while_it_is_refused(objects, watching, monkeypatch):
    watcher = watching()
    refused(objects)
    replica_sets, pods = watcher._replica_sets, watcher._pods
    replica_sets._relist(), pods._relist(), watcher._workloads._relist()
    watcher.until(lambda seen: watcher._assess(seen, 0, True), timeout_seconds=0)
    assert objects.patches == []
    monkeypatch.setattr(subject, "AGAIN_SECONDS", 0)
    for number in (1, 2):
        watcher.until(lambda seen: watcher._assess(seen, 0, True), timeout_seconds=0)
        assert len(objects.patches) == number
    assert objects.patches[0] != objects.patches[1]


def test_a_refusal_that_lasts_is_a_failure(objects, watching):
    refused(objects)
    with pytest.raises(OperatorError, match="does not become healthy: its pods are rejected: exceeded quota: pods"):
        watching(impatient()).until_rolled_out(timeout_seconds=3600, later=[])


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff", "CreateContainerConfigError"])
def test_a_pod_in_a_back_off_of_before_is_made_again(objects, watching, reason):
    pod = first_pod(objects, ready=False)
    pod["status"]["containerStatuses"][0].update(ready=False, state={"waiting": {"reason": reason}})
    assert watching().try_again()
    assert objects.deleted == [("Pod", pod["metadata"]["name"])]


def test_a_pod_that_starts_is_left_alone(objects, watching):
    pod = first_pod(objects, ready=False)
    pod["status"]["containerStatuses"][0].update(ready=False, state={"waiting": {"reason": "ContainerCreating"}})
    assert not watching().try_again()
    assert objects.deleted == []


def test_without_the_right_to_delete_pods_a_back_off_is_waited_for(objects, watching):
    pod = first_pod(objects, ready=False)
    status = pod["status"]["containerStatuses"][0]
    status.update(ready=False, restartCount=6, state={"waiting": {"reason": "CrashLoopBackOff"}})
    status["lastState"] = {"terminated": {"exitCode": 1}}
    watcher = watching()
    objects.away = ApiException(status=403)
    assert not watcher.try_again()
    assert watcher.until(lambda seen: watcher._assess(seen, 0, True), timeout_seconds=0).state == "waiting"


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
    monkeypatch.setattr(watch.Mirror, "away_seconds", lambda _mirror: 42.0)
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
    pod["status"]["containerStatuses"][0].update(ready=False, state={"waiting": {"reason": "InvalidImageName"}})
    gate = Gate("not yet")
    with pytest.raises(OperatorError, match="InvalidImageName"):
        watching().until_passed(gate, timeout_seconds=60, later=[])
    assert gate.pods == []
