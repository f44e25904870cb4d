# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .tunnel import Tunnel

if TYPE_CHECKING:
    from .cluster import Cluster

try:
    from kubernetes.client.exceptions import ApiException
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception

# From one Service that is another name for the next.
MOST_HOPS = 8


class Network:
    """Addresses of cluster services as seen from here.

    A name of a Service (`db`, `db.hopsworks`, `db.hopsworks.svc.cluster.local`) is that of the cluster which
    the API server belongs to, whatever the name means on this machine: another cluster may have a Service of that name,
    a search domain a host. It is reached directly where it resolves to the Service's own addresses (inside the
    cluster), else through a port-forward of the API server; so is the name of a pod of a StatefulSet
    (`db-0.db.hopsworks.svc.cluster.local`). A Service that is another name for a host elsewhere, or for another
    Service (`ExternalName`), is that one. Any other name is left alone.
    Use as a context manager: leaving it closes the tunnels.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._tunnels: dict[tuple[str, int], Tunnel] = {}
        self._direct: dict[tuple[str, int], tuple[str, int]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        for tunnel in self._tunnels.values():
            tunnel.close()
        self._tunnels.clear()

    def address(self, host: str, port: int) -> tuple[str, int]:
        """Host and port to connect to from here.

        Raises OperatorError where a Service has no ready pod, or where a name that can only be a Service's is none.
        """
        key = (host, port)
        with self._lock:
            # Asked once: an unanswered question to a name server costs seconds, and callers ask at every request.
            if key not in self._direct and key not in self._tunnels:
                route = self._route(host, port)
                if isinstance(route, Tunnel):
                    self._tunnels[key] = route
                else:
                    self._direct[key] = route
            return self._tunnels[key].address if key in self._tunnels else self._direct[key]

    def _route(self, host: str, port: int, hops: int = 0) -> Tunnel | tuple[str, int]:
        name = service_name(host, self._cluster.namespace)
        if name is None or hops > MOST_HOPS:
            return host, port
        service, namespace, pod = name
        found = read_service(self._cluster, namespace, service, whole_name=host)
        if found is None:
            return host, port
        if found.spec.external_name:
            return self._route(found.spec.external_name, port, hops + 1)
        here = addresses_of(host, port)
        if here and here <= _cluster_addresses(self._cluster, namespace, found, pod):
            return host, port

        def find() -> tuple[str, int] | None:
            return ready_pod_behind(self._cluster, namespace, service, port, pod)

        target = find()
        return Tunnel(self._cluster, namespace, *target, find=find) if target else (host, port)


def service_name(host: str, own_namespace: str) -> tuple[str, str, str | None] | None:
    """Service, namespace and pod that a host's name may be; None where it can't be a Service's."""
    labels = host.lower().rstrip(".").split(".")
    if labels == ["localhost"] or address_in(host) is not None or labels[-2:] == ["clusterset", "local"]:
        return None
    if labels[3:4] == ["svc"]:
        # POD.SERVICE.NAMESPACE.svc: one pod of a StatefulSet, as a DataNode of HDFS calls itself.
        return labels[1], labels[2], labels[0]
    if len(labels) < 3 or labels[2] == "svc":
        return labels[0], labels[1] if len(labels) > 1 else own_namespace, None
    return None


def addresses_of(host: str, port: int) -> frozenset[Any]:
    """What a name means on this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(address_in(str(entry[4][0])) for entry in found)


def address_in(text: str) -> Any | None:
    """One address, in whichever of its forms it was written; None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _cluster_addresses(cluster: Cluster, namespace: str, service: Any, only: str | None) -> frozenset[Any]:
    """What the name of a Service, or of one of its pods, means inside the cluster."""
    spec = service.spec
    if only is None and spec.cluster_ip not in (None, "", "None"):
        return frozenset(map(address_in, spec.cluster_i_ps or [spec.cluster_ip]))
    if spec.selector:
        selector = ",".join(f"{key}={value}" for key, value in spec.selector.items())
        pods = cluster.core.list_namespaced_pod(namespace, label_selector=selector).items
        listed = [pod.status for pod in pods if only in (None, pod.metadata.name)]
        texts = [each.ip for status in listed for each in status.pod_i_ps or []]
        texts += [status.pod_ip for status in listed if status.pod_ip]
    else:
        texts = _endpoints(cluster, namespace, service.metadata.name)
    return frozenset(map(address_in, texts))


