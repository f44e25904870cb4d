#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Checks whether a cluster is ready for a runbook
description:
  - Runs all checks and reports all problems in one go. Changes nothing.
  - Checks the version of Kubernetes (1.30 or newer), the namespace, the caller's rights, the nodes, and the given
    workloads, Secrets and Services.
  - Warns, without failing, about nodes that are not ready and about workloads that Helm, Argo CD or Flux manage,
    because these may revert changes.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
options:
  deployment:
    description:
      - Name of the deployment. The module fails if a workload was created by another deployment of this collection, or
        if another one uses any of O(changed_secrets). If omitted, this is not checked.
      - All workloads that this collection created for it and that still run or have pods must be in O(workloads), if
        that is given. Otherwise a renamed scheduler would run alongside the new one.
    type: str
  workloads:
    description:
      - Deployments or StatefulSets that are going to be replaced or restarted. They must be healthy or absent; a
        rollout of workloads that this collection created may be incomplete.
    type: list
    elements: str
    default: []
  stage:
    description:
      - Stage of the database, as M(hopsworks.airflow.metadata_info) returns it. With V(absent), V(empty) or V(old),
        the module fails if workloads in O(stopped) that this collection created for O(deployment) run, because they use
        another database. With V(absent) or V(empty), it also fails if others run, for the same reason. If omitted, this
        is not checked.
    type: str
  sessions:
    description:
      - Sessions on the live schema, as M(hopsworks.airflow.metadata_info) returns them. The module warns about pods
        of the namespace that have a session and do not belong to the workloads in O(stopped), and about sessions that
        belong to no pod in the namespace. If the database server only sees the address of a proxy or a node, the owner
        of a session is unknown.
    type: list
    elements: dict
    default: []
  stopped:
    description: Deployments or StatefulSets that are going to be stopped before the database is changed.
    type: list
    elements: str
    default: []
  changed_secrets:
    description:
      - Names of the Secrets that are going to be changed, if they exist. O(managed_by_others) decides about workloads
        that Reloader or Wave restarts when one of these Secrets changes.
    type: list
    elements: str
    default: []
  secrets:
    description: Required Secrets.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the Secret.
        type: str
        required: true
      keys:
        description: Entries that must exist and not be empty.
        type: list
        elements: str
        default: []
      written:
        description:
          - Whether the run is going to change it, which requires the rights to do so and that it is not immutable.
        type: bool
        default: false
  services:
    description:
      - Services that must have a ready pod or, without a selector, be reachable from this machine; or hosts, by name or
        address. A name without a dot that is not a Service of the namespace must resolve on this machine.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the Service, or of a host.
        type: str
        required: true
      port:
        description: Number of its port.
        type: int
        required: true
  rights:
    description: Whether to check each right that the runbook needs.
    type: bool
    default: true
  duration:
    description:
      - Maximum duration of the whole run in seconds, according to its timeouts. The module warns about a token or a
        client certificate for the API server that expires sooner and that no exec plugin or C(tokenFile) renews. If
        V(0), this is not checked.
    type: int
    default: 0
  runbook:
    description: The runbook to check for. A V(rotation) needs fewer rights than an V(upgrade) or an installation.
    type: str
    choices: [upgrade, rotation]
    default: upgrade
  health:
    description:
      - Address of a live Airflow 3, to record its heartbeats (RV(seen)). Later checks need two different heartbeats,
        and then wait less.
    type: dict
    suboptions:
      url:
        description: Public address of the deployment, through the reverse proxy.
        type: str
        required: true
      ca_file:
        description: File with the certificates to trust, in PEM format, instead of the system's trust store.
        type: path
  managed_by_others:
    description:
      - What to do about a Secret that is going to be changed and that another controller would restore, such as Argo
        CD, Flux or an ExternalSecret, and about workloads that others restart when a Secret changes
        (O(changed_secrets)). V(refuse) reports an error that says what to do, V(accept) a warning.
    type: str
    choices: [refuse, accept]
    default: refuse
requirements:
  - requests >= 2.32.3
