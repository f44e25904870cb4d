# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING

from .._common.failure import OperatorError
from .._kubernetes.network import Network, address_in, addresses_of, read_service, ready_pod_behind

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster


def reached(cluster: Cluster, host: str, port: int) -> str:
    """How a Service or a host is reached, in words. Whether it answers is only known when a connection is made.

    Raises OperatorError if it cannot be reached, by the rules that later connections use (`Network`).
    """
    with Network(cluster) as network:
        address, _port = network.address(host, port)
    if "." in host or address_in(host) is not None:
        return f"{host} is reached as {address}"
    service = read_service(cluster, cluster.namespace, host)
    if service is not None:
        # Pods reach it by its name, even if this machine uses another route.
        if service.spec.selector:
            ready_pod_behind(cluster, cluster.namespace, host, port)
            return f"Service {host} has a ready pod"
        return f"Service {host} is reached as {address}"
    if not addresses_of(host, port):
        raise OperatorError(
            f"there is no Service {host}, and no host of that name is known on this machine",
            expected=(
                f"Service {host} in namespace {cluster.namespace} with a ready pod behind port {port}, or the full "
                "name of a host"
            ),
            untouched="everything",
            next_step=f"kubectl -n {cluster.namespace} get services; correct the name",
        )
    return f"{host} is a host, not a Service"
