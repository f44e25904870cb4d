#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Returns which API server the actions use
description:
  - Returns the API server that the options, the environment, the kubeconfig or the pod select now. Sends no request to
    the server.
  - A run calls it once at the start and passes the result to each action in the option O(cluster). So the run stays on
    its cluster even if the current context of the kubeconfig changes in the meantime (C(kubectl config use-context)).
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
"""

EXAMPLES = r"""
- name: Read which cluster is used
  hopsworks.airflow.cluster_info:
    namespace: hopsworks
  register: begun_on

- name: Use the same cluster, whatever the kubeconfig says by then
  hopsworks.airflow.workloads_info:
    namespace: hopsworks
    cluster: "{{ begun_on.cluster }}"
    names: [airflow-webserver]
"""

RETURN = r"""
cluster:
  description: The cluster that actions use.
  returned: success
  type: dict
  contains:
    server:
      description: URL of the API server.
      returned: success
      type: str
      sample: https://production.example:6443
    context:
      description: The context of the kubeconfig; null if no kubeconfig is used.
      returned: success
      type: str
      sample: production
"""

from typing import Any

from ..module_utils._kubernetes.call import Call
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    return {"cluster": {"server": call.cluster.server, "context": call.cluster.api.context}}


ACTION = Action(act, {}, under_lock=False)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
