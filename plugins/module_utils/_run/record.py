# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.names import DEPLOYMENT_ANNOTATION, another, refuse_another
from .._common.timestamps import now
from .entries import FAILURE_CHARACTERS, HISTORY_KEY, PACKED_KEY, bounded, history_of, number_of, packed, told, unpacked

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

HISTORY_LENGTH = 20
ENDED = ("done", "abandoned")

# Phases of upgrade.yml and install.yml before their cut-over. They leave the live deployment unchanged, and a run that
# repeats them repeats them completely.
PREPARING = frozenset({"snapshot", "backup", "keys", "images", "schema"})

Run = dict[str, Any]


class RunRecord:
    """The record of runs: a ConfigMap, for users, for resuming runs and for audits.

    It never decides whether a phase has work to do: every phase checks the live system for that.

    A run is a mapping: `id`, `playbook`, `deployment`, `status` (running, failed, done, abandoned), `begun`, `ended`,
    `attempts` (list of `number`, `by`, `begun`, `ended`; the first and the last ones) and `phases` (list of `name`,
    `status` (running, done, failed, interrupted), `attempt`, `begun`, `ended`, `facts`, `failure`). Times are ISO 8601
    in UTC. Entries of the ConfigMap that are not ours are kept. A record of another deployment, or an invalid one, is
    neither read nor written: OperatorError.
    """

    def __init__(self, cluster: Cluster, name: str, deployment: str) -> None:
        self._cluster, self._name, self._deployment = cluster, name, deployment
        found = cluster.find(cluster.core.read_namespaced_config_map, name)
        refuse_another(found, name, deployment)
        self._version: str | None = found.metadata.resource_version if found is not None else None
        self._data: dict[str, str] = dict(found.data or {}) if found is not None else {}
        self._binary: dict[str, str] = dict(found.binary_data or {}) if found is not None else {}
        try:
            self.run: Run | None = unpacked(self._data, self._binary)
            self._history = history_of(self._data)
        except ValueError as error:
            raise self._unreadable(error) from None
        if self.run is not None and self.run["deployment"] != deployment:
            raise another(name, self.run["deployment"], deployment)

    @property
    def history(self) -> list[Run]:
        """Earlier runs, the newest first, without their phases."""
        return list(self._history)

    def unfinished(self) -> Run | None:
        """The run that a next one has to finish, if there is one."""
        return self.run if self.run is not None and self.run["status"] not in ENDED else None

    @property
    def seen(self) -> str:
        """Checksum of the newest run's current state, to detect changes later; empty if there is none."""
        return hashlib.sha256(json.dumps(self.run, sort_keys=True).encode()).hexdigest() if self.run else ""

    def refuse_changed(self, seen: str) -> None:
        """Raises OperatorError if another run has written since the record was `seen`."""
        if self.seen == seen:
            return
        run = f"run {self.run['id']} of {self.run['playbook']}.yml, {self.run['status']}" if self.run else "none"
        raise OperatorError(
            f"another run has acted on this deployment since this one read the record (the last one is {run})",
            expected="no other run between the plan and the lock",
            untouched="everything; the plan may be outdated",
            next_step="run the same command again: it makes a new plan, and continues an unfinished run",
        )

    def refuse_other(self, run_id: str) -> None:
        """Raises OperatorError if the newest run is not this one."""
        if self.run is not None and self.run["id"] == run_id:
            return
        found = f"run {self.run['id']} of {self.run['playbook']}.yml" if self.run else "no run"
        raise OperatorError(
            f"ConfigMap {self._name} is at {found}",
            expected=f"run {run_id}, whose record is written",
            untouched="the record",
            next_step="check what the other run has done (status.yml), then run the same command again",
        )

    def in_the_way(self, playbook: str) -> OperatorError | None:
        """Why a run of this playbook can't be opened, if it can't."""
        unfinished = self.unfinished()
        if unfinished is None or unfinished["playbook"] == playbook or self.abandoned_by(playbook):
            return None
        return OperatorError(
            f"run {unfinished['id']} of {unfinished['playbook']}.yml is unfinished ({unfinished['status']})",
            expected=f"no unfinished run of another playbook before {playbook}.yml",
            untouched="everything",
            next_step=f"finish it first: run {unfinished['playbook']}.yml again",
        )

    def abandoned_by(self, playbook: str) -> Run | None:
        """The unfinished run of another playbook that is closed when a run of this one is opened, if there is one.

        It has only started phases that leave the live deployment unchanged, so nothing has to be finished first.
        """
        unfinished = self.unfinished()
        if unfinished is None or unfinished["playbook"] == playbook:
            return None
        return unfinished if {phase["name"] for phase in unfinished["phases"]} <= PREPARING else None

    def open(self, run_id: str, playbook: str, by: str) -> Run:
        """Start a run, or continue an unfinished one of the same playbook (then `run_id` is ignored).

        An unfinished run of another playbook is closed as abandoned, or prevents this one: OperatorError.
        """
        if error := self.in_the_way(playbook):
            raise error
        if abandoned := self.abandoned_by(playbook):
            abandoned.update(status="abandoned", ended=abandoned.get("ended") or now())
        unfinished = self.unfinished()
        if unfinished is None:
            if self.run is not None:
                summary = {key: value for key, value in self.run.items() if key != "phases"}
                self._history = [bounded(run) for run in [summary, *self._history][:HISTORY_LENGTH]]
                self._data[HISTORY_KEY] = json.dumps(self._history)
            unfinished = {"id": run_id, "playbook": playbook, "deployment": self._deployment, "begun": now()}
            unfinished |= {"attempts": [], "phases": []}
        for phase in unfinished["phases"]:
            # The process that ran it can no longer record its end.
            if phase["status"] == "running":
                phase["status"] = "interrupted"
        unfinished.update(status="running", ended=None)
        number = number_of(unfinished, -1) + 1 if unfinished["attempts"] else 1
        unfinished["attempts"].append({"number": number, "by": by, "begun": now(), "ended": None})
        self.run = bounded(unfinished)
        return self.run

    def begin(self, phase: str) -> None:
        run = self._running()
        times = {"begun": now(), "ended": None}
        run["phases"].append({"name": phase, "status": "running", "attempt": number_of(run, -1), **times, "facts": {}})

    def end(self, phase: str, facts: dict[str, Any]) -> None:
        entry = self._last(phase)
        entry.update(status="done", ended=now(), facts=facts)

    def fail(self, phase: str | None, failure: str) -> None:
        run = self._running()
        if phase:
            self._last(phase).update(status="failed", ended=now(), failure=failure[:FAILURE_CHARACTERS])
        self._close(run, "failed")

    def finish(self) -> None:
        self._close(self._running(), "done")

    def facts(self) -> dict[str, dict[str, Any]]:
        """The facts of each phase, by its name, after all attempts."""
        return told(self.run["phases"]) if self.run is not None else {}

    def write(self) -> None:
        """Write it. If it was changed in between, the API server answers 409."""
        if self.run is not None:
            texts, binary = packed(self.run)
            self._data |= texts
            self._binary = {**{name: value for name, value in self._binary.items() if name != PACKED_KEY}, **binary}
        metadata: dict[str, Any] = {
            "name": self._name,
            "namespace": self._cluster.namespace,
            "labels": {"app.kubernetes.io/managed-by": "hopsworks.airflow"},
            "annotations": {DEPLOYMENT_ANNOTATION: self._deployment},
        }
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        body |= {"data": self._data, "binaryData": self._binary}
        if self._version is None:
            written = self._cluster.core.create_namespaced_config_map(self._cluster.namespace, body)
        else:
            metadata["resourceVersion"] = self._version
            written = self._cluster.core.replace_namespaced_config_map(self._name, self._cluster.namespace, body)
        self._version = written.metadata.resource_version

    def _unreadable(self, error: ValueError) -> OperatorError:
        where = f"kubectl -n {self._cluster.namespace}"
        return OperatorError(
            f"the run in ConfigMap {self._name} is invalid: {error}",
            expected="the record that an earlier run wrote there, or nothing",
            untouched="everything",
            next_step=(
                f"check it ({where} get configmap {self._name} -o yaml) and correct it. If no run is in progress, "
                f"remove its entries run, {PACKED_KEY} and {HISTORY_KEY} ({where} edit configmap {self._name}): they "
                "only document earlier runs"
            ),
        )

    def _running(self) -> Run:
        if self.run is None or self.run["status"] != "running":
            raise OperatorError(
                "no run is open for this deployment",
                expected="a run that was opened before its phases",
                untouched="everything",
                next_step="run one of the collection's playbooks; they open and close their run themselves",
            )
        return self.run

    def _last(self, phase: str) -> dict[str, Any]:
        phases: list[dict[str, Any]] = self._running()["phases"]
        if phase not in {entry["name"] for entry in phases}:
            self.begin(phase)
        return [entry for entry in phases if entry["name"] == phase][-1]

    def _close(self, run: Run, status: str) -> None:
        run.update(status=status, ended=now())
        run["attempts"][-1]["ended"] = run["ended"]
