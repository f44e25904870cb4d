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
  - Before anything is restarted, it refuses where a workload is missing, not healthy to begin with, in an order that
    contradicts O(components), managed by something that may undo the restart, or a scheduler that would run twice. In
    check mode, too.
  - Says what the workloads' own settings mean for a restart, by facts measured on Airflow 3 (RV(workloads)).
  - Stops at the first workload that does not get healthy, and says why, long before its time is up where it cannot get
    healthy any more. What may pass by itself has to last first, by this machine's clock; pods refused by quota or
    admission webhooks, containers that can't be configured and lost nodes for 30 s, images that can't be pulled for
    60 s, pods that no node takes for 180 s. A container that ends four times is a crash loop. A restarted or absent
    API server and expired watches are waited for.
  - Run again after a failure, it makes pods in a back-off again (with the right to delete pods; otherwise it waits for
    their next attempt), and has controllers try again that were refused.
  - A workload carries the run that restarted it in its pod template (annotation C(hopsworks.airflow/restarted-by)). An
    interrupted run that is run again restarts the remaining ones only, and waits for the others.
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
    description: Names the run. Each workload is restarted once for each run.
    type: str
    required: true
  components:
    description:
      - Which component a workload is, by the name of the workload; V(api-server), V(scheduler), V(dag-processor) or
        V(triggerer). Workloads that are not restarted may be named, too.
      - Decides the order, the health gate and what a restart loses. A workload that is not named here has no gate.
    type: dict
    default: {}
  order:
    description:
      - With V(component), workloads in another order than api-server, scheduler, dag-processor, triggerer are refused.
        With V(given) any order is taken.
    type: str
    choices: [component, given]
    default: component
  annotations:
    description:
      - Annotations of the pod template, text by name, written in the same change as the run's own. Names should stay
        the same from run to run, for nothing removes them.
    type: dict
    default: {}
  health:
    description:
      - How to reach the deployment as people do. With it, each workload named in O(components) has to pass a gate
        beyond readiness. For the api-server, a login and a call with the token, which prove the signing keys; for the
        others a heartbeat that is newer than the start of the new pod, and another one, because the first may be an
        old pod's.
      - With a login, Airflow's list of jobs is asked whose the heartbeats are, as far as it names the pods or their
        addresses. Then each of several pods has to have one, and the new pods of a Deployment need no second.
      - Each gate is tried before anything is restarted, too; there, two different heartbeats are waited for.
    type: dict
    suboptions:
      url:
        description: Public address of the deployment, through the reverse proxy.
        type: str
        required: true
      login:
        description: Who logs in. Left out, the api-server has no gate.
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
      ca_file:
        description: File of certificates to trust, in PEM form, instead of the system's store.
        type: path
      heartbeat_interval:
        description:
          - How often components send heartbeats, in seconds, the longest of C([scheduler] scheduler_heartbeat_sec),
            C([scheduler] job_heartbeat_sec) and C([triggerer] job_heartbeat_sec). The wait before anything is restarted
            follows from it.
        type: float
        default: 5.0
      seen:
        description:
          - What an earlier look of the same playbook has seen of the heartbeats, the C(seen) that
            M(hopsworks.airflow.preflight) returns. Then the look before a restart has to see another one only, and most
            often needn't wait for it. Of no use when it is older than a minute.
        type: dict
        default: {}
      timeout:
        description: How long one gate is waited for after the rollout, in seconds.
        type: int
        default: 120
  on_failure:
    description:
      - What is done with a workload that does not get healthy or does not pass its gate. V(stop) leaves it as it is.
        V(previous_revision) puts the pod template of its previous revision back and waits for it to be healthy. The
        module fails in both cases, with the first reason.
      - For a StatefulSet that takes two rights more, to list C(controllerrevisions.apps) and to delete pods. It waits
        for its broken pods otherwise.
    type: str
    choices: [stop, previous_revision]
    default: stop
  require_lossless:
    description: Whether to refuse workloads whose settings lose requests or tasks, or mean an outage, at a restart.
    type: bool
    default: false
  running_task_seconds:
    description:
      - How long the longest task that runs in the scheduler's own pod (LocalExecutor) still needs, in seconds. Left
        out, none runs there.
    type: int
  row_locks:
    description:
      - Whether the metadata database is known to lock rows for two schedulers (C(FOR UPDATE ... OF), as MySQL 8 and
        PostgreSQL do; MariaDB does not). If not, a scheduler whose rollout starts a second one is refused.
    type: bool
    default: false
  changed_secrets:
    description:
      - Names of the Secrets that the run changes. A workload that Reloader or Wave restarts by itself when one of them
        changes is treated as O(managed_by_others) says. It is known by its annotations; a Reloader with
        C(--auto-reload-all) leaves none, and keeps away from a Secret with C(reloader.stakater.com/ignore=true).
    type: list
    elements: str
    default: []
  managed_by_others:
    description:
      - What to do about workloads of Argo CD or of an operator, which may take the annotation of a restart away again,
        and about those that others restart (O(changed_secrets)). V(refuse) fails and says what to do, V(accept) warns.
        Helm and Flux leave it alone, which is said as a warning.
    type: str
    choices: [refuse, accept]
    default: refuse
  wait_for_old:
    description:
      - Whether a restart is done only when the last old pod has ended. Until then some requests are still answered with
        what the old pod knows, such as its keys.
    type: bool
    default: true
  settle:
    description:
      - When a restarted workload has to be rolled out, without old pods (see O(wait_for_old)) and past its gate. With
        V(each) before the next one is restarted. With V(end) when all of them are; they begin in their order, and only
        for the new pods of an api-server is waited in between. That is faster, and where one of them fails there may
        be others to fix, too.
      - V(end) can't be had with O(on_failure=previous_revision).
    type: str
    choices: [each, end]
    default: each
  timeout:
    description:
      - How long the rollout of each single workload may take, in seconds, the time included that its old pods take to
        end. A scheduler that waits for its tasks takes up to its grace.
    type: int
    default: 600
