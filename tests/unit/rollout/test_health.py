# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts on rollouts: replayed as a real API server told them (recordings/, made by integration/rollout/record.py),
and one by one on states that are hard to record."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.health import (
    Observed,
    assess,
    current_pods,
    event_version,
    exceeded_deadline,
    failing_container,
    is_current,
)

RECORDINGS = Path(__file__).parent / "recordings"


def recording(name):
    """The states in their order; each has objects of its own, which a test may change."""
    document = json.loads((RECORDINGS / f"{name}.json").read_text())

    def objects(positions):
        return [copy.deepcopy(document["objects"][position]) for position in positions]

    return [
        Observed(
            workload=next(iter(objects([state["workload"]])), None),
            pods=objects(state["pods"]),
            replica_sets=objects(state["replica_sets"]),
            events=objects(state["events"]),
        )
        for state in document["states"]
    ]


def verdicts(observed, **arguments):
    return [assess(state, **arguments) for state in observed]


@pytest.mark.parametrize("name", ["deployment-update", "statefulset-update"])
def test_an_update_is_done_only_when_new_pods_serve_and_old_ones_have_ended(name):
    states = recording(name)
    last = max(state.workload["metadata"]["generation"] for state in states)
    judged = verdicts(states, generation=last)
    assert {verdict.state for verdict in judged} == {"waiting", "done"}
    done = [verdict.state for verdict in judged].index("done")
    assert {verdict.state for verdict in judged[:done]} == {"waiting"}
    assert {verdict.state for verdict in judged[done:]} == {"done"}
    pods = states[done].pods
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


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("image-pull", ["ErrImagePull"]),
        ("crash-loop", ["exit code 3"]),
        ("deadline", ["no progress for 5 s"]),
        ("deployment-quota", ["refused", "exceeded quota: none"]),
        ("statefulset-quota", ["refused", "exceeded quota: none"]),
    ],
)
def test_what_cannot_get_healthy_fails_in_words(name, words):
    states = recording(name)
    last = max(state.workload["metadata"]["generation"] for state in states)
    judged = verdicts(states, generation=last)
    failed = [verdict for verdict in judged if verdict.state == "failed"]
    assert failed
    assert all(word in failed[0].reason for word in words)
    assert "done" not in {verdict.state for verdict in judged}


def test_the_pod_with_the_log_is_named():
    failed = next(v for v in verdicts(recording("crash-loop")) if v.state == "failed")
    assert failed.pod.startswith("crash-")
    assert failed.container == "main"


def test_a_deadline_exceeded_before_does_not_count_again():
    state = next(state for state in recording("deadline") if exceeded_deadline(state.workload))
    assert assess(state).state == "failed"
    assert assess(state, known_failure=exceeded_deadline(state.workload)).state == "waiting"


def test_a_refusal_known_before_does_not_count_again():
    states = [state for state in recording("statefulset-quota") if state.events]
    known = frozenset(map(event_version, states[0].events))
    assert assess(states[0]).state == "failed"
    assert assess(states[0], known_events=known).state == "waiting"
    # It goes on: the event is counted up, or there is another one.
    assert assess(states[-1], known_events=known).state == "failed"


@pytest.fixture
def healthy():
    """The last state of the update of a Deployment."""
    return recording("deployment-update")[-1]


@pytest.fixture
def broken_pod(healthy):
    pod = current_pods(healthy)[0]
    status = pod["status"]["containerStatuses"][0]
    status["ready"] = False
    return status


def test_healthy(healthy):
    assert assess(healthy).state == "done"


def test_deleted():
    assert assess(Observed(None)).state == "failed"


@pytest.mark.parametrize(
    "reason",
    [
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "RunContainerError",
    ],
)
def test_every_hopeless_state_fails_at_once(healthy, broken_pod, reason):
    broken_pod["state"] = {"waiting": {"reason": reason, "message": "the message"}}
    verdict = assess(healthy)
    assert verdict.state == "failed"
    assert reason in verdict.reason
    assert "the message" in verdict.reason


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


@pytest.mark.parametrize(
    ("restarts", "state", "ready", "fails"),
    [
        (1, {"terminated": {"exitCode": 1}}, False, False),  # the second exit
        (2, {"terminated": {"exitCode": 1}}, False, True),  # the third
        (3, {"running": {}}, False, True),
        (3, {"running": {}}, True, False),  # it got there in the end
        (3, {"terminated": {"exitCode": 0}}, False, False),  # an init container did
        (5, {"running": {}}, False, True),
    ],
)
def test_exits_are_tolerated_up_to_a_point(healthy, broken_pod, restarts, state, ready, fails):
    broken_pod.update(restartCount=restarts, state=state, ready=ready)
    broken_pod["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    assert (failing_container(current_pods(healthy)[0]) is not None) == fails


def test_being_killed_for_memory_is_said(healthy, broken_pod):
    broken_pod.update(restartCount=3, state={"waiting": {"reason": "CrashLoopBackOff"}})
    broken_pod["lastState"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    assert "exit code 137, OOMKilled" in assess(healthy).reason


def test_an_unschedulable_pod_is_waited_for_and_said(healthy):
    healthy.workload["status"]["availableReplicas"] = 1
    pod = current_pods(healthy)[0]
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]
    verdict = assess(healthy)
    assert verdict.state == "waiting"
    assert "0/3 nodes are available" in verdict.reason


LOST = "its condition Ready is Unknown: Kubelet stopped posting node status."


def on_node(pod, *, ready=True, ending=False):
    pod["spec"]["nodeName"] = "node-a"
    if not ready:
        for condition in pod["status"]["conditions"]:
            condition["status"] = "False"
    if ending:
        pod["metadata"]["deletionTimestamp"] = "2026-11-22T03:00:00Z"
    return pod


def test_a_pod_on_a_lost_node_fails_at_once_and_the_node_is_named(healthy):
    on_node(current_pods(healthy)[0], ready=False)
    healthy.workload["status"]["availableReplicas"] = 1
    assert assess(healthy).state == "waiting"
    healthy.nodes["node-a"] = LOST
    verdict = assess(healthy)
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


def test_none_wanted_is_done_without_pods(healthy):
    healthy.workload["spec"]["replicas"] = 0
    healthy.workload["status"] = {"observedGeneration": healthy.workload["metadata"]["generation"]}
    assert assess(healthy).state == "waiting"
    healthy.pods.clear()
    assert assess(healthy).state == "done"
