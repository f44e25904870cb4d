#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workloads
short_description: Ordered, watched rollouts of Deployments and StatefulSets
description:
  - Applies workloads one after the other by server-side apply, each when the one before is rolled out and healthy.
  - Watches, rather than polls. A rollout is done when the controller has seen it, all replicas are updated and
    available, and no old pod is left. Ready and available are Kubernetes' own words; a container without a readiness
    probe is ready as soon as it runs, unless the workload has C(minReadySeconds).
  - Stops at the first workload that does not get healthy, as soon as that is certain, and shows the events and the last
    log lines, without secrets. What may pass by itself (an image that cannot be pulled, a container that cannot be
    configured, pods refused by quota or webhook) has to last for some time first; M(hopsworks.airflow.rolling_restart)
    says how long. Running the same command again goes on there.
  - Says V(changed) only where the API server's dry run differs from the live object. A run that changes nothing
    restarts nothing; it only makes again what an earlier run left in a back-off.
  - After a rollout, removes the immutable ConfigMaps of the deployment that no workload, none of its revisions and no
    pod uses any more.
  - Also stops workloads and starts again what it stopped.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
options:
  state:
    description:
      - V(applied) rolls out O(definitions).
      - V(stopped) scales O(names) to 0 and waits until their pods have ended. The replicas they had are kept in the
        annotation C(hopsworks.airflow/replicas-before-stop). Where a Deployment and a StatefulSet have one name, both.
      - V(started) gives those back their replicas that V(stopped) took, all of them, and then waits until each is
        healthy. One that doesn't get healthy keeps no other one stopped.
    type: str
    choices: [applied, stopped, started]
    default: applied
  definitions:
    description:
      - The Deployments and StatefulSets, complete. The order is the order of the rollout.
      - Without C(replicas) a workload keeps as many as the live one has, or had before it was stopped or replaced. The
        same goes for one whose place it takes, a StatefulSet in the place of which comes a Deployment, which is stopped
        and stays. With
        C(replicas) it is refused where a HorizontalPodAutoscaler or a ScaledObject of KEDA decides about them.
      - All are checked by a dry run before the first is touched.
    type: list
    elements: dict
  names:
    description: Names of the Deployments or StatefulSets to stop or start, in this order. Absent ones are no error.
    type: list
    elements: str
  provided:
    description:
      - Objects that are made before the pods are, so that a dry run must not miss them. Of each only its C(kind) and
        its C(metadata.name) count.
      - In check mode each pod is tried as its controller would create it. What admission (policies, limits, webhooks),
        quota, nodes or a missing Secret, ConfigMap or volume say against it, is refused; the pods of the workloads that
        are replaced count as gone. What can't be told by a dry run is warned of.
    type: list
    elements: dict
    default: []
  nodes_on_demand:
    description:
      - Whether nodes are made for pods that have none (cluster-autoscaler, Karpenter). Then it is a warning in check
        mode that none of the nodes which are there may run a pod, or is large enough. Otherwise it is refused.
    type: bool
    default: false
  replace:
    description:
      - Whether a live object of the same name that was made by others is deleted (its pods get their grace period) and
        made again. Otherwise it is refused, since applying would leave containers of the old one in the new pods.
      - The same goes for a change of fields that cannot be changed.
    type: bool
    default: false
  backup_secret:
    description:
      - Secret in which what is replaced is kept before it is deleted. M(hopsworks.airflow.deployment_objects) puts it
        back.
      - An entry that exists stays, so that a second attempt does not overwrite what the first one saved.
    type: str
  wait_for_old:
    description: Whether a rollout is done only when the last old pod has ended.
    type: bool
    default: true
  timeout:
    description:
      - How long each single workload may take, in seconds.
      - For pods that are to end, their grace period counts where it is longer.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Roll out, in this order
  hopsworks.airflow.workloads:
    namespace: hopsworks
    definitions:
      - "{{ lookup('ansible.builtin.template', 'webserver.yml.j2') | from_yaml }}"
      - "{{ lookup('ansible.builtin.template', 'scheduler.yml.j2') | from_yaml }}"
    replace: true
    backup_secret: airflow-before-20261122t030000

- name: Stop what reads and writes the database
  hopsworks.airflow.workloads:
    namespace: hopsworks
    state: stopped
    names: [airflow-scheduler, airflow-webserver]
