# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from .._kubernetes import managed
from .._kubernetes.managed import Manager, Mark, marks_of
from .._kubernetes.objects import FIELD_MANAGER

Object = dict[str, Any]


def managers_of(workload: Object) -> list[Manager]:
    """The other managers of a workload, found by their marks."""
    return [_manager(workload, mark) for mark in marks_of(workload["metadata"])]


def _manager(workload: Object, mark: Mark) -> Manager:
    kind, name = workload["kind"], workload["metadata"]["name"]
    if mark.system == "Argo CD":
        # A three-way merge: annotations that never were in Git are kept, but an empty `annotations:` in Git, or
        # Replace=true, removes them (argo-cd issue 28769, argo-helm issue 3654).
        return Manager(
            mark.name,
            mark.mark,
            reverts=True,
            what=(
                "with self-heal it removes annotations of the pod template that are not in Git if Git has an empty "
                "`annotations:` or the application syncs with Replace=true: the pods would be replaced a second time"
            ),
            remedy="give the Application `ignoreDifferences: [{group: apps, kind: "
            f"{kind}, name: {name}, managedFieldsManagers: [{FIELD_MANAGER}.actions]}}]` and the sync option "
            "RespectIgnoreDifferences=true, then set `managed_by_others: accept`; or restart it through Argo CD "
            f"(argocd app actions run <application> restart --kind {kind} --resource-name {name})",
        )
    if mark.system == "owner":
        return Manager(
            mark.name,
            mark.mark,
            reverts=True,
            what="its controller may restore its own version of the pod template",
            remedy=(
                f"restart it through {mark.name}, or, if its controller is known to keep annotations, set "
                "`managed_by_others: accept`"
            ),
        )
    if mark.system in ("Flux Kustomization", "Flux HelmRelease"):
        # Server-side apply: it removes what kubectl wrote, but not what other field managers wrote.
        what = "it only applies its own fields, and keeps annotations of other field managers"
    elif mark.system == "Fleet":
        what = "it uses Helm, and keeps other annotations unless it corrects drift by force"
    else:
        what = "the next `helm upgrade` merges, and keeps other annotations unless it is forced (--force)"
    return Manager(mark.name, mark.mark, reverts=False, what=what)


def refuse_reverting(workload: Object, managers: list[Manager]) -> None:
    """Raises OperatorError for the first manager that may undo a restart."""
    managed.refuse_reverting(
        f"{workload['kind']} {workload['metadata']['name']}",
        managers,
        expected="workloads whose pod template no other controller restores",
        untouched="all workloads",
    )
