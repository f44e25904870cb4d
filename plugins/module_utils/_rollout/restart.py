# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.health import assess
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.scale import find
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.watcher import Watcher
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.redaction import redact

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
    from ansible_collections.hopsworks.airflow.plugins.module_utils._run.progress import Progress

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    pass

Object = dict[str, Any]

RESTART_ANNOTATION = "hopsworks.airflow/restarted-by"


@dataclass
class Restart:
    """One workload to restart; `due` unless this run has restarted it already."""

    kind: str
    name: str
    due: bool


class Restarter:
    """Restarts workloads one after the other, by an annotation in their pod template that names the run."""

    def __init__(self, cluster: Cluster, progress: Progress, run: str) -> None:
        self._cluster, self._progress, self._run = cluster, progress, run
        self._objects = Objects(cluster)

    def plan(self, names: list[str]) -> list[Restart]:
        """What is due. Raises OperatorError where a workload is missing, or not healthy before it is restarted.

        A workload that this very run has restarted may still be on its way.
        """
        restarts = []
        for name in names:
            workload = find(self._objects, name)
            if workload is None:
                raise OperatorError(
                    f"there is no Deployment or StatefulSet {name} in namespace {self._cluster.namespace}",
                    expected="all workloads that are to be restarted",
                    untouched="all workloads",
                    next_step="correct the names, or take this one out",
                )
            annotations = workload["spec"]["template"]["metadata"].get("annotations", {})
            due = annotations.get(RESTART_ANNOTATION) != self._run
            if due:
                self._refuse_unhealthy(workload)
            restarts.append(Restart(workload["kind"], name, due))
        return restarts

    def restart(self, restart: Restart, *, timeout_seconds: float, wait_for_old: bool, later: list[str]) -> None:
        """Restart one, if due, and wait until it is healthy. Raises OperatorError as soon as it can't become so."""
        template = {"metadata": {"annotations": {RESTART_ANNOTATION: self._run}}}
        if restart.due:
            workload = self._objects.patch(restart.kind, restart.name, {"spec": {"template": template}})
            self._progress(f"{restart.name}: restarting")
        else:
            workload = self._objects.read(restart.kind, restart.name) or {}
        generation = workload["metadata"]["generation"]
        with Watcher(self._cluster, self._objects, {**workload, "kind": restart.kind}, self._progress) as watcher:
            watcher.until_rolled_out(
                timeout_seconds=timeout_seconds, generation=generation, wait_for_old=wait_for_old, later=later
            )

    def _refuse_unhealthy(self, workload: Object) -> None:
        with Watcher(self._cluster, self._objects, workload, self._progress) as watcher:
            verdict = assess(watcher.observe())
        if verdict.state == "done":
            return
        name = workload["metadata"]["name"]
        raise OperatorError(
            redact(f"{workload['kind']} {name} is not healthy to begin with: {verdict.reason}"),
            expected="workloads that are completely rolled out and available before they are restarted",
            untouched="all workloads",
            next_step=f"kubectl -n {self._cluster.namespace} describe {workload['kind'].lower()} {name}; run the same "
            "command again when it is healthy",
        )
