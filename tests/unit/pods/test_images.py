# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import itertools
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import images as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import terminal_failure
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.images import (
    AT_ONCE,
    Pull,
    Puller,
    has_image,
    is_pulled,
    labels_of,
    pull_troubles,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.terminal_failure import Patience
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.uses import Use, normalised
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import container, ended, runs, waits

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


def pod(state=None, *beside, init=(), node="a", **status):
    statuses = [*beside] + ([{"name": "image", "state": state}] if state is not None else [])
    return {
        "metadata": {"name": f"pull-{node}", "uid": node},
        "spec": {"nodeName": node},
        "status": {"containerStatuses": statuses, "initContainerStatuses": list(init), **status},
    }


RUNS = runs()
ENDED = ended()


@pytest.mark.parametrize(
    ("observed", "pulled", "problem"),
    [
        (pod(), False, None),
        (pod(waits("ContainerCreating")), False, None),
        (pod(RUNS), True, None),
        (pod(ENDED), True, None),
        # No `true` in the image.
        (pod({"terminated": {"exitCode": 128, "reason": "StartError"}}, phase="Failed"), True, None),
        # CRI-O says it like this.
        (pod(waits("CreateContainerError", "executable file `true` not found")), True, None),
        # The image is there, and can't run as its container's settings say.
        (pod(waits("CreateContainerConfigError", "image will run as root")), False, "image will run as root"),
        (pod(waits("ErrImagePull", "denied")), False, "ErrImagePull: denied"),
        (pod(waits("ImagePullBackOff", "denied")), False, "ImagePullBackOff: denied"),
        (pod(waits("InvalidImageName")), False, "InvalidImageName"),
        (pod(phase="Failed", reason="OutOfpods", message="full"), False, "OutOfpods: full"),
        # What a mesh puts beside it says nothing of the image.
        (pod(waits("ErrImagePull", "denied"), init=[container(ENDED, "istio-init")]), False, "ErrImagePull: denied"),
        (pod(waits("ErrImagePull", "denied"), container(RUNS, "istio-proxy")), False, "ErrImagePull: denied"),
        (pod(waits("PodInitializing"), init=[container(RUNS, "istio-proxy")]), False, None),
        (pod(ENDED, container(RUNS, "istio-proxy")), True, None),
        # But where it does not end, the image is never pulled.
        (
            pod(waits("PodInitializing"), init=[container(waits("ErrImagePull", "no mesh"), "istio-init")]),
            False,
            "container istio-init of pod pull-a is in ErrImagePull: no mesh",
        ),
    ],
)
def test_states_of_a_pulling_pod(observed, pulled, problem):
    assert is_pulled(observed) == pulled
    if not pulled:
        texts = [trouble.text for trouble in pull_troubles("pull-a", observed)]
        assert len(texts) == (problem is not None)
        assert not problem or problem in texts[0]


class Cluster:
    """The pods as a watch would tell of them: the next state each time it is asked, the last one for ever.

    The states are of nodes. The pod of a node that is asked for is the last that was made on it.
    """

    def __init__(self, *states):
        self.states, self.refusals = [*states], []
        self.created, self.deleted, self.at_once = [], [], []

    def items(self):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        made = {entry["spec"]["nodeName"]: entry["metadata"]["name"] for entry in self.created}
        found = []
        for entry in copy.deepcopy(state):
            entry["metadata"]["name"] = made.get(entry["spec"]["nodeName"], "another's")
            found.append(entry)
        return found

    def stop(self):
        pass

    def list(self, _kind, **selectors):
        # The init container's image was there, that of the pod's own container was not.
        own = "involvedObject.fieldPath=spec.containers{image}" in selectors.get("field_selector", "")
        return {
            "items": [] if own else [{"message": "already present on machine"}] if "field_selector" in selectors else []
        }

    def create(self, definition):
        if self.refusals:
            refused = self.refusals.pop(0)
            if refused is not None:
                raise refused
        self.created.append(definition)
        self.at_once.append(len(self.created) - len(self.deleted))

    def delete(self, _kind, name, **_arguments):
        self.deleted.append(name)


@pytest.fixture
def pull(monkeypatch):
    monkeypatch.setattr(subject, "evidence", lambda *_arguments: ())
    monkeypatch.setattr(subject, "JUDGE_SECONDS", 0)
    monkeypatch.setattr(terminal_failure.time, "sleep", lambda _seconds: None)

    def pull(*states, nodes=("a",), seconds=0, refusals=(), timeout=3600, reported=()):
        """As many seconds go by from one look to the next. What came of it, and the cluster."""
        cluster = Cluster(*states)
        cluster.refusals = list(refusals)
        monkeypatch.setattr(subject, "Mirror", lambda *_arguments, **_selectors: cluster)
        monkeypatch.setattr(subject, "Objects", lambda _cluster: cluster)
        clock = itertools.count(0, seconds).__next__
        monkeypatch.setattr(subject, "Patience", lambda: Patience(clock=clock))
        puller = Puller(SimpleNamespace(), lambda _line: None, "demo", "image:1", [WEB])
        puller._reported = dict.fromkeys(nodes, False) | dict.fromkeys(reported, True)
        return puller.pull([Pull(node, WEB) for node in nodes], timeout_seconds=timeout), cluster

    return pull


WEB = Use("container web of Deployment web")


def test_a_registry_that_is_away_for_a_moment_is_waited_for(pull):
    away = [pod(waits("ErrImagePull", "timeout"))]
    done, _cluster = pull(away, [pod(waits("ImagePullBackOff", "timeout"))], away, [pod(ENDED)], seconds=15)
    assert done.pulled == {"a": True}


def test_a_registry_that_goes_on_refusing_is_a_failure(pull):
    with pytest.raises(OperatorError, match=r"node b cannot pull image image:1: .*ErrImagePull: denied"):
        pull([pod(ENDED), pod(waits("ErrImagePull", "denied"), node="b")], nodes=("a", "b"), seconds=15)


@pytest.mark.parametrize("states", [([],), ([pod(waits("ContainerCreating"))], [])])
def test_a_pod_that_is_gone_is_told_in_words(pull, states):
    with pytest.raises(OperatorError, match="node a cannot pull image image:1: its pod is gone"):
        pull(*states, seconds=5)
    with pytest.raises(OperatorError, match="not pulled after 0 s: its pod is gone"):
        pull([], timeout=0)


def test_a_webhook_that_is_away_when_a_pod_is_made_is_asked_again(pull):
    done, cluster = pull([pod(ENDED)], refusals=[ApiException(status=500), ApiException(status=503)])
    assert done.pulled == {"a": True}
    assert len(cluster.created) == 1


FULL = pod(node="full", phase="Failed", reason="OutOfpods", message="Node didn't have enough resource: pods")


def test_a_node_without_room_for_a_pod_is_left_out(pull):
    """Its room comes back when the old pods are gone; then the image is pulled in the outage, and nothing is lost."""
    done, cluster = pull([FULL, pod(ENDED)], nodes=("full", "a"))
    assert done.pulled == {"a": True}
    assert done.left_out == {"full": "OutOfpods: Node didn't have enough resource: pods"}
    assert len(cluster.deleted) == 2


def test_where_no_node_has_the_image_and_none_has_room_nothing_is_known_of_it(pull):
    with pytest.raises(OperatorError, match="node full cannot pull image image:1: OutOfpods"):
        pull([FULL], nodes=("full",))
    done, _cluster = pull([FULL], nodes=("full",), reported=("b",))
    assert done.left_out.keys() == {"full"}


def test_an_image_that_can_not_run_as_its_container_is_told_as_that(pull):
    """`airflow_extra_containers: [{name: sync, image: alpine}]`, where pods must not be root's."""
    why = "container has runAsNonRoot and image will run as root"
    with pytest.raises(
        OperatorError, match=rf"can't run image image:1 with the settings of container web of Deployment web: .*{why}"
    ) as e:
        pull([pod(waits("CreateContainerConfigError", why))], seconds=10)
    assert "runAsUser" in e.value.next_step


def test_a_large_cluster_is_asked_in_parts(pull):
    nodes = [f"n{number}" for number in range(3 * AT_ONCE)]
    done, cluster = pull([pod(ENDED, node=node) for node in nodes], nodes=nodes)
    assert done.pulled.keys() == {*nodes}
    assert max(cluster.at_once) == AT_ONCE
    assert sorted(cluster.deleted) == sorted(entry["metadata"]["name"] for entry in cluster.created)


def test_a_quota_with_room_for_one_pod_is_enough(pull):
    quota = ApiException(status=403)
    quota.body = '{"message": "pods \\"image-pull\\" is forbidden: exceeded quota: team, requested: pods=1"}'
    nodes = ("a", "b", "c")
    done, cluster = pull(
        [pod(ENDED, node=node) for node in nodes], nodes=nodes, refusals=[None, quota, None, quota, None]
    )
    assert done.pulled.keys() == {*nodes}
    assert set(cluster.at_once) == {1}


def test_meshes_are_asked_to_stay_out(pull):
    _done, cluster = pull([pod(ENDED)])
    (definition,) = cluster.created
    assert definition["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert definition["metadata"]["annotations"]["linkerd.io/inject"] == "disabled"


def puller(nodes, *uses, **arguments):
    core = SimpleNamespace(list_node=lambda: {"items": nodes})
    cluster = SimpleNamespace(core=core, plain=lambda answer: answer, namespace="lab")
    return Puller(cluster, lambda _line: None, "demo", "image:1", list(uses) or [WEB], **arguments)


def called(name, *, there=False, **arguments):
    """A node of that name, which may report the image."""
    made = node(images=[["docker.io/library/image:1"]] if there else [], **arguments)
    made["metadata"]["name"] = name
    return made


def test_nodes_that_the_affinity_forbids_need_no_image():
    term = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    nodes = [called(disk, labels={"disk": disk}) for disk in ("ssd", "hdd")]
    assert puller(nodes, Use("web", {"affinity": {"nodeAffinity": required}})).nodes() == {"ssd": False}
    assert puller(nodes).nodes() == {"ssd": False, "hdd": False}


OURS = {"nodeSelector": {"pool": "airflow"}, "tolerations": [{"key": "dedicated", "operator": "Exists"}]}


def test_each_use_has_nodes_of_its_own():
    nodes = [called("general"), called("ours", labels={"pool": "airflow"}, taints=[TAINT])]
    scheduler = Use("scheduler", OURS)
    one = puller(nodes, WEB, scheduler)
    assert one.nodes() == {"general": False, "ours": False}
    assert one.pulls() == [Pull("general", WEB), Pull("ours", scheduler)]
    with pytest.raises(OperatorError, match="none of 1 nodes may run scheduler"):
        puller(nodes[:1], WEB, scheduler).nodes()


def test_a_use_whose_nodes_are_made_on_demand_is_told_and_not_tried():
    """A pool at 0: with no pod there is no node of it."""
    scheduler = Use("scheduler", OURS)
    refused = puller([called("general")], WEB, scheduler)
    with pytest.raises(OperatorError) as caught:
        refused.nodes()
    assert "airflow_nodes_on_demand" in caught.value.next_step
    one = puller([called("general")], WEB, scheduler, nodes_on_demand=True)
    assert one.nodes() == {"general": False}
    assert one.pulls() == [Pull("general", WEB)]
    assert ["scheduler" in text for text in one.untried] == [True]
    none = puller([], nodes_on_demand=True)
    assert (none.nodes(), none.pulls()) == ({}, [])


def test_an_image_that_is_there_is_tried_once_for_each_use():
    """What a first run has pulled and refused is there in the second."""
    strict = Use("sync", {"securityContext": {"runAsNonRoot": True}})
    one = puller([called("a", there=True), called("b", there=True), called("c")], WEB, strict)
    one.nodes()
    assert one.pulls() == [Pull("c", WEB), Pull("a", strict, trial=True)]


@pytest.mark.parametrize(
    ("image", "policy", "asks"),
    [
        ("image:1", "Always", True),
        ("image:1", "IfNotPresent", False),
        ("image:1", None, False),
        ("image", None, True),
        ("image:latest", None, True),
        ("image:latest", "Never", False),
        (f"image@{DIGEST}", None, False),
    ],
)
def test_where_each_start_asks_the_registry_an_image_that_is_there_proves_nothing(image, policy, asks):
    assert Use("web", {}, {"imagePullPolicy": policy} if policy else {}).asks_registry(image) == asks


def test_every_node_asks_the_registry_if_its_pods_do():
    always = Use("web", {}, {"imagePullPolicy": "Always"})
    one = puller([called("a", there=True), called("b", there=True)], always)
    assert one.nodes() == {"a": True, "b": True}
    assert one.pulls() == [Pull("a", always), Pull("b", always)]


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
    container = {"imagePullPolicy": "Always", "securityContext": {"readOnlyRootFilesystem": True}}
    one = puller([], metadata=metadata, resources={"limits": {"memory": "1Mi"}})
    made = one.pod(Pull("n1", Use("web", spec, container)), 60)
    assert made["metadata"]["labels"] == {"policy": "open", **labels_of("demo"), "sidecar.istio.io/inject": "false"}
    assert made["metadata"]["annotations"]["a"] == "b"
    assert made["spec"]["priorityClassName"] == "high"
    assert made["spec"]["tolerations"] == spec["tolerations"]
    (pulling,) = made["spec"]["containers"]
    assert pulling["resources"] == {"limits": {"memory": "1Mi"}}
    assert {key: pulling[key] for key in container} == container
