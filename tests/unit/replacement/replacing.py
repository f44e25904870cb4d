# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An old deployment of others, the objects that take its place, and the ways between them."""

from __future__ import annotations

import copy

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import saved
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.replacement import Replacer
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.restoration import Restorer

SECRET = "airflow-before-1"
RBAC = "rbac.authorization.k8s.io"


def obj(kind, name, version="v1", *, labels=None, annotations=None, **fields):
    metadata = {"name": name}
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def by(deployment):
    """The labels that say which deployment of this collection made an object."""
    return {"app.kubernetes.io/instance": deployment, "app.kubernetes.io/managed-by": "hopsworks.airflow"}


def binding(role):
    return obj("RoleBinding", "airflow", f"{RBAC}/v1", roleRef={"kind": "Role", "name": role}, subjects=[])


def workload(name, image, replicas=1):
    spec = {"replicas": replicas, "template": {"spec": {"containers": [{"name": name, "image": image}]}}}
    return obj("Deployment", name, "apps/v1", spec=spec)


OLD = [
    obj("ServiceAccount", "airflow", secrets=[{"name": "airflow-token"}], imagePullSecrets=[{"name": "registry"}]),
    obj("Role", "airflow", f"{RBAC}/v1", rules=[{"resources": ["pods"], "verbs": ["get"]}]),
    binding("another"),
    obj("ConfigMap", "airflow-launcher", data={"old.cfg": "CANARY"}),
    obj(
        "Service",
        "web",
        labels={"chart": "old"},
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        spec={
            "clusterIP": "10.0.0.77",
            "selector": {"app": "web", "release": "old"},
            "ports": [{"name": "web", "port": 80, "targetPort": "ui"}],
        },
    ),
    obj("PodDisruptionBudget", "web", "policy/v1", spec={"minAvailable": 1, "selector": {"matchLabels": {"r": "old"}}}),
]
NEW = [
    obj("ServiceAccount", "airflow", labels={"by": "us"}, automountServiceAccountToken=False),
    obj("Role", "airflow", f"{RBAC}/v1", rules=[]),
    binding("airflow"),
    obj("ConfigMap", "airflow-launcher", data={"airflow.cfg.template": "x"}),
    obj("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 81}]}),
    obj("PodDisruptionBudget", "web", "policy/v1", spec={"maxUnavailable": 1, "selector": {"matchLabels": {"a": "w"}}}),
    obj("ConfigMap", "new-one", data={}),
]
NEW_WORKLOADS = [workload("web", "new"), workload("dag-processor", "new")]


def content(namespace):
    """All that somebody decided about the objects, and who."""
    return {
        key: (saved(live), [entry for entry in live["metadata"]["managedFields"] if "subresource" not in entry])
        for key, live in namespace.live.items()
    }


def quiet(_line):
    pass


def apply(namespace, definitions=None, **options):
    replacer = Replacer(namespace.cluster, quiet, **{"replace": True, "backup_secret": SECRET, **options})
    steps = replacer.plan(copy.deepcopy(NEW if definitions is None else definitions))
    replacer.act(steps, timeout_seconds=5)
    return [step.action for step in steps]


def restore(namespace, warnings=None):
    restorer = Restorer(namespace.cluster, quiet, SECRET)
    returns = restorer.plan()
    try:
        restorer.act(returns, timeout_seconds=5)
    finally:
        if warnings is not None:
            warnings += restorer.warnings
    return {f"{step.record.kind} {step.record.name}": step.action for step in returns}


def roll_out(namespace):
    """As the module `workloads` replaces them."""
    for definition in NEW_WORKLOADS:
        namespace.delete("Deployment", definition["metadata"]["name"])
        namespace.apply(copy.deepcopy(definition))