def _endpoints(cluster: Cluster, namespace: str, service: str) -> list[str]:
    """Addresses that were written down for a Service without a selector, as far as they may be read."""
    try:
        found = cluster.core.read_namespaced_endpoints(service, namespace)
    except ApiException as error:
        if error.status in (403, 404):
            return []
        raise
    return [each.ip for subset in found.subsets or [] for each in subset.addresses or []]


def read_service(cluster: Cluster, namespace: str, name: str, *, whole_name: str = "") -> Any | None:
    """A Service, or None where there is none, or where its namespace is none that may be looked into.

    Raises OperatorError where `whole_name` can only be a Service's and there is none: what the name means on this
    machine belongs to another cluster.
    """
    try:
        return cluster.core.read_namespaced_service(name, namespace)
    except ApiException as error:
        if error.status == 404 and "svc" in whole_name.lower().split("."):
            raise OperatorError(
                f"there is no Service {name} in namespace {namespace} of the cluster that is acted upon, so "
                f"{whole_name} is none of its names",
                expected="the name of a Service of that cluster, or of a host outside it",
                untouched="everything; nothing was sent to it",
                next_step=f"kubectl -n {namespace} get services, with the same kubeconfig; correct the name, or the "
                "kubeconfig, and run the same command again",
            ) from None
        if error.status == 404 or (error.status == 403 and namespace != cluster.namespace):
            return None
        raise


def ready_pod_behind(
    cluster: Cluster, namespace: str, service: str, port: int, only: str | None = None
) -> tuple[str, int] | None:
    """Name of a ready pod of a Service (the one called `only`, if given), and its container port for `port`.

    None where there is no such Service. Raises OperatorError where it has no ready pod.
    """
    found = read_service(cluster, namespace, service)
    if found is None:
        return None
    if not found.spec.selector:
        raise OperatorError(
            f"Service {service} in namespace {namespace} has no selector, so there is no pod to reach it through, and"
            " on this machine its name does not resolve to the addresses that it has in the cluster",
            expected="a Service with pods, or a name that resolves to its addresses (its cluster IPs; of a headless "
            "Service its Endpoints, which have to be readable)",
            untouched="everything; nothing was sent to it",
            next_step="name the host itself that its endpoints are, or run the playbook inside the cluster",
        )
    target: int | str = next((p.target_port or p.port for p in found.spec.ports if p.port == port), port)
    selector = ",".join(f"{key}={value}" for key, value in found.spec.selector.items())
    pods = cluster.core.list_namespaced_pod(namespace, label_selector=selector).items
    for pod in pods:
        conditions = {c.type: c.status for c in (pod.status.conditions or [])}
        wanted = only in (None, pod.metadata.name) and pod.metadata.deletion_timestamp is None
        if wanted and conditions.get("Ready") == "True":
            if isinstance(target, str):
                containers = [*pod.spec.containers, *(pod.spec.init_containers or [])]
                named = (p for c in containers for p in (c.ports or []) if p.name == target)
                target = next((p.container_port for p in named), port)
            return pod.metadata.name, int(target)
    raise OperatorError(
        f"Service {service} in namespace {namespace} has no ready pod{f' called {only}' if only else ''} "
        f"({len(pods)} pods match its selector)",
        expected="at least one ready pod behind it",
        untouched="everything; nothing was sent to it",
        next_step=f"kubectl -n {namespace} get pods -l '{selector}'; re-run when one is ready",
    )
