# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What passes by itself and what doesn't, on real controllers, admission and a real kubelet."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest
from kubernetes import client

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.images import Outcome, Puller
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.uses import Use
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.restart import Restarter, Terms
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.scale import Scaler

from .conftest import IMAGE, workload


@pytest.fixture
def made(cluster, said):
    """Makes a workload and waits until it is healthy."""

    def make(name, **options):
        applier = Applier(cluster, said)
        applier.roll_out(applier.plan([workload(name, **options)]), timeout_seconds=90)

    return make


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def restart(cluster, said, name, run):
    restarter = Restarter(cluster, said, run, Terms(timeout_seconds=120))
    return restarter.restart_all(restarter.plan([name]))


def refusals(cluster, name):
    """What the ReplicaSets of a Deployment say of pods that they could not make."""
    found = cluster.apps.list_namespaced_replica_set(cluster.namespace, label_selector=f"app={name}").items
    return [c.message for rs in found for c in rs.status.conditions or [] if c.type == "ReplicaFailure"]


@pytest.fixture
def quota(cluster):
    """As many pods are allowed as there are; the call takes the quota away."""
    core, name = cluster.core, "as-many-as-there-are"

    def delete():
        core.delete_namespaced_resource_quota(name, cluster.namespace)

    def make():
        pods = str(len(core.list_namespaced_pod(cluster.namespace).items))
        core.create_namespaced_resource_quota(
            cluster.namespace, {"metadata": {"name": name}, "spec": {"hard": {"pods": pods}}}
        )
        until(lambda: (core.read_namespaced_resource_quota(name, cluster.namespace).status.used or {}).get("pods"))
        return delete

    yield make
    if cluster.find(core.read_namespaced_resource_quota, name) is not None:
        delete()


def test_a_quota_that_is_gone_no_longer_refuses(cluster, made, quota, said):
    """kubernetes 98656: the condition stays while the controller backs off, for up to a quarter of an hour."""
    made("poor")
    take_away = quota()
    with pytest.raises(OperatorError, match="exceeded quota: as-many-as-there-are"):
        restart(cluster, said, "poor", "one")
    # What it tries by itself in between is over: the next attempt is minutes away.
    time.sleep(20)
    take_away()
    time.sleep(5)
    assert refusals(cluster, "poor"), "the condition has gone by itself: this test proves nothing"
    begun = time.monotonic()
    assert "poor" in restart(cluster, said, "poor", "one")
    assert time.monotonic() - begun < 30
    assert not refusals(cluster, "poor")


