# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import images as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import patience
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.images import (
    Puller,
    has_image,
    is_eligible,
    is_pulled,
    labels_of,
    normalised,
    pull_troubles,
    tolerated,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.patience import Patience
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.12", "docker.io/library/python:3.12"),
        ("apache/airflow:3.0.6", "docker.io/apache/airflow:3.0.6"),
        ("docker.io/python", "docker.io/library/python:latest"),
        ("index.docker.io/apache/airflow:3.0.6", "docker.io/apache/airflow:3.0.6"),
        ("registry.example.com/airflow:1", "registry.example.com/airflow:1"),
        ("registry.example.com:5000/a/b", "registry.example.com:5000/a/b:latest"),
        ("localhost/airflow:1", "localhost/airflow:1"),
        ("localhost:5000/airflow", "localhost:5000/airflow:latest"),
        (f"apache/airflow@{DIGEST}", f"docker.io/apache/airflow@{DIGEST}"),
        (f"apache/airflow:3.0.6@{DIGEST}", f"docker.io/apache/airflow@{DIGEST}"),
    ],
)
def test_references_as_runtimes_report_them(image, full):
    assert normalised(image) == full
    assert normalised(full) == full


def node(*, images=(), ready="True", labels=None, **spec):
    return {
        "metadata": {"name": "n", "labels": labels or {}},
        "spec": spec,
        "status": {
            "images": [{"names": names} for names in images],
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
        },
    }


def test_an_image_is_found_under_each_of_its_names():
    reported = node(images=[[f"docker.io/apache/airflow@{DIGEST}", "docker.io/apache/airflow:3.0.6"], None])
    assert has_image(reported, "apache/airflow:3.0.6")
    assert has_image(reported, f"apache/airflow:other@{DIGEST}")
    assert not has_image(reported, "apache/airflow:3.0.7")
    assert not has_image(reported, "airflow:3.0.6")
    assert not has_image(node(), "apache/airflow:3.0.6")


TAINT = {"key": "dedicated", "value": "airflow", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "good"),
    [
        ({}, False),
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "value": "airflow"}, True),
        ({"key": "dedicated", "operator": "Equal", "value": "airflow", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "value": "other"}, False),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration, good):
    assert tolerated(TAINT, [toleration]) == good
    assert tolerated({**TAINT, "effect": "PreferNoSchedule"}, [])


@pytest.mark.parametrize(
    ("candidate", "good"),
    [
        (node(labels={"disk": "ssd"}), True),
        (node(labels={"disk": "hdd"}), False),
        (node(), False),
        (node(labels={"disk": "ssd"}, ready="Unknown"), False),
        (node(labels={"disk": "ssd"}, unschedulable=True), False),
        (node(labels={"disk": "ssd"}, taints=[TAINT]), False),
    ],
)
def test_only_nodes_that_may_run_the_pods_count(candidate, good):
    assert is_eligible(candidate, {"disk": "ssd"}, []) == good


def pod(state=None, *beside, init=(), node="a", **status):
    statuses = [*beside] + ([{"name": "image", "state": state}] if state is not None else [])
    return {
        "metadata": {"name": f"pull-{node}", "uid": node},
        "spec": {"nodeName": node},
        "status": {"containerStatuses": statuses, "initContainerStatuses": list(init), **status},
    }


def named(name, state):
    return {"name": name, "state": state}


