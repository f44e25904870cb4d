# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.redaction import redact
from .._kubernetes.objects import Objects
from .._kubernetes.unreachable import message_of
from .._kubernetes.watch import Mirror
from .evidence import evidence
from .placement import ON_DEMAND
from .quota import EXCEEDED
from .terminal_failure import Patience, Trouble, container_status, insisting, pod_troubles
from .uses import Use, normalised

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]

# Meshes would inject a proxy, and an init container that runs before the image is pulled.
NO_SIDECARS = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}
CONTAINER = "image"
# A waiting reason: the image exists, but its container cannot be created with its settings.
NOT_AS_CONFIGURED = "CreateContainerConfigError"
# Limit of pulling pods: a registry and a quota may not cope with one per node in a large cluster.
AT_ONCE = 20
SILENCE_SECONDS = 10.0
JUDGE_SECONDS = 2.0


def labels_of(deployment: str) -> dict[str, str]:
    """The labels that identify the pulling pods of one deployment."""
    return {
        "app.kubernetes.io/managed-by": "hopsworks.airflow",
        "app.kubernetes.io/component": "image-pull",
        "app.kubernetes.io/instance": deployment,
    }


def has_image(node: Object, image: str) -> bool:
    """Whether a node reports the image. Kubelets only report their 50 largest, so False does not prove that it is
    missing."""
    wanted = normalised(image)
    names = [name for entry in node["status"].get("images", []) for name in entry.get("names") or []]
    return any(normalised(name) == wanted for name in names)


@dataclass(frozen=True)
class Pull:
    """A pod to create: the node, and the use of the image that it represents.

    A `trial` runs on a node that has the image, to check whether it can run with these settings.
    """

    node: str
    use: Use
    trial: bool = False