def test_a_failed_pod_that_lingers_is_not_waited_for(cluster, made, said):
    """As one that was evicted: its ReplicaSet keeps it, and makes another."""
    core, name = cluster.core, "lingers"
    made(name)
    container = {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["false"]}
    failed = {"metadata": {"name": "failed"}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    core.create_namespaced_pod(cluster.namespace, failed)
    until(lambda: core.read_namespaced_pod("failed", cluster.namespace).status.phase == "Failed")
    # Only now, or the ReplicaSet would have one too many.
    (pod,) = core.list_namespaced_pod(cluster.namespace, label_selector=f"app={name}").items
    owner = cluster.plain(pod.metadata.owner_references[0])
    owned = {"metadata": {"labels": pod.metadata.labels, "ownerReferences": [owner]}}
    core.patch_namespaced_pod("failed", cluster.namespace, owned)

    assert name in restart(cluster, said, name, "one")
    assert [result.action for result in Scaler(cluster, said).stop(name, timeout_seconds=60)] == ["stopped"]
    assert core.read_namespaced_pod("failed", cluster.namespace).status.phase == "Failed"


FAILS_AS_TOLD = ("sh", "-c", '[ "$FAILS" = no ] || exit 1; exec sleep infinity')


def test_a_pod_that_waits_minutes_for_its_next_attempt_is_made_again(cluster, made, said):
    """The cause is gone, and the kubelet's back-off is not: up to five minutes."""
    core, name = cluster.core, "told"
    told = {"metadata": {"name": name}, "data": {"fails": "no"}}
    core.create_namespaced_config_map(cluster.namespace, told)
    source = {"configMapKeyRef": {"name": name, "key": "fails"}}
    made(name, command=FAILS_AS_TOLD, env=[{"name": "FAILS", "valueFrom": source}])
    core.patch_namespaced_config_map(name, cluster.namespace, {"data": {"fails": "yes"}})
    with pytest.raises(OperatorError, match=r"exited 4 times \(exit code 1\)"):
        restart(cluster, said, name, "one")

    def new_pod():
        pods = core.list_namespaced_pod(cluster.namespace, label_selector=f"app={name}").items
        return max(pods, key=lambda pod: pod.metadata.creation_timestamp)

    def waits():
        (status,) = new_pod().status.container_statuses
        return status.state.waiting and status.state.waiting.reason == "CrashLoopBackOff"

    until(waits)
    waiting = new_pod()
    core.patch_namespaced_config_map(name, cluster.namespace, {"data": {"fails": "no"}})
    assert name in restart(cluster, said, name, "one")
    assert new_pod().metadata.uid != waiting.metadata.uid


@pytest.fixture
def late_image():
    """An image that the node doesn't have, in no registry; the call brings it to the node."""
    node = ("docker", "exec", "airflow-control-plane", "ctr", "--namespace=k8s.io", "images")
    late = "docker.io/bed/late:1"

    def remove():
        subprocess.run([*node, "remove", "--sync", late], capture_output=True, check=False)

    remove()
    yield lambda: subprocess.run([*node, "tag", f"docker.io/{IMAGE}", late], capture_output=True, check=True)
    remove()


def come_at_the_first_failure(cluster, selector, bring, seen):
    """In a thread: when the kubelet says that it could not pull the image of such a pod."""

    def failures():
        pods = cluster.core.list_namespaced_pod(cluster.namespace, label_selector=selector).items
        states = [status.state for pod in pods for status in pod.status.container_statuses or []]
        return [state.waiting.reason for state in states if state.waiting and "Image" in state.waiting.reason]

    def watch():
        until(lambda: seen.extend(failures()) or seen)
        bring()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_an_image_that_comes_after_the_first_attempt_is_no_failure(cluster, late_image, said):
    seen = []
    thread = come_at_the_first_failure(cluster, "app=late", late_image, seen)
    applier = Applier(cluster, said)
    applier.roll_out(applier.plan([workload("late", image="bed/late:1")]), timeout_seconds=90)
    thread.join()
    assert seen[0] in ("ErrImagePull", "ImagePullBackOff")
    assert cluster.apps.read_namespaced_deployment("late", cluster.namespace).status.ready_replicas == 1


def test_a_pull_goes_on_after_the_first_attempt(cluster, late_image, said):
    seen = []
    thread = come_at_the_first_failure(cluster, "app.kubernetes.io/managed-by=hopsworks.airflow", late_image, seen)
    puller = Puller(cluster, said, "lab", "bed/late:1", [Use("main", {})])
    puller.nodes()
    pulls = puller.pulls()
    puller.pull(pulls, timeout_seconds=90)
    thread.join()
    assert seen[0] in ("ErrImagePull", "ImagePullBackOff")


@pytest.fixture
def webhook(cluster):
    """Pods of this namespace are admitted by a webhook that nobody answers; the call takes it away."""
    api = client.AdmissionregistrationV1Api(cluster.api)
    name = f"{cluster.namespace}-away"
    service = {"namespace": cluster.namespace, "name": "away", "path": "/"}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    hook = {
        "name": "away.example.com",
        "clientConfig": {"service": service},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": cluster.namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }

    def make():
        api.create_validating_webhook_configuration({"metadata": {"name": name}, "webhooks": [hook]})
        until(lambda: _refuses_pods(cluster))

    def delete():
        api.delete_validating_webhook_configuration(name)

    yield make, delete
    if cluster.find(lambda name, _namespace: api.read_validating_webhook_configuration(name), name) is not None:
        delete()


def _refuses_pods(cluster):
    probe = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "probe", "image": IMAGE}]}}
    try:
        cluster.core.create_namespaced_pod(cluster.namespace, probe, dry_run="All")
    except client.ApiException as error:
        return "failed calling webhook" in error.body
    return False


def test_a_webhook_that_is_away_for_a_moment_is_no_failure(cluster, made, webhook, said):
    made("admitted")
    begin, end = webhook
    begin()
    seen = []

    def come_back():
        until(lambda: refusals(cluster, "admitted"))
        seen.extend(refusals(cluster, "admitted"))
        time.sleep(3)
        end()

    thread = threading.Thread(target=come_back)
    thread.start()
    assert "admitted" in restart(cluster, said, "admitted", "one")
    thread.join()
    assert "failed calling webhook" in seen[0]


def test_a_webhook_that_stays_away_is_a_failure(cluster, made, webhook, said):
    made("never-admitted")
    webhook[0]()
    with pytest.raises(OperatorError, match="failed calling webhook"):
        restart(cluster, said, "never-admitted", "one")


def test_an_image_is_pulled_when_its_own_container_says_so(cluster, said):
    """An init container of a mesh ends before the image is pulled at all."""
    init = {"name": "istio-init", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["true"]}
    puller = Puller(cluster, said, "lab", "bed/no-such-image:1", [Use("main", {"initContainers": [init]})])
    puller.nodes()
    with pytest.raises(OperatorError, match=r"no-such-image:1: container image .* (ErrImagePull|ImagePullBackOff)"):
        puller.pull(puller.pulls(), timeout_seconds=300)


def test_a_sidecar_that_never_ends_does_not_hold_a_pull_up(cluster, said):
    proxy = {
        "name": "istio-proxy",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "restartPolicy": "Always",
    }
    puller = Puller(cluster, said, "lab", IMAGE, [Use("main", {"initContainers": [proxy]})])
    puller.nodes()
    pulls = puller.pulls()
    assert puller.pull(pulls, timeout_seconds=60) == Outcome(dict.fromkeys([pull.node for pull in pulls], False))