"""

EXAMPLES = r"""
- name: Check whether the upgrade can start
  hopsworks.airflow.preflight:
    namespace: hopsworks
    deployment: hopsworks-production
    workloads: [airflow-webserver, airflow-scheduler]
    secrets:
      - name: mysql-users-secrets
        keys: [airflow]
    services:
      - name: mysql
        port: 3306

- name: Check whether the keys can be rotated
  hopsworks.airflow.preflight:
    namespace: hopsworks
    runbook: rotation
    workloads: [airflow-webserver, airflow-scheduler, airflow-dag-processor]
    secrets:
      - name: hopsworks-airflow-keys
        written: true
"""

RETURN = r"""
findings:
  description:
    - The result of each check. C(ok) says whether it is as expected. C(level) is V(error), or V(warning) for a problem
      that does not prevent the run.
  returned: success
  type: list
  elements: dict
  sample:
    - check: kubernetes
      ok: true
      level: error
      found: Kubernetes v1.34.4
      expected: Kubernetes 1.30 or newer (preStop sleep)
      next_step: ""
seen:
  description:
    - The current heartbeats by component, and when they were observed (C(at)), for
      O(hopsworks.airflow.rolling_restart#module:health.seen). Without heartbeats if Airflow reports none, and empty
      without O(health).
  returned: success
  type: dict
  sample:
    at: "2026-11-22T03:10:29.120+00:00"
    heartbeats: {scheduler: "2026-11-22T03:10:24.010+00:00"}
"""

from typing import Any

from ..module_utils._airflow.rest import REQUESTS_IMPORT_ERROR
from ..module_utils._kubernetes.call import Call
from ..module_utils._kubernetes.managed import MANAGED_BY_OTHERS
from ..module_utils._preflight.credentials_expiry import credentials_that_end
from ..module_utils._preflight.finding import failure
from ..module_utils._preflight.preflight import Preflight
from ..module_utils._rollout.gates import Access, first_look
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    params = call.params
    preflight = Preflight(call.cluster, call.progress)
    findings = preflight.run(
        workloads=params["workloads"],
        secrets=params["secrets"],
        services=params["services"],
        runbook=params["runbook"] if params["rights"] else None,
        deployment=params["deployment"],
        managed_by_others=params["managed_by_others"],
    )
    accepted = params["managed_by_others"] == "accept"
    findings += credentials_that_end(call.cluster, params["duration"])
    findings += preflight.undescribed(params["workloads"], params["deployment"])
    findings += preflight.elsewhere(params["stage"], params["stopped"], params["deployment"])
    findings += preflight.shared(params["changed_secrets"], params["deployment"])
    findings += preflight.sessions(params["sessions"], params["stopped"])
    findings += preflight.reloaded(params["workloads"], params["changed_secrets"], accepted=accepted)
    for finding in findings:
        if not finding.ok and finding.level == "warning":
            call.warn(f"{finding.found}. Expected: {finding.expected}. Next: {finding.next_step}.")
    failed = failure(findings)
    if failed is not None:
        raise failed
    health = params["health"]
    return {
        "seen": first_look(Access(health["url"], health["ca_file"] or None)) if health else {},
        "findings": [{**vars(finding), "next_step": "" if finding.ok else finding.next_step} for finding in findings],
    }


ACTION = Action(
    act,
    {
        "deployment": {"type": "str"},
        "workloads": {"type": "list", "elements": "str", "default": []},
        "stage": {"type": "str"},
        "sessions": {"type": "list", "elements": "dict", "default": []},
        "stopped": {"type": "list", "elements": "str", "default": []},
        "secrets": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "no_log": False,
            "options": {
                "name": {"type": "str", "required": True},
                "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
                "written": {"type": "bool", "default": False},
            },
        },
        "changed_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "services": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"name": {"type": "str", "required": True}, "port": {"type": "int", "required": True}},
        },
        "rights": {"type": "bool", "default": True},
        "duration": {"type": "int", "default": 0},
        "runbook": {"type": "str", "choices": ["upgrade", "rotation"], "default": "upgrade"},
        "health": {
            "type": "dict",
            "options": {"url": {"type": "str", "required": True}, "ca_file": {"type": "path"}},
        },
        "managed_by_others": MANAGED_BY_OTHERS,
    },
    libraries=(("requests", REQUESTS_IMPORT_ERROR),),
    under_lock=False,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