def waits(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


RUNS: dict[str, object] = {"running": {}}
ENDED = {"terminated": {"exitCode": 0}}


@pytest.mark.parametrize(
    ("observed", "pulled", "problem"),
    [
        (pod(), False, None),
        (pod(waits("ContainerCreating")), False, None),
        (pod(RUNS), True, None),
        (pod(ENDED), True, None),
        # No `true` in the image.
        (pod({"terminated": {"exitCode": 128, "reason": "StartError"}}, phase="Failed"), True, None),
        (pod(waits("CreateContainerConfigError")), True, None),
        (pod(waits("ErrImagePull", "denied")), False, "ErrImagePull: denied"),
        (pod(waits("ImagePullBackOff", "denied")), False, "ImagePullBackOff: denied"),
        (pod(waits("InvalidImageName")), False, "InvalidImageName"),
        (pod(phase="Failed", reason="OutOfpods", message="full"), False, "OutOfpods: full"),
        # What a mesh puts beside it says nothing of the image.
        (pod(waits("ErrImagePull", "denied"), init=[named("istio-init", ENDED)]), False, "ErrImagePull: denied"),
        (pod(waits("ErrImagePull", "denied"), named("istio-proxy", RUNS)), False, "ErrImagePull: denied"),
        (pod(waits("PodInitializing"), init=[named("istio-proxy", RUNS)]), False, None),
        (pod(ENDED, named("istio-proxy", RUNS)), True, None),
        # But where it does not end, the image is never pulled.
        (
            pod(waits("PodInitializing"), init=[named("istio-init", waits("ErrImagePull", "no mesh"))]),
            False,
            "container istio-init of pod pull-a is in ErrImagePull: no mesh",
        ),
    ],
)
def test_states_of_a_pulling_pod(observed, pulled, problem):
    assert is_pulled(observed) == pulled
    if not pulled:
        texts = [trouble.text for trouble in pull_troubles("a", observed)]
        assert len(texts) == (problem is not None)
        assert not problem or problem in texts[0]


class Mirror:
    """The pods as a watch would tell of them: the next state each time it is asked, the last one for ever."""

    states = ()

    def __init__(self, *_arguments, **_selectors):
        self._answers = list(self.states)

    def items(self):
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def stop(self):
        pass


class Objects:
    def __init__(self, _cluster):
        self.created, self.refusals = [], []

    def list(self, _kind, **selectors):
        # The init container's image was there, that of the pod's own container was not.
        own = "involvedObject.fieldPath=spec.containers{image}" in selectors.get("field_selector", "")
        return {
            "items": [] if own else [{"message": "already present on machine"}] if "field_selector" in selectors else []
        }

    def create(self, definition):
        if self.refusals:
            raise self.refusals.pop(0)
        self.created.append(definition)


@pytest.fixture
def pull(monkeypatch):
    monkeypatch.setattr(subject, "Mirror", Mirror)
    monkeypatch.setattr(subject, "Objects", Objects)
    monkeypatch.setattr(subject, "evidence", lambda *_arguments: ())
    monkeypatch.setattr(subject, "JUDGE_SECONDS", 0)
    monkeypatch.setattr(patience.time, "sleep", lambda _seconds: None)

    def pull(*states, nodes=("a",), seconds=0, refusals=(), timeout=3600):
        """As many seconds go by from one look to the next."""
        monkeypatch.setattr(Mirror, "states", states)
        clock = itertools.count(0, seconds).__next__
        monkeypatch.setattr(subject, "Patience", lambda: Patience(clock=clock))
        puller = Puller(SimpleNamespace(), lambda _line: None, "demo", "image:1", {})
        puller._objects.refusals = list(refusals)
        return puller.pull(list(nodes), timeout_seconds=timeout), puller._objects.created

    return pull


def test_a_registry_that_is_away_for_a_moment_is_waited_for(pull):
    away = [pod(waits("ErrImagePull", "timeout"))]
    done, _created = pull(away, [pod(waits("ImagePullBackOff", "timeout"))], away, [pod(ENDED)], seconds=15)
    assert done == {"a": True}


def test_a_registry_that_goes_on_refusing_is_a_failure(pull):
    with pytest.raises(OperatorError, match=r"node b does not get image image:1: .*ErrImagePull: denied"):
        pull([pod(ENDED), pod(waits("ErrImagePull", "denied"), node="b")], nodes=("a", "b"), seconds=15)


@pytest.mark.parametrize("states", [([],), ([pod(waits("ContainerCreating"))], [])])
def test_a_pod_that_is_gone_is_told_in_words(pull, states):
    with pytest.raises(OperatorError, match="node a does not get image image:1: its pod is gone"):
        pull(*states, seconds=5)
    with pytest.raises(OperatorError, match="not there after 0 s: its pod is gone"):
        pull([], timeout=0)


def test_a_webhook_that_is_away_when_a_pod_is_made_is_asked_again(pull):
    done, created = pull([pod(ENDED)], refusals=[ApiException(status=500), ApiException(status=503)])
    assert done == {"a": True}
    assert len(created) == 1


def test_meshes_are_asked_to_stay_out(pull):
    _done, (definition,) = pull([pod(ENDED)])
    assert definition["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert definition["metadata"]["annotations"]["linkerd.io/inject"] == "disabled"


def puller(nodes, spec, **arguments):
    core = SimpleNamespace(list_node=lambda: {"items": nodes})
    cluster = SimpleNamespace(core=core, plain=lambda answer: answer, namespace="lab")
    return Puller(cluster, lambda _line: None, "demo", "image:1", spec, **arguments)


def test_nodes_that_the_affinity_forbids_need_no_image():
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    nodes = [
        {**node(labels={"disk": disk}), "metadata": {"name": disk, "labels": {"disk": disk}}} for disk in ("ssd", "hdd")
    ]
    assert puller(nodes, {"affinity": {"nodeAffinity": required}}).nodes() == {"ssd": False}
    assert puller(nodes, {}).nodes() == {"ssd": False, "hdd": False}


def test_the_pod_that_pulls_is_as_the_settings_say():
    metadata = {
        "labels": {
            "policy": "open",
            "app.kubernetes.io/component": "not-this",
            "app.kubernetes.io/instance": "nor-this",
        },
        "annotations": {"a": "b"},
    }
    spec = {"priorityClassName": "high", "tolerations": [{"operator": "Exists"}]}
    made = puller([], spec, metadata=metadata, resources={"limits": {"memory": "1Mi"}}).pod("n1", 60)
    assert made["metadata"]["labels"] == {"policy": "open", **labels_of("demo"), "sidecar.istio.io/inject": "false"}
    assert made["metadata"]["annotations"]["a"] == "b"
    assert made["spec"]["priorityClassName"] == "high"
    assert made["spec"]["tolerations"] == spec["tolerations"]
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"memory": "1Mi"}}
