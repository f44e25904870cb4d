# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._http.session import bare_session, request
from .._kubernetes.tunnel import Tunnel
from .._pods.pods import serving_pods

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    import requests

INTERVAL_SECONDS = 2


@dataclass(frozen=True)
class Exporters:
    """The port of each pod's statsd_exporter, and the prefix of Airflow's own metrics ([metrics] statsd_prefix).

    `may_be_silent` names workloads that report nothing until they get a request, such as an api-server.
    """

    workloads: list[str]
    port: int
    prefix: str
    may_be_silent: list[str]


def names(text: str, prefix: str) -> set[str]:
    """The metrics with that prefix in an exposition of Prometheus (text format 0.0.4)."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    found = {line.split("{")[0].split(" ")[0] for line in lines}
    return {name for name in found if name.startswith(f"{prefix}_")}


def arrived(
    cluster: Cluster, exporters: Exporters, seconds: float, progress: Callable[[str], None]
) -> tuple[dict[str, int], dict[str, str]]:
    """The number of Airflow's own metrics of each workload's pods, and what is missing after `seconds`.

    A component reports its first metrics some seconds after its start.
    """
    deadline = time.monotonic() + seconds
    while True:
        counts: dict[str, int] = {}
        missing: dict[str, str] = {}
        for workload in exporters.workloads:
            found: set[str] = set()
            for pod in serving_pods(cluster, workload):
                name = pod["metadata"]["name"]
                text = _metrics_of(cluster, name, exporters.port)
                if text is None:
                    missing[workload] = f"the exporter in {name} does not answer on port {exporters.port}"
                else:
                    found |= names(text, exporters.prefix)
            counts[workload] = len(found)
            if not found and workload not in (*exporters.may_be_silent, *missing):
                missing[workload] = f"no metric {exporters.prefix}_* has arrived"
        if not missing or time.monotonic() > deadline:
            return counts, missing
        progress(f"waiting for metrics of {', '.join(missing)}")
        time.sleep(INTERVAL_SECONDS)


def _metrics_of(cluster: Cluster, pod: str, port: int) -> str | None:
    with contextlib.closing(Tunnel(cluster, cluster.namespace, pod, port)) as tunnel:
        host, near = tunnel.address
        with contextlib.suppress(requests.RequestException):
            answer = request(bare_session(), "GET", f"http://{host}:{near}/metrics")
            return str(answer.text) if answer.ok else None
    return None
