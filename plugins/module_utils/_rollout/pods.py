# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.phase import is_finished
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.scale import find
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.watcher import label_selector
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster

Object = dict[str, Any]


def serving_pods(cluster: Cluster, workload: str) -> list[Object]:
    """The pods of a Deployment or StatefulSet that are ready and not about to end.

    Raises OperatorError where there is no such workload, or no such pod.
    """
    objects = Objects(cluster)
    found = find(objects, workload)
    if found is None:
        raise OperatorError(
            f"there is no Deployment or StatefulSet {workload} in namespace {cluster.namespace}",
            expected="a workload of that name",
            untouched="everything; this only looks",
            next_step=f"name one of: kubectl -n {cluster.namespace} get deployments,statefulsets",
        )
    pods: list[Object] = objects.list("Pod", label_selector=label_selector(found["spec"]["selector"]))["items"]
    serving = [pod for pod in pods if is_serving(pod)]
    if not serving:
        raise OperatorError(
            f"{workload} in namespace {cluster.namespace} has no ready pod ({len(pods)} in all)",
            expected="at least one",
            untouched="everything; this only looks",
            next_step=f"kubectl -n {cluster.namespace} describe {found['kind'].lower()} {workload}; run the same "
            "command again when a pod is ready",
        )
    return serving


def is_serving(pod: Object) -> bool:
    """Whether a pod is ready and runs, and nobody has told it to end."""
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
    return ready and not is_finished(pod) and "deletionTimestamp" not in pod["metadata"]


def component_container(pod: Object) -> str:
    """The container that does the work: the one that kubectl takes by default."""
    named = pod["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/default-container")
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    return named if named in names else names[0]
