# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import STOPPED_ANNOTATION
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import scale as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.scale import Scaler
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import Namespace, refusal
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import workload


class Objects:
    """One Deployment behind an API server that compares versions, with somebody else who changes it meanwhile."""

    def __init__(self, replicas, annotations=None):
        self.meanwhile = []
        self.live = {
            "metadata": {
                "name": "web",
                "resourceVersion": "1",
                "generation": 1,
                "annotations": annotations or {},
            },
            "spec": {"replicas": replicas, "template": {"spec": {}}},
        }

    def read(self, kind, _name):
        return copy.deepcopy(self.live) if kind == "Deployment" else None

    def patch(self, _kind, _name, change):
        if self.meanwhile:
            self._write({}, self.meanwhile.pop(0))
        if change["metadata"].get("resourceVersion") not in (None, self.live["metadata"]["resourceVersion"]):
            raise ApiException(status=409)
        self._write(change["metadata"]["annotations"], change["spec"]["replicas"])
        return copy.deepcopy(self.live)

    def _write(self, annotations, replicas):
        metadata = self.live["metadata"]
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
        metadata["generation"] += 1
        metadata["annotations"] = {k: v for k, v in {**metadata["annotations"], **annotations}.items() if v is not None}
        self.live["spec"]["replicas"] = replicas


