# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .._common.failure import OperatorError
from .._kubernetes.objects import Objects, label_selector
from .._kubernetes.workloads import find, find_all
from .._pods.admission import NEW_OBJECTS, TEMPLATE_OBJECTS, Coming, coming_of
from .._pods.definition import STOPPED_ANNOTATION, comparable, is_ours, managers, prepared, shown
from .._pods.phase import is_finished
from .._pods.verdict import belongs
from .._pods.watcher import Watcher
from .autoscalers import PAUSED, PAUSED_REPLICAS, Autoscalers, release_replicas, replicas_of
from .backup import Backup, record_of
from .belonging import deployment_of, refuse_another, refuse_twice
from .configurations import configurations_of
from .network_policies import NetworkPolicies
from .removal import remove
from .scale import Scaler
from .volumes import refuse_loss_of_volumes
from .writing import Predicted, once_counted, stand_in_name

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster

Object = dict[str, Any]
Action = Literal["created", "replaced", "configured", "retried", "unchanged"]
KINDS = ("Deployment", "StatefulSet")
UNTOUCHED = "all workloads"


@dataclass
class Step:
    """The step for one definition. `after` is the object as it would be."""

    definition: Object
    live: Object | None
    action: Action
    after: Object
    # If the definition leaves their number to the live object.
    replicas: int | None = None
    # A live workload of the same name and another kind, which a new one replaces.
    beside: Object | None = None

    @property
    def old(self) -> Object | None:
        """The live workload that it replaces."""
        return self.live if self.live is not None else self.beside

    @property
    def kind(self) -> str:
        return str(self.definition["kind"])

    @property
    def name(self) -> str:
        return str(self.definition["metadata"]["name"])

    def diff(self) -> dict[str, Any]:
        before, after = shown(self.live, self.after)
        header = f"{self.kind} {self.name}"
        return {"before_header": header, "after_header": header, "before": before, "after": after}


