#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_configuration_info
short_description: Reads how a running Airflow 3 handles its tokens
description:
  - Reads the options that determine how long tokens are valid and who trusts them, by running Airflow in a ready pod of
    a workload with the environment of the component. It asks the pod because defaults differ between versions.
  - Compares the pod's clock with the API server's clock.
  - Needs no secrets and returns none. Takes some seconds, because Airflow has to be imported, and needs the right to
    run commands in pods (C(pods/exec)).
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
options:
  workload:
    description: Deployment or StatefulSet. The module asks one of its ready pods.
    type: str
    default: airflow-webserver
  signers:
    description:
      - Other workloads that sign tokens, such as the scheduler, which signs task tokens. Each is asked as well, because
        a component may have its own options in its environment.
      - If no pod of a workload becomes ready within a minute, the module warns and skips it.
      - C(executor), C(tasks_in_scheduler) and C(longest_token_seconds), C(heartbeat_seconds), C(clock_skew_seconds) and
        C(jwt_algorithm) then cover all of these workloads, as described there; all other values are those of
        O(workload).
    type: list
    elements: str
    default: []
  container:
    description:
      - Container that runs the component. Defaults to the one in the annotation
        C(kubectl.kubernetes.io/default-container) of the workload's pod template, or else to the first container of the
        template. Injected containers are ignored.
    type: str
  python:
    description: Python interpreter of Airflow's environment in the container.
    type: str
    default: python3
"""

EXAMPLES = r"""
- name: Read how long tokens are valid
  hopsworks.airflow.airflow_configuration_info:
    namespace: hopsworks
    signers: [airflow-scheduler]
  register: airflow_configured

- name: Show when the previous keys can be retired
  ansible.builtin.debug:
    msg: "{{ airflow_configured.longest_token_seconds }} s after the last signer was restarted"
"""

RETURN = r"""
pod:
  description: Pod of O(workload) that was asked.
  returned: success
  type: str
  sample: airflow-webserver-7d9c6b5f8-x2x4z
airflow_version:
  description: Version of Airflow.
  returned: success
  type: str
  sample: 3.0.6
of_component:
  description:
    - Whether the environment of the running component was readable. If not, the module used the container's environment
      and warned. A component that is the first process of its container overwrites its environment with its process
      title.
  returned: success
  type: bool
  sample: true
executor:
  description: C([core] executor), of the first of the signers if there are any.
  returned: success
  type: str
  sample: LocalExecutor
tasks_in_scheduler:
  description:
    - Whether any of the executors runs tasks in the scheduler's pod, which a restart has to wait for. C(executor) may
      be a list, with aliases, class paths and teams; third-party classes are asked (C(is_local)).
    - Null if it is unknown for one of them.
  returned: success
  type: bool
  sample: true
base_url:
  description: C([api] base_url), or null.
  returned: success
  type: str
  sample: https://hopsworks.example.com/hopsworks-api/airflow
jwt_expiration_time:
  description: C([api_auth] jwt_expiration_time), the lifetime of a login token in seconds.
  returned: success
  type: int
  sample: 3600
jwt_cli_expiration_time:
  description: C([api_auth] jwt_cli_expiration_time), the lifetime of a command-line token in seconds.
  returned: success
  type: int
  sample: 3600
task_jwt_expiration_time:
  description: C([execution_api] jwt_expiration_time), the lifetime of a running task's token in seconds.
  returned: success
  type: int
  sample: 600
task_queued_timeout:
  description: C([scheduler] task_queued_timeout) in seconds. From 3.2 on, the lifetime of a queued task's token.
  returned: success
  type: int
  sample: 600
jwt_leeway:
  description: C([api_auth] jwt_leeway), the number of seconds by which clocks may differ.
  returned: success
  type: int
  sample: 10
longest_token_seconds:
  description:
    - The longest of these lifetimes over all signers, plus the leeway of O(workload), in seconds. After this time, no
      token that exists now is still valid.
  returned: success
  type: int
  sample: 3610
