# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .._kubernetes.objects import Objects
from .._kubernetes.unreachable import message_of, words_of
from .._kubernetes.workloads import KINDS
from .._pods.definition import is_half_replaced, is_ours, saved, shown
from .._pods.watcher import Watcher
from .._rollout.backup import Backup, Record
from .._rollout.belonging import is_of_another
from .._rollout.removal import remove, remove_plain
from .._rollout.scale import Scaled, Scaler, Started
from .._rollout.troubles import Troubles
from .._rollout.writing import once_counted, own
from .allocated import without_addresses, without_ports, without_taken
from .owners import Owners
from .replacement import replace_object

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
Action = Literal["created", "restored", "removed", "started", "left", "unchanged"]


@dataclass
class Return:
    """The action for one object: `left` are those that others have created or changed since."""

    record: Record
    live: Object | None
    action: Action

    @property
    def changes(self) -> bool:
        return self.action not in ("left", "unchanged")

    @property
    def is_workload(self) -> bool:
        return self.record.kind in KINDS

    def diff(self) -> dict[str, Any]:
        header = _name_of(self)
        before: Object | str
        after: Object | str = ""
        if self.record.object is None:
            before = shown(None, self.live or {})[1]
        else:
            before, after = shown(self.live, self.record.object)
        return {"before_header": header, "after_header": header, "before": before, "after": after}


