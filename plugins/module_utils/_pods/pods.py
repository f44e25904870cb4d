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
# A busy pod is not ready from one failed probe to the next answer: the only one, for a moment.
READY_SECONDS = 60
LOOK_SECONDS = 1


def workload_of(cluster: Cluster, name: str) -> Object:
    """The Deployment or StatefulSet of that name. Raises OperatorError where there is none."""
    found = find(Objects(cluster), name)
    if found is None:
        raise OperatorError(
            f"there is no Deployment or StatefulSet {name} in namespace {cluster.namespace}",
            expected="a workload of that name",
            untouched="everything; this only looks",
            next_step=f"name one of: kubectl -n {cluster.namespace} get deployments,statefulsets",
        )
    return found


def serving_pods(cluster: Cluster, workload: str) -> list[Object]:
    """The pods of a Deployment or StatefulSet that are ready and not about to end. Waits for the first for a minute.

    Raises OperatorError where there is no such workload, or no such pod.
    """
    objects, deadline = Objects(cluster), time.monotonic() + READY_SECONDS
    while True:
        found = workload_of(cluster, workload)
        pods: list[Object] = objects.list("Pod", label_selector=label_selector(found["spec"]["selector"]))["items"]
        # Its selector may match pods of others.
        serving = [pod for pod in pods if belongs(found, pod) and is_serving(pod)]
        if serving or not found["spec"].get("replicas", 1) or time.monotonic() >= deadline:
            break
        time.sleep(LOOK_SECONDS)
    if not serving:
        raise OperatorError(
            f"{workload} in namespace {cluster.namespace} has no ready pod ({len(pods)} in all)",
            expected=f"at least one, within {READY_SECONDS} s",
            untouched="everything; this only looks",
            next_step=f"kubectl -n {cluster.namespace} describe {found['kind'].lower()} {workload}; run the same "
            "command again when a pod is ready",
        )
    return serving


def is_serving(pod: Object) -> bool:
    """Whether a pod is ready, and has neither ended nor been told to end."""
    return is_ready(pod) and not is_finished(pod) and "deletionTimestamp" not in pod["metadata"]


def component_container(workload: Object, pod: Object) -> str:
    """The container of a pod that does the work, whatever a mesh or an agent injected beside it, or before it.

    What its workload takes for that, which knows of no injected ones; of a pod of another template the one that kubectl
    takes by default.
    """
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    for wanted in (main_container(workload)["name"], pod["metadata"].get("annotations", {}).get(DEFAULT_CONTAINER)):
        if wanted in names:
            return str(wanted)
    return names[0]
