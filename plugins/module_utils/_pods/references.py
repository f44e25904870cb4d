# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._kubernetes.objects import Objects

Object = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """An object that a pod needs to start, unless it is `optional`. `keys` are the referenced entries."""

    kind: str
    name: str
    keys: tuple[str, ...] = ()
    optional: bool = False


def references(spec: Object) -> set[Reference]:
    """Secrets, ConfigMaps and claims that the volumes and the environment of a pod refer to."""
    return {reference for reference in (*_volumes(spec), *_environment(spec)) if reference.name}


def _volumes(spec: Object) -> Iterator[Reference]:
    for volume in spec.get("volumes", []):
        if claim := volume.get("persistentVolumeClaim"):
            yield Reference("PersistentVolumeClaim", claim.get("claimName", ""))
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            for key, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
                if found := source.get(key):
                    name = found.get("secretName") or found.get("name", "")
                    keys = tuple(item.get("key", "") for item in found.get("items", []))
                    yield Reference(kind, name, keys, bool(found.get("optional")))


def _environment(spec: Object) -> Iterator[Reference]:
    for container in (*spec.get("initContainers", []), *spec.get("containers", [])):
        for source in container.get("envFrom", []):
            for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                if found := source.get(key):
                    yield Reference(kind, found.get("name", ""), (), bool(found.get("optional")))
        for variable in container.get("env", []):
            for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                if found := variable.get("valueFrom", {}).get(key):
                    keys = (found.get("key", ""),)
                    yield Reference(kind, found.get("name", ""), keys, bool(found.get("optional")))


def problem_with(objects: Objects, reference: Reference) -> str | None:
    """Why a pod could not start with its references, or None."""
    found = objects.read(reference.kind, reference.name)
    if found is None:
        return None if reference.optional else f"there is no {reference.kind} {reference.name}"
    if reference.kind == "PersistentVolumeClaim":
        lost = found.get("status", {}).get("phase") == "Lost" or "deletionTimestamp" in found["metadata"]
        return f"{reference.kind} {reference.name} is lost or being deleted" if lost else None
    entries = {*(found.get("data") or {}), *(found.get("binaryData") or {})}
    missing = [key for key in reference.keys if key not in entries]
    if missing and not reference.optional:
        return f"{reference.kind} {reference.name} has no entry {', '.join(missing)}"
    return None
