#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_pull
short_description: Has an image on the nodes before anything needs it
description:
  - Makes sure that every node which may run the pods has the image, so that a rollout does not wait for it, and a
    wrong name, a missing pull secret or an unreachable registry is found while everything still runs.
  - Trusts what nodes report; where one doesn't report the image, a pod on that node pulls it and is deleted.
  - A registry that does not answer is waited for, for 60 s of its refusals.
  - Only the pod's own container counts. Istio and Linkerd are asked to put nothing beside it.
  - In check mode the pod is tried by a dry run, and refused with what admission, quota or nodes say against it.
  - Deletes the pods that an earlier run left because it was killed.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
options:
  image:
    description: The image, as the pods name it.
    type: str
    required: true
  deployment:
    description: Name of the deployment. What a run of it that was killed has left is removed, and nobody else's.
    type: str
    required: true
  node_selector:
    description: Labels that the pods ask of their nodes.
    type: dict
    default: {}
  tolerations:
    description: The pods' tolerations. Nodes with a taint that they do not tolerate are left out.
    type: list
    elements: dict
    default: []
  pull_secrets:
    description: Names of the Secrets for the registry.
    type: list
    elements: str
    default: []
  service_account:
    description: Service account of the pods, for its pull secrets.
    type: str
  security_context:
    description: Security context of the pods, where the namespace demands one.
    type: dict
    default: {}
  affinity:
    description: The pods' affinity. Nodes that do not meet what it requires are left alone.
    type: dict
    default: {}
  resources:
    description: Resources of the pods' container, where a quota or a limit range asks for others.
    type: dict
    default:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {cpu: 100m, memory: 64Mi}
  priority_class:
    description: Priority class of the pods.
    type: str
  runtime_class:
    description: Runtime class of the pods.
    type: str
  labels:
    description: Further labels of the pods.
    type: dict
    default: {}
  annotations:
    description: Annotations of the pods.
    type: dict
    default: {}
  timeout:
    description: How long the nodes may take, in seconds.
    type: int
    default: 1800
notes:
  - A kubelet reports its 50 largest images only. An image that is there and not reported costs a pod for a moment,
    and is not reported as a change.
"""

EXAMPLES = r"""
- name: Have the image where the pods may run
  hopsworks.airflow.image_pull:
    namespace: hopsworks
    deployment: airflow
    image: apache/airflow:3.0.6-python3.12
    node_selector:
      kubernetes.io/os: linux
    pull_secrets: [registry]
"""

RETURN = r"""
nodes:
  description:
    - For each node that may run the pods V(present) or V(pulled).
    - In check mode V(missing), where the image would be pulled.
  returned: success
  type: dict
  sample:
    worker-1: present
    worker-2: pulled
"""

from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.admission import Admission, Coming, told
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.images import Puller
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import Action, Call
from ansible_collections.hopsworks.airflow.plugins.module_utils.module import run_as_module

NAMES = {
    "service_account": "serviceAccountName",
    "priority_class": "priorityClassName",
    "runtime_class": "runtimeClassName",
}


def act(call: Call) -> dict[str, Any]:
    params = call.params
    pod_spec: dict[str, Any] = {
        "nodeSelector": params["node_selector"],
        "tolerations": params["tolerations"],
        "imagePullSecrets": [{"name": name} for name in params["pull_secrets"]],
        "securityContext": params["security_context"],
        "affinity": params["affinity"],
    }
    for option, key in NAMES.items():
        if params[option]:
            pod_spec[key] = params[option]
    metadata = {"labels": params["labels"], "annotations": params["annotations"]}
    names = (params["deployment"], params["image"])
    puller = Puller(call.cluster, call.progress, *names, pod_spec, metadata, params["resources"])
    nodes = puller.nodes()
    missing = [name for name, present in nodes.items() if not present]
    before = {name: "present" if present else "missing" for name, present in nodes.items()}
    after = dict.fromkeys(nodes, "present")
    if call.check_mode:
        if missing:
            coming = Coming("Pod", "image-pull", puller.pod(missing[0], params["timeout"]), len(missing))
            told(call, Admission(call.cluster, set()).look([coming]))
        states = before
    else:
        pulled = puller.pull(missing, timeout_seconds=params["timeout"])
        states = {name: "pulled" if pulled.get(name) else "present" for name in nodes}
    header = f"image {params['image']}"
    return {
        "changed": any(state != "present" for state in states.values()),
        "nodes": states,
        "diff": {"before_header": header, "after_header": header, "before": before, "after": after},
    }


ACTION = Action(
    act,
    {
        "image": {"type": "str", "required": True},
        "deployment": {"type": "str", "required": True},
        "node_selector": {"type": "dict", "default": {}},
        "tolerations": {"type": "list", "elements": "dict", "default": []},
        "pull_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "service_account": {"type": "str"},
        "security_context": {"type": "dict", "default": {}},
        "affinity": {"type": "dict", "default": {}},
        "resources": {
            "type": "dict",
            "default": {
                "requests": {"cpu": "10m", "memory": "16Mi"},
                "limits": {"cpu": "100m", "memory": "64Mi"},
            },
        },
        "priority_class": {"type": "str"},
        "runtime_class": {"type": "str"},
        "labels": {"type": "dict", "default": {}},
        "annotations": {"type": "dict", "default": {}},
        "timeout": {"type": "int", "default": 1800},
    },
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
