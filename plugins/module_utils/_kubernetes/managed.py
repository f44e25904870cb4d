# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .._common.failure import OperatorError

Object = dict[str, Any]
System = Literal["Argo CD", "owner", "Flux Kustomization", "Flux HelmRelease", "Fleet", "Helm"]

ARGO_CD = ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance")
# Before 3.0, Argo CD tracks objects by this label by default, but any chart sets it as well.
INSTANCE = "app.kubernetes.io/instance"
ARGO_CD_WRITERS = frozenset({"argocd-controller", "argocd-application-controller"})
FLUX_KUSTOMIZATION = ("kustomize.toolkit.fluxcd.io/name",)
FLUX_HELM_RELEASE = ("helm.toolkit.fluxcd.io/name",)
FLEET = ("fleet.cattle.io/bundle-id",)
HELM = ("meta.helm.sh/release-name",)
MANAGED_BY = "app.kubernetes.io/managed-by"
# The values of the modules' option of this name.
ManagedByOthers = Literal["refuse", "accept"]
MANAGED_BY_OTHERS: dict[str, Any] = {"type": "str", "choices": ["refuse", "accept"], "default": "refuse"}


@dataclass(frozen=True)
class Mark:
    """Evidence of another manager of an object: the system, its display name, and the mark that shows it."""

    system: System
    name: str
    mark: str


@dataclass(frozen=True)
class Manager:
    """Another manager of an object. `reverts` if it may revert changes of others.

    `what` says what it does with a change, `remedy` what an operator can do about it.
    """

    name: str
    mark: str
    reverts: bool
    what: str
    remedy: str = ""


def marks_of(metadata: Mapping[str, Any]) -> list[Mark]:
    """Other managers of an object, found by their marks in its metadata."""
    found: list[Mark] = []
    texts = texts_of(metadata)
    writers = {str(entry.get("manager")) for entry in metadata.get("managedFields") or []}
    if mark := first(texts, ARGO_CD) or (INSTANCE if INSTANCE in texts and ARGO_CD_WRITERS & writers else ""):
        found.append(Mark("Argo CD", "Argo CD", mark))
    found += [
        Mark("owner", f"{owner['kind']} {owner['name']}", "its owner")
        for owner in metadata.get("ownerReferences") or []
        if owner.get("controller")
    ]
    if mark := first(texts, FLUX_KUSTOMIZATION):
        found.append(Mark("Flux Kustomization", "Flux", mark))
    elif mark := first(texts, FLUX_HELM_RELEASE):
        found.append(Mark("Flux HelmRelease", "Flux", mark))
    elif mark := first(texts, FLEET):
        found.append(Mark("Fleet", "Fleet", mark))
    # Argo CD renders charts itself, so there is no release that could be upgraded.
    elif not any(one.system == "Argo CD" for one in found) and (
        (mark := first(texts, HELM)) or texts.get(MANAGED_BY) == "Helm"
    ):
        found.append(Mark("Helm", "Helm", mark or MANAGED_BY))
    return found


def texts_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Labels and annotations together."""
    return {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}


def first(texts: Mapping[str, str], names: Iterable[str]) -> str:
    return next((name for name in names if name in texts), "")


def refuse_reverting(what: str, managers: Iterable[Manager], *, expected: str, untouched: str) -> None:
    """Raises OperatorError for the first manager that may revert the change."""
    for manager in managers:
        if manager.reverts:
            raise OperatorError(
                f"{what} belongs to {manager.name} ({manager.mark}): {manager.what}",
                expected=expected,
                untouched=untouched,
                next_step=manager.remedy,
            )


def warn_of(what: str, managers: Iterable[Manager], warn: Callable[[str], object]) -> None:
    for manager in managers:
        warn(f"{what} belongs to {manager.name} ({manager.mark}): {manager.what}")
