# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import job as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import terminal_failure
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.job import Job, describe, remove_leftovers
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.terminal_failure import Patience
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import container, ended, runs, waits

SECRET = "CANARY pass word"


def pod(*statuses, name="job-1", phase="Pending", **status):
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": "2026-11-22T03:00:00Z"},
        "status": {"phase": phase, "containerStatuses": list(statuses), **status},
    }


def waiting(reason, message="why", name="main"):
    return container(waits(reason, message), name)


RUNNING = container(runs())
ENDED = container(ended())
BROKEN = container(ended(3, reason="Error"))


def test_who_only_looks_is_told_of_any_trouble():
    assert not describe(None).hopeless
    for reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"):
        state = describe(pod(waiting(reason)))
        assert state.hopeless
        assert f"{reason}: why" in state.text
    assert not describe(pod(waiting("ContainerCreating"))).hopeless
    assert describe(pod(RUNNING)).started
    assert describe(pod(BROKEN)).started
    evicted = describe(pod(phase="Failed", reason="Evicted", message="The node was low on memory"))
    assert evicted.hopeless
    assert "Evicted: The node was low on memory" in evicted.text


def test_what_may_pass_is_waited_for_and_said():
    patience = Patience(clock=itertools.count(0, 10).__next__)
    for expected in (False,) * 6 + (True,):
        state = describe(pod(waiting("ErrImagePull")), patience=patience)
        assert state.hopeless == expected
        assert "ErrImagePull: why" in state.text


def test_an_unscheduled_pod_waits_for_a_node():
    full = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    patience = Patience(clock=itertools.count(0, 179).__next__)
    judged = [describe(pod(conditions=[full]), patience=patience) for _time in range(3)]
    assert [state.hopeless for state in judged] == [False, False, True]
    assert "0/1 nodes are available" in judged[-1].text


def test_only_its_own_container_says_that_it_runs():
    """An injected sidecar runs long before, and may end first."""
    sidecar = container({"running": {}}, "istio-proxy")
    assert not describe(pod(sidecar, waiting("PodInitializing")), container="main").started
    assert describe(pod(sidecar, RUNNING), container="main").started


class Mirror:
    """What a watch would tell: the next state each time it is asked, the last one for ever."""

    states = ()
    events = ()

    def __init__(self, _objects, kind, _changed, **_selectors):
        self._answers = list(self.states if kind == "Pod" else [self.events])

    def items(self):
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return list(found)

    def stop(self):
        pass


