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

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.terminal_failure import (
    GRACE_SECONDS,
    REASONS,
    Patience,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.verdict import (
    Observed,
    assess,
    current_pods,
    event_version,
    exceeded_deadline,
    is_current,
    patience_after,
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


class Clock:
    """Our own time, which goes on when a test says so."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def judge(clock):
    """Judges one state after the other, `after` seconds later than the one before, as one action does."""
    patience = Patience(clock=clock)

    def judge(observed, after=0.0, **arguments):
        clock.seconds += after
        return assess(observed, patience=arguments.pop("patience", patience), **arguments)

    return judge


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


@pytest.mark.parametrize(
    ("name", "words", "seconds"),
    [
        ("image-pull", ["ErrImagePull"], 60),
        ("deadline", ["no progress for 5 s"], 5),
        ("deployment-quota", ["rejected", "exceeded quota: none"], 30),
        ("statefulset-quota", ["rejected", "exceeded quota: none"], 30),
    ],
)
def test_what_cannot_get_healthy_fails_in_words_but_not_at_first_sight(judge, name, words, seconds):
    states = recording(name)
    last = max(state.workload["metadata"]["generation"] for state in states)
    judged = [judge(state, generation=last) for state in states]
    assert {verdict.state for verdict in judged} == {"waiting"}
    # It stays as it is.
    assert judge(states[-1], seconds - 1, generation=last).state == "waiting"
    failed = judge(states[-1], 1, generation=last)
    assert failed.state == "failed"
    assert all(word in failed.reason for word in words)


def test_four_exits_are_a_crash_loop(judge):
    states = recording("crash-loop")
    assert {judge(state).state for state in states} == {"waiting"}
    container = states[-1].pods[0]["status"]["containerStatuses"][0]
    assert (container["restartCount"], container["state"]["waiting"]["reason"]) == (1, "CrashLoopBackOff")
    container["restartCount"] = 2
    assert judge(states[-1], 10).state == "waiting"
    container["restartCount"] = 3
    failed = judge(states[-1], 20)
    assert failed.state == "failed"
    assert "exit code 3" in failed.reason
    # Where its log can be read.
    assert failed.pod.startswith("crash-")
    assert failed.container == "main"


def test_who_only_looks_has_no_patience():
    assert assess(recording("deployment-quota")[-1]).state == "failed"


def test_a_deadline_exceeded_before_does_not_count_again(judge, clock):
    state = next(state for state in recording("deadline") if exceeded_deadline(state.workload))
    assert assess(state, patience=Patience(deadline=exceeded_deadline(state.workload))).state == "waiting"
    # The controller has counted since a rollout that began before this action: it gets its own time.
    assert judge(state).state == "waiting"
    assert judge(state, 5).state == "failed"


def test_when_a_deadline_is_exceeded_the_cause_is_told_too(judge, clock):
    state = next(state for state in recording("deadline") if exceeded_deadline(state.workload))
    container = current_pods(state)[0]["status"]["containerStatuses"][0]
    container.update(ready=False, state={"waiting": {"reason": "ImagePullBackOff", "message": "denied"}})
    verdict = judge(state, 5)
    assert verdict.state == "failed"
    assert "no progress for 5 s; container main" in verdict.reason
    assert "denied" in verdict.reason
    assert verdict.container == "main"


def test_a_refusal_known_before_does_not_count_again(judge, clock):
    states = [state for state in recording("statefulset-quota") if state.events]
    known = Patience(events=frozenset(map(event_version, states[0].events)), clock=clock)
    assert judge(states[0], patience=known).state == "waiting"
    assert judge(states[0], 1000, patience=known).state == "waiting"
    # It goes on: the event is counted up, or there is another one.
    assert judge(states[-1], patience=known).state == "waiting"
    assert judge(states[-1], 30, patience=known).state == "failed"


def test_a_condition_of_a_quota_that_is_gone_passes_when_the_pods_come(judge):
    """kubernetes 98656: the condition stays until the controller tries again."""
    refused, there = recording("deployment-quota")[-1], recording("deployment-update")[-1]
    assert judge(refused).state == "waiting"
    assert judge(refused, 29).state == "waiting"
    assert judge(there, 0.5).state == "done"
    # And what is refused later gets the whole grace again.
    assert judge(refused, 1).state == "waiting"
    assert judge(refused, 29).state == "waiting"
    assert judge(refused, 1).state == "failed"


def test_a_condition_that_outlives_its_cause_is_no_failure_of_a_complete_rollout(healthy):
    (replica_set,) = [r for r in healthy.replica_sets if r["spec"]["replicas"]]
    replica_set["status"]["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]
    assert assess(healthy).state == "done"


def test_a_refused_replica_set_is_a_refusal_too(judge, healthy):
    message = 'failed calling webhook "sets.example.com"'
    condition = {"type": "Progressing", "status": "False", "reason": "ReplicaSetCreateError", "message": message}
    healthy.workload["status"]["conditions"] = [condition]
    assert judge(healthy).state == "waiting"
    assert message in judge(healthy, 30).reason


def test_an_event_that_a_pod_has_answered_is_no_failure(judge):
    """An ordered StatefulSet makes its second pod when the first is ready, long after a webhook was away."""
    states = [state for state in recording("statefulset-quota") if state.events]
    refused = states[-1]
    refused.workload["spec"]["replicas"] = 2
    assert judge(refused).state == "waiting"
    pod = copy.deepcopy(recording("statefulset-update")[-1].pods[0])
    pod["metadata"]["ownerReferences"][0]["uid"] = refused.workload["metadata"]["uid"]
    pod["metadata"]["labels"]["controller-revision-hash"] = refused.workload["status"]["updateRevision"]
    refused.pods.append(pod)
    refused.workload["status"]["replicas"] = 1
    assert judge(refused, 1000).state == "waiting"


def test_exits_of_before_do_not_count_again(judge, clock, healthy, broken_pod):
    """A pod in a back-off, which may last minutes: only that it ends once more is a failure of this action."""
    broken_pod.update(restartCount=6, state={"waiting": {"reason": "CrashLoopBackOff"}})
    broken_pod["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    known = patience_after(healthy)
    assert assess(healthy, patience=known).state == "waiting"
    broken_pod["restartCount"] = 7
    assert assess(healthy, patience=known).state == "failed"


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


def test_a_registry_that_answers_again_is_no_failure(judge, healthy, broken_pod):
    healthy.workload["status"]["availableReplicas"] = 1
    broken_pod["state"] = {"waiting": {"reason": "ErrImagePull", "message": "timeout"}}
    assert judge(healthy).state == "waiting"
    broken_pod["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": "timeout"}}
    verdict = judge(healthy, 59)
    assert verdict.state == "waiting"
    assert "timeout" in verdict.reason
    broken_pod.update(state={"running": {}}, ready=True)
    healthy.workload["status"]["availableReplicas"] = 2
    assert judge(healthy, 1).state == "done"


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


@pytest.mark.parametrize("reason", REASONS)
def test_every_state_that_does_not_end_fails_after_its_grace(judge, healthy, broken_pod, reason):
    broken_pod["state"] = {"waiting": {"reason": reason, "message": "the message"}}
    grace = GRACE_SECONDS[REASONS[reason]]
    if grace:
        assert judge(healthy).state == "waiting"
        assert judge(healthy, grace - 1).state == "waiting"
    verdict = judge(healthy, 1)
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
        (2, {"terminated": {"exitCode": 1}}, False, False),  # the third exit
        (2, {"waiting": {"reason": "CrashLoopBackOff"}}, False, False),  # still the third
        (3, {"running": {}}, False, False),
        (3, {"terminated": {"exitCode": 1}}, False, True),  # the fourth
        (3, {"waiting": {"reason": "CrashLoopBackOff"}}, False, True),
        (4, {"running": {}}, False, True),
        (4, {"running": {}}, True, False),  # it got there in the end
        (4, {"terminated": {"exitCode": 0}}, False, False),  # an init container did
        (5, {"running": {}}, False, True),
    ],
)
def test_exits_are_tolerated_up_to_a_point(healthy, broken_pod, restarts, state, ready, fails):
    broken_pod.update(restartCount=restarts, state=state, ready=ready)
    broken_pod["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    assert (assess(healthy, patience=Patience()).state == "failed") == fails


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
