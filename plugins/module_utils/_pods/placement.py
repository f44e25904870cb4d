# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import Any

from .quota import requests

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.utils.quantity import parse_quantity

Object = dict[str, Any]

# An additional hint about missing nodes.
ON_DEMAND = "if nodes are added for pods that fit on none, set airflow_nodes_on_demand"


def tolerated(taint: Object, tolerations: list[Object]) -> bool:
    """Whether pods with these tolerations tolerate a taint."""
    if taint["effect"] == "PreferNoSchedule":
        return True
    for toleration in tolerations:
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        exists = toleration.get("operator") == "Exists"
        if exists and not toleration.get("key"):
            return True
        if toleration.get("key") == taint["key"] and (exists or toleration.get("value", "") == taint.get("value", "")):
            return True
    return False


def is_eligible(node: Object, node_selector: dict[str, str], tolerations: list[Object]) -> bool:
    """Whether pods with this node selector and these tolerations may be scheduled onto a node now."""
    labels = node["metadata"].get("labels", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
    spec = node.get("spec", {})
    return (
        ready
        and not spec.get("unschedulable")
        and all(labels.get(key) == value for key, value in node_selector.items())
        and all(tolerated(taint, tolerations) for taint in spec.get("taints", []))
    )


def wanted_by_affinity(node: Object, affinity: Object) -> bool:
    """Whether a node meets the required node affinity; preferences and the placement of other pods do not count."""
    required = affinity.get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_term(node, term) for term in required.get("nodeSelectorTerms", []))


def _term(node: Object, term: Object) -> bool:
    labels = node["metadata"].get("labels", {})
    fields = {"metadata.name": node["metadata"]["name"]}
    expressions = [(labels, item) for item in term.get("matchExpressions", [])]
    expressions += [(fields, item) for item in term.get("matchFields", [])]
    # An empty term matches nothing.
    return bool(expressions) and all(_matches(values, item) for values, item in expressions)


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector matches these labels."""
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_matches(labels, item) for item in selector.get("matchExpressions", []))


def _matches(values: dict[str, str], item: Object) -> bool:
    """Whether values meet one requirement. Nothing meets a requirement that the API server would not accept."""
    found, wanted, operator = values.get(item.get("key", "")), item.get("values", []), item.get("operator")
    if operator in ("Gt", "Lt"):
        try:
            number, bound = int(found or ""), int(wanted[0])
        except (ValueError, IndexError):
            return False
        return number > bound if operator == "Gt" else number < bound
    return {
        "In": found in wanted,
        "NotIn": found not in wanted,
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }.get(str(operator), False)


def fits(node: Object, spec: Object) -> bool:
    """Whether a pod would fit onto the node if it were empty."""
    room = {name: parse_quantity(value) for name, value in node["status"].get("allocatable", {}).items()}
    return all(name in room and amount <= room[name] for name, amount in requests(spec).items() if amount)