class Cluster:
    namespace = "lab"

    def __init__(self, refusals=(), log=b""):
        self.refusals, self.log, self.created, self.deleted = list(refusals), log, 0, []
        self.batch = SimpleNamespace(create_namespaced_job=self.create, delete_namespaced_job=self.delete)
        self.core = SimpleNamespace(read_namespaced_pod_log=self.read_log)

    def create(self, *_arguments):
        self.created += 1
        if self.refusals:
            raise self.refusals.pop(0)

    def delete(self, name, *_arguments, **_options):
        self.deleted.append(name)

    def read_log(self, *_arguments, **_options):
        return SimpleNamespace(stream=lambda **_options: iter([self.log() if callable(self.log) else self.log]))


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(subject, "Mirror", Mirror)
    monkeypatch.setattr(subject, "evidence", lambda *_arguments, **_options: (f"log: {SECRET}",))
    monkeypatch.setattr(terminal_failure.time, "sleep", lambda _seconds: None)
    said = []

    def run(*states, cluster=None, events=(), clock=None, timeout=600, do=Job.run):
        monkeypatch.setattr(Mirror, "states", [[state] if state else [] for state in states])
        monkeypatch.setattr(Mirror, "events", events)
        manifest = {"metadata": {"name": "job"}, "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}}}
        one = Job(cluster or Cluster(), manifest, said.append, (SECRET,))
        if clock is not None:
            one._patience = Patience(clock=clock)
        monkeypatch.setattr(one._changed, "wait", lambda _seconds: None)
        return do(one, timeout), said

    return run


def test_its_log_is_passed_on_without_the_secrets(run):
    cluster = Cluster(log=f"connecting as {SECRET}\ndone\n".encode())
    lines, said = run(pod(ENDED, phase="Succeeded"), cluster=cluster)
    assert [line for line in lines if "done" in line]
    assert len(lines) == 2
    assert "CANARY" not in str((lines, said))
    assert cluster.deleted == ["job"]


def test_its_failure_is_told_without_the_secrets(run):
    with pytest.raises(OperatorError, match="exit code 3") as failure:
        run(pod(BROKEN, phase="Failed"))
    assert failure.value.evidence
    assert "CANARY" not in str(failure.value)


def test_a_registry_that_is_away_for_a_moment_is_no_failure(run):
    away, back = pod(waiting("ErrImagePull")), pod(ENDED, phase="Succeeded")
    run(away, pod(waiting("ImagePullBackOff")), away, back, clock=itertools.count(0, 15).__next__)
    with pytest.raises(OperatorError, match="ErrImagePull: why"):
        run(away, clock=itertools.count(0, 15).__next__)


def test_a_refusal_is_one_when_it_lasts(run):
    event = {"reason": "FailedCreate", "message": "failed calling webhook"}
    run(None, None, pod(ENDED, phase="Succeeded"), events=[event])
    with pytest.raises(OperatorError, match="its pod is rejected: failed calling webhook"):
        run(None, events=[event], clock=itertools.count(0, 15).__next__)


def away():
    return ApiException(status=500, reason="Internal Server Error")


def test_a_webhook_that_is_away_when_it_is_created_is_asked_again(run):
    exists = ApiException(status=409)
    exists.body = '{"reason": "AlreadyExists"}'
    # The last attempt made it, although its answer got lost.
    cluster = Cluster(refusals=[away(), away(), exists])
    run(pod(ENDED, phase="Succeeded"), cluster=cluster)
    assert cluster.created == 3


@pytest.mark.parametrize(
    ("message", "attempts"),
    [
        ('jobs.batch is forbidden: User \\"ci\\" cannot create resource', 1),
        ("pods is forbidden: exceeded quota: pods", 2),
    ],
)
def test_only_a_quota_is_forbidden_for_a_moment(run, message, attempts):
    forbidden = ApiException(status=403)
    forbidden.body = message
    cluster = Cluster(refusals=[forbidden])
    if attempts == 1:
        with pytest.raises(ApiException):
            run(pod(ENDED, phase="Succeeded"), cluster=cluster)
    else:
        run(pod(ENDED, phase="Succeeded"), cluster=cluster)
    assert cluster.created == attempts


def test_a_sidecar_that_ends_first_does_not_end_the_job(run):
    sidecar = container({"terminated": {"exitCode": 1}}, "istio-proxy")
    run(pod(sidecar, RUNNING), pod(sidecar, RUNNING), pod(sidecar, ENDED))


def test_a_pod_that_is_deleted_before_it_ran_is_told_of(run):
    with pytest.raises(OperatorError, match="its pod is gone"):
        run(pod(waiting("ContainerCreating")), None, clock=itertools.count(0, 5).__next__)


OUT_OF_MEMORY = container({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
DELETED = pod(BROKEN, phase="Failed")
DELETED["metadata"]["deletionTimestamp"] = "2026-11-22T03:01:00Z"


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (pod(BROKEN, phase="Failed"), "it ended with exit code 3$"),
        (pod(OUT_OF_MEMORY, phase="Failed"), "it ended with exit code 137, OOMKilled$"),
        (pod(phase="Failed", reason="Evicted"), "it ended with exit code None, Evicted$"),
        (pod(phase="Failed"), "it ended with exit code None, the pod failed$"),
        (DELETED, "its pod was deleted while it ran$"),
        (None, "it ended with exit code None, the pod was deleted or evicted$"),
    ],
    ids=["failed", "out of memory", "evicted", "lost", "deleted", "gone"],
)
def test_each_way_to_end_badly_is_told(run, then, words):
    cluster = Cluster()

    with pytest.raises(OperatorError) as failure:
        run(pod(RUNNING), pod(RUNNING), then, cluster=cluster)

    assert re.search(words, failure.value.found)
    assert cluster.deleted == ["job"]


def test_a_pod_that_is_removed_after_its_success_has_succeeded(run):
    """By whoever cleans up: the exit code is what counts."""
    ended = pod(ENDED, phase="Succeeded")
    ended["metadata"]["deletionTimestamp"] = "2026-11-22T03:01:00Z"
    run(pod(RUNNING), ended)


def test_one_that_takes_longer_than_it_may_is_ended(run):
    cluster = Cluster()

    with pytest.raises(OperatorError, match="it exceeded its `timeout` and is still running"):
        run(pod(RUNNING), cluster=cluster, timeout=0)

    assert cluster.deleted == ["job"]


def test_one_that_does_not_start_in_its_time_is_ended(run):
    with pytest.raises(OperatorError, match="it did not start in time: its container is starting"):
        run(pod(waiting("ContainerCreating")), timeout=0)


def test_a_log_whose_connection_ends_is_read_on_where_it_ended(run):
    cluster = Cluster(log=iter([b"one\n", b"one\ntwo\n", b"one\ntwo\nthree\n"]).__next__)

    lines, _said = run(pod(RUNNING), pod(RUNNING), pod(RUNNING), pod(RUNNING), pod(ENDED), cluster=cluster)

    assert lines == ["one", "two", "three"]


def enter(job, timeout):
    with job.started(timeout) as name:
        return name, list(job._cluster.deleted)


def test_a_pod_that_waits_for_commands_is_there_for_the_block_alone(run):
    cluster = Cluster()

    (name, deleted_inside), _said = run(pod(RUNNING), cluster=cluster, do=enter)

    assert (name, deleted_inside, cluster.deleted) == ("job-1", [], ["job"])


def test_a_pod_that_was_to_wait_for_commands_and_ended_is_told(run):
    with pytest.raises(OperatorError, match=r"its container ended at once \(exit code 3, Error\)"):
        run(pod(BROKEN, phase="Failed"), do=enter)


class Leftovers:
    """Jobs of a killed run, one of which somebody else deletes first, and looks at their pods, one after the other."""

    def __init__(self, *looks):
        self.namespace, self.core, self.batch = "airflow", None, self
        self.deleted, self.looks, self.stopped = [], list(looks), False
        self.refusals = {"gone": 404}

    def list_namespaced_job(self, namespace, label_selector):
        assert (namespace, label_selector) == ("airflow", "run=old")
        return SimpleNamespace(items=[SimpleNamespace(metadata=SimpleNamespace(name=name)) for name in ("a", "gone")])

    def delete_namespaced_job(self, name, namespace, propagation_policy):
        assert (namespace, propagation_policy) == ("airflow", "Background")
        self.deleted.append(name)
        if name in self.refusals:
            raise ApiException(status=self.refusals[name])

    def items(self):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def stop(self):
        self.stopped = True

    def remove(self, monkeypatch, timeout_seconds):
        monkeypatch.setattr(subject, "Objects", lambda _cluster: None)
        monkeypatch.setattr(subject, "Mirror", lambda *_given, **_named: self)
        return remove_leftovers(self, "run=old", timeout_seconds, lambda _line: None)


def test_what_a_killed_run_left_is_deleted_and_its_pods_are_waited_for(monkeypatch):
    leftovers = Leftovers([pod(RUNNING)], [pod(RUNNING)], [pod(ENDED, phase="Succeeded")])

    assert leftovers.remove(monkeypatch, 60) == ["a", "gone"]

    assert leftovers.deleted == ["a", "gone"]
    assert len(leftovers.looks) == 1
    assert leftovers.stopped


def test_a_leftover_whose_pod_does_not_end_is_not_worked_beside(monkeypatch):
    leftovers = Leftovers([pod(RUNNING)])

    with pytest.raises(OperatorError, match="still exist after 0 s: job-1"):
        leftovers.remove(monkeypatch, 0)

    assert leftovers.stopped


@pytest.mark.parametrize("status", [403, 500])
def test_a_leftover_that_cannot_be_deleted_ends_the_action(monkeypatch, status):
    leftovers = Leftovers([])
    leftovers.refusals["a"] = status

    with pytest.raises(ApiException):
        leftovers.remove(monkeypatch, 0)
