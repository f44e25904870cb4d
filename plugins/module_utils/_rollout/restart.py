# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarting workloads one after the other, without an outage.

1. Look at every workload before the first one is changed: it exists, it is healthy, it comes in the right order, no
   other controller would revert the change, and its own settings allow a restart without a loss (`lossless.py`). If
   one fails, nothing is restarted.
2. Write an annotation with the name of the run into the pod template. The workload's controller replaces the pods. A
   workload that has this run's annotation was restarted by it already, and is only waited for.
3. Wait until the new pods are available, and as long as any progress is possible. A rollout has failed when no event of
   the cluster can save it any more (`terminal_failure.py`), or when the time is up.
4. Wait until the component passes its gate: an api-server answers in public, a scheduler has a heartbeat that began
   after its new pods did, and so on (`gates.py`).
5. Go on with the next workload. With `settle: end`, go on after step 3 for an api-server and after step 2 for all
   others, and wait for all of them at the end, with their gates tried at the same time.

If a workload fails with `on_failure: previous_revision`, its previous pod template is written back, and what ran before
serves again before the failure is reported. Without that option, the run stops there: old pods go on serving.

Guarantees:

- A workload is never restarted twice by one run, however often the run is killed and continued.
- A workload that is not healthy is never touched, and later workloads are not restarted after one has failed.
- No old pod is ended by this collection: the workload's own strategy decides when that happens.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .._common.failure import OperatorError
from .._common.redaction import redact
from .._common.timestamps import now
from .._kubernetes.objects import Objects
from .._kubernetes.workloads import find
from .._pods.lossless import Risk, examine, main_container, startup_seconds_of
from .._pods.terminal_failure import Patience
from .._pods.verdict import assess, current_pods, event_version, exceeded_deadline, is_ready
from .._pods.watcher import Gate, Watcher
from .gates import Access, Beside, gate_of, prove
from .managed import managers_of, refuse_reverting
from .order import check_order
from .processes import for_each_pod
from .reloaders import refuse_reloading, reloadings_of
from .revision import merge_change, previous_template

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]

RESTART_ANNOTATION = "hopsworks.airflow/restarted-by"
# How long a workload may take to become healthy before it is restarted: an autoscaler may just have added a pod.
LOOK_SECONDS = 30


@dataclass(frozen=True)
class Terms:
    """Facts about the workloads and what is allowed; as in the options of the module.

    `changed_secrets` with their annotations.
    """

    components: dict[str, str] = field(default_factory=dict)
    order_given: bool = False
    annotations: dict[str, str] = field(default_factory=dict)
    changed_secrets: dict[str, Object] = field(default_factory=dict)
    access: Access | None = None
    running_task_seconds: float | None = None
    row_locks: bool = False
    require_lossless: bool = False
    managed_by_others: Literal["refuse", "accept"] = "refuse"
    on_failure: Literal["stop", "previous_revision"] = "stop"
    timeout_seconds: float = 600
    wait_for_old: bool = True
    settle: Literal["each", "end"] = "each"


@dataclass
class Restart:
    """One workload to restart; `due` unless this run has already restarted it.

    `grace_seconds` is the grace period of its pods, `patience` that of the restart once it has started.
    """

    kind: str
    name: str
    due: bool
    grace_seconds: int = 30
    findings: list[Risk] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    gate: Gate | None = None
    patience: Patience | None = None


@dataclass(frozen=True)
class Took:
    """The duration of one restart; its times in ISO 8601 by this machine's clock.

    Until healthy, or for an api-server that settles later, until its new pods were available.
    """

    begun: str
    ended: str
    seconds: float

    @classmethod
    def since(cls, begun: str, begun_monotonic: float) -> Took:
        """A restart that ends now; both arguments are its start, the second by `time.monotonic`."""
        return cls(begun, now(), round(time.monotonic() - begun_monotonic, 1))


