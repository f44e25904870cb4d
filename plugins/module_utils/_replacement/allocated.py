# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API server allocates to a Service. After a Service was replaced, others may have it in use."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

Object = dict[str, Any]
ADDRESSES = ("clusterIP", "clusterIPs")


def without_taken(service: Object, message: str) -> tuple[Object, list[str]] | None:
    """A Service without the addresses and ports that a rejection reports as taken, and these; None for another
    rejection.

    A message without a number or an address refers to all of them.
    """
    had = allocated(service)
    named = [value for value in had if re.search(rf"(?<![\w.]){re.escape(value)}(?!\w|\.\d)", message)]
    taken = named or (had if re.search("allocat|valid range", message) else [])
    return (without(service, taken), taken) if taken else None


def without(service: Object, values: Collection[str]) -> Object:
    """A Service without these addresses and ports; the API server allocates others."""
    spec = dict(service["spec"])
    if set(values) & set(_addresses(spec)):
        spec = without_addresses(service)["spec"]
    if str(spec.get("healthCheckNodePort")) in values:
        del spec["healthCheckNodePort"]
    if "ports" in spec:
        spec["ports"] = [
            {key: value for key, value in port.items() if key != "nodePort" or str(value) not in values}
            for port in spec["ports"]
        ]
    return {**service, "spec": spec}


def without_addresses(service: Object) -> Object:
    return {**service, "spec": {key: value for key, value in service["spec"].items() if key not in ADDRESSES}}


def without_ports(service: Object) -> Object:
    return without(service, _ports(service["spec"]))


def allocated(obj: Object) -> list[str]:
    """The addresses and ports of a Service; of other objects, nothing."""
    if obj["kind"] != "Service":
        return []
    return [*_addresses(obj["spec"]), *_ports(obj["spec"])]


def _addresses(spec: Object) -> list[str]:
    """Its addresses; a headless Service has none and says so."""
    found = [spec.get("clusterIP"), *spec.get("clusterIPs", [])]
    return list(dict.fromkeys(address for address in found if address and address != "None"))


def _ports(spec: Object) -> list[str]:
    found = [*(port.get("nodePort") for port in spec.get("ports", [])), spec.get("healthCheckNodePort")]
    return list(dict.fromkeys(str(port) for port in found if port))
