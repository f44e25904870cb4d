#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rolling_restart
short_description: Ordered, watched restarts of Deployments and StatefulSets
description:
  - Restarts workloads one after the other, each when the one before is rolled out and healthy, in the way that their
    own update strategy says.
  - Refuses, before anything is restarted, where a workload is missing or is not healthy to begin with.
  - Stops at the first workload that does not get healthy, and says why, as M(hopsworks.airflow.workloads) does.
  - A workload carries the run that restarted it in its pod template (annotation C(hopsworks.airflow/restarted-by)). An
    interrupted run that is run again restarts the remaining ones only.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
options:
  workloads:
    description: Names of the Deployments or StatefulSets, in the order in which they are restarted.
    type: list
    elements: str
    required: true
  run:
    description: Names the run. Each workload is restarted once for each run.
    type: str
    required: true
  wait_for_old:
    description: Whether a restart is done only when the last old pod has ended.
    type: bool
    default: true
  timeout:
    description: How long each single workload may take, in seconds.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Have all components read the keys
  hopsworks.airflow.rolling_restart:
    namespace: hopsworks
    run: 20261122t030000
    workloads: [airflow-webserver, airflow-scheduler, airflow-dag-processor]
"""

RETURN = r"""
workloads:
  description:
    - What was, or would be, done to each, in order. C(action) is V(restarted), or V(unchanged) where this run restarted
      it before. C(seconds) is what it took until healthy.
  returned: success
  type: list
  elements: dict
  sample:
    - name: airflow-webserver
      kind: Deployment
      action: restarted
      seconds: 12.9
"""

import time
from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.restart import Restarter
from ansible_collections.hopsworks.airflow.plugins.module_utils.module import Call, run_module


def act(call: Call) -> dict[str, Any]:
    params = call.params
    restarter = Restarter(call.cluster, call.progress, params["run"])
    restarts = restarter.plan(params["workloads"])
    results = []
    for position, restart in enumerate(restarts):
        begun = time.monotonic()
        seconds = None
        if not call.check_mode:
            restarter.restart(
                restart,
                timeout_seconds=params["timeout"],
                wait_for_old=params["wait_for_old"],
                later=[other.name for other in restarts[position + 1 :]],
            )
            seconds = round(time.monotonic() - begun, 1)
        action = "restarted" if restart.due else "unchanged"
        results.append({"name": restart.name, "kind": restart.kind, "action": action, "seconds": seconds})
    due = [restart.name for restart in restarts if restart.due]
    return {
        "changed": bool(due),
        "workloads": results,
        "diff": {"before": {}, "after": {name: {"restarted by run": params["run"]} for name in due}},
    }


def main() -> None:
    run_module(
        {
            "workloads": {"type": "list", "elements": "str", "required": True},
            "run": {"type": "str", "required": True},
            "wait_for_old": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 600},
        },
        act,
    )


if __name__ == "__main__":
    main()
