# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.mirror import Mirror
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.evidence import evidence
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.patience import (
    Patience,
    Trouble,
    container_status,
    insisting,
    pod_troubles,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.placement import wanted_by_affinity
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.redaction import redact

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
    from ansible_collections.hopsworks.airflow.plugins.module_utils._run.progress import Progress

Object = dict[str, Any]

# Meshes would put a proxy into the pod, and an init container before the image is pulled at all.
NO_SIDECARS = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}
CONTAINER = "image"
SILENCE_SECONDS = 10.0
JUDGE_SECONDS = 2.0


def labels_of(deployment: str) -> dict[str, str]:
    """The labels by which a deployment's pods that pull an image are found again, and no other deployment's."""
    return {
        "app.kubernetes.io/managed-by": "hopsworks.airflow",
        "app.kubernetes.io/component": "image-pull",
        "app.kubernetes.io/instance": deployment,
    }


def normalised(image: str) -> str:
    """An image reference with registry, repository and tag or digest, as container runtimes report it.

    `python` is `docker.io/library/python:latest`. A tag beside a digest says nothing and is dropped.
    """
    name, _at, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost"):
        first, rest = "docker.io", name
    if first in ("index.docker.io", "registry-1.docker.io"):
        first = "docker.io"
    repository, colon, tag = rest.rpartition(":")
    if not colon:
        repository, tag = rest, "latest"
    if first == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    return f"{first}/{repository}" + (f"@{digest}" if digest else f":{tag}")


def has_image(node: Object, image: str) -> bool:
    """Whether a node reports the image. Kubelets report their 50 largest only: no is not a proof."""
    wanted = normalised(image)
    names = [name for entry in node["status"].get("images", []) for name in entry.get("names") or []]
    return any(normalised(name) == wanted for name in names)


def tolerated(taint: Object, tolerations: list[Object]) -> bool:
    """Whether a taint keeps no pod away that has these tolerations."""
    if taint["effect"] == "PreferNoSchedule":
        return True
    for toleration in tolerations:
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        exists = toleration.get("operator") == "Exists"
        if exists and not toleration.get("key"):
            return True
        if toleration.get("key") == taint["key"] and (exists or toleration.get("value", "") == taint.get("value", "")):
            return True
    return False


