#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quiesce
short_description: Pause DAGs, wait for running task instances, unpause exactly what was paused
description:
  - Works on the metadata database of any Airflow from 1.10 on, so it does not depend on a UI or API that answers.
  - Which DAGs it pauses is written into a table of O(workspace) before the first one is paused, with whose they are
    (O(deployment), O(namespace) and the live schema). A run that dies loses nothing, whichever run comes next goes on.
    The list of another deployment is refused.
  - Only C(is_paused) of table C(dag) is written. A DAG that was paused and unpaused is row for row what it was.
  - A DAG that its owner pauses while it is paused by this module can't be told from the others, and is unpaused with
    them. One that its owner unpauses meanwhile is left as it is, unless V(quiesced) still waits.
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
      - V(quiesced) pauses all DAGs that are not paused, and waits for running and queued task instances to end. DAGs
        that are unpaused or added while it waits are paused as well. Where tasks don't end within O(timeout), the DAGs
        are unpaused and the module fails. Those that are RV(dead) are not waited for.
      - V(resumed) unpauses exactly those that were paused, whatever else has come into the live schema since. In an old
        schema the list is kept, so that the same DAGs can be unpaused once more in the new schema. There each DAG is
        unpaused, and taken off the list, as soon as the new Airflow has it. The others stay on the list for a later
        run (RV(unknown), RV(broken), RV(gone)), and a warning says which and why.
      - V(forgotten) gives up on O(dags), or on all that is on the list, and unpauses nothing.
    type: str
    choices: [quiesced, resumed, forgotten]
    default: quiesced
  deployment:
    description: Name of the deployment.
    type: str
    required: true
  run:
    description: Id of the run, to be written down with what it pauses.
    type: str
    default: ''
  dags:
    description:
      - DAGs to unpause, or to give up. If omitted or empty, those that were paused by O(state=quiesced).
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds to wait. With O(state=quiesced), for task instances to end; left out, 3600.
      - With O(state=resumed) in a new schema, for the DAGs to be parsed; if omitted, 120. DAGs that are there are
        unpaused meanwhile. The time begins again with every DAG on the list that is parsed, or whose file the new
        Airflow reports as broken for the first time, so a large folder may take as long as it needs. Other DAGs don't
        count. Those of broken files, and of files that were gone before, are not waited for.
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
    deployment: airflow
    run: 20261122t030000
    state: quiesced
    timeout: 1800

- name: Wait only for tasks that the scheduler's pod would not wait for when it is replaced
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: quiesced
    grace: 600

- name: Unpause them
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: resumed

- name: Give up on a DAG that was renamed
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: forgotten
    dags: [p_demo_1__old_name]
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
dead:
  description:
    - Task instances that are C(running) or C(queued) by their state alone, as a worker that lost its power leaves those
      of a DAG that is deleted since. Nothing waits for them.
    - Running ones of which there has been no sign for a day, where a live one would give signs (the heartbeat of its
      job, in Airflow 3 its own). Queued ones of which there has been no sign for a day, and that no scheduler starts
      since their DAG is gone or their run is over.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__deleted.say (running 86400000 s)]
expected_seconds:
  description:
    - How long what runs is expected to need (C(running), null where something runs that has never succeeded before),
      and how long the longest task of the last two weeks took that may start again (C(longest)).
  returned: state is quiesced
  type: dict
  sample: {running: 48.0, longest: 61.2}
resumed:
  description: DAGs that were paused and are unpaused; in check mode, that would be.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__hello]
unknown:
  description: DAGs on the list that this schema does not have, and that stay on it.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__not_parsed_yet]
broken:
  description: DAGs on the list whose file the new Airflow can't import, and that stay on it.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__only_on_1_10]
gone:
  description: DAGs on the list whose file was gone already before, and that stay on it.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__deleted_last_year]
forgotten:
  description: DAGs that were on the list and are not looked for any more.
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
from ..module_utils._database.patience import patience_of
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
    with connected(call.cluster, address, patience_of(call)) as database:
        names = on_server(database, names)
        owner = Owner(params["deployment"], call.cluster.namespace, names.live, params["run"])
        inspection = inspect(database, names, params["extra_tables"], owner)
        state, installed = params["state"], inspection.has_sentinel
        action = Quiesce(database, names, owner, call.progress, installed=installed)
        # Every run looks for something to unpause: without a list, only another deployment is a reason to fail.
        idle = (
            state != "quiesced"
            and not (params["dags"] and state == "resumed")
            and not inspection.others
            and not action.remembered()
        )
        # Where there is a list, it is no matter what else has come into the schema, as long as its tables are there.
        refused = state == "quiesced" or inspection.others or (has_moved(inspection) and not installed)
        if inspection.stage == FOREIGN and refused and not idle:
            guard.enforce([guard.replaceable(inspection)], predicting=False)
        if idle or inspection.stage == MOVING or not (state == "forgotten" or action.has_dags()):
            # No table of DAGs is in its place: there is nothing to pause, and nothing to unpause yet.
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
            f"{len(dead)} task instances are running or queued by their state alone, and are not waited for:"
            f" {', '.join(map(str, dead[:10]))}"
        )
    if grace and not any(entry.paused for entry in due.values()) and outlook.fits(grace):
        now = dags = {}
        if call.check_mode:
            warn_of_rights(call, action.rights())
    else:
        # Also in the prediction: a rotation comes here when the new keys are in use already.
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
    """Nothing has to be paused now, and what runs when it comes to it is not known."""
    if rights.verdict == guard.REFUSED:
        call.warn(
            "nothing has to be paused now; if tasks that outlast the grace run when it comes to it, the run will stop"
            f" there: {rights.found}; {rights.next_step}"
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
    """Say which DAGs are not unpaused, and why. Those that were gone before are nothing new."""
    rest = [
        f"{len(dags)} {why}: {', '.join(dags[:10])}{', ...' if len(dags) > 10 else ''}"
        for why, dags in (
            ("are not known to the new Airflow yet", result.unknown),
            ("are in files that it can't import", result.broken),
            ("are in files that were gone before", result.gone),
        )
        if dags
    ]
    if result.unknown or result.broken:
        call.warn(
            f"not all DAGs that were paused are unpaused; {'; '.join(rest)}. They stay on the list: run the same"
            " playbook again when they are there, which unpauses them. Those that will never be there are given up by a"
            " task with hopsworks.airflow.quiesce, state: forgotten and their names in `dags`"
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
