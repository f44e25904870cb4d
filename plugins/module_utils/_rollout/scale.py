# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .._kubernetes.objects import Objects
from .._kubernetes.workloads import find, find_all
from .._pods.definition import STOPPED_ANNOTATION, stopped_from
from .._pods.verdict import DEFAULT_GRACE_SECONDS
from .._pods.watcher import Watcher
from .troubles import Troubles
from .volumes import refuse_loss_of_volumes

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
GRACE_MARGIN_SECONDS = 30


@dataclass
class Scaled:
    """The result for one workload: `before` and `after` are its replicas."""

    name: str
    kind: str | None
    action: Literal["stopped", "started", "unchanged", "absent"]
    before: int = 0
    after: int = 0


class Started:
    """A workload whose pods are starting. A context manager; leaving it ends its watches.

    All are started first, and only then does it wait for each: one that stays unhealthy does not keep others at 0.
    """

    def __init__(self, result: Scaled, watcher: Watcher | None = None, generation: int = 0) -> None:
        self.result = result
        self._watcher, self._generation = watcher, generation

    def __enter__(self) -> Started:
        # The watcher starts to watch here.
        return self

    def __exit__(self, *exc: object) -> None:
        if self._watcher is not None:
            self._watcher.__exit__(*exc)

    def until_healthy(self, *, timeout_seconds: float) -> None:
        """Raises OperatorError if it does not become healthy."""
        if self._watcher is not None:
            self._watcher.until_rolled_out(timeout_seconds=timeout_seconds, generation=self._generation, later=[])


class Scaler:
    """Stops workloads by scaling them to 0, and starts the stopped ones again.

    The former replicas are stored in an annotation of the workload, written in the same change. So a stopped workload
    can always be distinguished from one that was at 0 before.
    """

    def __init__(self, cluster: Cluster, progress: Progress) -> None:
        self._cluster, self._progress = cluster, progress
        self._objects = Objects(cluster)

    def stop(self, name: str, *, timeout_seconds: float, check_mode: bool = False) -> list[Scaled]:
        """Scale all workloads of that name to 0 and wait until the last pod has ended, for its grace period if that is
        longer."""
        kinds = [workload["kind"] for workload in find_all(self._objects, name)]
        stopped = [self._stop(kind, name, timeout_seconds, check_mode) for kind in kinds]
        return stopped or [Scaled(name, None, "absent")]

    def _stop(self, kind: str, name: str, timeout_seconds: float, check_mode: bool) -> Scaled:
        while True:
            workload = self._read(kind, name)
            if workload is None:
                return Scaled(name, None, "absent")
            replicas = workload["spec"].get("replicas", 1)
            result = Scaled(name, kind, "stopped" if replicas else "unchanged", replicas, 0)
            # Exactly the checked version is changed.
            refuse_loss_of_volumes(workload, f"{kind} {name} and its volumes")
            if check_mode or not replicas:
                break
            if self._scale(workload, 0, str(replicas)):
                self._progress(f"{name}: stopping")
                break
        if not check_mode:
            pod_spec = workload["spec"]["template"]["spec"]
            grace = pod_spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
            with Watcher(self._cluster, self._objects, workload, self._progress) as watcher:
                watcher.until_gone(timeout_seconds=max(timeout_seconds, grace + GRACE_MARGIN_SECONDS))
        return result

    def start(self, name: str, *, check_mode: bool = False, kind: str | None = None) -> Started:
        """Restore the replicas that it had when it was stopped. The returned object waits until it is healthy.

        A workload that was not stopped by `stop` is not changed. Without a `kind`, neither is a StatefulSet if there is
        also a Deployment.
        """
        while True:
            workload = find(self._objects, name) if kind is None else self._read(kind, name)
            if workload is None:
                return Started(Scaled(name, None, "absent"))
            metadata, before = workload["metadata"], workload["spec"].get("replicas", 1)
            replicas = stopped_from(workload)
            # It was scaled up in the meantime, so the annotation is outdated.
            after = before or replicas or 0
            result = Scaled(name, workload["kind"], "unchanged" if before == after else "started", before, after)
            generation, written = metadata["generation"], None
            if check_mode or replicas is None:
                break
            written = self._scale(workload, after, None)
            if written:
                generation = written["metadata"]["generation"]
                self._progress(f"{name}: {result.action}")
                break
        if check_mode or not after:
            return Started(result)
        watcher = Watcher(self._cluster, self._objects, workload, self._progress)
        if written is None:
            watcher.try_again()
        return Started(result, watcher, generation)

    def start_all(self, names: list[str], *, timeout_seconds: float, check_mode: bool = False) -> list[Scaled]:
        """Start all of them, in this order, and wait until each is healthy.

        After all others are started, raises OperatorError for those that do not become healthy or cannot be started.
        """
        troubles = Troubles("the workload")
        with contextlib.ExitStack() as stack:
            started = []
            for name in names:
                with troubles.kept(f"{name} can't be started"):
                    started.append(stack.enter_context(self.start(name, check_mode=check_mode)))
            for each in started:
                with troubles.kept(f"{each.result.name} can't be watched"):
                    each.until_healthy(timeout_seconds=timeout_seconds)
        troubles.tell()
        return [each.result for each in started]

    def _read(self, kind: str, name: str) -> Object | None:
        found = self._objects.read(kind, name)
        return found and {**found, "kind": kind}

    def _scale(self, workload: Object, replicas: int, annotation: str | None) -> Object | None:
        """Replicas and annotation in one change, or None if the workload has changed since it was read."""
        metadata = workload["metadata"]
        change = {
            "metadata": {
                "resourceVersion": metadata["resourceVersion"],
                "annotations": {STOPPED_ANNOTATION: annotation},
            },
            "spec": {"replicas": replicas},
        }
        try:
            return self._objects.patch(workload["kind"], metadata["name"], change)
        except ApiException as error:
            if error.status != 409:
                raise
            return None
