# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments of three workloads and a Secret each, in namespaces of their own, and the inventory that names them."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kubernetes import client

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.entries import private_entry
from ansible_collections.hopsworks.airflow.tests.bench.measure import MeasurementError, say

SIGNERS = ("api-server", "scheduler")
# With the strategies that the collection gives them (roles/deployment/templates/workloads.yml.j2).
STRATEGIES: dict[str, dict[str, Any]] = {
    "airflow-webserver": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    "airflow-scheduler": {"type": "Recreate"},
    "airflow-dag-processor": {"type": "Recreate"},
}
LABEL = "hopsworks.airflow/fleet"
MAKERS = 8
AVAILABLE_WITHIN_SECONDS = 600.0


def names(count: int) -> list[str]:
    return [f"fleet-{number:03d}" for number in range(1, count + 1)]


def make(count: int) -> None:
    """Make that many, and wait until all are available."""
    say(f"fleet: making {count} deployments of {len(STRATEGIES)} workloads")
    keys = dict(zip(SIGNERS, pair.generate_several(len(SIGNERS)), strict=True))
    entries = {private_entry(signer): pair.private_pem(key).decode() for signer, key in keys.items()}
    with ThreadPoolExecutor(MAKERS) as pool:
        list(pool.map(lambda namespace: make_one(namespace, entries), names(count)))
    wait_until_available(count * len(STRATEGIES))


def make_one(namespace: str, entries: dict[str, str]) -> None:
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    core.create_namespace({"metadata": {"name": namespace}})
    secret = {"metadata": {"name": "hopsworks-airflow-keys"}, "stringData": entries}
    core.create_namespaced_secret(namespace, secret)
    for name, strategy in STRATEGIES.items():
        apps.create_namespaced_deployment(namespace, deployment(name, strategy))


def deployment(name: str, strategy: dict[str, Any]) -> dict[str, Any]:
    container = {"name": "main", "image": "simulated", "imagePullPolicy": "Never"}
    return {
        "metadata": {"name": name, "labels": {LABEL: "member"}},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "strategy": strategy,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "automountServiceAccountToken": False,
                    "nodeSelector": {"type": "kwok"},
                    "tolerations": [{"key": "simulated", "operator": "Exists"}],
                    "containers": [container],
                },
            },
        },
    }


def wait_until_available(workloads: int) -> None:
    deadline = time.monotonic() + AVAILABLE_WITHIN_SECONDS
    while True:
        found = client.AppsV1Api().list_deployment_for_all_namespaces(label_selector=f"{LABEL}=member").items
        available = sum((each.status.available_replicas or 0) == each.spec.replicas for each in found)
        if available == workloads:
            return
        if time.monotonic() > deadline:
            raise MeasurementError(f"{available} of {workloads} workloads of the fleet are available")
        time.sleep(1)


def write_inventory(path: Path, count: int, kubeconfig: Path) -> None:
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "airflow_kubeconfig": str(kubeconfig),
    }
    hosts = {name: {"airflow_namespace": name} for name in names(count)}
    path.write_text(json.dumps({"airflow": {"hosts": hosts, "vars": variables}}), encoding="utf-8")
