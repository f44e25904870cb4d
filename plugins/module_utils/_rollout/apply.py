# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.mirror import Mirror
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import FIELD_MANAGER, Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.secret import StoredSecret
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.unreachable import is_malformed
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.definition import (
    STOPPED_ANNOTATION,
    comparable,
    is_ours,
    prepared,
    saved,
    shown,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.watcher import LONGEST_SILENCE_SECONDS, Watcher
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
    from ansible_collections.hopsworks.airflow.plugins.module_utils._run.progress import Progress

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
Action = Literal["created", "replaced", "configured", "retried", "unchanged"]
KINDS = ("Deployment", "StatefulSet")
DEFAULT_GRACE_SECONDS = 30
# For the kubelet and the garbage collector to notice that a pod's grace period is over.
GRACE_MARGIN_SECONDS = 60


@dataclass
class Step:
    """What is to be done about one definition. `after` is the object as it would be."""

    definition: Object
    live: Object | None
    action: Action
    after: Object

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

    Objects of others are replaced rather than merged with, where `replace` allows it: server-side apply would keep
    their containers beside ours. What they were is kept in Secret `backup_secret`, an entry each.
    """

    def __init__(
        self, cluster: Cluster, progress: Progress, *, replace: bool = False, backup_secret: str | None = None
    ) -> None:
        self._cluster, self._progress = cluster, progress
        self._objects = Objects(cluster)
        self._replace, self._backup_secret = replace, backup_secret

    def plan(self, definitions: list[Object]) -> list[Step]:
        """What each definition needs, as the API server's dry run tells. Changes nothing.

        Raises OperatorError for a definition that cannot be applied, before any of them is.
        """
        return [self._plan(prepared(definition, self._cluster.namespace)) for definition in definitions]

    def roll_out(self, steps: list[Step], *, timeout_seconds: float, wait_for_old: bool = True) -> dict[str, float]:
        """Do the steps in their order; the next when one is healthy. Returns the seconds that each took.

        Raises OperatorError at the first that does not get healthy; those after it are not touched.
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
                next_step="take it out of the definitions",
            )
        live = self._objects.read(kind, name)
        if live is None:
            return Step(
                definition, None, "created", self._checked(lambda: self._objects.apply(definition, dry_run=True))
            )
        live = {**live, "kind": kind, "apiVersion": definition["apiVersion"]}
        if is_ours(live) and "deletionTimestamp" not in live["metadata"]:
            after = self._dry_run(definition)
            if after is not None:
                same = comparable(after) == comparable(live)
                stopped = STOPPED_ANNOTATION in live["metadata"].get("annotations", {})
                return Step(definition, live, "unchanged" if same and not stopped else "configured", after)
        if not self._replace:
            raise self._not_ours(kind, name, live)
        # Under another name, because the dry run of an object that exists is refused.
        stand_in = {**definition, "metadata": {**definition["metadata"], "name": f"{name}-dry-run"}}
        after = self._checked(lambda: self._objects.create(stand_in, dry_run=True))
        after["metadata"]["name"] = name
        return Step(definition, live, "replaced", after)

    def _dry_run(self, definition: Object) -> Object | None:
        """The outcome of applying it, or None where only a new object can be like that (immutable fields)."""
        try:
            return self._objects.apply(definition, dry_run=True)
        except ApiException as error:
            if error.status == 422 and ("immutable" in str(error.body) or "updates to statefulset" in str(error.body)):
                return None
            raise self._refused(error) from None

    def _checked(self, request: Callable[[], Object]) -> Object:
        try:
            return request()
        except ApiException as error:
            raise self._refused(error) from None

    def _refused(self, error: Any) -> Any:
        """A definition that the API server finds fault with; other errors as they are."""
        if not is_malformed(error):
            return error
        try:
            message = json.loads(error.body)["message"]
        except (TypeError, ValueError, KeyError):
            message = str(error.reason)
        return OperatorError(
            f"the API server refuses a workload: {message}",
            expected="definitions that it accepts",
            untouched="all workloads",
            next_step="correct the variables that this definition is made from, then run the same command again",
        )

    def _not_ours(self, kind: str, name: str, live: Object) -> OperatorError:
        problem = f"was made by others ({', '.join(_managers(live))})"
        if is_ours(live):
            problem = "has fields that cannot be changed to what is defined"
        return OperatorError(
            f"{kind} {name} exists and {problem}",
            expected="none of that name, or one of this collection's that can become what is defined",
            untouched="all workloads",
            next_step="if it is the one to be replaced, say so with `replace: true`; what it was is kept in "
            "`backup_secret`",
        )

    def _roll_out(self, step: Step, later: list[str], timeout_seconds: float, *, wait_for_old: bool) -> None:
        generation = 0
        if step.action == "replaced":
            self._back_up(step)
            self._remove(step, timeout_seconds)
        if step.action in ("created", "replaced", "configured"):
            self._progress(f"{step.name}: {step.action}")
            applied = self._objects.apply(step.definition)
            generation = applied["metadata"]["generation"]
            if STOPPED_ANNOTATION in applied["metadata"].get("annotations", {}):
                self._objects.patch(step.kind, step.name, {"metadata": {"annotations": {STOPPED_ANNOTATION: None}}})
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

    def _back_up(self, step: Step) -> None:
        """Keep the object that is going to be deleted, unless an earlier attempt of this run has kept it."""
        if self._backup_secret is None or step.live is None:
            return
        secret = StoredSecret(self._cluster, self._backup_secret)
        entry = f"{step.kind.lower()}-{step.name}.json"
        if entry not in secret.entries:
            secret.write({entry: json.dumps(saved(step.live), sort_keys=True).encode()})

    def _remove(self, step: Step, timeout_seconds: float) -> None:
        live = step.live or {}
        metadata, pod_spec = live["metadata"], live["spec"]["template"]["spec"]
        grace = pod_spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
        self._progress(f"{step.name}: removing the one of {', '.join(_managers(live)) or 'others'}")
        # In the foreground: the object stays until the last of its pods has ended.
        self._objects.delete(step.kind, step.name, uid=metadata["uid"], propagation="Foreground")
        changed = threading.Event()
        mirror = Mirror(self._objects, step.kind, changed, field_selector=f"metadata.name={step.name}")
        deadline = time.monotonic() + max(timeout_seconds, grace + GRACE_MARGIN_SECONDS)
        while True:
            changed.clear()
            if all(item["metadata"]["uid"] != metadata["uid"] for item in mirror.items()):
                break
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"the old {step.kind} {step.name} is deleted, but pods of it have not ended",
                    expected=f"that they end within their grace period of {grace} s",
                    untouched=f"the new one is not made yet; the old one is kept in Secret {self._backup_secret}",
                    next_step="see what they wait for (a finalizer, a lost node), then run the same command again",
                )
            if not changed.wait(LONGEST_SILENCE_SECONDS):
                self._progress(f"{step.name}: its old pods are still ending ({deadline - time.monotonic():.0f} s left)")
        mirror.stop()


def _managers(live: Object) -> list[str]:
    names = {str(entry.get("manager")) for entry in live["metadata"].get("managedFields", [])}
    return sorted(name for name in names if not name.startswith(FIELD_MANAGER) and name != "kube-controller-manager")
