# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of applied workloads share: definitions, and a rollout of them."""

from __future__ import annotations

import copy

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import STOPPED_ANNOTATION
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier

BACKUP = "airflow-before-1"


def workload(name="web", image="new", replicas=None):
    spec = {"selector": {"matchLabels": {"app": name}}, "template": {"spec": {"containers": [{"image": image}]}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def stateful(image="old", claims=("logs",), replicas=1, **policy):
    definition = {**workload("db", image, replicas), "kind": "StatefulSet"}
    definition["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": name}} for name in claims]
    definition["spec"]["persistentVolumeClaimRetentionPolicy"] = policy
    return definition


def autoscaler(name="web", kind="HorizontalPodAutoscaler"):
    reference = {"kind": "Deployment", "name": name}
    if kind == "ScaledObject":
        del reference["kind"]
    return {"kind": kind, "metadata": {"name": f"{name}-scaler"}, "spec": {"scaleTargetRef": reference}}


def applier(namespace):
    return Applier(namespace.cluster, lambda _line: None, replace=True, backup_secret=BACKUP)


def roll_out(namespace, *definitions):
    rollout = applier(namespace)
    steps = rollout.plan(copy.deepcopy(list(definitions)))
    rollout.roll_out(steps, timeout_seconds=1)
    return [step.action for step in steps]


def replicas(namespace, name="web"):
    live = namespace.read("Deployment", name)
    assert STOPPED_ANNOTATION not in live["metadata"].get("annotations", {})
    return live["spec"]["replicas"]
