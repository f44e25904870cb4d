# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._common.redaction import SENSITIVE_NAME, SHORTEST_VALUE
from .._common.secret_texts import TRIVIAL, hide, passwords_in, secret_texts
from .verdict import event_time

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster
    from .._kubernetes.objects import Object, Objects

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

EVENTS = 8
LOG_LINES = 20


def evidence(
    cluster: Cluster, objects: Objects, involved: list[str], *, pod: Object | None = None, container: str | None = None
) -> tuple[str, ...]:
    """The last warnings about the objects named in `involved`, and the last log lines of a container of a pod.

    Anything that cannot be read is omitted: evidence must not hide the failure that it explains. Redacted, including
    every secret that the pod gets.
    """
    known = _secrets_of(cluster, pod) if pod is not None else set()
    lines: list[str] = []
    with contextlib.suppress(ApiException, HTTPError):
        events = objects.list("Event", field_selector="type=Warning")["items"]
        mine = [event for event in events if event["involvedObject"].get("name") in involved]
        for event in sorted(mine, key=event_time)[-EVENTS:]:
            what = f"{event['involvedObject'].get('kind')} {event['involvedObject'].get('name')}"
            lines.append(f"event {event_time(event)}Z {what}: {event.get('reason')}: {event.get('message')}")
    lines = hide("\n".join(lines), known).splitlines()
    if pod is not None and container:
        name = pod["metadata"]["name"]
        # Unchanged, because a key is recognized by how its lines begin and end.
        log = hide(log_text(cluster, name, container), known)
        lines += [f"log of {container} in {name}: {line}" for line in log.splitlines()]
    return tuple(lines)


def log_text(cluster: Cluster, pod: str, container: str) -> str:
    """The last log lines of a container, or of its previous instance if the current one has none. Not redacted."""
    for previous in (False, True):
        with contextlib.suppress(ApiException, HTTPError):
            text: str = cluster.core.read_namespaced_pod_log(
                pod, cluster.namespace, container=container, previous=previous, tail_lines=LOG_LINES
            )
            if text and text.strip():
                return text.strip()
    return ""


def _secrets_of(cluster: Cluster, pod: Object) -> set[str]:
    """The secrets in the Secrets that a pod uses, as far as they can be read, and in its own variables."""
    values = set(_secret_variables(pod["spec"]))
    for name in sorted(secret_names(pod["spec"])):
        with contextlib.suppress(ApiException, HTTPError):
            values |= secret_texts(cluster.secret_entries(name) or {})
    return values


def _secret_variables(pod_spec: dict[str, Any]) -> Iterator[str]:
    """Secrets that older deployments have in the variables themselves: passwords by name, and those in addresses."""
    for container in [*pod_spec.get("initContainers", []), *pod_spec.get("containers", [])]:
        for variable in container.get("env", []):
            name, text = variable["name"], variable.get("value") or ""
            # A number is a setting, such as the lifetime of a token.
            if SENSITIVE_NAME.search(name) and not (text.isdecimal() and len(text) < SHORTEST_VALUE):
                yield from secret_texts({name: text.encode()})
            else:
                yield from (password for password in passwords_in(text) if not TRIVIAL.fullmatch(password))


def secret_names(pod_spec: dict[str, Any]) -> set[str]:
    """Names of the Secrets that a pod's environment and volumes use."""
    names: set[str] = set()
    for volume in pod_spec.get("volumes", []):
        names.add(volume.get("secret", {}).get("secretName", ""))
        for source in volume.get("projected", {}).get("sources", []):
            names.add(source.get("secret", {}).get("name", ""))
    for container in [*pod_spec.get("initContainers", []), *pod_spec.get("containers", [])]:
        for variable in container.get("env", []):
            names.add(variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name", ""))
        for source in container.get("envFrom", []):
            names.add(source.get("secretRef", {}).get("name", ""))
    return names - {""}
