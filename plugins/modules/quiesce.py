#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quiesce
short_description: Pause DAGs, wait for running task instances, let run again exactly what was paused
description:
  - Works on the metadata database of any Airflow from 1.10 on, so it does not depend on a UI or API that answers.
  - Which DAGs it pauses is written into a table of O(workspace) before the first one is paused. A run that dies loses
    nothing, a second run goes on.
  - Only C(is_paused) of table C(dag) is written. A DAG that was paused and resumed is row for row what it was.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.database
  - hopsworks.airflow.attributes
options:
  state:
    description:
      - V(quiesced) pauses all DAGs that are not paused, and waits for running and queued task instances to end. Where
        they don't within O(timeout), the DAGs run again and the module fails.
      - V(resumed) lets run again exactly those that were paused. In the old schema this is remembered, so that the same
        DAGs can be resumed once more in the new schema, as far as they are there; then it is forgotten.
    type: str
    choices: [quiesced, resumed]
    default: quiesced
  dags:
    description: DAGs to resume. Left out or empty, those that were paused by V(quiesced).
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds to wait. With O(state=quiesced), for task instances to end; left out, 3600.
      - With O(state=resumed) in a new schema, for the DAGs to be parsed, but not for those whose file the new Airflow
        reports as broken; left out, 30.
    type: int
  grace:
    description:
      - With O(state=quiesced), the seconds that running task instances have anyway, because the pod in which they run
        waits for them when it ends. Where all of them are expected to end within it, nothing is paused and nothing
        waited for. Else all DAGs are paused, and those task instances are waited for that need longer.
      - Expected is the longest that the same task took before. One that has never succeeded before is waited for.
      - Left out or V(0), all DAGs are paused and all task instances waited for.
    type: int
    default: 0
  workspace:
    description:
      - The schema beside the live one in which it is written down. It is created where it does not exist. Left out, it
        is the live schema's name followed by C(_beside).
    type: str
  extra_tables:
    description: Tables in the live schema that are not Airflow's own but belong to this deployment (of plugins, say).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Pause all DAGs and wait for what runs
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    state: quiesced
    timeout: 1800

- name: Wait only for tasks that the scheduler's pod would not wait for when it is replaced
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    state: quiesced
    grace: 600

- name: Let them run again
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    state: resumed
"""

RETURN = r"""
paused:
  description: DAGs that were not paused before, and are now; in check mode, that would be.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__hello]
running:
  description: Task instances that run or are queued when the module begins.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__hello.say (running 12 s)]
expected_seconds:
  description:
    - How long what runs is expected to need (C(running), null where something runs that has never succeeded before),
      and how long the longest task of the last two weeks took that may start again (C(longest)).
  returned: state is quiesced
  type: dict
  sample: {running: 48.0, longest: 61.2}
resumed:
  description: DAGs that were paused and run again; in check mode, that would.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__hello]
unknown:
  description: DAGs that are to run again and that this schema does not have.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__only_on_1_10]
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 4.1
"""

import time
from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import guard
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import (
    DATABASE_ARGUMENT,
    PYMYSQL_IMPORT_ERROR,
    connected,
    read_address,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import (
    FOREIGN,
    INSTALLED,
    MOVING,
    inspect,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import schemas_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.quiesce import Quiesce
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import Action, Call
from ansible_collections.hopsworks.airflow.plugins.module_utils.module import run_as_module

QUIESCE_SECONDS = 3600
PARSE_SECONDS = 30


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    address = read_address(call.cluster, params["database"])
    names = schemas_of(address.name, params["workspace"])
    with connected(call.cluster, address) as database:
        inspection = inspect(database, names, params["extra_tables"])
        if inspection.stage == FOREIGN:
            guard.enforce([guard.replaceable(inspection)], predicting=False)
        action = Quiesce(database, names, call.progress)
        if inspection.stage == MOVING or not action.has_dags():
            # No table of DAGs is in its place: there is nothing to pause, and nothing to resume yet.
            nothing: dict[str, Any] = {"paused": [], "running": [], "resumed": [], "unknown": []}
            result = {**nothing, "expected_seconds": {"running": 0.0, "longest": 0.0}}
        elif params["state"] == "quiesced":
            result = quiesced(call, action)
        else:
            result = resumed(call, action, installed=inspection.stage == INSTALLED)
    return {**result, "seconds": round(time.monotonic() - begun, 1)}


def quiesced(call: Call, action: Quiesce) -> dict[str, Any]:
    grace, timeout = call.params["grace"], call.params["timeout"]
    now, memory, busy, outlook = action.unpaused(), action.remembered(), action.busy(), action.outlook()
    dags = {**(memory.dags if memory.paused else {}), **now}
    if grace and not memory.paused and outlook.fits(grace):
        now = dags = {}
    elif not call.check_mode:
        dags = action.pause()
        action.wait_until_idle(QUIESCE_SECONDS if timeout is None else timeout, grace)
    return {
        "changed": bool(now),
        "paused": sorted(dags),
        "running": [str(entry) for entry in busy],
        "expected_seconds": vars(outlook),
        "diff": {"before": f"{len(now)} DAGs not paused\n", "after": "0 DAGs not paused\n"},
    }


def resumed(call: Call, action: Quiesce, *, installed: bool) -> dict[str, Any]:
    memory = action.remembered()
    wanted = call.params["dags"] or list(memory.dags if memory.paused or installed else ())
    if call.check_mode:
        present, paused = action.among(wanted)
        unknown = sorted(set(wanted) - present)
    else:
        if installed:
            timeout = call.params["timeout"]
            action.wait_for(wanted, PARSE_SECONDS if timeout is None else timeout)
        paused, unknown = action.resume(wanted, forget=installed)
    return {
        "changed": bool(paused),
        "resumed": paused,
        "unknown": unknown,
        "diff": {"before": f"{len(paused)} DAGs paused\n", "after": f"{len(paused)} DAGs not paused\n"},
    }


ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "state": {"type": "str", "choices": ["quiesced", "resumed"], "default": "quiesced"},
        "dags": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "int"},
        "grace": {"type": "int", "default": 0},
        "workspace": {"type": "str"},
        "extra_tables": {"type": "list", "elements": "str", "default": []},
    },
    libraries=(("PyMySQL", PYMYSQL_IMPORT_ERROR),),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