def is_eligible(node: Object, node_selector: dict[str, str], tolerations: list[Object]) -> bool:
    """Whether pods with this node selector and these tolerations may be scheduled onto a node now."""
    labels = node["metadata"].get("labels", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
    spec = node.get("spec", {})
    return (
        ready
        and not spec.get("unschedulable")
        and all(labels.get(key) == value for key, value in node_selector.items())
        and all(tolerated(taint, tolerations) for taint in spec.get("taints", []))
    )


class Puller:
    """Gets an image onto nodes by a pod on each that does nothing (command `true`)."""

    def __init__(
        self,
        cluster: Cluster,
        progress: Progress,
        deployment: str,
        image: str,
        pod_spec: Object,
        metadata: Object | None = None,
        resources: Object | None = None,
    ) -> None:
        self._cluster, self._progress, self._image = cluster, progress, image
        self._pod_spec, self._metadata, self._resources = pod_spec, metadata or {}, resources or {}
        self._objects = Objects(cluster)
        self._labels = labels_of(deployment)
        self._selector = ",".join(f"{key}={value}" for key, value in self._labels.items())

    def nodes(self) -> dict[str, bool]:
        """Names of the nodes that the pods may run on, and whether each reports the image.

        Raises OperatorError where there is none.
        """
        selector, tolerations = self._pod_spec.get("nodeSelector", {}), self._pod_spec.get("tolerations", [])
        found = self._cluster.plain(self._cluster.core.list_node())["items"]
        affinity = self._pod_spec.get("affinity") or {}
        nodes = {
            node["metadata"]["name"]: node
            for node in found
            if is_eligible(node, selector, tolerations) and wanted_by_affinity(node, affinity)
        }
        if not nodes:
            raise OperatorError(
                f"none of {len(found)} nodes may run the pods (node selector {selector or 'empty'})",
                expected="a ready, schedulable node with these labels, and no taint that the pods do not tolerate",
                untouched="everything",
                next_step="kubectl get nodes --show-labels; correct the selector or the nodes",
            )
        return {name: has_image(node, self._image) for name, node in nodes.items()}

    def pull(self, nodes: list[str], *, timeout_seconds: float) -> dict[str, bool]:
        """Have the nodes pull it. Returns for each whether it really had to.

        Raises OperatorError where a registry goes on refusing, with the event. Leaves no pods, whatever happens.
        """
        self.clean_up()
        if not nodes:
            return {}
        try:
            for node in nodes:
                insisting(functools.partial(self._objects.create, self.pod(node, timeout_seconds)))
            return self._wait(set(nodes), timeout_seconds)
        finally:
            self.clean_up()

    def clean_up(self) -> None:
        """Delete the pods of this run and of any earlier one of the deployment that was killed."""
        for pod in self._objects.list("Pod", label_selector=self._selector)["items"]:
            self._objects.delete("Pod", pod["metadata"]["name"], uid=pod["metadata"]["uid"], grace_seconds=0)

    def pod(self, node: str, timeout_seconds: float) -> Object:
        """The pod that has a node pull the image."""
        suffix = hashlib.sha256(f"{node} {self._image} {time.time_ns()}".encode()).hexdigest()[:10]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"image-pull-{suffix}",
                "labels": {**self._metadata.get("labels", {}), **self._labels, "sidecar.istio.io/inject": "false"},
                "annotations": {**self._metadata.get("annotations", {}), **NO_SIDECARS},
            },
            "spec": {
                **self._pod_spec,
                # Past the scheduler: each node in `nodes` is one that it might choose.
                "nodeName": node,
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "activeDeadlineSeconds": max(int(timeout_seconds), 1),
                "containers": [
                    {
                        "name": CONTAINER,
                        "image": self._image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["true"],
                        "resources": self._resources,
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
            },
        }

    def _wait(self, nodes: set[str], timeout_seconds: float) -> dict[str, bool]:
        changed = threading.Event()
        mirror = Mirror(self._objects, "Pod", changed, label_selector=self._selector)
        deadline = time.monotonic() + timeout_seconds
        told = 0.0
        patience = Patience()
        try:
            while True:
                changed.clear()
                pods = [pod for pod in mirror.items() if "deletionTimestamp" not in pod["metadata"]]
                done = {pod["spec"]["nodeName"]: pod for pod in pods if is_pulled(pod)}
                if done.keys() >= nodes:
                    return {node: self._had_to_pull(pod) for node, pod in done.items()}
                missing = sorted(nodes - done.keys())
                pulling = {node: pod for pod in pods if (node := pod["spec"]["nodeName"]) in missing}
                troubles = {trouble: node for node in missing for trouble in pull_troubles(node, pulling.get(node))}
                failed = patience.final(troubles)
                if failed is not None:
                    raise self._failed(troubles[failed], pulling.get(troubles[failed]), failed.text)
                if time.monotonic() >= deadline:
                    first = next((f": {trouble.text}" for trouble in troubles), "")
                    text = f"not there after {timeout_seconds:.0f} s{first}"
                    raise self._failed(missing[0], pulling.get(missing[0]), text)
                if time.monotonic() - told > SILENCE_SECONDS:
                    told = time.monotonic()
                    self._progress(f"pulling {self._image} on {', '.join(missing)}")
                changed.wait(min(JUDGE_SECONDS, max(deadline - time.monotonic(), 0)))
        finally:
            mirror.stop()

    def _had_to_pull(self, pod: Object) -> bool:
        # Of its own container: what is injected beside it has images of its own.
        path = f"spec.containers{{{CONTAINER}}}"
        about = f"involvedObject.name={pod['metadata']['name']},involvedObject.fieldPath={path},reason=Pulled"
        events = self._objects.list("Event", field_selector=about)["items"]
        return not any("already present" in event.get("message", "") for event in events)

    def _failed(self, node: str, pod: Object | None, problem: str) -> OperatorError:
        involved = [pod["metadata"]["name"]] if pod is not None else []
        return OperatorError(
            redact(f"node {node} does not get image {self._image}: {problem}"),
            expected="the image on every node that may run the pods, before anything is stopped",
            untouched="all workloads",
            next_step="correct the image's name or the pull secrets, or make the registry reachable for the node, then "
            "run the same command again",
            evidence=evidence(self._cluster, self._objects, involved),
        )


def is_pulled(pod: Object) -> bool:
    """Whether the pod's node has the image: its own container ran, or failed only after it was pulled.

    Others may be injected beside it: they end before it, or never.
    """
    state = container_status(pod, CONTAINER).get("state", {})
    # An image without `true`, or one that may not run as it is configured, is there all the same.
    configured = state.get("waiting", {}).get("reason") in ("CreateContainerConfigError", "CreateContainerError")
    return configured or bool(state.keys() & {"running", "terminated"})


def pull_troubles(node: str, pod: Object | None) -> list[Trouble]:
    """Why a node has not got the image yet; `pod` is None where there is none that pulls it."""
    if pod is None:
        return [Trouble("gone", "its pod is gone: somebody deleted it, or the node is being drained", node)]
    return pod_troubles(pod)
