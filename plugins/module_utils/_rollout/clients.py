# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pods a database server's sessions come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]


def pods_behind(sessions: Iterable[Object], pods: Iterable[Object]) -> list[Object]:
    """The pods that have one of these sessions, as far as the server sees pods and not a proxy or a node."""
    hosts = {host_of(str(session["host"])) for session in sessions}
    return [pod for pod in pods if not pod["spec"].get("hostNetwork") and hosts & _addresses(pod)]


def host_of(text: str) -> str:
    """The host of a session, which the server writes with a port, and an address of IPv4 as one of IPv6."""
    host, colon, port = text.rpartition(":")
    return (host if colon and port.isdigit() else text).removeprefix("::ffff:")


def owner_of(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences", [])
    return next((f"{owner['kind']} {owner['name']}" for owner in owners if owner.get("controller")), "nobody")


def _addresses(pod: Object) -> set[str]:
    status = pod.get("status", {})
    found = {entry.get("ip") for entry in status.get("podIPs", [])} | {status.get("podIP")}
    return {address for address in found if address}
