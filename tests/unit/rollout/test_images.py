# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.images import (
    LABELS,
    Puller,
    has_image,
    is_eligible,
    is_pulled,
    normalised,
    pull_problem,
    tolerated,
)

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


def pod(state=None, **status):
    statuses = [{"name": "image", "state": state}] if state is not None else []
    return {"status": {"containerStatuses": statuses, **status}}


@pytest.mark.parametrize(
    ("observed", "pulled", "problem"),
    [
        (pod(), False, None),
        (pod({"waiting": {"reason": "ContainerCreating"}}), False, None),
        (pod({"running": {}}), True, None),
        (pod({"terminated": {"exitCode": 0}}), True, None),
        # No `true` in the image.
        (pod({"terminated": {"exitCode": 128, "reason": "StartError"}}, phase="Failed"), True, None),
        (pod({"waiting": {"reason": "CreateContainerConfigError"}}), True, None),
        (pod({"waiting": {"reason": "ErrImagePull", "message": "denied"}}), False, "ErrImagePull: denied"),
        (pod({"waiting": {"reason": "ImagePullBackOff", "message": "denied"}}), False, "ImagePullBackOff: denied"),
        (pod({"waiting": {"reason": "InvalidImageName"}}), False, "InvalidImageName: "),
        (pod(phase="Failed", reason="OutOfpods", message="full"), False, "its pod was refused: OutOfpods: full"),
    ],
)
def test_states_of_a_pulling_pod(observed, pulled, problem):
    assert is_pulled(observed) == pulled
    if not pulled:
        assert pull_problem(observed) == problem


def puller(nodes, spec, **arguments):
    core = SimpleNamespace(list_node=lambda: {"items": nodes})
    cluster = SimpleNamespace(core=core, plain=lambda answer: answer, namespace="lab")
    return Puller(cluster, lambda _line: None, "image:1", spec, **arguments)


def test_nodes_that_the_affinity_forbids_need_no_image():
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    nodes = [
        {**node(labels={"disk": disk}), "metadata": {"name": disk, "labels": {"disk": disk}}} for disk in ("ssd", "hdd")
    ]
    assert puller(nodes, {"affinity": {"nodeAffinity": required}}).nodes() == {"ssd": False}
    assert puller(nodes, {}).nodes() == {"ssd": False, "hdd": False}


def test_the_pod_that_pulls_is_as_the_settings_say():
    metadata = {"labels": {"policy": "open", "app.kubernetes.io/component": "not-this"}, "annotations": {"a": "b"}}
    spec = {"priorityClassName": "high", "tolerations": [{"operator": "Exists"}]}
    made = puller([], spec, metadata=metadata, resources={"limits": {"memory": "1Mi"}}).pod("n1", 60)
    assert made["metadata"]["labels"] == {"policy": "open", **LABELS}
    assert made["metadata"]["annotations"] == {"a": "b"}
    assert made["spec"]["priorityClassName"] == "high"
    assert made["spec"]["tolerations"] == spec["tolerations"]
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"memory": "1Mi"}}
