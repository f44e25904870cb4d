# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import FIELD_MANAGER
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

Object = dict[str, Any]

ARGO_CD = ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance")
FLUX = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
FLEET = ("fleet.cattle.io/bundle-id",)
HELM = ("meta.helm.sh/release-name",)
MANAGED_BY = "app.kubernetes.io/managed-by"


@dataclass(frozen=True)
class Manager:
    """Somebody else who decides what a workload is. `reverts` where it may take an annotation away that isn't its own.

    `what` says what it does with one, `remedy` what an operator does about it.
    """

    name: str
    mark: str
    reverts: bool
    what: str
    remedy: str = ""


def managers_of(workload: Object) -> list[Manager]:
    """Who else manages a workload, by the marks that they leave on it."""
    metadata = workload["metadata"]
    marks = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
    kind, name = workload["kind"], metadata["name"]
    found: list[Manager] = []
    if mark := _first(marks, ARGO_CD):
        # A merge of three: what never was in Git is kept, but an empty `annotations:` there, or Replace=true, takes it
        # away (argo-cd issue 28769, argo-helm issue 3654).
        found.append(
            Manager(
                "Argo CD",
                mark,
                reverts=True,
                what="with self-heal it takes annotations of the pod template away that are not in Git, where Git says "
                "`annotations:` without any, or an application syncs with Replace=true: the pods would be replaced "
                "a second time",
                remedy="give the Application `ignoreDifferences: [{group: apps, kind: "
                f"{kind}, name: {name}, managedFieldsManagers: [{FIELD_MANAGER}.actions]}}]` and the sync option "
                "RespectIgnoreDifferences=true, then say `managed_by_others: accept`; or restart it through Argo CD "
                f"(argocd app actions run <application> restart --kind {kind} --resource-name {name})",
            )
        )
    owner = next((owner for owner in metadata.get("ownerReferences", []) if owner.get("controller")), None)
    if owner is not None:
        found.append(
            Manager(
                f"{owner['kind']} {owner['name']}",
                "its owner",
                reverts=True,
                what="its controller may put the pod template back to what it makes of that object",
                remedy=f"restart it by way of {owner['kind']} {owner['name']}, or, where its controller is known to "
                "keep annotations, say `managed_by_others: accept`",
            )
        )
    if mark := _first(marks, FLUX):
        # Server-side apply: it takes away what kubectl wrote, not what other field managers did.
        what = "it applies its own fields only, and leaves annotations of other field managers alone"
        found.append(Manager("Flux", mark, reverts=False, what=what))
    elif mark := _first(marks, FLEET):
        what = "it goes by Helm, and leaves foreign annotations alone unless it corrects drift by force"
        found.append(Manager("Fleet", mark, reverts=False, what=what))
    elif not any(manager.name == "Argo CD" for manager in found) and (
        (mark := _first(marks, HELM)) or marks.get(MANAGED_BY) == "Helm"
    ):
        what = "the next `helm upgrade` merges, and leaves foreign annotations alone unless it is forced (--force)"
        found.append(Manager("Helm", mark or MANAGED_BY, reverts=False, what=what))
    return found


def refuse_reverting(workload: Object, managers: list[Manager]) -> None:
    """Raises OperatorError for the first manager that may undo a restart."""
    for manager in managers:
        if manager.reverts:
            raise OperatorError(
                f"{workload['kind']} {workload['metadata']['name']} belongs to {manager.name} ({manager.mark}): "
                f"{manager.what}",
                expected="workloads whose pod template nobody puts back",
                untouched="all workloads",
                next_step=manager.remedy,
            )


def _first(marks: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if name in marks), "")