class Applier:
    """Rolls out Deployments and StatefulSets one after the other.

    Objects of others are replaced and not merged, if `replace` allows it: server-side apply would keep their containers
    next to the new ones. They are saved in the Secret `backup_secret`, one entry per object.
    """

    def __init__(
        self, cluster: Cluster, progress: Progress, *, replace: bool = False, backup_secret: str | None = None
    ) -> None:
        self._cluster, self._progress = cluster, progress
        self._objects = Objects(cluster)
        self._autoscalers = Autoscalers(self._objects)
        self._policies = NetworkPolicies(self._objects, cluster.namespace)
        self._replace, self._backup_secret = replace, backup_secret
        self._predicted = Predicted(UNTOUCHED)

    def plan(self, definitions: list[Object]) -> list[Step]:
        """The step for each definition, according to the API server's dry run. Changes nothing.

        Raises OperatorError for a definition that cannot be applied, before any of them is applied.
        """
        refuse_twice(definitions, UNTOUCHED)
        steps = [self._plan(prepared(definition, self._cluster.namespace)) for definition in definitions]
        for step in steps:
            if "replicas" not in step.definition["spec"]:
                step.replicas = self._replicas(step)
                step.after["spec"]["replicas"] = step.replicas
        return steps

    def _replicas(self, step: Step) -> int:
        """The number of the live object, or the saved number if an interrupted run has deleted the object."""
        if step.old is not None:
            return replicas_of(step.old)
        if self._backup_secret is not None:
            record = Backup(self._cluster, self._backup_secret).records.get(f"{step.kind.lower()}-{step.name}")
            if record is not None and record.object is not None:
                return replicas_of(record.object)
        return 1

    def pods_of(self, steps: list[Step]) -> tuple[list[Coming], list[Object]]:
        """The maximum number of pods that these steps create at once, and the live pods that they replace."""
        coming: list[Coming] = []
        # By name, because several selectors may match the same pods, and pods of others.
        freed: dict[str, Object] = {}
        for step in steps:
            if step.action == "unchanged":
                continue
            objects = NEW_OBJECTS.get(step.kind, ())
            if step.old is not None:
                selector = label_selector(step.old["spec"]["selector"])
                pods = self._objects.list("Pod", label_selector=selector)["items"]
                # The selector may match pods of others and of another step.
                freed |= {
                    pod["metadata"]["name"]: pod for pod in pods if belongs(step.old, pod) and not is_finished(pod)
                }
            if step.live is not None:
                # If it is replaced, an old object is removed for each new one.
                updated = (
                    step.action == "configured" and step.after["spec"]["template"] != step.live["spec"]["template"]
                )
                objects = TEMPLATE_OBJECTS.get(step.kind, ()) if updated else ()
            extra = surge_of(step.after) if step.action == "configured" else 0
            coming.append(coming_of(step.after, step.after["spec"].get("replicas", 1) + extra, objects))
        return coming, [*freed.values()]

    def warnings(self, steps: list[Step]) -> list[str]:
        """What the dry runs could not determine, and what may happen to the replaced workloads."""
        changed = [(step, step.old) for step in steps if step.old is not None and step.action != "unchanged"]
        return [
            *self._predicted.untold,
            *(warning for step, old in changed for warning in self._waking(step, old)),
            *(warning for step, old in changed for warning in self._cut_off(step, old)),
        ]

    def _waking(self, step: Step, old: Object) -> Iterator[str]:
        if step.action in ("replaced", "created"):
            for scaler in self._autoscalers.waking(old["kind"], step.name):
                yield (
                    f"ScaledObject {scaler} may start pods of {old['kind']} {step.name} while that is stopped; "
                    f"pause it first: kubectl -n {self._cluster.namespace} annotate --overwrite scaledobject {scaler} "
                    f"{PAUSED}=true {PAUSED_REPLICAS}-"
                )

    def _cut_off(self, step: Step, old: Object) -> Iterator[str]:
        after = labels_of(step.after)
        for lost in self._policies.lost(labels_of(old), after):
            yield (
                f"{lost}: the pods of {old['kind']} {step.name} have them, but the new pods do not "
                f"({json.dumps(after, sort_keys=True)}), so the new pods may be cut off; give them the labels "
                "(airflow_pod_labels, or pod_labels of the component), or adapt the policy first"
            )

    def roll_out(self, steps: list[Step], *, timeout_seconds: float, wait_for_old: bool = True) -> dict[str, float]:
        """Carry out the steps in order, each after the previous one is healthy. Returns the seconds that each took.

        Raises OperatorError at the first workload that does not become healthy; later ones are not changed.
        """
        seconds: dict[str, float] = {}
        for position, step in enumerate(steps):
            begun = time.monotonic()
            later = [other.name for other in steps[position + 1 :]]
            self._roll_out(step, later, timeout_seconds, wait_for_old=wait_for_old)
            seconds[step.name] = round(time.monotonic() - begun, 1)
        return seconds

    def _plan(self, definition: Object) -> Step:
        kind, name = definition["kind"], definition["metadata"]["name"]
        if kind not in KINDS:
            raise OperatorError(
                f"{kind} {name} among the workloads",
                expected=f"only objects of the kinds {' and '.join(KINDS)}",
                untouched="all workloads",
                next_step="remove it from the definitions",
            )
        self._autoscalers.refuse_fixed(definition)
        live = self._objects.read(kind, name)
        if live is None:
            beside = self._beside(definition)
            made = self._predicted.outcome(lambda: self._objects.apply(definition, dry_run=True), definition)
            return Step(definition, None, "created", made, beside=beside)
        live = {**live, "kind": kind, "apiVersion": definition["apiVersion"]}
        refuse_another(live, deployment_of(definition), UNTOUCHED)
        if is_ours(live) and "deletionTimestamp" not in live["metadata"]:
            after = self._predicted.possible(lambda: self._objects.apply(definition, dry_run=True), definition)
            if after is not None:
                if "replicas" not in definition["spec"]:
                    after["spec"]["replicas"] = replicas_of(live)
                same = comparable(after) == comparable(live)
                stopped = STOPPED_ANNOTATION in live["metadata"].get("annotations", {})
                return Step(definition, live, "unchanged" if same and not stopped else "configured", after)
        if not self._replace:
            raise self._not_ours(kind, name, live)
        # All workloads of the name are stopped for it.
        for each in find_all(self._objects, name):
            refuse_loss_of_volumes(each, UNTOUCHED, deleted=each["kind"] == kind)
        # Under another name, because the dry run of an existing object is rejected. Applied, as in the real step,
        # because not every object that may be created may be applied (a duplicate variable).
        stand_in = {**definition, "metadata": {**definition["metadata"], "name": stand_in_name(name)}}
        after = self._predicted.in_its_place(lambda: self._objects.apply(stand_in, dry_run=True), definition)
        after["metadata"]["name"] = name
        return Step(definition, live, "replaced", after)

    def _beside(self, definition: Object) -> Object | None:
        """A live workload of the same name and another kind: it must not run alongside the new one."""
        beside = find(self._objects, definition["metadata"]["name"])
        if beside is None:
            return None
        refuse_another(beside, deployment_of(definition), UNTOUCHED)
        if beside["spec"].get("replicas", 1) and not self._replace:
            raise self._not_ours(beside["kind"], beside["metadata"]["name"], beside)
        refuse_loss_of_volumes(beside, UNTOUCHED)
        return beside

    def _not_ours(self, kind: str, name: str, live: Object) -> OperatorError:
        problem = f"was created by others ({', '.join(managers(live))})"
        if is_ours(live):
            problem = "has immutable fields that differ from the definition"
        return OperatorError(
            f"{kind} {name} exists and {problem}",
            expected="no object of that name, or one of this collection that can be changed to the definition",
            untouched="all workloads",
            next_step="if it should be replaced, set `replace: true`; it is saved in `backup_secret`",
        )

    def _roll_out(self, step: Step, later: list[str], timeout_seconds: float, *, wait_for_old: bool) -> None:
        generation = 0
        if step.action == "replaced":
            self._back_up(step)
            self._remove(step, timeout_seconds)
        if step.beside is not None:
            self._back_up(step)
            Scaler(self._cluster, self._progress).stop(step.name, timeout_seconds=timeout_seconds)
        if step.action in ("created", "replaced", "configured"):
            self._progress(f"{step.name}: {step.action}")
            applied = self._apply(step)
            generation = applied["metadata"]["generation"]
        else:
            applied = step.live or {}
        with Watcher(self._cluster, self._objects, {**applied, "kind": step.kind}, self._progress) as watcher:
            if step.action == "unchanged" and watcher.try_again():
                step.action = "retried"
            watcher.until_rolled_out(
                timeout_seconds=timeout_seconds,
                generation=generation,
                wait_for_old=wait_for_old,
                later=later,
            )

    def _apply(self, step: Step) -> Object:
        """Apply the definition, with its replicas or the former ones."""
        definition = step.definition
        fresh = step.action in ("created", "replaced")
        if fresh and step.replicas not in (None, 1):
            # So that the number remains if the run is killed here.
            annotations = {**definition["metadata"].get("annotations", {}), STOPPED_ANNOTATION: str(step.replicas)}
            definition = {**definition, "metadata": {**definition["metadata"], "annotations": annotations}}
        if step.replicas is not None and not fresh:
            release_replicas(self._objects, step.kind, step.name)
        applied = once_counted(lambda: self._objects.apply(definition))
        change: Object = {}
        if STOPPED_ANNOTATION in applied["metadata"].get("annotations", {}):
            change["metadata"] = {"annotations": {STOPPED_ANNOTATION: None}}
        if step.replicas is not None and applied["spec"].get("replicas", 1) != step.replicas:
            # With another field manager than the definition, because an autoscaler owns the number.
            change["spec"] = {"replicas": step.replicas}
        return self._objects.patch(step.kind, step.name, change) if change else applied

    def _back_up(self, step: Step) -> None:
        """Save the object that is going to be deleted, unless an earlier attempt of this run has saved it."""
        if self._backup_secret is not None:
            kept = [(step.kind, step.name, step.live)]
            if step.beside is not None:
                kept.append((step.beside["kind"], step.name, step.beside))
            if step.live is not None:
                configurations = configurations_of(self._objects, step.live)
                kept += [("ConfigMap", each["metadata"]["name"], each) for each in configurations]
            deployment = deployment_of(step.definition)
            Backup(self._cluster, self._backup_secret).keep(
                [record_of(kind, name, live, deployment) for kind, name, live in kept]
            )

    def _remove(self, step: Step, timeout_seconds: float) -> None:
        remove(
            self._objects,
            step.live or {},
            self._progress,
            timeout_seconds=timeout_seconds,
            untouched=f"the new one, which does not exist yet; the old one is saved in Secret {self._backup_secret}",
        )


def labels_of(workload: Object) -> dict[str, str]:
    """The labels of the pods of a workload."""
    return workload["spec"]["template"].get("metadata", {}).get("labels") or {}


def surge_of(workload: Object) -> int:
    """How many pods more than its replicas a Deployment may have during an update."""
    strategy = workload["spec"].get("strategy", {})
    if workload["kind"] != "Deployment" or strategy.get("type") == "Recreate":
        return 0
    surge = strategy.get("rollingUpdate", {}).get("maxSurge", "25%")
    if isinstance(surge, int):
        return int(surge)
    replicas: int = workload["spec"].get("replicas", 1)
    return math.ceil(replicas * int(surge.rstrip("%")) / 100)
