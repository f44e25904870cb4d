#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: airflow_health
short_description: Verifies from outside that an Airflow 3 deployment works
description:
  - Requests the version through the reverse proxy, waits for two different heartbeats of every component, logs in,
    checks what Hopsworks relies on (RV(contracts)), lists DAG files that can't be imported, and runs one DAG to success
    if O(canary_dag) is set.
  - A readiness probe does not verify the signing keys; a login followed by a call and a DAG run does.
  - Fails if a contract is broken, and says which one and how.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
attributes:
  check_mode:
    details: Checks everything else, but does not run a DAG or evict a cached membership.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: With O(canary_dag) each call runs that DAG once.
options:
  url:
    description: Public address of the deployment, as users open it.
    type: str
    required: true
  ca_file:
    description:
      - File with the certificates to trust, in PEM format, instead of the system's trust store. That store is the one
        that OpenSSL uses, including C(SSL_CERT_FILE); C(REQUESTS_CA_BUNDLE) is ignored.
    type: path
  login:
    description: The user that logs in. If omitted, only anonymous calls are made.
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
  cookie_path:
    description:
      - Required path of the session cookie. Defaults to the path of O(url), which is that of C([api] base_url).
      - Airflow 3.0 itself uses V(/).
    type: str
  invalidate:
    description:
      - How to check C(POST /auth/internal/invalidate), which the Hopsworks backend calls to evict a cached membership.
    type: dict
    suboptions:
      secret:
        description: Secret with the shared secret.
        type: str
        default: hopsworks-airflow-keys
      key:
        description: Entry of the Secret.
        type: str
        default: internal-shared-secret
      user:
        description: User whose cached membership is evicted. It is read again at the next login; no session ends.
        type: str
        required: true
  metrics:
    description: How to check that metrics arrive in the C(statsd_exporter) of each pod. The module uses a port-forward.
    type: dict
    suboptions:
      workloads:
        description: Deployments or StatefulSets whose pods have an exporter.
        type: list
        elements: str
        required: true
      may_be_silent:
        description: Workloads that may not have reported any metrics yet. Their exporters must still answer.
        type: list
        elements: str
        default: []
      port:
        description: Port on which the exporters serve C(/metrics).
        type: int
        default: 9102
      prefix:
        description: C([metrics] statsd_prefix).
        type: str
        default: airflow
  components:
    description:
      - Components whose heartbeats the module waits for, by their names in the health response. Airflow reports a
        component as healthy for C([scheduler] scheduler_health_check_threshold) after its last heartbeat, so the module
        waits for two different heartbeats.
    type: list
    elements: str
    default: [metadatabase, scheduler, dag_processor]
  canary_dag:
    description:
      - DAG to run to success. If it is paused, the module unpauses it for the run, unless that would also start other
        runs, such as those that its schedule missed. In that case it is not run, and RV(canary) says why. A DAG without
        a schedule is best.
    type: str
  timeout:
    description:
      - Timeout of each check in seconds. It includes waiting for an Airflow that does not answer, or for which a proxy
        answers (404, 502, 503, 504). Must be longer than C([scheduler] scheduler_heartbeat_sec) and
        C(job_heartbeat_sec).
    type: int
    default: 300
requirements:
  - requests >= 2.32.3
"""

EXAMPLES = r"""
- name: Verify that the deployment works
  hopsworks.airflow.airflow_health:
    namespace: hopsworks
    url: https://hopsworks.example.com/hopsworks-api/airflow
    login: {user: admin, secret: airflow-runtime}
    canary_dag: p_demo_119__hello

- name: Verify what Hopsworks relies on
  hopsworks.airflow.airflow_health:
    namespace: hopsworks
    url: https://hopsworks.example.com/hopsworks-api/airflow
    login: {user: admin, secret: airflow-runtime}
    invalidate: {user: meb10000}
    metrics:
      workloads: [airflow-webserver, airflow-scheduler, airflow-dag-processor]
      may_be_silent: [airflow-webserver]
"""

RETURN = r"""
version:
  description: Version that the api-server reports.
  returned: always
  type: str
  sample: 3.0.6
contracts:
  description:
    - V(ok) for each contract that holds, or why it does not apply; empty without O(login).
    - C(login), C(call) (with the login's token) and C(session) (with its cookie, as browsers do) work.
    - C(cookie_path), the path of the session cookie, is correct behind the proxy.
    - Tokens with a C(wrong_signature) or an C(unknown_kid) are rejected.
    - With O(invalidate), C(invalidate) works and C(invalidate_wrong_bearer) is rejected.
    - With O(metrics), C(metrics) arrive.
  returned: always
  type: dict
  sample:
    login: ok
    cookie_path: ok
    call: ok
    wrong_signature: ok
    unknown_kid: ok
    session: ok
answers:
  description:
    - HTTP statuses of the responses. Airflow 3.0 answers a token with an unknown kid with 500, later versions with 403.
  returned: always
  type: dict
  sample: {login: 201, call: 200, wrong_signature: 403, unknown_kid: 500}
metrics:
  description: Number of Airflow's own metrics of each workload; empty without O(metrics).
  returned: always
  type: dict
  sample: {airflow-webserver: 0, airflow-scheduler: 61, airflow-dag-processor: 14}
components:
  description: State of each component.
  returned: always
  type: dict
  sample: {metadatabase: healthy, scheduler: healthy, dag_processor: healthy}
heartbeats:
  description: The latest heartbeat of each component that sends them, by the clock of its pod.
  returned: always
  type: dict
  sample: {scheduler: "2026-11-22T03:12:05.210000+00:00", dag_processor: "2026-11-22T03:12:04.833000+00:00"}
dags:
  description: Number of DAGs that the deployment knows, or null without O(login).
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
  description:
    - The run of the DAG, or null without O(canary_dag). Its C(state) is C(success) or C(not run); in the latter case
      C(why) says why the DAG was not run.
  returned: always
  type: dict
  sample:
    dag_id: p_demo_119__hello
    run_id: manual__2026-11-22
    state: success
    seconds: 4.2
    tasks: {one: success}
    why:
"""

from ..module_utils._airflow.login import LOGIN_OPTIONS
from ..module_utils._airflow.rest import REQUESTS_IMPORT_ERROR
from ..module_utils._airflow.verification import act
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

ACTION = Action(
    act,
    {
        "url": {"type": "str", "required": True},
        "ca_file": {"type": "path"},
        "login": {
            "type": "dict",
            "options": LOGIN_OPTIONS,
        },
        "cookie_path": {"type": "str"},
        "invalidate": {
            "type": "dict",
            "options": {
                "secret": {"type": "str", "default": "hopsworks-airflow-keys", "no_log": False},
                "key": {"type": "str", "default": "internal-shared-secret", "no_log": False},
                "user": {"type": "str", "required": True},
            },
        },
        "metrics": {
            "type": "dict",
            "options": {
                "workloads": {"type": "list", "elements": "str", "required": True},
                "may_be_silent": {"type": "list", "elements": "str", "default": []},
                "port": {"type": "int", "default": 9102},
                "prefix": {"type": "str", "default": "airflow"},
            },
        },
        "components": {
            "type": "list",
            "elements": "str",
            "default": ["metadatabase", "scheduler", "dag_processor"],
        },
        "canary_dag": {"type": "str"},
        "timeout": {"type": "int", "default": 300},
    },
    libraries=(("requests", REQUESTS_IMPORT_ERROR),),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
