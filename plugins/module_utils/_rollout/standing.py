# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._kubernetes.workloads import find_all
from .._pods.definition import stopped_from

if TYPE_CHECKING:
    from .._kubernetes.objects import Objects

Object = dict[str, Any]


def standing(objects: Objects, names: list[str]) -> list[Object]:
    """The workloads of each name, in this order: `name`, `kind`, `replicas`, `ready`, `stopped_from`, `images`.

    If two workloads have the same name, it appears twice. A name without a workload has the kind None, no replicas and
    no images.
    """
    shown = []
    for name in names:
        found = [_described(name, live) for live in find_all(objects, name)]
        absent: Object = {"name": name, "kind": None, "replicas": 0, "ready": 0, "stopped_from": None, "images": []}
        shown += found or [absent]
    return shown


def _described(name: str, live: Object) -> Object:
    return {
        "name": name,
        "kind": live["kind"],
        "replicas": live["spec"].get("replicas", 1),
        "ready": live.get("status", {}).get("readyReplicas", 0),
        "stopped_from": stopped_from(live),
        "images": [container["image"] for container in live["spec"]["template"]["spec"]["containers"]],
    }
