#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_pull
short_description: Pulls images to the nodes before anything needs them
description:
  - Makes sure that every node that may run the pods has the images. So a rollout does not wait for them, and a wrong
    name, a missing pull secret or an unreachable registry is found while everything still runs.
  - Trusts the images that nodes report. If a node does not report an image, a pod on that node pulls it and is deleted.
    With the pull policy V(Always), each node asks the registry, as it will when its pods start.
  - These pods have the same settings as the pods of O(workloads) that use the image - node selector, tolerations,
    affinity, pull secrets, service account if it exists, security contexts, pull policy. At least one pod is created
    for each such use, even if all nodes have the image. The module fails if an image cannot run with these settings,
    such as an image that runs as root with C(runAsNonRoot).
  - Runs at most 20 pods at once, and fewer if a quota has no room for more. Skips a node without room for a pod, with a
    warning, unless no node has the image.
  - Waits for a registry that does not answer, until its pulls have failed for 60 s.
  - Only the pod's own container counts. Annotations tell Istio and Linkerd not to inject sidecars.
  - In check mode, the module creates each pulling pod by a dry run, and fails with the objections of admission, quota
    or nodes.
  - Deletes pods that an earlier run left behind when it was killed.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
options:
  images:
    description: The images, exactly as the pods refer to them.
    type: list
    elements: str
    required: true
  deployment:
    description: Name of the deployment. Only pods that a killed run of this deployment left behind are removed.
    type: str
    required: true
  workloads:
    description:
      - The complete Deployments and StatefulSets. Only their pods that use one of O(images), in containers or in init
        containers, matter.
    type: list
    elements: dict
    required: true
  resources:
    description: Resources of the pods' container, if a quota or a limit range requires different ones.
    type: dict
    default:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {cpu: 100m, memory: 64Mi}
  labels:
    description: Additional labels of the pods.
    type: dict
    default: {}
  annotations:
    description: Annotations of the pods.
    type: dict
    default: {}
  nodes_on_demand:
    description:
      - Whether something such as cluster-autoscaler or Karpenter adds nodes for pods that fit on none. If so, pods that
        no existing node can run are only a warning, and the image is not tried for them. Otherwise the module fails.
    type: bool
    default: false
  timeout:
    description: Timeout in seconds for the nodes.
    type: int
    default: 1800
notes:
  - A kubelet only reports its 50 largest images. For an image that exists but is not reported, a pod runs briefly,
    which does not count as a change.
"""

EXAMPLES = r"""
- name: Pull the images where the pods may run
  hopsworks.airflow.image_pull:
    namespace: hopsworks
    deployment: airflow
    images: [apache/airflow:3.0.6-python3.12]
    workloads:
      - "{{ lookup('ansible.builtin.template', 'webserver.yml.j2') | from_yaml }}"
      - "{{ lookup('ansible.builtin.template', 'scheduler.yml.j2') | from_yaml }}"
"""

RETURN = r"""
images:
  description:
    - For each image and each node that may run its pods, V(present) or V(pulled).
    - V(missing) if in check mode the image would be pulled, or if the node had no room for the pod.
  returned: success
  type: dict
  sample:
    apache/airflow:3.0.6-python3.12: {worker-1: present, worker-2: pulled}
pulled:
  description: The images that were, or would be, pulled to any node.
  returned: success
  type: list
  elements: str
  sample: [apache/airflow:3.0.6-python3.12]
"""

from ..module_utils._pods.pulling import act
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

ACTION = Action(
    act,
    {
        "images": {"type": "list", "elements": "str", "required": True},
        "deployment": {"type": "str", "required": True},
        "workloads": {"type": "list", "elements": "dict", "required": True},
        "resources": {
            "type": "dict",
            "default": {
                "requests": {"cpu": "10m", "memory": "16Mi"},
                "limits": {"cpu": "100m", "memory": "64Mi"},
            },
        },
        "labels": {"type": "dict", "default": {}},
        "annotations": {"type": "dict", "default": {}},
        "nodes_on_demand": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 1800},
    },
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
