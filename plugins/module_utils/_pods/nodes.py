# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

Object = dict[str, Any]

# Long compared to a request, short compared to the 40 s after which a silent node counts as lost.
KNOWN_FOR_SECONDS = 5.0
LOST_TAINTS = frozenset({"node.kubernetes.io/unreachable", "node.kubernetes.io/out-of-service"})


def problem_of(node: Object) -> str | None:
    """Why a node is not usable; None for one that is ready."""
    for condition in node.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] != "True":
            text = condition.get("message") or condition.get("reason") or "no reason given"
            return f"its condition Ready is {condition['status']}: {text}"
    for taint in node.get("spec", {}).get("taints", []):
        if taint["key"] in LOST_TAINTS:
            return f"it has the taint {taint['key']}"
    return None


class Nodes:
    """The problems of nodes, read on request; unknown if nodes cannot be listed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._allowed = True
        self._known: dict[str, tuple[float, str | None]] = {}

    def look(self, names: set[str]) -> dict[str, str | None]:
        """The problem of each node by name; None for a good one. Nodes that cannot be read are omitted."""
        for name in sorted(names):
            known = self._known.get(name)
            if self._allowed and (known is None or time.monotonic() - known[0] > KNOWN_FOR_SECONDS):
                self._look_up(name)
        return {name: self._known[name][1] for name in names if name in self._known}

    def _look_up(self, name: str) -> None:
        try:
            found = self._cluster.plain(self._cluster.core.list_node(field_selector=f"metadata.name={name}"))["items"]
        except ApiException as error:
            self._allowed = error.status not in (401, 403)
            return
        except HTTPError:
            return
        problem = problem_of(found[0]) if found else "it is no longer part of the cluster"
        self._known[name] = (time.monotonic(), problem)
