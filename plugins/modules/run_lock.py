#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Ensures that only one run at a time works on an Airflow deployment
description:
  - Takes or releases a Kubernetes Lease. A second run fails with the holder's name and the age of its lock.
  - Every other module of the collection renews the lock while it works, and stops if its run no longer holds it.
  - The lock of a dead run is taken over immediately on the same machine, and after it has expired on any other machine.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
options:
  name:
    description: Name of the Lease; each deployment has its own. The roles derive it from the deployment's name.
    type: str
    required: true
  holder:
    description: The holder of the lock. It must be unique for each run, and is shown to users of other runs.
    type: str
    required: true
  state:
    description:
      - Whether to hold or to release the lock.
      - V(confirmed) renews a lock that this holder has taken before, even if it has expired, unless another run holds
        it. If another run has taken and released it since, V(confirmed) takes it again; the run then has to check the
        state of the deployment again. It waits up to O(timeout) seconds for an API server that does not answer.
    type: str
    choices: [held, confirmed, released]
    default: held
  timeout:
    description: Seconds to wait for an API server that does not answer, with O(state=confirmed).
    type: int
    default: 3600
notes:
  - The holder counts as dead if the C(ansible-playbook) process that took the lock on this machine has ended.
  - A lock lasts as long as the run and leaves nothing behind, so taking or releasing it is not reported as a change.
"""

EXAMPLES = r"""
- name: Take the lock
  hopsworks.airflow.run_lock:
    namespace: hopsworks
    name: "{{ 'airflow' | hopsworks.airflow.record_name }}"
    holder: alice@console 20261122t030000

- name: After a failure, wait for the API server before a rollback
  hopsworks.airflow.run_lock:
    namespace: hopsworks
    name: "{{ 'airflow' | hopsworks.airflow.record_name }}"
    holder: alice@console 20261122t030000
    state: confirmed

- name: Release the lock
  hopsworks.airflow.run_lock:
    namespace: hopsworks
    name: "{{ 'airflow' | hopsworks.airflow.record_name }}"
    holder: alice@console 20261122t030000
    state: released
"""

RETURN = r"""
taken_over_from:
  description: The dead holder, if there was one.
  returned: state is held
  type: str
  sample: bob@console 20261121t030000
process_id:
  description: Process id of the C(ansible-playbook) on this machine whose end frees the lock.
  returned: state is held
  type: int
  sample: 4711
released:
  description: Whether the lock was held by this holder.
  returned: state is released
  type: bool
  sample: true
"""

from typing import Any

from ..module_utils._common.processes import controller_process, playbook_process
from ..module_utils._kubernetes.call import Call
from ..module_utils._run.action import Action
from ..module_utils._run.lock import Lock
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    lock = Lock(call.cluster, call.params["name"])
    holder = call.params["holder"]
    if call.params["state"] == "released":
        return {"released": not call.check_mode and lock.release(holder)}
    process_id = playbook_process()
    if call.params["state"] == "confirmed":
        if not call.check_mode:
            lock.confirm(holder, controller_process(process_id), call.params["timeout"], call.progress)
        return {}
    previous = lock.acquire(holder, controller_process(process_id), check_mode=call.check_mode)
    return {"taken_over_from": previous, "process_id": process_id}


ACTION = Action(
    act,
    {
        "name": {"type": "str", "required": True},
        "holder": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["held", "confirmed", "released"], "default": "held"},
        "timeout": {"type": "int", "default": 3600},
    },
    under_lock=False,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
