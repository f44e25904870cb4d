#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Whether a cluster is fit for what is about to be done
description:
  - Makes all checks, and fails with all that is wrong at once. Changes nothing.
  - Checked are the version of Kubernetes (1.30 or newer), the namespace, the caller's rights, the nodes, and the
    workloads, Secrets and Services that are named.
  - Warns, without failing, of nodes that are not ready and of workloads that belong to Helm, Argo CD or Flux, since
    these may put back what is changed.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
options:
  deployment:
    description:
      - Name of the deployment that is going to act. Workloads that another deployment of this collection made are
        refused, and so are O(changed_secrets) that another one uses. If omitted, this is not asked.
      - With O(workloads), all that this collection made for it and that run, or whose pods have not ended, must be
        among these. Others are refused, because a renamed scheduler would run beside the new one.
    type: str
  workloads:
    description:
      - Deployments or StatefulSets that are going to be replaced or restarted. They must be healthy or absent; those
        that this collection made itself may be half done.
    type: list
    elements: str
    default: []
  stage:
    description:
      - Stage of the database, as M(hopsworks.airflow.metadata_db_info) returns it. Where it is V(absent), V(empty) or
        V(old), workloads in O(stopped) that this collection made for O(deployment) are refused if they run, because
        they use another database. For the same reason, where it is V(absent) or V(empty), so are those of others.
        If omitted, this is not asked.
    type: str
  sessions:
    description:
      - Sessions on the live schema, as M(hopsworks.airflow.metadata_db_info) returns them. Pods of the namespace that
        have one, and are not of the workloads in O(stopped), are warned of, and so are sessions of no pod in the
        namespace. Where the database server sees the address of a proxy or a node, it can't be told whose a session is.
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
      - Names of the Secrets that are going to be changed, if they exist. Workloads that Reloader or Wave restarts by
        itself when one of them changes are treated as O(managed_by_others) says.
    type: list
    elements: str
    default: []
  secrets:
    description: Secrets that are needed.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the Secret.
        type: str
        required: true
      keys:
        description: Entries that it must have, not empty.
        type: list
        elements: str
        default: []
      written:
        description: Whether it is going to be changed, which takes the rights to do so, and that it is not immutable.
        type: bool
        default: false
  services:
    description:
      - Services that must have a ready pod or, without a selector, be reached from here; or hosts, by their names or
        addresses. A name without a dot that is no Service of the namespace has to be known on this machine.
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
    description: Whether to ask the API server for each right that the runbook needs.
    type: bool
    default: true
  duration:
    description:
      - Seconds that the whole run may take by its timeouts. A token or a client certificate for the API server that
        ends sooner, and that no exec plugin or C(tokenFile) renews, is warned of. If V(0), this is not asked.
    type: int
    default: 0
  runbook:
    description: What is about to be done; a V(rotation) needs fewer rights than an V(upgrade) or an installation.
    type: str
    choices: [upgrade, rotation]
    default: upgrade
  health:
    description:
      - Address of a live Airflow 3, for a first look at its heartbeats (RV(seen)). Later ones need two of them, and
        wait less then.
    type: dict
    suboptions:
      url:
        description: Public address of the deployment, through the reverse proxy.
        type: str
        required: true
      ca_file:
        description: File of certificates to trust, in PEM form, instead of the system's store.
        type: path
  managed_by_others:
    description:
      - What to do about a Secret that is going to be changed and carries the marks of somebody else who puts it back,
        such as Argo CD, Flux or an ExternalSecret; and about workloads that others restart when a Secret changes
        (O(changed_secrets)). V(refuse) is an error that says what to do, V(accept) a warning.
    type: str
    choices: [refuse, accept]
    default: refuse
requirements:
  - requests >= 2.32.3
"""

EXAMPLES = r"""
- name: See whether the upgrade can begin
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

- name: See whether the keys can be rotated
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
    - What each check found. C(ok) says whether it is as expected. C(level) is V(error), or V(warning) for what does not
      forbid to begin.
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
    - The heartbeats of now, by component, and when they were seen (C(at)), for
      O(hopsworks.airflow.rolling_restart#module:health.seen). Without heartbeats where Airflow doesn't tell any, and
      empty without O(health).
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
from ..module_utils._preflight.credentials import credentials_that_end
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
