# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network policies that apply to the pods of an old workload but not to those of the new one.

A dry run does not detect them: the new pods start, but are cut off from the database, HopsFS or their clients.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._kubernetes.objects import listed_if_allowed
from .._pods.placement import selects

if TYPE_CHECKING:
    from .._kubernetes.objects import Objects

Object = dict[str, Any]
Labels = dict[str, str]


class NetworkPolicies:
    """The network policies of a namespace; read on first use. Unknown without the right to list them."""

    def __init__(self, objects: Objects, namespace: str) -> None:
        self._objects, self._namespace = objects, namespace
        self._found: list[Object] | None = None

    def lost(self, before: Labels, after: Labels) -> Iterator[str]:
        """The policies that apply to pods with the labels `before` but not to those with `after`, in words."""
        for policy in self._all():
            name, spec = policy["metadata"]["name"], policy["spec"]
            selector = spec.get("podSelector") or {}
            if selects(selector, before) and not selects(selector, after):
                yield f"NetworkPolicy {name} applies to pods with {_words(selector)}"
            for direction, peers in (("ingress", "from"), ("egress", "to")):
                for rule in spec.get(direction) or []:
                    for peer in rule.get(peers) or []:
                        allowed = peer.get("podSelector")
                        if allowed is None or self._is_elsewhere(peer):
                            continue
                        if selects(allowed, before) and not selects(allowed, after):
                            yield f"NetworkPolicy {name} allows traffic {peers} pods with {_words(allowed)}"

    def _is_elsewhere(self, peer: Object) -> bool:
        """Whether a peer is in another namespace. Other labels of this namespace than its name are unknown."""
        named: Labels = (peer.get("namespaceSelector") or {}).get("matchLabels") or {}
        return named.get("kubernetes.io/metadata.name", self._namespace) != self._namespace

    def _all(self) -> list[Object]:
        if self._found is None:
            self._found = listed_if_allowed(self._objects, "NetworkPolicy")
        return self._found


def _words(selector: Object) -> str:
    return json.dumps({**selector.get("matchLabels", {}), **_expressions(selector)}, sort_keys=True)


def _expressions(selector: Object) -> Object:
    return {
        item.get("key", ""): " ".join([item.get("operator", ""), *item.get("values", [])])
        for item in selector.get("matchExpressions", [])
    }
