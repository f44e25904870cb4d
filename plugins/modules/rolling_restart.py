#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rolling_restart
short_description: Restarts Deployments and StatefulSets in order and watches them
description:
  - Restarts workloads one after the other, each after the previous one is rolled out and healthy, according to their
    own update strategies.
  - Before it restarts anything, and also in check mode, it fails if a workload is missing or already unhealthy, if the
    order contradicts O(components), if another controller may undo the restart, or if a second scheduler would run.
  - Reports what the workloads' own settings mean for a restart, based on measurements of Airflow 3 (RV(workloads)).
  - Stops at the first workload that does not become healthy, and says why. It does not wait for the timeout if the
    workload cannot become healthy. Temporary problems must last for some time, by this machine's clock, before they
    count; 30 s for pods rejected by quota or admission webhooks, containers that cannot be configured and lost nodes,
    60 s for images that cannot be pulled, 180 s for pods that no node accepts. A container that exits four times is a
    crash loop. The module waits for an API server that restarts or does not answer, and renews expired watches.
  - If it is run again after a failure, it recreates pods in a back-off (if it has the right to delete pods; otherwise
    it waits for their next attempt), and makes controllers retry rejected pods.
  - The pod template of a workload records the run that restarted it (annotation C(hopsworks.airflow/restarted-by)). If
    an interrupted run is run again, it restarts only the remaining workloads and waits for the others.
  - After a failure, fix the cause and run it again with the same O(run). Another O(run) restarts all of them again.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
