# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.redaction import redact
from .._kubernetes.objects import Object, Objects
from .._kubernetes.watch import Mirror
from .evidence import evidence
from .phase import is_finished
from .terminal_failure import Patience, Trouble, container_status, insisting, pod_troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .._kubernetes.cluster import Cluster

try:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception
    HTTPError = OSError  # type: ignore[misc,assignment]

LOG_LINE_LENGTH = 300


class Job:
    """One Job with one pod, watched until it ends, with its log read while it runs. It does not normally outlive this
    process. A killed process may leave one behind, and `remove_leftovers` finds it by the Job's labels.

    `secrets` are texts that must not appear in any output.
    """

    def __init__(
        self, cluster: Cluster, manifest: Object, progress: Callable[[str], None], secrets: tuple[str, ...]
    ) -> None:
        self._cluster, self._manifest, self._progress, self._secrets = cluster, manifest, progress, secrets
        self._objects = Objects(cluster)
        self._name: str = manifest["metadata"]["name"]
        self._container: str = manifest["spec"]["template"]["spec"]["containers"][0]["name"]
        self._changed = threading.Event()
        self._patience = Patience()

    def run(self, timeout_seconds: float) -> list[str]:
        """Run it to success; returns the lines of its log. Raises OperatorError with the evidence otherwise."""
        deadline = time.monotonic() + timeout_seconds
        with self._begun(deadline) as (pods, pod):
            lines = list(self._log(pods, pod, deadline))
            self._ended_well(pods, pod)
            return lines

    @contextlib.contextmanager
    def started(self, timeout_seconds: float) -> Iterator[str]:
        """The name of its pod, whose container runs and waits for commands. It is removed at the end of the block."""
        with self._begun(time.monotonic() + timeout_seconds) as (pods, pod):
            ended = self._terminated(pods, pod)
            if ended is not None:
                reason = f"exit code {ended.get('exitCode')}, {ended.get('reason')}"
                raise self._failure(f"its container ended at once ({reason})", self._pod(pods, pod))
            yield pod

    @contextlib.contextmanager
    def _begun(self, deadline: float) -> Iterator[tuple[Mirror, str]]:
        insisting(lambda: self._cluster.batch.create_namespaced_job(self._cluster.namespace, self._manifest))
        about_job = f"involvedObject.kind=Job,involvedObject.name={self._name}"
        pods = Mirror(self._objects, "Pod", self._changed, label_selector=f"job-name={self._name}")
        events = Mirror(self._objects, "Event", self._changed, field_selector=about_job)
        try:
            yield pods, self._started(pods, events, deadline)
        finally:
            pods.stop()
            events.stop()
            with contextlib.suppress(ApiException, HTTPError):
                self._cluster.batch.delete_namespaced_job(
                    self._name, self._cluster.namespace, propagation_policy="Background"
                )

    def _started(self, pods: Mirror, events: Mirror, deadline: float) -> str:
        """Wait until the container runs or has ended; returns the pod's name."""
        said, seen = "", False
        while True:
            self._changed.clear()
            pod = self._latest(pods)
            seen = seen or pod is not None
            if pod is None and seen:
                gone = self._patience.final([Trouble("gone", "its pod was deleted before it ran")])
                state = PodState("its pod is gone", hopeless=gone is not None)
            else:
                state = describe(pod, events.items(), container=self._container, patience=self._patience)
            if pod is not None and state.started:
                return str(pod["metadata"]["name"])
            if state.hopeless:
                raise self._failure(state.text, pod)
            now = time.monotonic()
            if now > deadline:
                raise self._failure(f"it did not start in time: {state.text}", pod)
            if state.text != said:
                said = state.text
                self._progress(redact(f"{self._name}: {said}", self._secrets))
            self._changed.wait(1)

    def _latest(self, pods: Mirror) -> Object | None:
        """Its pod: one that runs or may run, or else one that has ended."""
        found = sorted(pods.items(), key=lambda pod: (not is_finished(pod), pod["metadata"].get("creationTimestamp")))
        return found[-1] if found else None

    def _log(self, pods: Mirror, pod: str, deadline: float) -> Iterator[str]:
        """Lines of the log while it is written, redacted. If the connection ends before the container, it is
        reopened."""
        seen = 0
        while True:
            ended = self._terminated(pods, pod) is not None
            with contextlib.suppress(ApiException, HTTPError):
                stream = self._cluster.core.read_namespaced_pod_log(
                    pod,
                    self._cluster.namespace,
                    container=self._container,
                    follow=not ended,
                    _preload_content=False,
                    _request_timeout=(10, max(1.0, deadline - time.monotonic())),
                )
                for number, raw in enumerate(whole_lines(stream), start=1):
                    if number > seen:
                        seen = number
                        line = redact(raw, self._secrets)[:LOG_LINE_LENGTH]
                        self._progress(line)
                        yield line
            if ended:
                return
            if time.monotonic() > deadline:
                raise self._failure("it exceeded its `timeout` and is still running", self._pod(pods, pod))
            self._changed.clear()
            if self._terminated(pods, pod) is None:
                self._changed.wait(1)

    def _ended_well(self, pods: Mirror, name: str) -> None:
        # `_log` returns only after the container has ended, and the Job never restarts it.
        ended = self._terminated(pods, name) or {}
        pod = self._pod(pods, name)
        if ended.get("exitCode") != 0 and pod is not None and "deletionTimestamp" in pod["metadata"]:
            raise self._failure("its pod was deleted while it ran", pod)
        if ended.get("exitCode") != 0:
            reason = f", {ended['reason']}" if ended.get("reason", "Error") != "Error" else ""
            raise self._failure(f"it ended with exit code {ended.get('exitCode')}{reason}", pod)

    def _terminated(self, pods: Mirror, name: str) -> Object | None:
        """How the container ended, or None while it runs. A pod that is gone counts as ended."""
        pod = self._pod(pods, name)
        if pod is None:
            return {"exitCode": None, "reason": "the pod was deleted or evicted"}
        ended: Object | None = container_status(pod, self._container).get("state", {}).get("terminated")
        if ended is not None:
            return ended
        if pod.get("status", {}).get("phase") == "Failed":
            return {"exitCode": None, "reason": pod["status"].get("reason") or "the pod failed"}
        return None

    def _pod(self, pods: Mirror, name: str) -> Object | None:
        return next((pod for pod in pods.items() if pod["metadata"]["name"] == name), None)

    def _failure(self, text: str, pod: Object | None) -> OperatorError:
        involved = [self._name] + ([pod["metadata"]["name"]] if pod is not None else [])
        seen = evidence(
            self._cluster, self._objects, involved, pod=pod, container=self._container if pod is not None else None
        )
        return OperatorError(
            redact(f"Job {self._name} failed: {text}", self._secrets),
            expected="a Job that completes",
            untouched="the live schema; it only worked on another schema",
            next_step="fix the cause that the evidence shows, then run the same command again: it starts the Job again",
            evidence=tuple(redact("\n".join(seen), self._secrets).splitlines()),
        )


