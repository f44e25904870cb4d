#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_pull
short_description: Pulls an image to the nodes before anything needs it
description:
  - Makes sure that every node that may run the pods has the image. So a rollout does not wait for it, and a wrong name,
    a missing pull secret or an unreachable registry is found while everything still runs.
  - Trusts the images that nodes report. If a node does not report the image, a pod on that node pulls it and is
    deleted. With the pull policy V(Always), each node asks the registry, as it will when its pods start.
  - These pods have the same settings as the pods of O(workloads) that use the image - node selector, tolerations,
    affinity, pull secrets, service account if it exists, security contexts, pull policy. At least one pod is created
    for each such use, even if all nodes have the image. The module fails if the image cannot run with these settings,
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
  image:
    description: The image, exactly as the pods refer to it.
    type: str
    required: true
  deployment:
    description: Name of the deployment. Only pods that a killed run of this deployment left behind are removed.
    type: str
    required: true
  workloads:
    description:
      - The complete Deployments and StatefulSets. Only their pods that use O(image), in containers or in init
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
- name: Pull the image where the pods may run
  hopsworks.airflow.image_pull:
    namespace: hopsworks
    deployment: airflow
    image: apache/airflow:3.0.6-python3.12
    workloads:
      - "{{ lookup('ansible.builtin.template', 'webserver.yml.j2') | from_yaml }}"
      - "{{ lookup('ansible.builtin.template', 'scheduler.yml.j2') | from_yaml }}"
"""

RETURN = r"""
nodes:
  description:
    - For each node that may run the pods, V(present) or V(pulled).
    - V(missing) if in check mode the image would be pulled, or if the node had no room for the pod.
  returned: success
  type: dict
  sample:
    worker-1: present
    worker-2: pulled
"""

from typing import Any

from ..module_utils._kubernetes.call import Call
from ..module_utils._pods.admission import Admission, Coming, told
from ..module_utils._pods.images import Puller
from ..module_utils._pods.uses import uses_of
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    params = call.params
    metadata = {"labels": params["labels"], "annotations": params["annotations"]}
    uses = uses_of(call.cluster, params["image"], params["workloads"])
    names = (params["deployment"], params["image"])
    puller = Puller(
        call.cluster,
        call.progress,
        *names,
        uses,
        metadata,
        params["resources"],
        nodes_on_demand=params["nodes_on_demand"],
    )
    reported = puller.nodes()
    for warning in puller.untried:
        call.warn(warning)
    pulls = puller.pulls()
    before = {name: "present" if present else "missing" for name, present in reported.items()}
    if call.check_mode:
        states = before
        # Not the trials: an empty plan needs no room for a pod, and the workloads' own pods are checked with these.
        tried = {pull.use.name: pull for pull in pulls if not pull.trial}
        admission = Admission(call.cluster, set(), nodes_on_demand=params["nodes_on_demand"])
        for pull in tried.values():
            # One by one, because a quota needs no room for more.
            told(call, admission.look([Coming("Pod", "image-pull", puller.pod(pull, params["timeout"]))]))
    else:
        outcome = puller.pull(pulls, timeout_seconds=params["timeout"])
        for name, reason in outcome.left_out.items():
            call.warn(
                f"node {name} has no room for the pod that pulls {params['image']} there ({reason}); if the node does "
                "not have the image, a new pod on it waits for the pull during the outage"
            )
        states = {**before, **{name: "pulled" if new else "present" for name, new in outcome.pulled.items()}}
        # With the policy Always, an existing image is requested again.
        states |= {name: "present" for name, present in reported.items() if present}
    header = f"image {params['image']}"
    return {
        "changed": any(state == ("missing" if call.check_mode else "pulled") for state in states.values()),
        "nodes": states,
        "diff": {
            "before_header": header,
            "after_header": header,
            "before": before,
            "after": {
                name: "missing" if state == "missing" and not call.check_mode else "present"
                for name, state in states.items()
            },
        },
    }


ACTION = Action(
    act,
    {
        "image": {"type": "str", "required": True},
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