class Watcher:
    waited = ()
    sick = ()
    ended = ()

    def __init__(self, _cluster, _objects, workload, _progress):
        self.name = workload["metadata"]["name"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        Watcher.ended.append(self.name)

    def try_again(self):
        Watcher.waited.append("again")

    def until_gone(self, **_arguments):
        Watcher.waited.append("gone")

    def until_rolled_out(self, **arguments):
        Watcher.waited.append(arguments["generation"])
        if self.name in Watcher.sick:
            raise OperatorError(f"{self.name} does not become healthy", expected="", untouched="", next_step="")


@pytest.fixture
def scaler(monkeypatch):
    monkeypatch.setattr(subject, "Watcher", Watcher)
    monkeypatch.setattr(Watcher, "waited", [])
    monkeypatch.setattr(Watcher, "ended", [])
    monkeypatch.setattr(Watcher, "sick", set())

    def make(objects):
        monkeypatch.setattr(subject, "Objects", lambda _cluster: objects)
        return Scaler(SimpleNamespace(), lambda _line: None)

    return make


def start(scaler, **options):
    (result,) = scaler.start_all(["web"], timeout_seconds=60, **options)
    return result


def test_what_an_autoscaler_does_meanwhile_is_what_is_remembered(scaler):
    """It makes five of three between the look and the write: five are given back."""
    objects = Objects(3)
    objects.meanwhile = [5]
    (result,) = scaler(objects).stop("web", timeout_seconds=60)
    assert (result.before, result.after) == (5, 0)
    assert objects.live["metadata"]["annotations"] == {STOPPED_ANNOTATION: "5"}
    assert objects.live["spec"]["replicas"] == 0
    assert Watcher.waited == ["gone"]
    assert start(scaler(objects)).after == 5
    assert objects.live["metadata"]["annotations"] == {}


def test_what_somebody_starts_meanwhile_keeps_its_replicas(scaler):
    objects = Objects(0, {STOPPED_ANNOTATION: "3"})
    objects.meanwhile = [7]
    result = start(scaler(objects))
    assert (result.action, result.before, result.after) == ("unchanged", 7, 7)
    assert objects.live["spec"]["replicas"] == 7


def test_what_was_started_by_an_earlier_run_is_tried_again(scaler):
    start(scaler(Objects(2)))
    assert Watcher.waited == ["again", 1]
    Watcher.waited.clear()
    start(scaler(Objects(0, {STOPPED_ANNOTATION: "2"})))
    assert Watcher.waited == [2]
    assert Watcher.ended == ["web"] * 2


@pytest.mark.parametrize("annotations", [{STOPPED_ANNOTATION: "2"}, {}], ids=["stopped by a run", "at 0 before"])
def test_check_mode_changes_nothing_and_waits_for_nothing(scaler, annotations):
    objects = Objects(0, annotations)
    result = start(scaler(objects), check_mode=True)
    assert (result.before, result.after) == (0, len(annotations) * 2)
    running = Objects(3)
    assert scaler(running).stop("web", timeout_seconds=60, check_mode=True)[0].action == "stopped"
    assert (objects.live["spec"]["replicas"], running.live["spec"]["replicas"]) == (0, 3)
    assert Watcher.waited == []


def test_what_was_at_0_before_is_not_waited_for(scaler):
    """Nobody starts its pods: a rollout that is waited for would not end."""
    assert start(scaler(Objects(0))).action == "unchanged"
    assert start(scaler(Objects(0, {STOPPED_ANNOTATION: "0"}))).after == 0
    assert Watcher.waited == []


def test_an_absent_workload_has_no_replicas(scaler):
    objects = Objects(1)
    objects.read = lambda *_arguments: None
    (stopped,) = scaler(objects).stop("web", timeout_seconds=60)
    for result in (stopped, start(scaler(objects))):
        assert (result.action, result.kind, result.before, result.after) == ("absent", None, 0, 0)


def test_a_workload_that_somebody_deletes_meanwhile_is_absent(scaler):
    objects = Objects(1)
    found = [objects.read("Deployment", "web")]
    objects.read = lambda kind, _name: found.pop() if found and kind == "Deployment" else None
    (stopped,) = scaler(objects).stop("web", timeout_seconds=60)
    assert stopped.action == "absent"


def test_a_pod_gets_its_grace_period_to_end(scaler, monkeypatch):
    allowed = []
    monkeypatch.setattr(Watcher, "until_gone", lambda _watcher, *, timeout_seconds: allowed.append(timeout_seconds))
    for grace in (None, 10, 600):
        objects = Objects(1)
        if grace is not None:
            objects.live["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = grace
        scaler(objects).stop("web", timeout_seconds=50)
    assert allowed == [60, 50, 630]  # 30 s are Kubernetes' own, and 30 s more for the kubelet to tell of it


def test_what_is_at_0_already_is_not_written_down_as_stopped(scaler):
    objects = Objects(0)
    (result,) = scaler(objects).stop("web", timeout_seconds=60)
    assert (result.action, result.before) == ("unchanged", 0)
    assert objects.live["metadata"]["annotations"] == {}
    assert Watcher.waited == ["gone"]  # somebody may have stopped it a second ago


def test_a_refused_change_is_an_error(scaler):
    """Only a conflict is tried again: without an error, a workload would count as stopped that runs."""

    def refuse(*_arguments):
        raise ApiException(status=403)

    objects = Objects(2)
    objects.patch = refuse
    with pytest.raises(ApiException):
        scaler(objects).stop("web", timeout_seconds=60)
    assert Watcher.waited == []


def test_all_workloads_of_a_name_are_stopped_and_each_can_be_started_again(scaler):
    namespace = Namespace()
    namespace.made(workload("web", "new", replicas=2))
    namespace.made({**workload("web", "old", replicas=3), "kind": "StatefulSet"})
    stopped = scaler(namespace).stop("web", timeout_seconds=60)
    assert [(result.kind, result.before) for result in stopped] == [("Deployment", 2), ("StatefulSet", 3)]
    assert {live["spec"]["replicas"] for live in namespace.live.values()} == {0}
    scaler(namespace).start("web", kind="StatefulSet")
    assert namespace.live["StatefulSet", "web"]["spec"]["replicas"] == 3
    assert namespace.live["Deployment", "web"]["spec"]["replicas"] == 0


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_stop_that_would_delete_volumes_is_refused(scaler, check_mode):
    """Somebody may have changed it since the plan."""
    definition = {**workload("web", "old", replicas=3), "kind": "StatefulSet"}
    definition["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "logs"}}]
    definition["spec"]["persistentVolumeClaimRetentionPolicy"] = {"whenScaled": "Delete"}
    namespace = Namespace()
    namespace.made(definition)
    with pytest.raises(OperatorError, match="StatefulSet web would be scaled to 0, and its volumes with it"):
        scaler(namespace).stop("web", timeout_seconds=60, check_mode=check_mode)
    assert namespace.live["StatefulSet", "web"]["spec"]["replicas"] == 3


NAMES = ["web", "scheduler", "dag-processor"]


def stopped(*names):
    namespace = Namespace()
    for name in names:
        namespace.made(workload(name, "old", replicas=0))
        namespace.live["Deployment", name]["metadata"]["annotations"] = {STOPPED_ANNOTATION: "1"}
    return namespace


def test_all_have_their_replicas_before_one_is_waited_for(scaler, monkeypatch):
    namespace, seen = stopped(*NAMES), []

    def until_rolled_out(_watcher, **_arguments):
        seen.append([live["spec"]["replicas"] for live in namespace.live.values()])

    monkeypatch.setattr(Watcher, "until_rolled_out", until_rolled_out)
    assert [result.action for result in scaler(namespace).start_all(NAMES, timeout_seconds=60)] == ["started"] * 3
    assert seen == [[1, 1, 1]] * 3


def test_one_that_stays_sick_keeps_no_other_one_stopped_or_unwatched(scaler):
    """The image of the old web server is on no node any more."""
    namespace = stopped(*NAMES)
    Watcher.sick |= {"web", "scheduler"}
    with pytest.raises(OperatorError, match="web does not become healthy; scheduler does not become healthy"):
        scaler(namespace).start_all(NAMES, timeout_seconds=60)
    assert [live["spec"]["replicas"] for live in namespace.live.values()] == [1, 1, 1]
    assert len(Watcher.waited) == 3


def test_one_that_the_api_server_refuses_to_start_keeps_no_other_one_stopped(scaler, monkeypatch):
    namespace = stopped(*NAMES)
    patch = namespace.patch

    def refused(kind, name, change):
        if name == "web":
            raise refusal(403, 'admission webhook "policy" denied the request')
        return patch(kind, name, change)

    monkeypatch.setattr(namespace, "patch", refused)
    with pytest.raises(OperatorError, match=r"web can't be started: .* 403: admission webhook"):
        scaler(namespace).start_all(NAMES, timeout_seconds=60)
    assert [live["spec"]["replicas"] for live in namespace.live.values()] == [0, 1, 1]
