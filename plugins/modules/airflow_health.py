#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_health
short_description: Proves that an Airflow 3 deployment works, from outside
description:
  - Asks the version through the reverse proxy, logs in, makes an authenticated call, waits for the heartbeat of every
    component, lists DAG files that can't be imported, and runs one DAG to success if told which.
  - A readiness probe does not prove the signing keys, a login followed by a call and a run does.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
attributes:
  check_mode:
    details: Looks, but runs no DAG.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: With O(canary_dag) each call runs that DAG once.
options:
  url:
    description: Public address of the deployment, as people use it.
    type: str
    required: true
  ca_file:
    description: File of certificates to trust instead of the system's.
    type: path
  login:
    description: Who logs in. Left out, only the anonymous calls are made.
    type: dict
    suboptions:
      user:
        description: User name.
        type: str
        required: true
      secret:
        description: Secret that holds the password file of the SimpleAuthManager.
        type: str
        required: true
      key:
        description: Entry of the Secret, a JSON object of users to passwords.
        type: str
        default: passwords.json
  components:
    description: Components whose heartbeat is waited for, by their names in the health answer.
    type: list
    elements: str
    default: [metadatabase, scheduler, dag_processor]
  canary_dag:
    description: DAG to run to success.
    type: str
  timeout:
    description: How long to wait for each part, in seconds.
    type: int
    default: 300
requirements:
  - requests >= 2.32.0
"""

EXAMPLES = r"""
- name: Prove that the deployment works
  hopsworks.airflow.airflow_health:
    namespace: hopsworks
    url: https://hopsworks.example.com/hopsworks-api/airflow
    login: {user: admin, secret: airflow-runtime}
    canary_dag: p_demo_119__hello
"""

RETURN = r"""
version:
  description: Version that the api-server answers.
  returned: always
  type: str
  sample: 3.0.6
components:
  description: State of each component; empty without login.
  returned: always
  type: dict
  sample: {metadatabase: healthy, scheduler: healthy, dag_processor: healthy}
dags:
  description: How many DAGs the deployment knows, or null without login.
  returned: always
  type: int
  sample: 7
import_errors:
  description: DAG files that can't be imported, with the last line of the error.
  returned: always
  type: list
  elements: dict
  sample: [{file: /opt/airflow/dags/demo/old.py, error: "ModuleNotFoundError: No module named 'airflow.contrib'"}]
canary:
  description: The run of the DAG, or null where none was asked for.
  returned: always
  type: dict
  sample: {dag_id: p_demo_119__hello, run_id: manual__2026-11-22, state: success, seconds: 4.2, tasks: {one: success}}
"""

from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._health.credentials import LOGIN_OPTIONS, password_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._health.rest import (
    REQUESTS_IMPORT_ERROR,
    AirflowApi,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._health.verification import (
    components,
    import_errors,
    run_dag,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils.module import Call, run_module


def act(call: Call) -> dict[str, Any]:
    given = call.params
    api = AirflowApi(given["url"], given["ca_file"])
    result: dict[str, Any] = {"components": {}, "dags": None, "import_errors": [], "canary": None}
    result["version"] = api.get("/api/v2/version")["version"]
    if given["login"]:
        api.login(given["login"]["user"], password_of(call.cluster, given["login"]))
        result["components"] = components(api, given["components"], given["timeout"], call.progress)
        if given["canary_dag"] and not call.check_mode:
            result["canary"] = run_dag(api, given["canary_dag"], given["timeout"], call.progress)
        result["dags"] = api.get("/api/v2/dags", limit=1)["total_entries"]
        result["import_errors"] = import_errors(api)
    return result


def main() -> None:
    run_module(
        {
            "url": {"type": "str", "required": True},
            "ca_file": {"type": "path"},
            "login": {
                "type": "dict",
                "options": LOGIN_OPTIONS,
            },
            "components": {
                "type": "list",
                "elements": "str",
                "default": ["metadatabase", "scheduler", "dag_processor"],
            },
            "canary_dag": {"type": "str"},
            "timeout": {"type": "int", "default": 300},
        },
        act,
        libraries=(("requests", REQUESTS_IMPORT_ERROR),),
    )


if __name__ == "__main__":
    main()
