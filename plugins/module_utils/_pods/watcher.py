# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .._common.failure import OperatorError
from .._common.redaction import redact
from .._kubernetes.objects import label_selector
from .._kubernetes.retrying_client import RETRY_SECONDS
from .._kubernetes.watch import Mirror
from .evidence import evidence
from .nodes import Nodes
from .terminal_failure import Patience, pod_troubles
from .verdict import (
    DEFAULT_GRACE_SECONDS,
    GRACE_MARGIN_SECONDS,
    Observed,
    Verdict,
    assess,
    current_pods,
    is_ready,
    lost_pods,
    own_pods,
    patience_after,
    refusals,
)

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster
    from .._kubernetes.objects import Object, Objects

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

# Progress lines and timeouts are due even if nothing happens.
LONGEST_SILENCE_SECONDS = 10.0
# How often a verdict is made even if nothing happens, because it may depend on the time.
JUDGE_SECONDS = 2.0
# How often a gate is checked.
GATE_SECONDS = 1.0
# How often a controller whose pods are rejected is made to retry; by itself it waits up to 16 minutes.
AGAIN_SECONDS = 10.0
AGAIN_ANNOTATION = "hopsworks.airflow/tried-again"


class Watcher:
    """Watches one Deployment or StatefulSet and its pods. A context manager; leaving it ends the watches.

    `patience` is that of the action that this watcher is part of; if omitted, the action starts now, and existing
    problems are not its failures.
    """

    def __init__(
        self,
        cluster: Cluster,
        objects: Objects,
        workload: Object,
        progress: Progress,
        patience: Patience | None = None,
    ) -> None:
        self._cluster, self._objects, self._progress = cluster, objects, progress
        self.kind: str = workload["kind"]
        self.name: str = workload["metadata"]["name"]
        self._changed = threading.Event()
        self._nodes = Nodes(cluster)
        self._ending_since: dict[str, float] = {}
        labels = label_selector(workload["spec"]["selector"])
        mirrors = [
            Mirror(objects, self.kind, self._changed, field_selector=f"metadata.name={self.name}"),
            Mirror(objects, "Pod", self._changed, label_selector=labels),
        ]
        self._workloads, self._pods = mirrors
        self._replica_sets = self._events = None
        if self.kind == "Deployment":
            self._replica_sets = Mirror(objects, "ReplicaSet", self._changed, label_selector=labels)
        else:
            about = f"involvedObject.kind={self.kind},involvedObject.name={self.name}"
            self._events = Mirror(objects, "Event", self._changed, field_selector=about)
        before = self.observe()
        self.patience = patience_after(before) if patience is None else patience
        # A controller that is waiting in a back-off is made to retry at once.
        self._tried_again = None if refusals(before, Patience()) else time.monotonic()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *exc: object) -> None:
        for mirror in (self._workloads, self._pods, self._replica_sets, self._events):
            if mirror is not None:
                mirror.stop()

    def observe(self) -> Observed:
        workloads, pods = self._workloads.items(), self._pods.items()
        workload = {**workloads[0], "kind": self.kind} if workloads else None
        observed = Observed(
            workload=workload,
            pods=pods,
            replica_sets=self._replica_sets.items() if self._replica_sets is not None else [],
            events=self._events.items() if self._events is not None else [],
        )
        own = own_pods(observed)
        doubtful = {
            pod["spec"]["nodeName"]
            for pod in own
            if pod.get("spec", {}).get("nodeName") and ("deletionTimestamp" in pod["metadata"] or not is_ready(pod))
        }
        observed.nodes, observed.overdue = self._nodes.look(doubtful), self._overdue(own)
        return observed

    def _overdue(self, pods: list[Object]) -> frozenset[str]:
        """Counted from when this watcher saw their termination, not by their times, because the clocks may differ."""
        now, late = time.monotonic(), set()
        for pod in pods:
            metadata = pod["metadata"]
            if "deletionTimestamp" not in metadata:
                continue
            since = self._ending_since.setdefault(metadata["uid"], now)
            grace = metadata.get("deletionGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
            if now - since > grace + GRACE_MARGIN_SECONDS:
                late.add(metadata["uid"])
        return frozenset(late)

    def own_pods(self) -> list[Object]:
        """The pods of this workload, including terminating ones."""
        return own_pods(self.observe())

    def try_again(self) -> bool:
        """Retry at once what an earlier action left in a back-off of minutes. Returns whether there was anything.

        Pods are recreated by deleting them. Without the right to do so, it waits for the kubelet's next attempt.
        """
        tried = False
        for pod in current_pods(self.observe()):
            if not any(trouble.kind in ("image", "setup", "exits") for trouble in pod_troubles(pod)):
                continue
            metadata = pod["metadata"]
            try:
                self._objects.delete("Pod", metadata["name"], uid=metadata["uid"])
            except ApiException as error:
                if error.status != 403:
                    raise
                self._progress(
                    f"{self.name}: pod {metadata['name']} is in a back-off, and the right to delete it is missing"
                )
                continue
            self._progress(f"{self.name}: recreating pod {metadata['name']}")
            self.until_dropped(metadata["uid"])
            tried = True
        return tried

    def _make_controller_try(self, observed: Observed) -> None:
        """Change the workload if its pods are rejected: a changed object makes its controller retry at once.

        A Deployment's annotations are copied to its ReplicaSet, whose controller is the one that waits.
        """
        now = time.monotonic()
        due = self._tried_again is None or now - self._tried_again >= AGAIN_SECONDS
        if due and refusals(observed, self.patience):
            self._tried_again = now
            change = {"metadata": {"annotations": {AGAIN_ANNOTATION: str(time.time_ns())}}}
            self._objects.patch(self.kind, self.name, change)

    def until(
        self,
        judge: Callable[[Observed], Verdict],
        *,
        timeout_seconds: float,
        interval_seconds: float | None = None,
    ) -> Verdict:
        """Wait until `judge` returns done or failed. If the time runs out, returns the last verdict, which is waiting.

        Calls it whenever something has changed, and every `interval_seconds`, by default JUDGE_SECONDS.
        """
        deadline = time.monotonic() + timeout_seconds
        said, said_at = "", 0.0
        while True:
            self._changed.clear()
            verdict = judge(self.observe())
            now = time.monotonic()
            if verdict.state != "waiting" or now >= deadline:
                return verdict
            if verdict.reason != said or now - said_at > LONGEST_SILENCE_SECONDS:
                said, said_at = verdict.reason, now
                self._progress(redact(f"{self.name}: {said} ({deadline - now:.0f} s left)"))
            self._changed.wait(min(interval_seconds or JUDGE_SECONDS, deadline - now))

    def until_rolled_out(
        self,
        *,
        timeout_seconds: float,
        generation: int = 0,
        wait_for_old: bool = True,
        later: list[str],
    ) -> None:
        """Wait for a healthy rollout. Raises OperatorError with the evidence as soon as it cannot become healthy.

        `later` names the workloads that come after this one, for the message. The others as for `assess`.
        """
        verdict = self.until(
            lambda observed: self._assess(observed, generation, wait_for_old), timeout_seconds=timeout_seconds
        )
        if verdict.state != "done":
            raise self._unhealthy(verdict, timeout_seconds, later)

    def until_passed(
        self, gate: Gate, *, timeout_seconds: float, generation: int = 0, wait_for_old: bool = True, later: list[str]
    ) -> None:
        """Wait until a rolled out workload also passes its gate. Raises OperatorError if it does not."""

        def judge(observed: Observed) -> Verdict:
            verdict = self._assess(observed, generation, wait_for_old)
            if verdict.state != "done":
                return verdict
            waiting = gate.check(current_pods(observed))
            return Verdict("done", "passed") if waiting is None else Verdict("waiting", f"rolled out, but {waiting}")

        verdict = self.until(judge, timeout_seconds=timeout_seconds, interval_seconds=GATE_SECONDS)
        if verdict.state != "done":
            raise self._unhealthy(verdict, timeout_seconds, later)

    def _assess(self, observed: Observed, generation: int, wait_for_old: bool) -> Verdict:
        verdict = assess(observed, generation=generation, wait_for_old=wait_for_old, patience=self.patience)
        if verdict.state == "waiting":
            self._make_controller_try(observed)
        return verdict

    def until_dropped(self, uid: str) -> None:
        """Wait until a deleted pod is seen as terminating, and so no longer counts as failing."""

        def judge(observed: Observed) -> Verdict:
            for pod in observed.pods:
                if pod["metadata"]["uid"] == uid and "deletionTimestamp" not in pod["metadata"]:
                    return Verdict("waiting", f"pod {pod['metadata']['name']} is deleted")
            return Verdict("done", "gone")

        self.until(judge, timeout_seconds=RETRY_SECONDS)

    def until_gone(self, *, timeout_seconds: float) -> None:
        """Wait until none of its pods are left. Raises OperatorError with the names of those that are."""

        def judge(observed: Observed) -> Verdict:
            left = sorted(pod["metadata"]["name"] for pod in own_pods(observed))
            replicas = (observed.workload or {"spec": {"replicas": 0}})["spec"].get("replicas", 1)
            if replicas:
                return Verdict("failed", f"it was scaled to {replicas} again (by an autoscaler?)")
            lost = self.patience.final(lost_pods(observed))
            if lost is not None:
                return Verdict("failed", lost.text, lost.pod)
            return Verdict("waiting", f"still terminating: {', '.join(left)}") if left else Verdict("done", "stopped")

        verdict = self.until(judge, timeout_seconds=timeout_seconds)
        if verdict.state != "done":
            after = "" if verdict.state == "failed" else f" within {timeout_seconds:.0f} s"
            raise OperatorError(
                f"{self.kind} {self.name} did not end{after}: {verdict.reason}{self._away()}",
                expected="its pods to end within their grace period",
                untouched="the workloads after it; its annotation keeps the replicas that it had",
                next_step=(
                    f"find out what they still do (kubectl -n {self._cluster.namespace} describe pod ...; a pod on a "
                    "lost node only ends when the node is back or deleted; an autoscaler that starts new ones has to "
                    "be suspended), then run the same command again"
                ),
                evidence=evidence(self._cluster, self._objects, [pod["metadata"]["name"] for pod in self.own_pods()]),
            )

    def _away(self) -> str:
        """Says that the state is old if the API server does not answer."""
        mirrors = (self._workloads, self._pods, self._replica_sets, self._events)
        seconds = max(mirror.away_seconds() for mirror in mirrors if mirror is not None)
        return f"; the API server has not answered for {seconds:.0f} s" if seconds >= 1 else ""

    def _unhealthy(self, verdict: Verdict, timeout_seconds: float, later: list[str]) -> OperatorError:
        observed = self.observe()
        mine = own_pods(observed)
        involved = [self.name, *(pod["metadata"]["name"] for pod in mine)]
        involved += [replica_set["metadata"]["name"] for replica_set in observed.replica_sets]
        pod, container = _suspect(verdict, mine, current_pods(observed))
        why = (
            verdict.reason
            if verdict.state == "failed"
            else f"not healthy after {timeout_seconds:.0f} s: {verdict.reason}{self._away()}"
        )
        return OperatorError(
            redact(f"{self.kind} {self.name} does not become healthy: {why}"),
            expected="all its replicas rolled out and available",
            untouched=f"the workloads after it: {', '.join(later)}" if later else "everything that was not restarted",
            next_step=(
                "fix the cause that the evidence shows, then run the same command again: it continues with this one"
            ),
            evidence=evidence(self._cluster, self._objects, involved, pod=pod, container=container),
        )


def _suspect(verdict: Verdict, pods: list[Object], current: list[Object]) -> tuple[Object | None, str | None]:
    """The pod and container with the most useful log: those that failed, or else the first that is not ready.

    If all are ready but the gate is not passed, the first container of a current pod.
    """
    for pod in pods:
        if pod["metadata"]["name"] == verdict.pod:
            return pod, verdict.container
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True):
        for container in pod.get("status", {}).get("containerStatuses", []):
            if not container.get("ready") and "deletionTimestamp" not in pod["metadata"]:
                return pod, container["name"]
    for pod in current:
        for container in pod.get("spec", {}).get("containers", [])[:1]:
            return pod, container["name"]
    return None, None


class Gate(Protocol):
    """What a component must pass in addition to readiness before the next one is restarted."""

    kind: str

    def check(self, pods: list[Object]) -> str | None:
        """None once it is passed, otherwise the problem or what is missing. `pods` are those that the rollout
        created."""

    def seen(self) -> Object:
        """Its last observation, for the result."""