options:
  workloads:
    description: Names of the Deployments or StatefulSets, in the order in which they are restarted.
    type: list
    elements: str
    required: true
  run:
    description: Name of the run. Each workload is restarted once per run.
    type: str
    required: true
  components:
    description:
      - The component of each workload, by the name of the workload; V(api-server), V(scheduler), V(dag-processor) or
        V(triggerer). May include workloads that are not restarted.
      - Determines the order, the health gate and what a restart loses. A workload that is missing here has no gate.
    type: dict
    default: {}
  order:
    description:
      - With V(component), the module fails if the workloads are not in the order api-server, scheduler, dag-processor,
        triggerer. With V(given), any order is accepted.
    type: str
    choices: [component, given]
    default: component
  annotations:
    description:
      - Annotations of the pod template, written in the same change as the run's own annotation. Use the same names in
        every run, because nothing removes them.
    type: dict
    default: {}
  health:
    description:
      - How to reach the deployment as users do. If set, each workload in O(components) has to pass a gate in addition
        to readiness. For the api-server, this is a login and a call with the token, which verify the signing keys; for
        the others, a heartbeat that is newer than the start of the new pod, and a second one, because the first may be
        an old pod's.
      - With O(health.login), Airflow's list of jobs shows which pod sent a heartbeat, as far as it has the names or
        addresses of the pods. Then every pod must have sent a heartbeat, and new pods of a Deployment do not need a
        second one.
      - Each gate is also checked before anything is restarted; there, the module waits for two different heartbeats.
    type: dict
    suboptions:
      url:
        description: Public address of the deployment, through the reverse proxy.
        type: str
        required: true
      login:
        description: The user that logs in. If omitted, the api-server has no gate.
        type: dict
        suboptions:
          user: {description: User name., type: str, required: true}
          secret:
            description: Secret that holds the password file of the SimpleAuthManager.
            type: str
            required: true
          key:
            description: Entry of the Secret, a JSON object of users to passwords.
            type: str
            default: passwords.json
      ca_file:
        description: File with the certificates to trust, in PEM format, instead of the system's trust store.
        type: path
      heartbeat_interval:
        description:
          - Heartbeat interval of the components in seconds, the longest of C([scheduler] scheduler_heartbeat_sec),
            C([scheduler] job_heartbeat_sec) and C([triggerer] job_heartbeat_sec). It determines how long the module
            waits before it restarts anything.
        type: float
        default: 5.0
      seen:
        description:
          - Heartbeats that an earlier check of the same playbook has observed, the C(seen) that
            M(hopsworks.airflow.preflight) returns. Then the check before a restart needs only one more heartbeat and
            usually does not have to wait. Ignored if it is older than a minute.
        type: dict
        default: {}
      timeout:
        description: Timeout of each gate after the rollout, in seconds.
        type: int
        default: 120
  on_failure:
    description:
      - What to do with a workload that does not become healthy or does not pass its gate. V(stop) leaves it as it is.
        V(previous_revision) restores the pod template of its previous revision and waits until it is healthy. In both
        cases the module fails with the first reason.
      - For a StatefulSet, this requires two more rights, to list C(controllerrevisions.apps) and to delete pods.
        Without them, it waits for its broken pods.
    type: str
    choices: [stop, previous_revision]
    default: stop
  require_lossless:
    description:
      - Whether to fail if a restart would lose requests or tasks or cause an outage because of a workload's settings.
    type: bool
    default: false
  running_task_seconds:
    description:
      - Remaining time in seconds of the longest task that runs in the scheduler's own pod (LocalExecutor). If omitted,
        the module assumes that no task runs there.
    type: int
  row_locks:
    description:
      - Whether the metadata database supports row locks for two schedulers (C(FOR UPDATE ... OF), as MySQL 8 and
        PostgreSQL do; MariaDB does not). If V(false), the module fails if the rollout of a scheduler would start a
        second one.
    type: bool
    default: false
  changed_secrets:
    description:
      - Names of the Secrets that the run changes. O(managed_by_others) decides about workloads that Reloader or Wave
        restarts when one of these Secrets changes. The module recognizes them by their annotations. A Reloader with
        C(--auto-reload-all) uses no annotations; it ignores a Secret with C(reloader.stakater.com/ignore=true).
    type: list
    elements: str
    default: []
  managed_by_others:
    description:
      - What to do about workloads that Argo CD or an operator manages, which may remove the restart annotation again,
        and about those that others restart (O(changed_secrets)). V(refuse) fails and says what to do, V(accept) warns.
        Helm and Flux do not remove the annotation, so for them the module only warns.
    type: str
    choices: [refuse, accept]
    default: refuse
  wait_for_old:
    description:
      - Whether a restart is complete only after the last old pod has ended. Until then, old pods still answer some
        requests with their old state, such as their keys.
    type: bool
    default: true
  settle:
    description:
      - When a restarted workload must be rolled out, without old pods (see O(wait_for_old)) and past its gate. With
        V(each), before the next one is restarted. With V(end), after all of them have been restarted; they start in
        order, and in between the module only waits for new api-server pods. This is faster, but if one of them fails,
        others may have to be fixed, too.
      - V(end) cannot be combined with O(on_failure=previous_revision).
    type: str
    choices: [each, end]
    default: each
  timeout:
    description:
      - Timeout in seconds for the rollout of each workload, including the termination of its old pods. A scheduler that
        waits for its tasks takes up to its grace period.
    type: int
    default: 600
requirements:
  - requests >= 2.32.3
"""

EXAMPLES = r"""
- name: Restart all components so that they read the keys
  hopsworks.airflow.rolling_restart:
    namespace: hopsworks
    run: 20261122t030000
    workloads: [airflow-webserver, airflow-scheduler, airflow-dag-processor]

- name: Restart the validators, verify them from outside, and roll back if they do not become healthy
  hopsworks.airflow.rolling_restart:
    namespace: hopsworks
    run: 20261122t030000-publish
    workloads: [airflow-webserver, airflow-dag-processor]
    components:
      airflow-webserver: api-server
      airflow-dag-processor: dag-processor
    annotations: {hopsworks.airflow/keys-generation: "4"}
    health:
      url: https://hopsworks.example.com/hopsworks-api/airflow
      login: {user: admin, secret: airflow-runtime}
    require_lossless: true
    on_failure: previous_revision

- name: Check what a restart would interrupt
  hopsworks.airflow.rolling_restart:
    namespace: hopsworks
    run: what-if
    workloads: [airflow-webserver, airflow-scheduler]
    components: {airflow-webserver: api-server, airflow-scheduler: scheduler}
    running_task_seconds: 60
  check_mode: true
  register: cost
