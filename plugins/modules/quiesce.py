#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quiesce
short_description: Pauses DAGs, waits for running task instances, and unpauses exactly the DAGs that were paused
description:
  - Works on the metadata database of any Airflow from 1.10 on, so it does not depend on a working UI or API.
  - Before it pauses the first DAG, it writes the list of DAGs to a table in O(workspace), together with their owner
    (O(deployment), O(namespace) and the live schema). If a run dies, nothing is lost and any later run continues. The
    module fails if the list belongs to another deployment.
  - It only writes the column C(is_paused) of the table C(dag). Once unpaused, a DAG's row is exactly what it was
    before.
  - If an owner pauses a DAG that this module has already paused, it cannot be distinguished from the others and is
    unpaused with them. If an owner unpauses a DAG in the meantime, it stays unpaused, unless V(quiesced) is still
    waiting.
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
      - V(quiesced) pauses all DAGs that are not paused, and waits for running and queued task instances to end. It also
        pauses DAGs that are unpaused or added while it waits. If tasks do not end within O(timeout), it unpauses the
        DAGs and fails. It does not wait for task instances that are RV(dead).
      - V(resumed) unpauses exactly the DAGs that were paused, whatever else has been added to the live schema since. In
        an old schema it keeps the list, so that the same DAGs can be unpaused again in the new schema. There it
        unpauses each DAG and removes it from the list as soon as the new Airflow has it. The others stay on the list
        for a later run (RV(unknown), RV(broken), RV(gone)), and a warning names them with the reason.
      - V(forgotten) removes O(dags), or all DAGs, from the list without unpausing them.
    type: str
    choices: [quiesced, resumed, forgotten]
    default: quiesced
  deployment:
    description: Name of the deployment.
    type: str
    required: true
  run:
    description: Id of the run, recorded with the DAGs that it pauses.
    type: str
    default: ''
  dags:
    description:
      - DAGs to unpause, or to remove from the list. Defaults to those that O(state=quiesced) has paused.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Timeout in seconds. With O(state=quiesced), the time for task instances to end; defaults to 3600.
      - With O(state=resumed) in a new schema, the time for the DAGs to be parsed; defaults to 120. DAGs that are
        already there are unpaused in the meantime. The time starts again with every DAG on the list that is parsed, or
        whose file the new Airflow reports as broken for the first time, so a large folder may take as long as it needs.
        Other DAGs do not count. The module does not wait for DAGs whose files are broken or were already gone.
    type: int
  grace:
    description:
      - With O(state=quiesced), the grace period in seconds of the pod in which task instances run. If all of them are
        expected to end within it, the module pauses nothing and does not wait. Otherwise it pauses all DAGs and waits
        for the task instances that need longer.
      - The expected duration is the longest that the same task took before. The module waits for a task that has never
        succeeded before.
      - With V(0), it pauses all DAGs and waits for all task instances.
    type: int
    default: 0
  workspace:
    description:
      - The schema that stores the list. It is created if it does not exist. Defaults to the live schema's name followed
        by C(_beside).
    type: str
  extra_tables:
    description:
      - Tables in the live schema that are not Airflow's own but belong to this deployment , such as those of plugins.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Pause all DAGs and wait for running tasks
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    run: 20261122t030000
    state: quiesced
    timeout: 1800

- name: Wait only for tasks that would outlast the scheduler pod's grace period
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: quiesced
    grace: 600

- name: Unpause the DAGs
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: resumed

- name: Remove a renamed DAG from the list
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: forgotten
    dags: [p_demo_1__old_name]
"""

RETURN = r"""
paused:
  description: DAGs that the module has paused; in check mode, that it would pause.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__hello]
running:
  description: Task instances that run or are queued when the module starts.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__hello.say (running 12 s)]
