# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts on rollouts: replayed as a real API server told them (recordings/, made by integration/rollout/record.py),
and one by one on states that are hard to record."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.verdict import (
    Observed,
    assess,
    current_pods,
    is_current,
    patience_after,
)
from ansible_collections.hopsworks.airflow.tests.unit.pods.recorded import recording, verdicts


@pytest.mark.parametrize("name", ["deployment-update", "statefulset-update"])
def test_an_update_is_done_only_when_new_pods_serve_and_old_ones_have_ended(name):
    states = recording(name)
    last = max(state.workload["metadata"]["generation"] for state in states)
    judged = verdicts(states, generation=last)
    assert {verdict.state for verdict in judged} == {"waiting", "done"}
    done = [verdict.state for verdict in judged].index("done")
    assert {verdict.state for verdict in judged[:done]} == {"waiting"}
    assert {verdict.state for verdict in judged[done:]} == {"done"}
    # The last old one has ended, even if it is not removed yet.
    pods = [pod for pod in states[done].pods if pod["status"]["phase"] == "Running"]
    assert len(pods) == 2
    assert all(is_current(states[done], pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods)


def test_without_waiting_for_old_pods_it_is_done_earlier_but_all_new_ones_serve():
    states = recording("deployment-update")
    last = max(state.workload["metadata"]["generation"] for state in states)
    patient = [v.state for v in verdicts(states, generation=last)].index("done")
    early = [v.state for v in verdicts(states, generation=last, wait_for_old=False)].index("done")
    assert early < patient
    assert len(current_pods(states[early])) == 2
    assert any("deletionTimestamp" in pod["metadata"] for pod in states[early].pods)


def test_the_first_generation_counts_as_done_only_while_it_is_the_one_that_counts():
    states = recording("deployment-update")
    judged = verdicts(states)
    first = [v.state for v in judged].index("done")
    assert states[first].workload["metadata"]["generation"] == 1
    assert assess(states[first], generation=2).state == "waiting"


def test_who_only_looks_has_no_patience():
    assert assess(recording("deployment-quota")[-1]).state == "failed"


def test_a_condition_that_outlives_its_cause_is_no_failure_of_a_complete_rollout(healthy):
    (replica_set,) = [r for r in healthy.replica_sets if r["spec"]["replicas"]]
    replica_set["status"]["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]
    assert assess(healthy).state == "done"


def test_a_pod_that_runs_in_spite_of_exits_of_days_ago_has_as_many_again_as_a_new_one(healthy, broken_pod):
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    broken_pod.update(restartCount=10, state={"running": {}}, ready=True, lastState=ended)
    known = patience_after(healthy)
    broken_pod["ready"] = False
    healthy.workload["status"]["availableReplicas"] = 1
    for restarts in (11, 12, 13):
        broken_pod.update(restartCount=restarts, state={"running": {}})
        assert assess(healthy, patience=known).state == "waiting"
    broken_pod.update(restartCount=14, state={"running": {}})
    assert assess(healthy, patience=known).state == "failed"


def test_healthy(healthy):
    assert assess(healthy).state == "done"


def test_deleted():
    assert assess(Observed(None)).state == "failed"


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_pod_on_its_way_is_waited_for(healthy, broken_pod, reason):
    broken_pod["state"] = {"waiting": {"reason": reason}}
    healthy.workload["status"]["availableReplicas"] = 1
    verdict = assess(healthy)
    assert verdict.state == "waiting"
    assert reason in verdict.reason


def test_old_pods_that_fail_do_not_fail_the_rollout(healthy):
    for pod in healthy.pods:
        pod["metadata"]["labels"]["pod-template-hash"] = "old"
        pod["metadata"]["ownerReferences"][0]["name"] = "up-old"
        pod["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    assert assess(healthy).state == "waiting"


def test_pods_of_others_under_the_same_labels_are_not_waited_for(healthy):
    stranger = json.loads(json.dumps(healthy.pods[0]))
    stranger["metadata"].update(
        name="stranger", uid="x", ownerReferences=[{"kind": "ReplicaSet", "name": "z", "uid": "z"}]
    )
    stranger["metadata"]["deletionTimestamp"] = "2026-11-22T03:00:00Z"
    stranger["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    healthy.pods.append(stranger)
    assert assess(healthy).state == "done"


def test_being_killed_for_memory_is_said(healthy, broken_pod):
    broken_pod.update(restartCount=3, state={"waiting": {"reason": "CrashLoopBackOff"}})
    broken_pod["lastState"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    assert "exit code 137, OOMKilled" in assess(healthy).reason


def test_an_unschedulable_pod_is_waited_for_and_said(judge, healthy):
    healthy.workload["status"]["availableReplicas"] = 1
    pod = current_pods(healthy)[0]
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]
    verdict = judge(healthy)
    assert verdict.state == "waiting"
    assert "0/3 nodes are available" in verdict.reason
    # Long enough for an autoscaler to bring a node.
    assert judge(healthy, 179).state == "waiting"
    assert judge(healthy, 1).state == "failed"


LOST = "its condition Ready is Unknown: Kubelet stopped posting node status."


def on_node(pod, *, ready=True, ending=False):
    pod["spec"]["nodeName"] = "node-a"
    if not ready:
        for condition in pod["status"]["conditions"]:
            condition["status"] = "False"
    if ending:
        pod["metadata"]["deletionTimestamp"] = "2026-11-22T03:00:00Z"
    return pod


def test_a_pod_on_a_lost_node_fails_and_the_node_is_named(judge, healthy):
    on_node(current_pods(healthy)[0], ready=False)
    healthy.workload["status"]["availableReplicas"] = 1
    assert judge(healthy).state == "waiting"
    healthy.nodes["node-a"] = LOST
    # A kubelet that starts again says so for a moment.
    assert judge(healthy, 1000).state == "waiting"
    verdict = judge(healthy, 30)
    assert verdict.state == "failed"
    assert "node-a" in verdict.reason
    assert LOST in verdict.reason


def test_a_pod_that_is_ready_is_not_given_up_for_its_node(healthy):
    on_node(current_pods(healthy)[0])
    healthy.nodes["node-a"] = LOST
    assert assess(healthy).state == "done"


def test_an_older_cluster_says_so_in_the_pod(healthy):
    pod = on_node(current_pods(healthy)[0], ready=False)
    pod["status"].update(reason="NodeLost", message="Node node-a which was running pod is unresponsive")
    assert "unresponsive" in assess(healthy).reason


def old_pod(healthy, strategy):
    """One that is ending on node-a, beside the new ones."""
    old = on_node(copy.deepcopy(healthy.pods[0]), ending=True)
    old["metadata"].update(name="up-old-1", uid="old")
    old["metadata"]["labels"]["pod-template-hash"] = "old"
    old["metadata"]["ownerReferences"][0]["name"] = "up-old"
    healthy.pods.append(old)
    healthy.workload["spec"]["strategy"] = {"type": strategy}
    return healthy


@pytest.mark.parametrize(
    ("strategy", "wait_for_old", "state"),
    [
        ("RollingUpdate", True, "failed"),
        ("RollingUpdate", False, "done"),  # the new pods serve
        ("Recreate", False, "failed"),  # there are no new pods before it has ended
    ],
)
def test_an_old_pod_that_cannot_end_for_its_node(healthy, strategy, wait_for_old, state):
    old_pod(healthy, strategy).nodes["node-a"] = LOST
    verdict = assess(healthy, wait_for_old=wait_for_old)
    assert verdict.state == state
    if state == "failed":
        assert "up-old-1 cannot end" in verdict.reason
        assert "node-a" in verdict.reason


@pytest.mark.parametrize(
    ("nodes", "overdue", "state"),
    [
        ({}, frozenset(), "waiting"),
        ({}, frozenset({"old"}), "failed"),  # nobody says what is with the node
        ({"node-a": None}, frozenset({"old"}), "waiting"),  # it is good: something else holds the pod
        ({}, frozenset({"another"}), "waiting"),
    ],
)
def test_a_pod_that_outlives_its_grace_on_a_node_that_nobody_may_read(healthy, nodes, overdue, state):
    old_pod(healthy, "RollingUpdate").nodes.update(nodes)
    healthy.overdue = overdue
    assert assess(healthy).state == state


def test_paused(healthy):
    healthy.workload["spec"]["paused"] = True
    assert "paused" in assess(healthy).reason


@pytest.mark.parametrize(
    ("strategy", "word"), [({"type": "OnDelete"}, "OnDelete"), ({"rollingUpdate": {"partition": 1}}, "partition")]
)
def test_stateful_sets_that_keep_old_pods_fail(strategy, word):
    state = recording("statefulset-update")[-1]
    assert assess(state).state == "done"
    state.workload["spec"]["updateStrategy"] = strategy
    assert word in assess(state).reason


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
@pytest.mark.parametrize("old", [True, False])
def test_finished_pods_are_none_of_the_workload(healthy, phase, old):
    """An evicted pod lies about for hours beside the one that took its place."""
    evicted = copy.deepcopy(healthy.pods[0])
    evicted["metadata"].update(name="evicted", uid="evicted")
    evicted["status"] = {"phase": phase, "reason": "Evicted", "message": "The node was low on memory"}
    if old:
        evicted["metadata"]["labels"]["pod-template-hash"] = "old"
        evicted["metadata"]["ownerReferences"][0]["name"] = "up-old"
    healthy.pods.append(evicted)
    assert assess(healthy).state == "done"
    assert "evicted" not in {pod["metadata"]["name"] for pod in current_pods(healthy)}
    healthy.workload["spec"]["replicas"] = 0
    healthy.workload["status"] = {"observedGeneration": healthy.workload["metadata"]["generation"]}
    healthy.pods = [evicted]
    assert assess(healthy).state == "done"


def test_a_pod_of_the_present_template_that_ends_is_not_waited_for(healthy):
    """An autoscaler takes one away, or a node is drained: the others serve."""
    extra = copy.deepcopy(healthy.pods[0])
    extra["metadata"].update(name="extra", uid="extra", deletionTimestamp="2026-11-22T03:00:00Z")
    healthy.pods.append(extra)
    assert assess(healthy).state == "done"


def test_none_wanted_is_done_without_pods(healthy):
    healthy.workload["spec"]["replicas"] = 0
    healthy.workload["status"] = {"observedGeneration": healthy.workload["metadata"]["generation"]}
    assert assess(healthy).state == "waiting"
    healthy.pods.clear()
    assert assess(healthy).state == "done"
