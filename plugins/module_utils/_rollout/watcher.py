# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.mirror import Mirror
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.patience import PATIENCE_SECONDS
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.evidence import evidence
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.health import (
    DEFAULT_GRACE_SECONDS,
    GRACE_MARGIN_SECONDS,
    Observed,
    Verdict,
    assess,
    belongs,
    current_pods,
    event_version,
    is_ready,
    lost_pod,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.nodes import Nodes
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.redaction import redact

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Object, Objects
    from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.gates import Gate
    from ansible_collections.hopsworks.airflow.plugins.module_utils._run.progress import Progress

# Nothing need happen for a line of progress to be due, nor for time to run out.
LONGEST_SILENCE_SECONDS = 10.0
# How often a gate is asked.
GATE_SECONDS = 1.0


class Watcher:
    """Watches one Deployment or StatefulSet and its pods. A context manager; leaving it ends the watches."""

    def __init__(self, cluster: Cluster, objects: Objects, workload: Object, progress: Progress) -> None:
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
        # A refusal that goes on is counted up in its event, which so gets a new version.
        self._known_events = frozenset(map(event_version, self._events.items() if self._events is not None else []))

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *exc: object) -> None:
        for mirror in (self._workloads, self._pods, self._replica_sets, self._events):
            if mirror is not None:
                mirror.stop()

    def observe(self) -> Observed:
        workloads, pods = self._workloads.items(), self._pods.items()
        workload = {**workloads[0], "kind": self.kind} if workloads else None
        own = [pod for pod in pods if workload is not None and belongs(workload, pod)]
        doubtful = {
            pod["spec"]["nodeName"]
            for pod in own
            if pod.get("spec", {}).get("nodeName") and ("deletionTimestamp" in pod["metadata"] or not is_ready(pod))
        }
        return Observed(
            workload=workload,
            pods=pods,
            replica_sets=self._replica_sets.items() if self._replica_sets is not None else [],
            events=self._events.items() if self._events is not None else [],
            nodes=self._nodes.look(doubtful),
            overdue=self._overdue(own),
        )

    def _overdue(self, pods: list[Object]) -> frozenset[str]:
        """Counted from when this watcher saw them end, not by their times: the clocks may differ."""
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
        """The pods that are this workload's, ending ones too."""
        observed = self.observe()
        return [pod for pod in observed.pods if observed.workload is not None and belongs(observed.workload, pod)]

    def until(
        self,
        judge: Callable[[Observed], Verdict],
        *,
        timeout_seconds: float,
        interval_seconds: float = LONGEST_SILENCE_SECONDS,
    ) -> Verdict:
        """Wait until `judge` says done or failed; where time runs out, the last verdict, still waiting.

        It is asked whenever something changed, and every `interval_seconds`.
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
            self._changed.wait(min(interval_seconds, deadline - now))

    def until_rolled_out(
        self,
        *,
        timeout_seconds: float,
        generation: int = 0,
        wait_for_old: bool = True,
        known_failure: str | None = None,
        later: list[str],
    ) -> None:
        """Wait for a healthy rollout. Raises OperatorError as soon as it can't become one, with the evidence.

        `later` names the workloads that come after this one, for the message. The others as for `assess`.
        """
        verdict = self.until(
            lambda observed: assess(
                observed,
                generation=generation,
                wait_for_old=wait_for_old,
                known_failure=known_failure,
                known_events=self._known_events,
            ),
            timeout_seconds=timeout_seconds,
        )
        if verdict.state != "done":
            raise self._unhealthy(verdict, timeout_seconds, later)

    def until_passed(
        self, gate: Gate, *, timeout_seconds: float, generation: int = 0, wait_for_old: bool = True, later: list[str]
    ) -> None:
        """Wait until a workload that is rolled out passes its gate, too. Raises OperatorError where it doesn't."""

        def judge(observed: Observed) -> Verdict:
            verdict = assess(
                observed, generation=generation, wait_for_old=wait_for_old, known_events=self._known_events
            )
            if verdict.state != "done":
                return verdict
            waiting = gate.check(current_pods(observed))
            return Verdict("done", "passed") if waiting is None else Verdict("waiting", f"rolled out, but {waiting}")

        verdict = self.until(judge, timeout_seconds=timeout_seconds, interval_seconds=GATE_SECONDS)
        if verdict.state != "done":
            raise self._unhealthy(verdict, timeout_seconds, later)

    def until_dropped(self, uid: str) -> None:
        """Wait until a pod that was deleted is seen to be ending, and so no longer counts as failing."""

        def judge(observed: Observed) -> Verdict:
            for pod in observed.pods:
                if pod["metadata"]["uid"] == uid and "deletionTimestamp" not in pod["metadata"]:
                    return Verdict("waiting", f"pod {pod['metadata']['name']} is deleted")
            return Verdict("done", "gone")

        self.until(judge, timeout_seconds=PATIENCE_SECONDS)

    def until_gone(self, *, timeout_seconds: float) -> None:
        """Wait until none of its pods is left. Raises OperatorError naming those that are."""

        def judge(observed: Observed) -> Verdict:
            workload = observed.workload
            pods = [pod for pod in observed.pods if workload is not None and belongs(workload, pod)]
            left = sorted(pod["metadata"]["name"] for pod in pods)
            lost = lost_pod(observed)
            if lost is not None:
                return lost
            return Verdict("waiting", f"still ending: {', '.join(left)}") if left else Verdict("done", "stopped")

        verdict = self.until(judge, timeout_seconds=timeout_seconds)
        if verdict.state != "done":
            after = "" if verdict.state == "failed" else f" within {timeout_seconds:.0f} s"
            raise OperatorError(
                f"{self.kind} {self.name} has not ended{after}: {verdict.reason}{self._away()}",
                expected="its pods to end within their grace period",
                untouched="what comes after it; it is scaled to 0 and remembers its replicas",
                next_step=f"see what they still do (kubectl -n {self._cluster.namespace} describe pod ...; a pod on a "
                "lost node ends only when the node is back or deleted), then run the same command again",
                evidence=evidence(self._cluster, self._objects, [pod["metadata"]["name"] for pod in self.own_pods()]),
            )

    def _away(self) -> str:
        """That what is known is old, where the API server does not answer."""
        mirrors = (self._workloads, self._pods, self._replica_sets, self._events)
        seconds = max(mirror.away_seconds() for mirror in mirrors if mirror is not None)
        return f"; the API server has not answered for {seconds:.0f} s" if seconds >= 1 else ""

    def _unhealthy(self, verdict: Verdict, timeout_seconds: float, later: list[str]) -> OperatorError:
        observed = self.observe()
        mine = [pod for pod in observed.pods if observed.workload is not None and belongs(observed.workload, pod)]
        involved = [self.name, *(pod["metadata"]["name"] for pod in mine)]
        involved += [replica_set["metadata"]["name"] for replica_set in observed.replica_sets]
        pod, container = _suspect(verdict, mine, current_pods(observed))
        why = (
            verdict.reason
            if verdict.state == "failed"
            else f"not healthy after {timeout_seconds:.0f} s: {verdict.reason}{self._away()}"
        )
        return OperatorError(
            redact(f"{self.kind} {self.name} does not get healthy: {why}"),
            expected="all its replicas rolled out and available",
            untouched=f"the workloads after it: {', '.join(later)}" if later else "all but what was restarted",
            next_step="put right what the evidence shows, then run the same command again: it goes on with this one",
            evidence=evidence(self._cluster, self._objects, involved, pod=pod, container=container),
        )


def _suspect(verdict: Verdict, pods: list[Object], current: list[Object]) -> tuple[Object | None, str | None]:
    """The pod and container whose log explains most: those that failed, else the first that is not ready.

    Where all are ready, which a gate may not be content with, the first container of a current pod.
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


def label_selector(selector: Object) -> str:
    """A selector of an object (matchLabels, matchExpressions) in the form of a query."""
    terms = [f"{key}={value}" for key, value in sorted(selector.get("matchLabels", {}).items())]
    for expression in selector.get("matchExpressions", []):
        key, operator = expression["key"], expression["operator"]
        if operator in ("In", "NotIn"):
            terms.append(f"{key} {operator.lower()} ({','.join(expression['values'])})")
        else:
            terms.append(key if operator == "Exists" else f"!{key}")
    return ",".join(terms)
