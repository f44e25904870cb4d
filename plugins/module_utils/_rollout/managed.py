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
    """Who else manages a workload, by the marks that they leave on it."""
    return [_manager(workload, mark) for mark in marks_of(workload["metadata"])]


def _manager(workload: Object, mark: Mark) -> Manager:
    kind, name = workload["kind"], workload["metadata"]["name"]
    if mark.system == "Argo CD":
        # A merge of three: what never was in Git is kept, but an empty `annotations:` there, or Replace=true, takes it
        # away (argo-cd issue 28769, argo-helm issue 3654).
        return Manager(
            mark.name,
            mark.mark,
            reverts=True,
            what="with self-heal it takes annotations of the pod template away that are not in Git, where Git says "
            "`annotations:` without any, or an application syncs with Replace=true: the pods would be replaced "
            "a second time",
            remedy="give the Application `ignoreDifferences: [{group: apps, kind: "
            f"{kind}, name: {name}, managedFieldsManagers: [{FIELD_MANAGER}.actions]}}]` and the sync option "
            "RespectIgnoreDifferences=true, then say `managed_by_others: accept`; or restart it through Argo CD "
            f"(argocd app actions run <application> restart --kind {kind} --resource-name {name})",
        )
    if mark.system == "owner":
        return Manager(
            mark.name,
            mark.mark,
            reverts=True,
            what="its controller may put the pod template back to what it makes of that object",
            remedy=f"restart it by way of {mark.name}, or, where its controller is known to "
            "keep annotations, say `managed_by_others: accept`",
        )
    if mark.system in ("Flux Kustomization", "Flux HelmRelease"):
        # Server-side apply: it takes away what kubectl wrote, not what other field managers did.
        what = "it applies its own fields only, and leaves annotations of other field managers alone"
    elif mark.system == "Fleet":
        what = "it goes by Helm, and leaves foreign annotations alone unless it corrects drift by force"
    else:
        what = "the next `helm upgrade` merges, and leaves foreign annotations alone unless it is forced (--force)"
    return Manager(mark.name, mark.mark, reverts=False, what=what)


def refuse_reverting(workload: Object, managers: list[Manager]) -> None:
    """Raises OperatorError for the first manager that may undo a restart."""
    managed.refuse_reverting(
        f"{workload['kind']} {workload['metadata']['name']}",
        managers,
        expected="workloads whose pod template nobody puts back",
        untouched="all workloads",
    )
