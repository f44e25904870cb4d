# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What fails for good and what may pass, in rollouts as a real API server told them and with broken pods."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.terminal_failure import (
    GRACE_SECONDS,
    REASONS,
    Patience,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.verdict import (
    assess,
    current_pods,
    event_version,
    exceeded_deadline,
    patience_after,
)
from ansible_collections.hopsworks.airflow.tests.unit.pods.recorded import recording


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
