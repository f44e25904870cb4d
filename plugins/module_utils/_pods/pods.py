# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.objects import Objects, label_selector
from .._kubernetes.workloads import find
from .lossless import DEFAULT_CONTAINER, main_container
from .phase import is_finished
from .verdict import belongs, is_ready

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

Object = dict[str, Any]
# A busy pod is not ready between a failed probe and the next successful one, even if it is the only one.
READY_SECONDS = 60
LOOK_SECONDS = 1


def workload_of(cluster: Cluster, name: str) -> Object:
    """The Deployment or StatefulSet of that name. Raises OperatorError if there is none."""
    found = find(Objects(cluster), name)
    if found is None:
        raise OperatorError(
            f"there is no Deployment or StatefulSet {name} in namespace {cluster.namespace}",
            expected="a workload of that name",
            untouched="everything; this only reads",
            next_step=f"use one of: kubectl -n {cluster.namespace} get deployments,statefulsets",
        )
    return found


def serving_pods(cluster: Cluster, workload: str) -> list[Object]:
    """The ready pods of a Deployment or StatefulSet that are not terminating. Waits up to a minute for the first one.

    Raises OperatorError if there is no such workload or no such pod.
    """
    objects, deadline = Objects(cluster), time.monotonic() + READY_SECONDS
    while True:
        found = workload_of(cluster, workload)
        pods: list[Object] = objects.list("Pod", label_selector=label_selector(found["spec"]["selector"]))["items"]
        # Its selector may match other pods.
        serving = [pod for pod in pods if belongs(found, pod) and is_serving(pod)]
        if serving or not found["spec"].get("replicas", 1) or time.monotonic() >= deadline:
            break
        time.sleep(LOOK_SECONDS)
    if not serving:
        raise OperatorError(
            f"{workload} in namespace {cluster.namespace} has no ready pod ({len(pods)} in all)",
            expected=f"at least one, within {READY_SECONDS} s",
            untouched="everything; this only reads",
            next_step=f"kubectl -n {cluster.namespace} describe {found['kind'].lower()} {workload}; run the same "
            "command again when a pod is ready",
        )
    return serving


def is_serving(pod: Object) -> bool:
    """Whether a pod is ready, has not ended and is not terminating."""
    return is_ready(pod) and not is_finished(pod) and "deletionTimestamp" not in pod["metadata"]


def component_container(workload: Object, pod: Object) -> str:
    """The main container of a pod, whatever containers a mesh or an agent has injected.

    The one according to its workload, which has no injected ones. For a pod of another template, kubectl's default
    container.
    """
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    for wanted in (main_container(workload)["name"], pod["metadata"].get("annotations", {}).get(DEFAULT_CONTAINER)):
        if wanted in names:
            return str(wanted)
    return names[0]