@dataclass
class Outcome:
    """For each node, whether it had to pull the image, and why some were skipped."""

    pulled: dict[str, bool] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class Puller:
    """Pulls an image to nodes by a pod on each that does nothing (command `true`), with the settings of each of its
    uses."""

    def __init__(
        self,
        cluster: Cluster,
        progress: Progress,
        deployment: str,
        image: str,
        uses: list[Use],
        metadata: Object | None = None,
        resources: Object | None = None,
        *,
        nodes_on_demand: bool = False,
    ) -> None:
        self._cluster, self._progress, self._image, self._uses = cluster, progress, image, uses
        self._metadata, self._resources = metadata or {}, resources or {}
        self._objects = Objects(cluster)
        self._labels = labels_of(deployment)
        self._selector = ",".join(f"{key}={value}" for key, value in self._labels.items())
        self._reported: dict[str, bool] = {}
        self._of_uses: list[list[str]] = []
        self._on_demand = nodes_on_demand
        self.untried: list[str] = []

    def nodes(self) -> dict[str, bool]:
        """Names of the nodes that pods of any use may run on, and whether each reports the image.

        Raises OperatorError if there is no node for a use; with `nodes_on_demand`, `untried` records that instead.
        """
        found = self._cluster.plain(self._cluster.core.list_node())["items"]
        self._of_uses, self.untried = [use.nodes(found) for use in self._uses], []
        for use, names in zip(self._uses, self._of_uses, strict=True):
            selector = use.pod_spec.get("nodeSelector") or "empty"
            problem = f"none of {len(found)} nodes may run {use.name} (node selector {selector})"
            if not names and not self._on_demand:
                raise OperatorError(
                    problem,
                    expected="a ready, schedulable node with these labels, and no taint that the pods do not tolerate",
                    untouched="everything",
                    next_step=f"kubectl get nodes --show-labels; correct the selector or the nodes; {ON_DEMAND}",
                )
            if not names:
                self.untried.append(
                    f"{problem}; whether a new node for it can pull {self._image} is only known during the outage"
                )
        wanted = {name for names in self._of_uses for name in names}
        nodes = {node["metadata"]["name"]: node for node in found if node["metadata"]["name"] in wanted}
        self._reported = {name: has_image(node, self._image) for name, node in nodes.items()}
        return dict(self._reported)

    def pulls(self) -> list[Pull]:
        """The pods that check, given `nodes`, whether the image is available for all uses.

        One on each node that does not report it, and on each whose pods ask the registry at every start. At least one
        for each use, because an image that exists may still not run with the container's settings.
        """
        missing = {name for name, reported in self._reported.items() if not reported}
        pulls = []
        for use, names in zip(self._uses, self._of_uses, strict=True):
            due = [name for name in names if use.asks_registry(self._image) or name in missing]
            missing -= {*due}
            pulls += [Pull(name, use) for name in due] or [Pull(name, use, trial=True) for name in names[:1]]
        return pulls

    def pull(self, pulls: list[Pull], *, timeout_seconds: float) -> Outcome:
        """Make the nodes pull it.

        Raises OperatorError with the event if the registry keeps rejecting, or if an image cannot run with its
        container's settings. Leaves no pods, whatever happens.
        """
        self.clean_up()
        outcome = Outcome()
        if not pulls:
            return outcome
        try:
            self._work(pulls, outcome, timeout_seconds)
        finally:
            self.clean_up()
        if outcome.left_out and not outcome.pulled and not any(self._reported.values()):
            node, reason = next(iter(outcome.left_out.items()))
            raise self._failed(Pull(node, pulls[0].use), None, reason)
        return outcome

    def clean_up(self) -> None:
        """Delete the pods of this run and of killed earlier runs of the deployment."""
        for pod in self._objects.list("Pod", label_selector=self._selector)["items"]:
            self._remove(pod)

    def _remove(self, pod: Object) -> None:
        self._objects.delete("Pod", pod["metadata"]["name"], uid=pod["metadata"]["uid"], grace_seconds=0)

    def pod(self, pull: Pull, timeout_seconds: float) -> Object:
        """The pod that makes a node pull the image, with the settings of the use."""
        suffix = hashlib.sha256(f"{pull} {self._image} {time.time_ns()}".encode()).hexdigest()[:10]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"image-pull-{suffix}",
                "labels": {**self._metadata.get("labels", {}), **self._labels, "sidecar.istio.io/inject": "false"},
                "annotations": {**self._metadata.get("annotations", {}), **NO_SIDECARS},
            },
            "spec": {
                **pull.use.pod_spec,
                # Bypasses the scheduler: it might choose any node in `nodes`.
                "nodeName": pull.node,
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "activeDeadlineSeconds": max(int(timeout_seconds), 1),
                "containers": [
                    {
                        **pull.use.container,
                        "name": CONTAINER,
                        "image": self._image,
                        "command": ["true"],
                        "resources": self._resources,
                    }
                ],
            },
        }

    def _work(self, pulls: list[Pull], outcome: Outcome, timeout_seconds: float) -> None:
        changed = threading.Event()
        mirror = Mirror(self._objects, "Pod", changed, label_selector=self._selector)
        deadline = time.monotonic() + timeout_seconds
        told = 0.0
        patience = Patience()
        waiting, active = list(pulls), dict[str, Pull]()
        try:
            while True:
                changed.clear()
                self._begin(waiting, active, timeout_seconds)
                pods = {
                    pod["metadata"]["name"]: pod
                    for pod in mirror.items()
                    if pod["metadata"]["name"] in active and "deletionTimestamp" not in pod["metadata"]
                }
                settled = [name for name, pod in pods.items() if self._settled(pod, active, outcome)]
                if settled and waiting:
                    continue
                if not active:
                    return
                troubles = {trouble: name for name in active for trouble in pull_troubles(name, pods.get(name))}
                failed = patience.final(troubles)
                if failed is not None:
                    raise self._failed(active[troubles[failed]], pods.get(troubles[failed]), failed.text)
                if time.monotonic() >= deadline:
                    name, first = next(iter(active)), next((f": {trouble.text}" for trouble in troubles), "")
                    text = f"not pulled after {timeout_seconds:.0f} s{first}"
                    raise self._failed(active[name], pods.get(name), text)
                if time.monotonic() - told > SILENCE_SECONDS:
                    told = time.monotonic()
                    left = f", {len(waiting)} more waiting" if waiting else ""
                    nodes = sorted({pull.node for pull in active.values()})
                    self._progress(f"pulling {self._image} on {', '.join(nodes)}{left}")
                changed.wait(min(JUDGE_SECONDS, max(deadline - time.monotonic(), 0)))
        finally:
            mirror.stop()

    def _begin(self, waiting: list[Pull], active: dict[str, Pull], timeout_seconds: float) -> None:
        """Create as many pods at once as allowed. A pod quota must have room for at least one."""
        while waiting and len(active) < AT_ONCE:
            pod = self.pod(waiting[0], timeout_seconds)
            create = functools.partial(self._objects.create, pod)
            try:
                create()
            except ApiException as error:
                if active and error.status == 403 and EXCEEDED.search(message_of(error)):
                    return
                insisting(create)
            active[pod["metadata"]["name"]] = waiting.pop(0)

    def _settled(self, pod: Object, active: dict[str, Pull], outcome: Outcome) -> bool:
        """Whether a pod has finished its check and can be replaced by the next one."""
        node, status = pod["spec"]["nodeName"], pod.get("status", {})
        if is_pulled(pod):
            outcome.pulled[node] = outcome.pulled.get(node, False) or self._had_to_pull(pod)
        elif status.get("phase") == "Failed" and str(status.get("reason")).startswith("OutOf"):
            # Without the scheduler, the kubelet detects the lack of room.
            outcome.left_out[node] = f"{status['reason']}: {status.get('message', '')}".rstrip(": ")
        else:
            return False
        del active[pod["metadata"]["name"]]
        self._remove(pod)
        return True

    def _had_to_pull(self, pod: Object) -> bool:
        # Only its own container: injected ones have other images.
        path = f"spec.containers{{{CONTAINER}}}"
        about = f"involvedObject.name={pod['metadata']['name']},involvedObject.fieldPath={path},reason=Pulled"
        events = self._objects.list("Event", field_selector=about)["items"]
        return not any("already present" in event.get("message", "") for event in events)

    def _failed(self, pull: Pull, pod: Object | None, problem: str) -> OperatorError:
        involved = [pod["metadata"]["name"]] if pod is not None else []
        waiting = container_status(pod or {}, CONTAINER).get("state", {}).get("waiting") or {}
        if waiting.get("reason") == NOT_AS_CONFIGURED:
            found = f"node {pull.node} can't run image {self._image} with the settings of {pull.use.name}: {problem}"
            expected = "an image that can run with the security context of its container and pod"
            next_step = (
                "give the container a user that the image can run as (runAsUser), or correct its security context"
            )
        else:
            found = f"node {pull.node} cannot pull image {self._image}: {problem}"
            expected = "the image on every node that may run the pods, before anything is stopped"
            next_step = (
                "correct the image's name or the pull secrets, or make the registry reachable for the node; if it has "
                "no room for a pod, free some"
            )
        return OperatorError(
            redact(found),
            expected=expected,
            untouched="all workloads",
            next_step=f"{next_step}; then run the same command again",
            evidence=evidence(self._cluster, self._objects, involved),
        )


def is_pulled(pod: Object) -> bool:
    """Whether the pod's node has the image: its own container has run, or failed only after the pull.

    Injected containers end before it or never.
    """
    state = container_status(pod, CONTAINER).get("state", {})
    # An image without `true` still exists.
    made = state.get("waiting", {}).get("reason") == "CreateContainerError"
    return made or bool(state.keys() & {"running", "terminated"})


def pull_troubles(name: str, pod: Object | None) -> list[Trouble]:
    """Why a pod of that name does not have the image yet; `pod` is None if it does not exist."""
    if pod is None:
        return [Trouble("gone", "its pod is gone: it was deleted, or the node is being drained", name)]
    return pod_troubles(pod)