dead:
  description:
    - Task instances that only seem to be C(running) or C(queued), for example because their worker lost power and their
      DAG was deleted. The module does not wait for them.
    - A running one is dead if it has not sent a heartbeat for a day (that of its job, or in Airflow 3 its own). A
      queued one is dead if there has been no sign of it for a day and no scheduler will start it, because its DAG is
      gone or its run has ended.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__deleted.say (running 86400000 s)]
expected_seconds:
  description:
    - Expected remaining time of the running tasks (C(running), null if one of them has never succeeded before), and the
      duration of the longest task in the last two weeks that may start again (C(longest)).
  returned: state is quiesced
  type: dict
  sample: {running: 48.0, longest: 61.2}
resumed:
  description: DAGs that the module has unpaused; in check mode, that it would unpause.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__hello]
unknown:
  description: DAGs that stay on the list because this schema does not have them.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__not_parsed_yet]
broken:
  description: DAGs that stay on the list because the new Airflow can't import their file.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__only_on_1_10]
gone:
  description: DAGs that stay on the list because their file was already gone.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__deleted_last_year]
forgotten:
  description: DAGs that were removed from the list.
  returned: state is forgotten
  type: list
  elements: str
  sample: [p_demo_1__renamed]
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 4.1
"""

import time
from typing import Any

from ..module_utils._dags.quiesce import Quiesce, Resumed
from ..module_utils._database.address import DATABASE_ARGUMENT, read_address
from ..module_utils._database.connection import connected
from ..module_utils._database.engines import LIBRARIES
from ..module_utils._database.server_wait import wait_of
from ..module_utils._kubernetes.call import Call
from ..module_utils._metadata import guard
from ..module_utils._metadata.inspection import FOREIGN, MOVING, inspect
from ..module_utils._metadata.ownership import Owner
from ..module_utils._metadata.schemas import on_server, schemas_of
from ..module_utils._metadata.whereabouts import has_moved
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

QUIESCE_SECONDS = 3600
PARSE_SECONDS = 120


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    address = read_address(call.cluster, params["database"])
    names = schemas_of(address.name, params["workspace"])
    with connected(call.cluster, address, wait_of(call)) as database:
        names = on_server(database, names)
        owner = Owner(params["deployment"], call.cluster.namespace, names.live, params["run"])
        inspection = inspect(database, names, params["extra_tables"], owner)
        state, installed = params["state"], inspection.has_sentinel
        action = Quiesce(database, names, owner, call.progress, installed=installed)
        # Every run checks for DAGs to unpause: without a list, only another deployment's data is a reason to fail.
        idle = (
            state != "quiesced"
            and not (params["dags"] and state == "resumed")
            and not inspection.others
            and not action.remembered()
        )
        # If there is a list, other additions to the schema do not matter, as long as its tables exist.
        refused = state == "quiesced" or inspection.others or (has_moved(inspection) and not installed)
        if inspection.stage == FOREIGN and refused and not idle:
            guard.enforce([guard.replaceable(inspection)], predicting=False)
        if idle or inspection.stage == MOVING or not (state == "forgotten" or action.has_dags()):
            # There is no table of DAGs, so there is nothing to pause and nothing to unpause yet.
            nothing: dict[str, Any] = {"paused": [], "running": [], "dead": [], "resumed": [], "forgotten": []}
            missing: dict[str, Any] = {"unknown": [], "broken": [], "gone": []}
            result = {**nothing, **missing, "expected_seconds": {"running": 0.0, "longest": 0.0}}
        elif state == "quiesced":
            result = quiesced(call, action)
        elif state == "resumed":
            result = resumed(call, action, installed=installed)
        else:
            result = forgotten(call, action)
    return {**result, "seconds": round(time.monotonic() - begun, 1)}


def quiesced(call: Call, action: Quiesce) -> dict[str, Any]:
    grace, timeout = call.params["grace"], call.params["timeout"]
    now, due, busy, outlook = action.unpaused(), action.due(), action.busy(), action.outlook()
    dags, dead = {**due, **now}, action.dead()
    if dead:
        call.warn(
            f"{len(dead)} task instances only seem to be running or queued, so the module does not wait for them: "
            f"{', '.join(map(str, dead[:10]))}"
        )
    if grace and not any(entry.paused for entry in due.values()) and outlook.fits(grace):
        now = dags = {}
        if call.check_mode:
            warn_of_rights(call, action.rights())
    else:
        # Also in check mode, because a rotation comes here when the new keys are already in use.
        guard.enforce([action.rights()], predicting=call.check_mode)
        if not call.check_mode:
            action.pause()
            action.wait_until_idle(QUIESCE_SECONDS if timeout is None else timeout, grace)
            dags = action.due()
    return {
        "changed": bool(now),
        "paused": sorted(dag for dag, entry in dags.items() if entry.paused),
        "running": [str(entry) for entry in busy],
        "dead": [str(entry) for entry in dead],
        "expected_seconds": vars(outlook),
        "diff": {"before": f"{len(now)} DAGs not paused\n", "after": "0 DAGs not paused\n"},
    }


def warn_of_rights(call: Call, rights: guard.Finding) -> None:
    """Nothing has to be paused now, but it is unknown which tasks will run then."""
    if rights.verdict == guard.REFUSED:
        call.warn(
            "nothing has to be paused now; but if tasks run then that outlast the grace period, the run will stop "
            f"there: {rights.found}; {rights.next_step}"
        )


def resumed(call: Call, action: Quiesce, *, installed: bool) -> dict[str, Any]:
    dags, timeout = call.params["dags"], call.params["timeout"]
    if call.check_mode:
        result = action.predict(dags)
    elif installed and not dags:
        result = action.resume_as_parsed(PARSE_SECONDS if timeout is None else timeout)
    else:
        result = action.resume(dags)
    if installed and not call.check_mode:
        warn_of_the_rest(call, result)
    return {
        "changed": bool(result.unpaused),
        "resumed": result.unpaused,
        "unknown": result.unknown,
        "broken": result.broken,
        "gone": result.gone,
        "diff": {
            "before": f"{len(result.unpaused)} DAGs paused\n",
            "after": f"{len(result.unpaused)} DAGs not paused\n",
        },
    }


def warn_of_the_rest(call: Call, result: Resumed) -> None:
    """Warn which DAGs are not unpaused, and why. Those whose files were already gone are nothing new."""
    rest = [
        f"{len(dags)} {why}: {', '.join(dags[:10])}{', ...' if len(dags) > 10 else ''}"
        for why, dags in (
            ("are not known to the new Airflow yet", result.unknown),
            ("are in files that it can't import", result.broken),
            ("are in files that were already gone", result.gone),
        )
        if dags
    ]
    if result.unknown or result.broken:
        call.warn(
            f"not all paused DAGs were unpaused; {'; '.join(rest)}. They stay on the list: run the same playbook again "
            "when they exist, to unpause them. To remove DAGs that will never exist from the list, use a task with "
            "hopsworks.airflow.quiesce, state: forgotten and their names in `dags`"
        )


def forgotten(call: Call, action: Quiesce) -> dict[str, Any]:
    wanted = call.params["dags"]
    if call.check_mode:
        dags = [dag for dag in action.remembered() if not wanted or dag in wanted]
    else:
        dags = action.forget(wanted)
    return {
        "changed": bool(dags),
        "forgotten": dags,
        "diff": {"before": f"{len(dags)} DAGs on the list\n", "after": "0 DAGs on the list\n"},
    }


ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "state": {"type": "str", "choices": ["quiesced", "resumed", "forgotten"], "default": "quiesced"},
        "deployment": {"type": "str", "required": True},
        "run": {"type": "str", "default": ""},
        "dags": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "int"},
        "grace": {"type": "int", "default": 0},
        "workspace": {"type": "str"},
        "extra_tables": {"type": "list", "elements": "str", "default": []},
    },
    libraries=LIBRARIES,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
