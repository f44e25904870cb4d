# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Determines which pods a database server's sessions come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

Object = dict[str, Any]
# How many are listed.
MOST = 5


def pods_behind(sessions: Iterable[Object], pods: Iterable[Object]) -> list[Object]:
    """The pods that have one of these sessions, as far as the server sees addresses of pods and not of a proxy or a
    node."""
    hosts = {host_of(str(session["host"])) for session in sessions}
    return [pod for pod in pods if not pod["spec"].get("hostNetwork") and hosts & _addresses(pod)]


def of_no_pod(sessions: Sequence[Object], pods: Iterable[Object], stopped: Sequence[Object]) -> str:
    """Sessions that belong to no pod, in words, or an empty text; `stopped` are the pods that are going to be stopped.

    The address of a pod in the host network is shared by everything on the node, so it may belong to a stopped pod.
    """
    known = {address for pod in pods if not pod["spec"].get("hostNetwork") for address in _addresses(pod)}
    known |= {address for pod in stopped for address in _addresses(pod)}
    strange = [session for session in sessions if host_of(str(session["host"])) not in known]
    if not strange:
        return ""
    counted = Counter(f"{session.get('user', '')}@{host_of(str(session['host']))}" for session in strange)
    words = [f"{who} ({count})" if count > 1 else who for who, count in sorted(counted.items())]
    more = [f"{len(words) - MOST} more"] if len(words) > MOST else []
    # If the deployment's own sessions cannot be identified, they may be among these.
    hidden = stopped and len(strange) == len(sessions)
    unsure = ", or the deployment's own, with the address of a proxy or a node" if hidden else ""
    return f"{len(strange)} sessions on the live schema belong to no pod{unsure}: {', '.join([*words[:MOST], *more])}"


def host_of(text: str) -> str:
    """The address or name of a session's host.

    The server writes it with a port, and an address of IPv4 as one of IPv6. A server that resolves names writes a pod's
    address in the form that Kubernetes has for it.
    """
    host, colon, port = text.rpartition(":")
    host = (host if colon and port.isdigit() else text).removeprefix("::ffff:")
    pod = re.fullmatch(r"(\d{1,3}(?:-\d{1,3}){3})\.\S+\.(?:svc|pod)\.\S+", host)
    return pod[1].replace("-", ".") if pod else host


def owner_of(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences", [])
    return next((f"{owner['kind']} {owner['name']}" for owner in owners if owner.get("controller")), "no controller")


def _addresses(pod: Object) -> set[str]:
    status = pod.get("status", {})
    found = {entry.get("ip") for entry in status.get("podIPs", [])} | {status.get("podIP")}
    return {address for address in found if address}
