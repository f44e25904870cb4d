#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workloads
short_description: Rolls out Deployments and StatefulSets in order and watches them
description:
  - Applies workloads one after the other by server-side apply, each after the previous one is rolled out and healthy.
  - Watches the workloads instead of polling them. A rollout is complete when the controller has observed it, all
    replicas are updated and available, and no old pod is left. Ready and available have the meaning of Kubernetes; a
    container without a readiness probe is ready as soon as it runs, unless the workload has C(minReadySeconds).
  - Stops at the first workload that does not become healthy, as soon as that is certain, and shows the events and the
    last log lines, without secrets. Temporary problems (an image that cannot be pulled, a container that cannot be
    configured, pods rejected by quota or webhook) must last for some time before they count; see
    M(hopsworks.airflow.rolling_restart) for the times. If the same command is run again, it continues there.
  - Reports V(changed) only if the API server's dry run differs from the live object. A run that changes nothing
    restarts nothing; it only recreates pods that an earlier run left in a back-off.
  - After a rollout, removes the immutable ConfigMaps of the deployment that no workload, revision or pod uses any more.
  - Can also stop workloads and start them again.
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
      - V(stopped) scales O(names) to 0 and waits until their pods have ended. It keeps their former replicas in the
        annotation C(hopsworks.airflow/replicas-before-stop). If a Deployment and a StatefulSet have the same name, it
        stops both.
      - V(started) restores the replicas of all workloads that V(stopped) has scaled down, and then waits until each is
        healthy. A workload that does not become healthy does not keep others stopped.
    type: str
    choices: [applied, stopped, started]
    default: applied
  definitions:
    description:
      - The complete Deployments and StatefulSets, in the order of the rollout.
      - Without C(replicas), a workload keeps the number of the live one, or the number before that was stopped or
        replaced. This also applies if a Deployment replaces a StatefulSet of the same name, which is stopped and kept.
        With C(replicas), the module fails if a HorizontalPodAutoscaler or a KEDA ScaledObject manages the workload.
      - All of them are checked by a dry run before the first one is changed.
    type: list
    elements: dict
  names:
    description:
      - Names of the Deployments or StatefulSets to stop or start, in this order. Missing workloads are not an error.
    type: list
    elements: str
  provided:
    description:
      - Objects that will be created before the pods, so that a dry run does not report them as missing. Only their
        C(kind) and C(metadata.name) count.
      - In check mode, the module creates each pod by a dry run, as its controller would. It fails with the objections
        of admission (policies, limits, webhooks), quota or nodes, or if a Secret, ConfigMap or volume is missing; the
        pods of replaced workloads count as gone. It warns about checks that a dry run cannot make.
    type: list
    elements: dict
    default: []
  nodes_on_demand:
    description:
      - Whether something such as cluster-autoscaler or Karpenter adds nodes for pods that fit on none. If so, check
        mode only warns if no existing node can run a pod or is large enough. Otherwise the module fails.
    type: bool
    default: false
  replace:
    description:
      - Whether to delete and recreate a live object of the same name that others have created (its pods get their grace
        period). If V(false), the module fails, because applying would leave containers of the old one in the new pods.
      - The same applies to a change of immutable fields.
    type: bool
    default: false
  backup_secret:
    description:
      - Secret in which replaced objects are saved before they are deleted. M(hopsworks.airflow.deployment_objects)
        restores them.
      - Existing entries are kept, so that a second attempt does not overwrite what the first one saved.
    type: str
  wait_for_old:
    description: Whether a rollout is complete only after the last old pod has ended.
    type: bool
    default: true
  timeout:
    description:
      - Timeout in seconds for each workload.
      - If pods have to terminate, their grace period counts if it is longer.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Roll out two workloads in this order
  hopsworks.airflow.workloads:
    namespace: hopsworks
    definitions:
      - "{{ lookup('ansible.builtin.template', 'webserver.yml.j2') | from_yaml }}"
      - "{{ lookup('ansible.builtin.template', 'scheduler.yml.j2') | from_yaml }}"
    replace: true
    backup_secret: airflow-before-20261122t030000

- name: Stop the workloads that use the database
  hopsworks.airflow.workloads:
    namespace: hopsworks
    state: stopped
    names: [airflow-scheduler, airflow-webserver]
"""

RETURN = r"""
workloads:
  description:
    - The change to each workload that was, or would be, made, in order.
    - With V(applied), C(action) is V(created), V(replaced), V(configured), V(retried) (unchanged, but a pod in a
      back-off was recreated) or V(unchanged), and C(seconds) is the time until it was healthy. C(grace_seconds) is the
      grace period of the old pods that were, or would be, terminated; null if there are none.
    - With V(stopped) and V(started), C(action) is V(stopped), V(started), V(unchanged) or V(absent), with the replicas
      C(before) and C(after); if two workloads have the same name, it appears twice.
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

from ..module_utils._rollout.states import act
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

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