"""

RETURN = r"""
workloads:
  description:
    - What was, or would be, done to each, in order.
    - Applied, C(action) is V(created), V(replaced), V(configured), V(retried) (unchanged, but a pod in a back-off was
      made again) or V(unchanged), and C(seconds) is what it took until healthy. C(grace_seconds) is how long the pods
      that served before, and were or would be ended, may take for it; null where none of them is.
    - Stopped or started, C(action) is V(stopped), V(started), V(unchanged) or V(absent), with the replicas C(before)
      and C(after); a name of two workloads is there twice.
  returned: success
  type: list
  elements: dict
  sample:
    - name: airflow-webserver
      kind: Deployment
      action: replaced
      seconds: 14.2
      grace_seconds: 600
"""

import contextlib
from typing import Any

from ..module_utils._kubernetes.call import Call
from ..module_utils._kubernetes.objects import Objects
from ..module_utils._kubernetes.unreachable import words_of
from ..module_utils._pods.admission import Admission, told
from ..module_utils._rollout.apply import Applier, Step
from ..module_utils._rollout.belonging import deployment_of
from ..module_utils._rollout.configurations import remove_unused
from ..module_utils._rollout.interruption import grace_of_interrupted
from ..module_utils._rollout.scale import Scaler
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException


def act(call: Call) -> dict[str, Any]:
    return applied(call) if call.params["state"] == "applied" else scaled(call)


def applied(call: Call) -> dict[str, Any]:
    applier = Applier(
        call.cluster, call.progress, replace=call.params["replace"], backup_secret=call.params["backup_secret"]
    )
    steps = applier.plan(call.params["definitions"])
    seconds: dict[str, float] = {}
    if call.check_mode:
        made = {(item["kind"], item["metadata"]["name"]) for item in call.params["provided"]}
        nodes_on_demand = call.params["nodes_on_demand"]
        for warning in applier.warnings(steps):
            call.warn(warning)
        told(call, Admission(call.cluster, made, nodes_on_demand=nodes_on_demand).look(*applier.pods_of(steps)))
    else:
        seconds = applier.roll_out(
            steps, timeout_seconds=call.params["timeout"], wait_for_old=call.params["wait_for_old"]
        )
        tidy(call, steps)
    return {
        "changed": any(step.action != "unchanged" for step in steps),
        "workloads": [
            {
                "name": step.name,
                "kind": step.kind,
                "action": step.action,
                "seconds": seconds.get(step.name),
                "grace_seconds": grace_of_interrupted(step),
            }
            for step in steps
        ],
        "diff": [step.diff() for step in steps if step.action not in ("unchanged", "retried")],
    }


def tidy(call: Call, steps: list[Step]) -> None:
    """Remove configuration that nothing uses any more, after a rollout. What can't be removed harms nobody."""
    deployments = {deployment_of(step.definition) for step in steps if step.action != "unchanged"} - {None}
    for deployment in sorted(map(str, deployments)):
        try:
            for name in remove_unused(Objects(call.cluster), deployment):
                call.progress(f"ConfigMap {name}: removed, nothing uses it any more")
        except ApiException as error:
            call.warn(f"configuration that nothing uses any more can't be removed: {words_of(error)}")


def scaled(call: Call) -> dict[str, Any]:
    scaler = Scaler(call.cluster, call.progress)
    names, timeout = call.params["names"], call.params["timeout"]
    if call.params["state"] == "started":
        results = scaler.start_all(names, timeout_seconds=timeout, check_mode=call.check_mode)
    else:
        stopped = [scaler.stop(name, timeout_seconds=timeout, check_mode=call.check_mode) for name in names]
        results = [result for each in stopped for result in each]
    return {
        "changed": any(result.action in ("stopped", "started") for result in results),
        "workloads": [vars(result) for result in results],
        "diff": {
            "before": {
                f"{result.kind} {result.name}": {"replicas": result.before} for result in results if result.kind
            },
            "after": {f"{result.kind} {result.name}": {"replicas": result.after} for result in results if result.kind},
        },
    }


ACTION = Action(
    act,
    {
        "state": {"type": "str", "choices": ["applied", "stopped", "started"], "default": "applied"},
        "definitions": {"type": "list", "elements": "dict"},
        "names": {"type": "list", "elements": "str"},
        "provided": {"type": "list", "elements": "dict", "default": []},
        "nodes_on_demand": {"type": "bool", "default": False},
        "replace": {"type": "bool", "default": False},
        "backup_secret": {"type": "str", "no_log": False},
        "wait_for_old": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 600},
    },
    required_if=[
        ("state", "applied", ["definitions"]),
        ("state", "stopped", ["names"]),
        ("state", "started", ["names"]),
    ],
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
