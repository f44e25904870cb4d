# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records what an API server tells of rollouts, for the unit tests: tests/unit/pods/recordings/*.json.

Needed again only where a newer Kubernetes tells something else. Run on the bed, from the root of the checkout:

    PYTHONPATH=.collections .venv/bin/python tests/integration/rollout/record.py
"""

from __future__ import annotations

import copy
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import conftest

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.watcher import Watcher
from ansible_collections.hopsworks.airflow.tests.integration.access import ROOT, bed_cluster

TARGET = ROOT / "tests" / "unit" / "pods" / "recordings"
NAMESPACE = "lab-rollout-record"
METADATA = ("name", "uid", "resourceVersion", "generation", "labels", "ownerReferences", "deletionTimestamp")
REVISION = "deployment.kubernetes.io/revision"
SPEC = ("replicas", "updateStrategy", "strategy", "progressDeadlineSeconds", "selector")
EVENT = ("reason", "message", "lastTimestamp", "eventTime")
# Of statuses: what changes without meaning, or names the machine.
DROPPED = {
    "allocatedResources", "containerID", "hostIP", "hostIPs", "image", "imageID", "lastHeartbeatTime", "lastProbeTime",
    "lastTransitionTime", "podIP", "podIPs", "qosClass", "resources", "startTime", "user", "volumeMounts",
}  # fmt: skip


def pruned(obj):
    metadata = {key: obj["metadata"][key] for key in METADATA if key in obj["metadata"]}
    metadata["annotations"] = {k: v for k, v in obj["metadata"].get("annotations", {}).items() if k == REVISION}
    kept = {"metadata": metadata, **{key: obj[key] for key in ("kind", *EVENT) if key in obj}}
    if "status" in obj:
        kept["status"] = without_noise(obj["status"])
    if "spec" in obj:
        kept["spec"] = {key: obj["spec"][key] for key in SPEC if key in obj["spec"]}
    return copy.deepcopy(kept)


def without_noise(value):
    if isinstance(value, dict):
        return {key: without_noise(item) for key, item in value.items() if key not in DROPPED}
    return [without_noise(item) for item in value] if isinstance(value, list) else value


def compact(states):
    """JSON in which each different object stands once, a line each, and states name objects by their position."""
    objects: dict[str, int] = {}

    def position(obj):
        return objects.setdefault(json.dumps(obj, sort_keys=True), len(objects))

    lists = ("pods", "replica_sets", "events")
    rows = [
        {
            "workload": position(state["workload"]) if state["workload"] else None,
            **{name: [position(obj) for obj in state[name]] for name in lists},
        }
        for state in states
    ]
    lines = [",\n".join(objects), ",\n".join(map(json.dumps, rows))]
    return f'{{"objects": [\n{lines[0]}\n],\n"states": [\n{lines[1]}\n]}}\n'


def record(cluster, name, definitions, seconds, *, between=2.0):
    """Apply the definitions one after the other; keep each different state that is seen."""
    objects, states = Objects(cluster), []
    first = objects.apply(definitions[0])

    def keep(observed):
        state = {
            "workload": pruned(observed.workload) if observed.workload else None,
            "pods": [pruned(pod) for pod in observed.pods],
            "replica_sets": [pruned(replica_set) for replica_set in observed.replica_sets],
            "events": [pruned(event) for event in observed.events],
        }
        if not states or states[-1] != state:
            states.append(state)

    with Watcher(cluster, objects, first, lambda _line: None) as watcher:
        queue, applied_at, end = list(definitions[1:]), time.monotonic(), time.monotonic() + seconds
        while time.monotonic() < end:
            keep(watcher.observe())
            if queue and time.monotonic() - applied_at > between:
                objects.apply(queue.pop(0))
                applied_at = time.monotonic()
            time.sleep(0.02)
    (TARGET / f"{name}.json").write_text(compact(states))


def main():
    cluster = bed_cluster(NAMESPACE)
    core = cluster.core
    core.create_namespace({"metadata": {"name": NAMESPACE}})
    ready = {"readinessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 2, "periodSeconds": 1}}
    never = {"readinessProbe": {"exec": {"command": ["false"]}}}
    again = {"env": [{"name": "MARK", "value": "2"}]}
    workload = conftest.workload
    try:
        for _attempt in range(100):
            if core.list_namespaced_service_account(NAMESPACE, field_selector="metadata.name=default").items:
                break
            time.sleep(0.1)
        two = {"replicas": 2}
        record(
            cluster,
            "deployment-update",
            [workload("up", **ready, **two), workload("up", **ready, **two, **again)],
            45,
            between=15,
        )
        record(
            cluster,
            "statefulset-update",
            [
                workload("set", kind="StatefulSet", **ready, **two),
                workload("set", kind="StatefulSet", **ready, **two, **again),
            ],
            60,
            between=20,
        )
        record(
            cluster,
            "image-pull",
            [workload("image", **ready), workload("image", image="bed/none:1", **ready)],
            30,
            between=8,
        )
        crash = workload("crash", command=("sh", "-c", "exit 3"), **never)
        record(cluster, "crash-loop", [crash], 20)
        record(cluster, "deadline", [workload("late", deadline=5, **never)], 12)
        quota = {"metadata": {"name": "none"}, "spec": {"hard": {"requests.memory": "1Mi"}}}
        core.create_namespaced_resource_quota(NAMESPACE, quota)
        time.sleep(3)
        memory = {"resources": {"requests": {"memory": "2Mi"}}}
        record(cluster, "deployment-quota", [workload("poor", **memory)], 6)
        record(cluster, "statefulset-quota", [workload("poor-set", kind="StatefulSet", **memory)], 6)
    finally:
        core.delete_namespace(NAMESPACE)


if __name__ == "__main__":
    main()