jwt_algorithm:
  description: C([api_auth] jwt_algorithm), or null. If a signer has a different one, that one.
  returned: success
  type: str
  sample: RS256
jwt_kid:
  description: C([api_auth] jwt_kid) of the component, or null.
  returned: success
  type: str
  sample: iQ2cN9o1mYkq0RkTq8l1d3mH1o6m5Ywq9Hc1m0Q1k2E
jwt_issuer:
  description: C([api_auth] jwt_issuer), or null.
  returned: success
  type: str
  sample: null
jwt_audience:
  description: C([api_auth] jwt_audience), or null.
  returned: success
  type: str
  sample: null
task_jwt_audience:
  description: C([execution_api] jwt_audience).
  returned: success
  type: str
  sample: urn:airflow.apache.org:task
trusted_jwks_url:
  description: C([api_auth] trusted_jwks_url), a path or a URL, or null.
  returned: success
  type: str
  sample: /run/airflow/jwks.json
scheduler_health_check_threshold:
  description: C([scheduler] scheduler_health_check_threshold) in seconds.
  returned: success
  type: int
  sample: 660
scheduler_heartbeat_sec:
  description: C([scheduler] scheduler_heartbeat_sec) in seconds.
  returned: success
  type: int
  sample: 5
job_heartbeat_sec:
  description: C([scheduler] job_heartbeat_sec) in seconds, the interval of the dag-processor.
  returned: success
  type: int
  sample: 5
triggerer_heartbeat_sec:
  description: C([triggerer] job_heartbeat_sec) in seconds.
  returned: success
  type: int
  sample: 5
heartbeat_seconds:
  description: The longest heartbeat interval of all components, in seconds.
  returned: success
  type: int
  sample: 5
clock_skew_seconds:
  description:
    - The number of seconds by which the pod's clock is ahead of the API server's, accurate to a second; null if
      unknown. With several pods, the largest difference.
  returned: success
  type: float
  sample: 0.2
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..module_utils._airflow import configuration
from ..module_utils._common.failure import OperatorError
from ..module_utils._kubernetes.call import Call
from ..module_utils._pods.pods import component_container, serving_pods, workload_of
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    asked = call.params["workload"]
    names = [asked, *(name for name in dict.fromkeys(call.params["signers"]) if name != asked)]
    # Each starts a Python process that imports Airflow, so they are asked in parallel.
    with ThreadPoolExecutor(len(names)) as pool:
        answers = {name: pool.submit(_answer_of, call, name) for name in names}
    asked_pod, server = answers[asked].result()
    _warn_of_unseen(call, asked_pod, server)
    signers = []
    for name in names[1:]:
        try:
            pod, signer = answers[name].result()
        except OperatorError as error:
            # This rotation may be what brings it up again.
            call.warn(f"{name} was not asked and is assumed to be configured like {asked}: {error}")
            continue
        _warn_of_unseen(call, pod, signer)
        signers.append(signer)
    return {"pod": asked_pod, **configuration.with_signers(server, signers)}


def _answer_of(call: Call, name: str) -> tuple[str, dict[str, Any]]:
    """The pod of a workload that was asked, and its answer. Raises OperatorError if none can be asked."""
    workload = workload_of(call.cluster, name)
    container = call.params["container"] if name == call.params["workload"] else None

    def ask(pod: dict[str, Any]) -> dict[str, Any]:
        within = container or component_container(workload, pod)
        return configuration.read(call.cluster, pod["metadata"]["name"], within, call.params["python"])

    return configuration.of_any(lambda: serving_pods(call.cluster, name), ask)


def _warn_of_unseen(call: Call, pod: str, found: dict[str, Any]) -> None:
    if not found["of_component"]:
        call.warn(f"{pod}: options that a launcher sets only in the environment of the component could not be read")


ACTION = Action(
    act,
    {
        "workload": {"type": "str", "default": "airflow-webserver"},
        "signers": {"type": "list", "elements": "str", "default": []},
        "container": {"type": "str"},
        "python": {"type": "str", "default": "python3"},
    },
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
