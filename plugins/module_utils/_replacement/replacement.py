# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.objects import FIELD_MANAGER, Objects
from .._kubernetes.unreachable import words_of
from .._pods.definition import comparable, is_ours, managers, prepared, saved
from .._pods.quota import counted_as, refuse_shortfalls
from .._rollout.apply import Step
from .._rollout.backup import Backup, record_of
from .._rollout.belonging import deployment_of, refuse_another, refuse_twice
from .._rollout.removal import remove_plain
from .._rollout.writing import Predicted, as_read, is_immutable, once_counted, own, stand_in_name
from .allocated import allocated, without
from .exposure import refuse_opening
from .keeping import UNTOUCHED, read_live

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
KINDS = (
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Service",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
)


class Replacer:
    """Applies the objects that pods need: Services, accounts, roles, configuration, budgets.

    Objects of this collection are changed by server-side apply. Objects of others are replaced completely, so that none
    of their fields are left: in place, because allocated values (addresses, ports, tokens) belong to the name, or by a
    new object if a change in place is not possible.
    """

    def __init__(
        self, cluster: Cluster, progress: Progress, *, replace: bool = False, backup_secret: str | None = None
    ) -> None:
        self._cluster, self._progress = cluster, progress
        self._objects = Objects(cluster)
        self._replace, self._backup_secret = replace, backup_secret
        self._predicted = Predicted(UNTOUCHED)

    @property
    def untold(self) -> list[str]:
        """What the dry runs could not determine."""
        return self._predicted.untold

    def plan(self, definitions: list[Object]) -> list[Step]:
        """The step for each definition, according to the API server's dry run. Changes nothing.

        Raises OperatorError for one that cannot be applied or could not be restored later.
        """
        for definition in definitions:
            if definition["kind"] not in KINDS:
                raise OperatorError(
                    f"{definition['kind']} {definition['metadata']['name']} among the objects",
                    expected=f"objects of the kinds {', '.join(KINDS)}",
                    untouched=UNTOUCHED,
                    next_step="remove it from the definitions; use the module workloads for workloads",
                )
        refuse_twice(definitions, UNTOUCHED)
        made = {(definition["kind"], definition["metadata"]["name"]) for definition in definitions}
        steps = [self._plan(prepared(definition, self._cluster.namespace), made) for definition in definitions]
        for step in steps:
            refuse_opening(step, UNTOUCHED)
        self._count(steps)
        return steps

    def act(self, steps: list[Step], *, timeout_seconds: float) -> None:
        for step in steps:
            if step.action == "unchanged":
                continue
            self._progress(f"{step.kind} {step.name}: {step.action}")
            if step.action == "replaced":
                self._keep(step)
                self._replaced(step, timeout_seconds)
            else:
                self._objects.apply(step.definition)

    def _count(self, steps: list[Step]) -> None:
        """Checks that quotas have room for all new objects together, because a dry run only checks each of them."""
        more: Counter[str] = Counter()
        for step in steps:
            more.update(counted_as(step.after))
            more.subtract(counted_as(step.live) if step.live is not None else {})
        if max(more.values(), default=0) > 1:
            refuse_shortfalls(self._objects, more, UNTOUCHED)

    def _plan(self, definition: Object, made: set[tuple[str, str]]) -> Step:
        live = read_live(self._objects, definition)
        definition = completed(definition, live)
        if live is None:
            return Step(definition, None, "created", self._created(definition, made))
        refuse_another(live, deployment_of(definition), UNTOUCHED)
        ours = is_ours(live) and "deletionTimestamp" not in live["metadata"]
        if ours:
            after = self._predicted.possible(lambda: self._objects.apply(definition, dry_run=True), definition)
            if after is not None:
                same = comparable(after) == comparable(live)
                return Step(definition, live, "unchanged" if same else "configured", after)
        if not self._replace:
            raise _not_ours(live)
        if not ours:
            self._check_way_back(live)
        return Step(definition, live, "replaced", self._replaced_dry(definition, live))

    def _created(self, definition: Object, made: set[tuple[str, str]]) -> Object:
        def applied() -> Object:
            try:
                return self._objects.apply(definition, dry_run=True)
            except ApiException as error:
                # The API server compares the user's own rights with the Role, which it can only do once the Role
                # exists.
                role = (definition.get("roleRef", {}).get("kind"), definition.get("roleRef", {}).get("name"))
                if error.status == 404 and role in made:
                    return definition
                raise

        return self._predicted.outcome(applied, definition)

    def _replaced_dry(self, definition: Object, live: Object) -> Object:
        after = None
        if not needs_another(definition, live):
            after = self._predicted.possible(
                lambda: self._objects.replace(whole(definition, live), dry_run=True), definition
            )
        return after or stand_in(self._objects, definition, live, self._predicted)

    def _check_way_back(self, live: Object) -> None:
        """Only users who have the rights of a Role may create it, which must be known before it is deleted."""
        if live["kind"] not in ("Role", "RoleBinding"):
            return
        try:
            stand_in(self._objects, saved(live), live, self._predicted)
        except ApiException as error:
            if error.status not in (403, 404):
                raise
            raise OperatorError(
                f"{live['kind']} {live['metadata']['name']} would be replaced, and could not be restored: "
                f"{words_of(error)}",
                expected="the rights that it grants, or the verbs escalate and bind on roles",
                untouched=UNTOUCHED,
                next_step="have an administrator grant them for the upgrade, or use another kubeconfig",
            ) from None

    def _keep(self, step: Step) -> None:
        if self._backup_secret is not None:
            Backup(self._cluster, self._backup_secret).keep(
                [record_of(step.kind, step.name, step.live, deployment_of(step.definition))]
            )

    def _replaced(self, step: Step, timeout_seconds: float) -> None:
        replace_object(
            self._objects,
            step.definition,
            timeout_seconds=timeout_seconds,
            untouched=f"the original, which is saved in Secret {self._backup_secret}",
        )
        once_counted(lambda: self._objects.apply(step.definition))
        own(self._objects, step.kind, step.name, _is_own_apply, [])


