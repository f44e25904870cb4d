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

# Longest chain of ExternalName Services.
MOST_HOPS = 8


class Network:
    """Addresses of cluster Services as seen from this machine.

    The name of a Service (`db`, `db.hopsworks`, `db.hopsworks.svc.cluster.local`) refers to the cluster of the
    API server, whatever it resolves to on this machine: another cluster may have a Service with that name, or a search
    domain a host. It is reached directly if it resolves to the Service's own addresses (inside the cluster), and
    otherwise through a port-forward of the API server. The same applies to the name of a StatefulSet's pod
    (`db-0.db.hopsworks.svc.cluster.local`). A Service of type `ExternalName` is replaced by the host or Service
    that it refers to. Any other name is not changed. Use it as a context manager: leaving it closes the tunnels.
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
        """Host and port to connect to from this machine.

        Raises OperatorError if a Service has no ready pod, or if a name that can only be a Service's is not one.
        """
        key = (host, port)
        with self._lock:
            # Resolved once: an unanswered DNS query costs seconds, and callers resolve at every request.
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
    """Service, namespace and pod that a host name may refer to; None if it cannot be a Service's."""
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
    """The addresses of a name on this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(address_in(str(entry[4][0])) for entry in found)


def address_in(text: str) -> Any | None:
    """An address in any of its notations; None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _cluster_addresses(cluster: Cluster, namespace: str, service: Any, only: str | None) -> frozenset[Any]:
    """The addresses of a Service, or of one of its pods, inside the cluster."""
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
    """Addresses in the Endpoints of a Service without a selector, if they can be read."""
    try:
        found = cluster.core.read_namespaced_endpoints(service, namespace)
    except ApiException as error:
        if error.status in (403, 404):
            return []
        raise
    return [each.ip for subset in found.subsets or [] for each in subset.addresses or []]


def read_service(cluster: Cluster, namespace: str, name: str, *, whole_name: str = "") -> Any | None:
    """A Service, or None if it does not exist or its namespace cannot be read.

    Raises OperatorError if `whole_name` can only be a Service's and there is none: on this machine, the name belongs to
    another cluster.
    """
    try:
        return cluster.core.read_namespaced_service(name, namespace)
    except ApiException as error:
        if error.status == 404 and "svc" in whole_name.lower().split("."):
            raise OperatorError(
                f"there is no Service {name} in namespace {namespace} of the selected cluster, so {whole_name} is not "
                "one of its names",
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

    None if there is no such Service. Raises OperatorError if it has no ready pod.
    """
    found = read_service(cluster, namespace, service)
    if found is None:
        return None
    if not found.spec.selector:
        raise OperatorError(
            f"Service {service} in namespace {namespace} has no selector, so there is no pod for a port-forward, and "
            "on this machine its name does not resolve to its addresses in the cluster",
            expected=(
                "a Service with pods, or a name that resolves to its addresses (its cluster IPs, or for a headless "
                "Service its Endpoints, which have to be readable)"
            ),
            untouched="everything; nothing was sent to it",
            next_step="use the host name of its endpoints, or run the playbook inside the cluster",
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
        next_step=f"kubectl -n {namespace} get pods -l '{selector}'; run the same command again when one is ready",
    )
