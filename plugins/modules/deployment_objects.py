#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_objects
short_description: The objects beside the workloads, replaced as a whole and put back
description:
  - Brings what pods need beside themselves, such as Services, service accounts, roles, configuration and disruption
    budgets.
  - Keeps what others have made before it is replaced, and puts all of it back, the workloads too.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
options:
  state:
    description:
      - V(saved) keeps in O(backup_secret) what the live objects of O(definitions) are, workloads too, and which of them
        are missing. So are the immutable ConfigMaps that workloads of this deployment start with. What was kept before
        stays, until it was restored. In check mode it is tried by dry runs, and quotas must have room for these Secrets
        and for those that O(definitions) refer to and that are not there yet.
      - V(applied) makes the objects what O(definitions) say. Those that this collection made are changed by server-side
        apply. Those that others made are replaced, so that no field of theirs is left (O(replace)); a Service keeps its
        address, and a service account its tokens and pull secrets. What others use of them and is not in O(definitions)
        is warned of (type, ports and annotations of a Service, annotations of a service account, rules of a role); a
        load balancer that would lose its source ranges, or annotations about it, is refused.
      - V(restored) makes all that O(backup_secret) holds what it was. New workloads are deleted, and their pods get
        their grace period; then the objects are put back; then the old workloads are made again or started, with the
        replicas they had, and when all of them are, each is waited for. Objects that were missing before are deleted.
        Objects that others have made or changed since then are left as they are. What fails is told when all the rest
        is done; where a new workload can't be deleted, the old one of its name stays stopped.
    type: str
    choices: [applied, saved, restored]
    default: applied
  definitions:
    description:
      - The objects, complete. Needed unless O(state=restored).
      - With O(state=applied) of the kinds ConfigMap, HorizontalPodAutoscaler, PodDisruptionBudget, Role, RoleBinding,
        Service and ServiceAccount; all are checked by a dry run before the first is touched.
      - A PodDisruptionBudget without C(minAvailable) and C(maxUnavailable) keeps that of the live object, else it has
        C(maxUnavailable=1).
    type: list
    elements: dict
  backup_secret:
    description:
      - Secret of what was before, with an entry (compressed JSON) for each object; more of them, with a number behind
        the name, where one is too small. Values are as secret as those of the objects.
      - Needed with O(state=saved) and O(state=restored). With O(state=applied) what is replaced is kept there if it is
        not there yet.
    type: str
  replace:
    description:
      - Whether O(state=applied) replaces objects that others made, and makes another object where a field can't be
        changed. Otherwise these are refused.
    type: bool
    default: false
  missing_ok:
    description: Whether O(state=restored) does nothing, instead of failing, where there is no O(backup_secret).
    type: bool
    default: false
  timeout:
    description:
      - How long each single object may take, in seconds.
      - For pods that are to end, their grace period counts where it is longer.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Keep the old deployment
  hopsworks.airflow.deployment_objects:
    namespace: hopsworks
    state: saved
    definitions: "{{ airflow_objects + airflow_workloads }}"
    backup_secret: airflow-before-20261122t030000

- name: Bring the objects that pods need
  hopsworks.airflow.deployment_objects:
    namespace: hopsworks
    definitions: "{{ airflow_objects }}"
    replace: true
    backup_secret: airflow-before-20261122t030000

- name: Put the old deployment back
  hopsworks.airflow.deployment_objects:
    namespace: hopsworks
    state: restored
    backup_secret: airflow-before-20261122t030000
"""

RETURN = r"""
objects:
  description:
    - What was, or would be, done to each, in order.
    - Applied, C(action) is V(created), V(replaced), V(configured) or V(unchanged); saved, V(saved) or V(unchanged).
    - Restored, it is V(created), V(restored), V(removed), V(started), V(left) or V(unchanged).
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Service
      name: airflow-webserver
      action: replaced
"""

from typing import Any

from ..module_utils._common.failure import OperatorError
from ..module_utils._kubernetes.call import Call
from ..module_utils._replacement.exposure import losses
from ..module_utils._replacement.keeping import keep
from ..module_utils._replacement.replacement import Replacer
from ..module_utils._replacement.restoration import Restorer
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    return {"applied": applied, "saved": saved, "restored": restored}[call.params["state"]](call)


def applied(call: Call) -> dict[str, Any]:
    params = call.params
    replacer = Replacer(call.cluster, call.progress, replace=params["replace"], backup_secret=params["backup_secret"])
    steps = replacer.plan(params["definitions"])
    for untold in replacer.untold:
        call.warn(untold)
    for step in steps:
        for warning in losses(step):
            call.warn(warning)
    if not call.check_mode:
        replacer.act(steps, timeout_seconds=params["timeout"])
    return {
        "changed": any(step.action != "unchanged" for step in steps),
        "objects": [{"kind": step.kind, "name": step.name, "action": step.action} for step in steps],
        "diff": [step.diff() for step in steps if step.action != "unchanged"],
    }


def saved(call: Call) -> dict[str, Any]:
    definitions, secret = call.params["definitions"], call.params["backup_secret"]
    kept = keep(call.cluster, definitions, secret, check_mode=call.check_mode, warn=call.warn)
    new = {(record.kind, record.name) for record in kept}
    names = [(definition["kind"], definition["metadata"]["name"]) for definition in definitions]
    header = f"entries of Secret {secret}"
    before = [f"{kind} {name}" for kind, name in names if (kind, name) not in new]
    return {
        "changed": bool(new),
        "objects": [
            {"kind": kind, "name": name, "action": "saved" if (kind, name) in new else "unchanged"}
            for kind, name in names
        ],
        "diff": {
            "before_header": header,
            "after_header": header,
            "before": before,
            "after": [f"{kind} {name}" for kind, name in names],
        },
    }


def restored(call: Call) -> dict[str, Any]:
    restorer = Restorer(call.cluster, call.progress, call.params["backup_secret"])
    if not restorer.exists and not call.params["missing_ok"]:
        raise OperatorError(
            f"there is no Secret {call.params['backup_secret']} in namespace {call.params['namespace']}",
            expected="the Secret in which a run has kept what it replaced (airflow-before-<run>)",
            untouched="everything",
            next_step=f"name the right one, after: kubectl -n {call.params['namespace']} get secrets",
        )
    returns = restorer.plan()
    try:
        if not call.check_mode:
            restorer.act(returns, timeout_seconds=call.params["timeout"])
    finally:
        for warning in restorer.warnings:
            call.warn(warning)
    for step in returns:
        if step.action == "left":
            call.warn(
                f"{step.record.kind} {step.record.name} was made or changed by others since, and is left as it is"
            )
    return {
        "changed": any(step.changes for step in returns),
        "objects": [{"kind": step.record.kind, "name": step.record.name, "action": step.action} for step in returns],
        "diff": [step.diff() for step in returns if step.changes],
    }


ACTION = Action(
    act,
    {
        "state": {"type": "str", "choices": ["applied", "saved", "restored"], "default": "applied"},
        "definitions": {"type": "list", "elements": "dict"},
        "backup_secret": {"type": "str", "no_log": False},
        "replace": {"type": "bool", "default": False},
        "missing_ok": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 600},
    },
    required_if=[
        ("state", "applied", ["definitions"]),
        ("state", "saved", ["definitions", "backup_secret"]),
        ("state", "restored", ["backup_secret"]),
    ],
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