"""

RETURN = r"""
workloads:
  description: The change to each workload that was, or would be, made, in order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the workload.
      returned: always
      type: str
      sample: airflow-webserver
    kind:
      description: Deployment or StatefulSet.
      returned: always
      type: str
      sample: Deployment
    component:
      description: Its component according to O(components), or null.
      returned: always
      type: str
      sample: api-server
    action:
      description: V(restarted), or V(unchanged) if this run has already restarted it.
      returned: always
      type: str
      sample: restarted
    seconds:
      description:
        - Time until it was healthy, including the gate; for an api-server with O(settle=end), until its new pods were
          available. Null in check mode.
      returned: always
      type: float
      sample: 12.9
    grace_seconds:
      description: Grace period of its pods in seconds.
      returned: always
      type: int
      sample: 135
    findings:
      description:
        - What its settings mean for a restart; empty if nothing is lost, or if it is not restarted. C(kind) is
          V(outage) (no requests are served), V(requests) (some are lost), V(tasks) (running tasks are killed), V(pause)
          (work waits and nothing is lost) or V(refuse). C(outage_seconds) is an estimate, or null.
      returned: always
      type: list
      elements: dict
      sample:
        - kind: outage
          text: >-
            Deployment airflow-webserver stops all its pods before it creates new ones (strategy Recreate): no requests
            are served for about 14 s, until a new pod is ready; strategy RollingUpdate with maxSurge 1 and
            maxUnavailable 0 avoids this
          outage_seconds: 14.2
    gate:
      description:
        - The health gate that it passed, or null if it has none. C(kind) is V(login) (C(calls) is the number of logins
          and calls) or V(heartbeat) (C(heartbeat) is its time). In check mode only C(kind).
      returned: always
      type: dict
      sample: {kind: login, calls: 1}
windows:
  description:
    - When each rollout began and ended (as in RV(workloads)), by this machine's clock, in ISO 8601, as
      M(hopsworks.airflow.availability_probe) expects it. The C(name) is that of the component, or else of the workload.
      Empty in check mode.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: api-server, begun: "2026-11-22T03:10:30.120+00:00", ended: "2026-11-22T03:10:43.020+00:00"}
outage_seconds:
  description: The sum of the estimated outages of the restarted workloads; 0 if users notice nothing.
  returned: success
  type: float
  sample: 0.0
"""

from ..module_utils._airflow.login import LOGIN_OPTIONS
from ..module_utils._airflow.rest import REQUESTS_IMPORT_ERROR
from ..module_utils._rollout.rolling_restart import act
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

ACTION = Action(
    act,
    {
        "workloads": {"type": "list", "elements": "str", "required": True},
        "run": {"type": "str", "required": True},
        "components": {"type": "dict", "default": {}},
        "order": {"type": "str", "choices": ["component", "given"], "default": "component"},
        "annotations": {"type": "dict", "default": {}},
        "health": {
            "type": "dict",
            "options": {
                "url": {"type": "str", "required": True},
                "login": {"type": "dict", "options": LOGIN_OPTIONS},
                "ca_file": {"type": "path"},
                "heartbeat_interval": {"type": "float", "default": 5.0},
                "seen": {"type": "dict", "default": {}},
                "timeout": {"type": "int", "default": 120},
            },
        },
        "on_failure": {"type": "str", "choices": ["stop", "previous_revision"], "default": "stop"},
        "require_lossless": {"type": "bool", "default": False},
        "running_task_seconds": {"type": "int"},
        "row_locks": {"type": "bool", "default": False},
        "changed_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "managed_by_others": {"type": "str", "choices": ["refuse", "accept"], "default": "refuse"},
        "wait_for_old": {"type": "bool", "default": True},
        "settle": {"type": "str", "choices": ["each", "end"], "default": "each"},
        "timeout": {"type": "int", "default": 600},
    },
    libraries=(("requests", REQUESTS_IMPORT_ERROR),),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