class PodState:
    """What a pod is waiting for, in words, and whether waiting makes sense."""

    def __init__(self, text: str, *, started: bool = False, hopeless: bool = False) -> None:
        self.text, self.started, self.hopeless = text, started, hopeless


def describe(
    pod: Object | None,
    events: Sequence[Object] = (),
    *,
    container: str | None = None,
    patience: Patience | None = None,
) -> PodState:
    """State of a pod that should run once, or of its Job by its `events` while there is no pod.

    `container` does the work; others may be injected. Defaults to the first one. `patience` knows how long problems
    have lasted; without it, any problem is terminal.
    """
    status = (pod or {}).get("status", {})
    statuses = status.get("containerStatuses", [])
    own: Object = next((entry for entry in statuses if container in (None, entry.get("name"))), {})
    if own.get("state", {}).keys() & {"running", "terminated"}:
        return PodState("running", started=True)
    if pod is not None:
        troubles = pod_troubles(pod)
    else:
        refused = [event for event in events if event.get("reason") == "FailedCreate"]
        troubles = [Trouble("refused", f"its pod is rejected: {event.get('message')}") for event in refused]
    failed = patience.final(troubles) if patience is not None else next(iter(troubles), None)
    if failed is not None:
        return PodState(failed.text, hopeless=True)
    if troubles:
        return PodState(troubles[0].text)
    return PodState("waiting for its pod" if pod is None else "its container is starting")


def whole_lines(stream: Any) -> Iterator[str]:
    """Lines of a streamed response, each as soon as it is complete."""
    rest = b""
    for chunk in stream.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip()
    if rest:
        yield rest.decode("utf-8", "replace").rstrip()


def remove_leftovers(
    cluster: Cluster, label_selector: str, timeout_seconds: float, progress: Callable[[str], None]
) -> list[str]:
    """Delete Jobs that a killed run has left behind, and wait until their pods are gone; returns their names."""
    found = [
        job.metadata.name
        for job in cluster.batch.list_namespaced_job(cluster.namespace, label_selector=label_selector).items
    ]
    for name in found:
        progress(f"removing Job {name}, which an interrupted run left behind")
        try:
            cluster.batch.delete_namespaced_job(name, cluster.namespace, propagation_policy="Background")
        except ApiException as error:
            if error.status != 404:
                raise
    changed = threading.Event()
    pods = Mirror(Objects(cluster), "Pod", changed, label_selector=label_selector)
    try:
        deadline = time.monotonic() + timeout_seconds
        # A pod that has ended changes nothing, however long its removal takes.
        while running := [pod for pod in pods.items() if not is_finished(pod)]:
            if time.monotonic() > deadline:
                names = ", ".join(sorted(pod["metadata"]["name"] for pod in running))
                raise OperatorError(
                    f"pods of an interrupted run still exist after {timeout_seconds:.0f} s: {names}",
                    expected="no pods of an interrupted run",
                    untouched="the schema that they use",
                    next_step="find out why they do not end (kubectl describe pod), then run the same command again",
                )
            changed.wait(1)
            changed.clear()
    finally:
        pods.stop()
    return found
