#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workloads_info
short_description: Returns which Deployments and StatefulSets exist and how many of their pods are ready
description:
  - Reads Deployments and StatefulSets by name. Changes nothing.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
options:
  names:
    description: Names of Deployments or StatefulSets. Missing workloads are not an error.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Read the workloads
  hopsworks.airflow.workloads_info:
    namespace: hopsworks
    names: [airflow-webserver, airflow-scheduler]
  register: found
"""

RETURN = r"""
workloads:
  description:
    - The workloads of each name, in order. If a Deployment and a StatefulSet have the same name, it appears twice.
    - If there is no workload of a name, its C(kind) is null and its C(replicas) is 0.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: success
      type: str
      sample: airflow-webserver
    kind:
      description: V(Deployment) or V(StatefulSet); null if there is none.
      returned: success
      type: str
      sample: Deployment
    replicas:
      description: The desired number of pods.
      returned: success
      type: int
      sample: 1
    ready:
      description: The number of ready pods.
      returned: success
      type: int
      sample: 1
    stopped_from:
      description:
        - The replicas that it had before M(hopsworks.airflow.workloads) stopped it; null if it was not stopped.
      returned: success
      type: int
      sample: null
    images:
      description: The images of its containers, in their order.
      returned: success
      type: list
      elements: str
      sample: [apache/airflow:3.0.6-python3.12]
"""

from typing import Any

from ..module_utils._kubernetes.call import Call
from ..module_utils._kubernetes.objects import Objects
from ..module_utils._rollout.standing import standing
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    return {"workloads": standing(Objects(call.cluster), call.params["names"])}


ACTION = Action(act, {"names": {"type": "list", "elements": "str", "required": True}})


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