class Restorer:
    """Restores everything that a run replaced: it deletes the new workloads, then restores the objects and the old
    workloads.

    Objects that were missing before are removed if this collection created them. Workloads that are still the old ones
    are started again. Objects that others have created or changed since then are not touched. `warnings` name the parts
    of objects that could not be restored.
    """

    def __init__(self, cluster: Cluster, progress: Progress, backup_secret: str) -> None:
        self._cluster, self._progress = cluster, progress
        self._objects = Objects(cluster)
        self._owners = Owners(self._objects)
        self._backup = Backup(cluster, backup_secret)
        self._troubles = Troubles(f"the originals, which are saved in Secret {backup_secret}")
        self._unseen: set[tuple[str, str]] = set()
        self.warnings: list[str] = []

    @property
    def exists(self) -> bool:
        return self._backup.exists

    def plan(self) -> list[Return]:
        returns = []
        for record in self._backup.records.values():
            self._unseen.add((record.kind, record.name))
            with self._troubles.kept(f"{record.kind} {record.name} can't be read"):
                returns.append(self._plan(record))
                self._unseen.remove((record.kind, record.name))
        self.warnings += self._troubles.found
        return returns

    def act(self, returns: list[Return], *, timeout_seconds: float) -> None:
        """After everything else is restored, raises OperatorError for objects that cannot be read or restored: neither
        one missing object nor one unhealthy workload is a reason to leave the old deployment stopped.
        """
        troubles = self._troubles
        workloads = [step for step in returns if step.is_workload]
        # The new one may still run or have terminating pods, so the old one of that name must not run alongside it.
        in_the_way = {name for kind, name in self._unseen if kind in KINDS}
        for step in workloads:
            if step.live is not None and step.action in ("restored", "removed"):
                in_the_way.add(step.record.name)
                with troubles.kept(f"the new {_name_of(step)} can't be removed"):
                    self._remove(step, timeout_seconds)
                    in_the_way.remove(step.record.name)
        for step in returns:
            if step.changes and not step.is_workload:
                self._progress(f"{_name_of(step)}: {step.action}")
                with troubles.kept(f"{_name_of(step)} can't be restored"):
                    self._put_back(step, timeout_seconds)
        with contextlib.ExitStack() as stack:
            started: list[tuple[Return, Started]] = []
            for step in workloads:
                if step.record.name in in_the_way or step.action not in ("created", "restored", "started"):
                    continue
                with troubles.kept(f"{_name_of(step)} can't be restored"):
                    started.append((step, stack.enter_context(self._start(step))))
            for step, each in started:
                with troubles.kept(f"{_name_of(step)} can't be watched"):
                    each.until_healthy(timeout_seconds=timeout_seconds)
        troubles.tell()
        self._backup.restored()

    def _plan(self, record: Record) -> Return:
        live = self._objects.read(record.kind, record.name)
        warnings: list[str] = []
        if record.object is not None:
            kept, warnings = self._owners.without_gone(record.object)
            record = dataclasses.replace(record, object=kept)
        step = Return(record, live, self._action(record, live))
        if step.action in ("created", "restored"):
            self.warnings += warnings
        return step

    def _action(self, record: Record, live: Object | None) -> Action:
        if live is None:
            return "unchanged" if record.object is None else "created"
        if is_of_another(live, record.deployment):
            return "left"
        ending = "deletionTimestamp" in live["metadata"]
        replaced = is_ours(live) or is_half_replaced(live) or ending
        if record.object is None:
            return "removed" if replaced else "left"
        owners = is_ours(live) == is_ours({"metadata": {"managedFields": record.managed_fields}})
        same = owners and not is_half_replaced(live) and not ending and self._is_same(saved(live), record)
        if record.kind in KINDS and live["metadata"]["uid"] == record.uid and (same or not replaced):
            stopped = not live["spec"].get("replicas", 1) and record.object["spec"].get("replicas", 1)
            return "started" if stopped else "unchanged"
        if same:
            return "unchanged"
        return "restored" if replaced else "left"

    @staticmethod
    def _is_same(live: Object, record: Record) -> bool:
        kept: Object = record.object or {}
        if kept["kind"] == "Service" and not is_ours({"metadata": {"managedFields": record.managed_fields}}):
            # It belongs to the others again, with another port because the old one was taken.
            live, kept = without_ports(live), without_ports(kept)
        return is_same(live, kept)

    def _remove(self, step: Return, timeout_seconds: float) -> None:
        remove(
            self._objects,
            step.live or {},
            self._progress,
            timeout_seconds=timeout_seconds,
            untouched=f"the original, which is saved in Secret {self._backup.name}",
        )

    def _put_back(self, step: Return, timeout_seconds: float) -> None:
        record, untouched = step.record, f"the original, which is saved in Secret {self._backup.name}"
        if record.object is None:
            if step.live is not None:
                remove_plain(self._objects, step.live, timeout_seconds=timeout_seconds, untouched=untouched)
            return
        definition, live = record.object, step.live
        if live is not None:
            self._accepted(
                _with_addresses_of(live, definition),
                lambda wanted: replace_object(
                    self._objects, wanted, timeout_seconds=timeout_seconds, untouched=untouched
                ),
            )
        if self._objects.read(record.kind, record.name) is None:
            self._create(definition)
        own(self._objects, record.kind, record.name, lambda _entry: False, record.managed_fields)

    def _start(self, step: Return) -> Started:
        record = step.record
        if step.action == "started" or record.object is None:
            return Scaler(self._cluster, self._progress).start(record.name, kind=record.kind)
        self._progress(f"{record.name}: {step.action}")
        created = self._create(record.object)
        own(self._objects, record.kind, record.name, lambda _entry: False, record.managed_fields)
        live = {**created, "kind": record.kind}
        watcher = Watcher(self._cluster, self._objects, live, self._progress)
        return Started(Scaled(record.name, record.kind, "started"), watcher, created["metadata"]["generation"])

    def _create(self, definition: Object) -> Object:
        """Recreate it."""

        def create(wanted: Object) -> Object:
            try:
                return once_counted(lambda: self._objects.create(wanted))
            except ApiException as error:
                made = self._objects.read(wanted["kind"], wanted["metadata"]["name"]) if error.status == 409 else None
                if made is None:
                    raise
                return made  # the response to an earlier attempt was lost

        created: Object = self._accepted(definition, create)
        return created

    def _accepted(self, definition: Object, write: Callable[[Object], Any]) -> Any:
        """Write an object; a Service gets its old address and ports, unless others have these by now."""
        name = f"{definition['kind']} {definition['metadata']['name']}"
        while True:
            try:
                written = write(definition)
            except ApiException as error:
                message = message_of(error)
                # A health check port that is taken is reported as a server error.
                less = without_taken(definition, message) if error.status in (422, 500) else None
                if less is None:
                    raise
                definition, lost = less
                self.warnings.append(
                    f"{name} can't have {', '.join(lost)} again ({words_of(error)}): the API server allocates another"
                )
                continue
            return written


def _name_of(step: Return) -> str:
    return f"{step.record.kind} {step.record.name}"


def is_same(live: Object, kept: Object) -> bool:
    """Whether a live object equals the saved one; a Service may have another address if the old one was taken."""
    if kept["kind"] == "Service" and "None" not in (live["spec"].get("clusterIP"), kept["spec"].get("clusterIP")):
        live, kept = without_addresses(live), without_addresses(kept)
    return live == kept


def _with_addresses_of(live: Object, kept: Object) -> Object:
    """A saved Service, adapted to a live one with another address, because an address cannot be changed."""
    addresses = (live.get("spec", {}).get("clusterIP"), kept.get("spec", {}).get("clusterIP"))
    if kept["kind"] != "Service" or "None" in addresses or addresses[0] == addresses[1]:
        return kept
    return without_addresses(kept)