class Restarter:
    """Restarts workloads one after the other, by an annotation in their pod template that names the run."""

    def __init__(self, cluster: Cluster, progress: Progress, run: str, terms: Terms | None = None) -> None:
        self._cluster, self._progress, self._run = cluster, progress, run
        self._terms = terms or Terms()
        self._objects = Objects(cluster)

    def plan(self, names: list[str]) -> list[Restart]:
        """The restarts that are due, and their effects according to the workloads' own settings. Changes nothing.

        Raises OperatorError if a workload is missing, already unhealthy, in the wrong order, managed by another
        controller, or, depending on the terms, cannot be restarted without a loss. A workload that this run has
        restarted may still be rolling out.
        """
        terms = self._terms
        if terms.settle == "end" and terms.on_failure == "previous_revision":
            raise OperatorError(
                "`settle: end` with `on_failure: previous_revision`",
                expected=(
                    "`settle: each` if a workload may have to be rolled back, because later ones have already started"
                ),
                untouched="all workloads",
                next_step="remove one of the two options",
            )
        check_order(names, {} if terms.order_given else terms.components)
        restarts = [self._plan(name) for name in names]
        components = {terms.components[r.name] for r in restarts if r.due and r.name in terms.components}
        if terms.access is not None and components:
            prove(terms.access, components)
        return restarts

    def restart_all(self, restarts: list[Restart]) -> dict[str, Took]:
        """Restart those that are due, in order, and wait until all are healthy and pass their gates. Returns the
        results by name.

        Raises OperatorError as soon as one cannot; with `on_failure: previous_revision` only after the previous
        revision serves again.
        """
        took: dict[str, Took] = {}
        unsettled = []
        for position, restart in enumerate(restarts):
            later = [other.name for other in restarts[position + 1 :]]
            begun = now(), time.monotonic()
            workload = self._start(restart)
            if self._terms.settle == "each":
                self._until_settled(restart, workload, later)
                took[restart.name] = Took.since(*begun)
                continue
            unsettled.append((restart, workload, begun))
            # The components after it sign with keys that only its new pods know.
            if self._terms.components.get(restart.name) == "api-server":
                self._until_available(restart, workload, later)
                took[restart.name] = Took.since(*begun)
        pods = [
            self._until_available(restart, workload, later=[], wait_for_old=self._terms.wait_for_old)
            for restart, workload, _begun in unsettled
        ]
        waiting = [(restart.gate, own) for (restart, _workload, _begun), own in zip(unsettled, pods, strict=True)]
        for position, (restart, workload, begun) in enumerate(unsettled, start=1):
            beside = [(gate, own) for gate, own in waiting[position:] if gate is not None]
            with self._watching(restart, workload) as watcher:
                self._until_passed(watcher, restart, workload, later=[], beside=beside)
            took.setdefault(restart.name, Took.since(*begun))
        return took

    def _start(self, restart: Restart) -> Object:
        """Write the change that makes the controller replace the pods, if it is due; returns the workload."""
        if restart.due:
            annotations = {**self._terms.annotations, RESTART_ANNOTATION: self._run}
            template = {"metadata": {"annotations": annotations}}
            events = self._events_before(restart)
            workload = self._objects.patch(restart.kind, restart.name, {"spec": {"template": template}})
            self._progress(f"{restart.name}: restarting")
            restart.patience = Patience(deadline=exceeded_deadline(workload), events=events)
        else:
            workload = self._objects.read(restart.kind, restart.name) or {}
        return {**workload, "kind": restart.kind}

    def _events_before(self, restart: Restart) -> frozenset[str]:
        """Evidence of rejections from before this restart. For a Deployment, its ReplicaSets show them, which are
        new."""
        if restart.kind == "Deployment":
            return frozenset()
        about = f"involvedObject.kind={restart.kind},involvedObject.name={restart.name}"
        return frozenset(map(event_version, self._objects.list("Event", field_selector=about)["items"]))

    def _until_available(
        self, restart: Restart, workload: Object, later: list[str], *, wait_for_old: bool = False
    ) -> list[Object]:
        """Returns the new pods."""
        with self._watching(restart, workload) as watcher:
            if not restart.due:
                watcher.try_again()
            watcher.until_rolled_out(
                timeout_seconds=self._terms.timeout_seconds,
                generation=workload["metadata"]["generation"],
                wait_for_old=wait_for_old,
                later=later,
            )
            return current_pods(watcher.observe())

    def _until_settled(self, restart: Restart, workload: Object, later: list[str]) -> None:
        try:
            with self._watching(restart, workload) as watcher:
                if not restart.due:
                    watcher.try_again()
                self._wait(watcher, restart, workload, later)
        except OperatorError as failure:
            if self._terms.on_failure == "previous_revision":
                raise self._put_back(restart, failure, later) from failure
            raise

    def _watching(self, restart: Restart, workload: Object) -> Watcher:
        return Watcher(self._cluster, self._objects, workload, self._progress, restart.patience)

    def _plan(self, name: str) -> Restart:
        workload = find(self._objects, name)
        if workload is None:
            raise OperatorError(
                f"there is no Deployment or StatefulSet {name} in namespace {self._cluster.namespace}",
                expected="all workloads to restart",
                untouched="all workloads",
                next_step="correct the names, or remove this one",
            )
        terms, component = self._terms, self._terms.components.get(name)
        annotations = workload["spec"]["template"]["metadata"].get("annotations", {})
        due = annotations.get(RESTART_ANNOTATION) != self._run
        grace_seconds = workload["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", 30)
        container = main_container(workload)["name"]
        gate = self._gate(workload, made_by_this_run=due)
        restart = Restart(workload["kind"], name, due, grace_seconds, gate=gate)
        if not due:
            return restart
        managers, reloadings = managers_of(workload), reloadings_of(workload, terms.changed_secrets)
        if terms.managed_by_others == "refuse":
            refuse_reverting(workload, managers)
            refuse_reloading(reloadings)
        restart.warnings = [f"{restart.kind} {name} belongs to {manager.name}: {manager.what}" for manager in managers]
        restart.warnings += [reloading.what for reloading in reloadings]
        pods = self._healthy_pods(workload)
        restart.findings = examine(
            workload,
            component,
            running_task_seconds=terms.running_task_seconds,
            row_locks=terms.row_locks,
            startup_seconds=startup_seconds_of(pods, container),
        )
        self._refuse_losses(restart)
        return restart

    def _gate(self, workload: Object, *, made_by_this_run: bool) -> Gate | None:
        """The gate of its pods, which have not been checked yet."""
        access, component = self._terms.access, self._terms.components.get(workload["metadata"]["name"])
        container = main_container(workload)["name"]
        gate = gate_of(workload, component, access)
        return for_each_pod(gate, access, component, container, made_by_this_run=made_by_this_run)

    def _healthy_pods(self, workload: Object) -> list[Object]:
        """Its pods. Raises OperatorError if they are not healthy and do not become healthy soon."""
        with Watcher(self._cluster, self._objects, workload, self._progress) as watcher:
            verdict = watcher.until(
                lambda observed: assess(observed, patience=watcher.patience), timeout_seconds=LOOK_SECONDS
            )
            if verdict.state == "done":
                return current_pods(watcher.observe())
        name = workload["metadata"]["name"]
        raise OperatorError(
            redact(f"{workload['kind']} {name} is already unhealthy before the restart: {verdict.reason}"),
            expected="workloads that are completely rolled out and available before they are restarted",
            untouched="all workloads",
            next_step=f"kubectl -n {self._cluster.namespace} describe {workload['kind'].lower()} {name}; run the same "
            "command again when it is healthy",
        )

    def _refuse_losses(self, restart: Restart) -> None:
        refused = [
            finding.text
            for finding in restart.findings
            if finding.kind == "refuse" or (self._terms.require_lossless and not finding.lossless)
        ]
        if refused:
            raise OperatorError(
                f"{restart.kind} {restart.name} cannot be restarted without a loss: {'; '.join(refused)}",
                expected="settings with which a restart loses nothing"
                if self._terms.require_lossless
                else "never two schedulers at once, or `row_locks: true` if the engine locks rows",
                untouched="all workloads",
                next_step="change the workload's settings as described, then run the same command again"
                + ("; or accept the loss: `require_lossless: false`" if self._terms.require_lossless else ""),
            )

    def _wait(self, watcher: Watcher, restart: Restart, workload: Object, later: list[str]) -> None:
        terms = self._terms
        watcher.until_rolled_out(
            timeout_seconds=terms.timeout_seconds,
            generation=workload["metadata"]["generation"],
            wait_for_old=terms.wait_for_old,
            later=later,
        )
        self._until_passed(watcher, restart, workload, later)

    def _until_passed(
        self,
        watcher: Watcher,
        restart: Restart,
        workload: Object,
        later: list[str],
        beside: Sequence[tuple[Gate, list[Object]]] = (),
    ) -> None:
        """The gates in `beside`, with their pods, are checked at the same time; the caller waits for them
        afterwards."""
        terms = self._terms
        if restart.gate is not None and terms.access is not None:
            watcher.until_passed(
                Beside(restart.gate, beside) if beside else restart.gate,
                timeout_seconds=terms.access.timeout_seconds,
                generation=workload["metadata"]["generation"],
                wait_for_old=terms.wait_for_old,
                later=later,
            )

    def _put_back(self, restart: Restart, failure: OperatorError, later: list[str]) -> OperatorError:
        """Restore the pod template of the previous revision; returns the error to raise instead of `failure`."""
        try:
            return _told(failure, self._outcome_of_putting_back(restart, later))
        except ApiException as error:
            return _told(failure, f"the previous revision was not restored: the API server answered {error.status}")

    def _outcome_of_putting_back(self, restart: Restart, later: list[str]) -> str:
        kept = "ReplicaSet" if restart.kind == "Deployment" else "ControllerRevision"
        workload = {**(self._objects.read(restart.kind, restart.name) or {}), "kind": restart.kind}
        template = previous_template(workload, self._objects.list(kept)["items"]) if "spec" in workload else None
        if template is None:
            return "there is no previous revision to restore"
        change = merge_change(workload["spec"]["template"], template)
        self._progress(f"{restart.name}: restoring the previous revision")
        patched = self._objects.patch(restart.kind, restart.name, {"spec": {"template": change}})
        patched = {**patched, "kind": restart.kind}
        try:
            with Watcher(self._cluster, self._objects, patched, self._progress) as watcher:
                if restart.kind == "StatefulSet":
                    self._drop_stuck(watcher)
                # The previous pods may never have ended.
                restart.gate = self._gate(patched, made_by_this_run=False)
                self._wait(watcher, restart, patched, later)
        except OperatorError as second:
            return f"its previous revision was restored, but does not become healthy either: {second.found}"
        return "its previous revision was restored and serves again"

    def _drop_stuck(self, watcher: Watcher) -> None:
        """A StatefulSet waits for pods that are not ready, even for those of an abandoned revision."""
        for pod in watcher.own_pods():
            metadata = pod["metadata"]
            if "deletionTimestamp" not in metadata and not is_ready(pod):
                self._objects.delete("Pod", metadata["name"], uid=metadata["uid"])
                watcher.until_dropped(metadata["uid"])


def _told(failure: OperatorError, outcome: str) -> OperatorError:
    return OperatorError(
        f"{failure.found}; {outcome}",
        expected=failure.expected,
        untouched=failure.untouched,
        next_step="fix the cause that the evidence shows, then run the same command again: it restarts this one again",
        evidence=failure.evidence,
    )