requirements:
  - requests >= 2.32.3
"""

EXAMPLES = r"""
- name: Have all components read the keys
  hopsworks.airflow.rolling_restart:
    namespace: hopsworks
    run: 20261122t030000
    workloads: [airflow-webserver, airflow-scheduler, airflow-dag-processor]

- name: Restart the validators, proven from outside, and go back where they don't get healthy
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

- name: Ask what a restart would cost
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
  description: What was, or would be, done to each, in order.
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
      description: What it is by O(components), or null.
      returned: always
      type: str
      sample: api-server
    action:
      description: V(restarted), or V(unchanged) where this run restarted it before.
      returned: always
      type: str
      sample: restarted
    seconds:
      description:
        - What it took until healthy, the gate included; of an api-server with O(settle=end) until its new pods were
          available. Null in check mode.
      returned: always
      type: float
      sample: 12.9
    grace_seconds:
      description: How long its pods may take to end, in seconds.
      returned: always
      type: int
      sample: 135
    findings:
      description:
        - What its settings mean for a restart; empty where nothing is lost, and where it is not restarted. C(kind) is
          V(outage) (nobody is served), V(requests) (some are lost), V(tasks) (running tasks are killed), V(pause) (work
          waits and nothing is lost) or V(refuse). C(outage_seconds) is an estimate, or null.
      returned: always
      type: list
      elements: dict
      sample:
        - kind: outage
          text: >-
            Deployment airflow-webserver takes all its pods down before it makes new ones (strategy Recreate): nobody is
            served for about 14 s, until a new pod is ready; strategy RollingUpdate with maxSurge 1 and maxUnavailable 0
            avoids it
          outage_seconds: 14.2
    gate:
      description:
        - The health gate that it passed, or null where it has none. C(kind) is V(login) (C(calls) says how many logins
          and calls) or V(heartbeat) (C(heartbeat) is its time). In check mode only C(kind).
      returned: always
      type: dict
      sample: {kind: login, calls: 1}
windows:
  description:
    - When each rollout began and ended (as RV(workloads) counts), by this machine's clock, in ISO 8601, as
      M(hopsworks.airflow.availability_probe) takes it. The C(name) is that of the component, else of the workload.
      Empty in check mode.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: api-server, begun: "2026-11-22T03:10:30.120+00:00", ended: "2026-11-22T03:10:43.020+00:00"}
outage_seconds:
  description: The sum of the estimated outages of the workloads that are restarted; 0 where nobody notices.
  returned: success
  type: float
  sample: 0.0
"""

from typing import Any

from ..module_utils._airflow.credentials import LOGIN_OPTIONS
from ..module_utils._airflow.rest import REQUESTS_IMPORT_ERROR
from ..module_utils._kubernetes.call import Call
from ..module_utils._rollout.gates import Access
from ..module_utils._rollout.reloaders import changed_secrets
from ..module_utils._rollout.restart import Restart, Restarter, Terms, Took
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def terms_of(call: Call) -> Terms:
    given = call.params
    return Terms(
        components=given["components"],
        order_given=given["order"] == "given",
        annotations={name: str(value) for name, value in given["annotations"].items()},
        changed_secrets=changed_secrets(call.cluster, given["changed_secrets"]),
        access=Access.of(call.cluster, given["health"]) if given["health"] else None,
        running_task_seconds=given["running_task_seconds"],
        row_locks=given["row_locks"],
        require_lossless=given["require_lossless"],
        managed_by_others=given["managed_by_others"],
        on_failure=given["on_failure"],
        timeout_seconds=given["timeout"],
        wait_for_old=given["wait_for_old"],
        settle=given["settle"],
    )


def result_of(restart: Restart, terms: Terms, took: Took | None) -> dict[str, Any]:
    gate = None
    if restart.gate is not None:
        gate = {"kind": restart.gate.kind, **(restart.gate.seen() if took else {})}
    return {
        "name": restart.name,
        "kind": restart.kind,
        "component": terms.components.get(restart.name),
        "action": "restarted" if restart.due else "unchanged",
        "seconds": took.seconds if took else None,
        "grace_seconds": restart.grace_seconds,
        "findings": [finding.as_result() for finding in restart.findings],
        "gate": gate,
    }


def act(call: Call) -> dict[str, Any]:
    run, terms = call.params["run"], terms_of(call)
    restarter = Restarter(call.cluster, call.progress, run, terms)
    restarts = restarter.plan(call.params["workloads"])
    for warning in (warning for restart in restarts for warning in restart.warnings):
        call.warn(warning)
    took = {} if call.check_mode else restarter.restart_all(restarts)
    due = [restart for restart in restarts if restart.due]
    outages = [finding.outage_seconds or 0.0 for restart in due for finding in restart.findings]
    return {
        "changed": bool(due),
        "workloads": [result_of(restart, terms, took.get(restart.name)) for restart in restarts],
        "windows": [
            {"name": terms.components.get(name, name), "begun": window.begun, "ended": window.ended}
            for name, window in took.items()
        ],
        "outage_seconds": round(sum(outages), 1),
        "diff": {"before": {}, "after": {restart.name: {"restarted by run": run} for restart in due}},
    }


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