def replace_object(objects: Objects, definition: Object, *, timeout_seconds: float, untouched: str) -> None:
    """Make the live object exactly this one, in place or by a new object. Does nothing if there is none."""

    def change(live: Object) -> Object | None:
        if not needs_another(definition, live):
            try:
                return objects.replace(whole(definition, live))
            except ApiException as error:
                if not is_immutable(error):
                    raise
        remove_plain(objects, live, timeout_seconds=timeout_seconds, untouched=untouched)
        return None

    as_read(objects, definition["kind"], definition["metadata"]["name"], change)


def completed(definition: Object, live: Object | None) -> Object:
    """A definition with values of the live object: the number of pods that a budget allows to evict."""
    if definition["kind"] != "PodDisruptionBudget" or definition["spec"].keys() & {"minAvailable", "maxUnavailable"}:
        return definition
    spec = (live or {}).get("spec", {})
    kept = {key: spec[key] for key in ("minAvailable", "maxUnavailable") if key in spec}
    return {**definition, "spec": {**definition["spec"], **(kept or {"maxUnavailable": 1})}}


def needs_another(definition: Object, live: Object) -> bool:
    """Whether the API server would keep a field of the live object that the definition does not have."""
    if definition["kind"] != "Service":
        return False
    headless = [obj["spec"].get("clusterIP") == "None" for obj in (definition, live)]
    return bool(headless[0] != headless[1] and live["spec"].get("type") != "ExternalName")


def whole(definition: Object, live: Object) -> Object:
    """A definition that replaces a live object, with the fields that controllers have set."""
    metadata = {**definition["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
    if "finalizers" in live["metadata"]:
        metadata["finalizers"] = live["metadata"]["finalizers"]
    body = {**definition, "metadata": metadata}
    if definition["kind"] == "ServiceAccount":
        # Tokens and pull secrets that were created for the account; a new one would lack them.
        for key in ("secrets", "imagePullSecrets"):
            if key in live and key not in definition:
                body[key] = live[key]
    return body


def stand_in(objects: Objects, definition: Object, live: Object, predicted: Predicted) -> Object:
    """The replacement of the live object, by a dry run under another name.

    A dry run of an existing name would be rejected, and so would addresses and ports that the live object has.
    """
    metadata = {**definition["metadata"], "name": stand_in_name(definition["metadata"]["name"])}
    metadata.pop("ownerReferences", None)
    body = {**definition, "metadata": metadata}
    if definition["kind"] == "Service":
        body = without(body, allocated(live))
    after = predicted.in_its_place(lambda: objects.create(body, dry_run=True), definition)
    after["metadata"]["name"] = definition["metadata"]["name"]
    return after


def _is_own_apply(entry: Object) -> bool:
    return bool(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply")


def _not_ours(live: Object) -> OperatorError:
    problem = f"was created by others ({', '.join(managers(live)) or 'unknown'})"
    if is_ours(live):
        problem = "has immutable fields that differ from the definition"
    return OperatorError(
        f"{live['kind']} {live['metadata']['name']} exists and {problem}",
        expected="no object of that name, or one of this collection that can be changed to the definition",
        untouched=UNTOUCHED,
        next_step="if it should be replaced, set `replace: true`; it is saved in `backup_secret`",
    )
