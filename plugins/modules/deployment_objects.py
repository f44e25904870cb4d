#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_objects
short_description: Applies, saves and restores the objects that the workloads need
description:
  - Applies the objects that pods need, such as Services, service accounts, roles, configuration and disruption budgets.
  - Saves objects that others have created before it replaces them, and can restore all of them, including the
    workloads.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
options:
  state:
    description:
      - V(saved) saves the live objects of O(definitions) in O(backup_secret), including workloads, and which of them
        are missing. It also saves the immutable ConfigMaps that workloads of this deployment start with. Objects that
        were saved before are kept until they have been restored. In check mode it uses dry runs, and quotas must have
        room for these Secrets and for missing Secrets that O(definitions) refer to.
      - V(applied) applies O(definitions). Objects that this collection created are changed by server-side apply.
        Objects that others created are replaced, so that none of their fields are left (O(replace)); a Service keeps
        its address, and a service account keeps its tokens and pull secrets. The module warns about fields that others
        may use and that are not in O(definitions) (type, ports and annotations of a Service, annotations of a service
        account, rules of a role). It fails if a load balancer would lose its source ranges or related annotations.
      - V(restored) restores everything in O(backup_secret). It deletes the new workloads, whose pods get their grace
        period, then restores the objects, then creates or starts the old workloads with their former replicas, and
        finally waits for each of them. It deletes objects that did not exist before. It leaves objects that others have
        created or changed since then as they are. If a step fails, the module carries out the rest first and then
        fails; if a new workload cannot be deleted, the old one with its name stays stopped.
    type: str
    choices: [applied, saved, restored]
    default: applied
  definitions:
    description:
      - The complete objects. Required unless O(state=restored).
      - With O(state=applied), only the kinds ConfigMap, HorizontalPodAutoscaler, PodDisruptionBudget, Role,
        RoleBinding, Service and ServiceAccount are allowed. All objects are checked by a dry run before the first one
        is changed.
      - A PodDisruptionBudget without C(minAvailable) and C(maxUnavailable) keeps the values of the live object, or gets
        C(maxUnavailable=1) if there is none.
    type: list
    elements: dict
  backup_secret:
    description:
      - Secret for the saved objects, with one entry (compressed JSON) per object. If one Secret is too small, more are
        created, with a number appended to the name. The entries are as confidential as the objects.
      - Required with O(state=saved) and O(state=restored). With O(state=applied), replaced objects are saved in it
        unless they already are.
    type: str
  replace:
    description:
      - Whether O(state=applied) may replace objects that others created, and delete and recreate objects to change an
        immutable field. If V(false), the module fails in these cases.
    type: bool
    default: false
  missing_ok:
    description: Whether O(state=restored) does nothing, instead of failing, if O(backup_secret) does not exist.
    type: bool
    default: false
  timeout:
    description:
      - Timeout in seconds for each object.
      - If pods have to terminate, their grace period counts if it is longer.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Save the old deployment
  hopsworks.airflow.deployment_objects:
    namespace: hopsworks
    state: saved
    definitions: "{{ airflow_objects + airflow_workloads }}"
    backup_secret: airflow-before-20261122t030000

- name: Apply the objects that the pods need
  hopsworks.airflow.deployment_objects:
    namespace: hopsworks
    definitions: "{{ airflow_objects }}"
    replace: true
    backup_secret: airflow-before-20261122t030000

- name: Restore the old deployment
  hopsworks.airflow.deployment_objects:
    namespace: hopsworks
    state: restored
    backup_secret: airflow-before-20261122t030000
"""

RETURN = r"""
objects:
  description:
    - The change to each object that was, or would be, made, in order.
    - With V(applied), C(action) is V(created), V(replaced), V(configured) or V(unchanged); with V(saved), it is
      V(saved) or V(unchanged).
    - With V(restored), it is V(created), V(restored), V(removed), V(started), V(left) or V(unchanged).
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Service
      name: airflow-webserver
      action: replaced
"""

from ..module_utils._replacement.states import act
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

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
