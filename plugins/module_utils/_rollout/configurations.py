# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Immutable ConfigMaps that pods start with: other settings get another ConfigMap.

So a pod that restarts has the settings that its workload was rolled out with, whatever newer settings there are, and so
has an older revision after a rollback. They are identified by their labels and by being immutable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._kubernetes.objects import listed_if_allowed
from .._pods.references import references
from .belonging import deployment_of

if TYPE_CHECKING:
    from .._kubernetes.objects import Objects

Object = dict[str, Any]
WITH_TEMPLATE = ("Deployment", "StatefulSet", "ReplicaSet")


def configurations_of(objects: Objects, workload: Object) -> list[Object]:
    """The ConfigMaps that a workload's pods start with, with their kind, if they belong to the workload's
    deployment."""
    deployment = deployment_of(workload)
    found = (objects.read("ConfigMap", name) for name in _names_in(workload["spec"]["template"]["spec"]))
    return [
        {**live, "kind": "ConfigMap", "apiVersion": "v1"}
        for live in found
        if live is not None and _is_configuration(live, deployment)
    ]


def remove_unused(objects: Objects, deployment: str) -> list[str]:
    """Delete those of a deployment that no workload, revision or pod refers to. Returns their names.

    Without the right to list ConfigMaps, all of them are kept.
    """
    # Listed before their users, so that one that is created in the meantime is not included.
    listed = listed_if_allowed(objects, "ConfigMap")
    mine = [live for live in listed if _is_configuration(live, deployment)]
    if not mine:
        return []
    specs = [item["spec"]["template"]["spec"] for kind in WITH_TEMPLATE for item in objects.list(kind)["items"]]
    specs += [pod["spec"] for pod in objects.list("Pod")["items"]]
    used = {name for spec in specs for name in _names_in(spec)}
    unused = [live["metadata"] for live in mine if live["metadata"]["name"] not in used]
    for metadata in unused:
        objects.delete("ConfigMap", metadata["name"], uid=metadata["uid"])
    return [metadata["name"] for metadata in unused]


def _is_configuration(live: Object, deployment: str | None) -> bool:
    return bool(deployment is not None and live.get("immutable") and deployment_of(live) == deployment)


def _names_in(pod_spec: Object) -> list[str]:
    return sorted(reference.name for reference in references(pod_spec) if reference.kind == "ConfigMap")
