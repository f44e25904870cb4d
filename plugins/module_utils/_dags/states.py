# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings DAGs into one of the states of the module `quiesce`: quiesced, resumed or forgotten."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .._database.address import read_address
from .._database.connection import connected
from .._database.server_wait import wait_of
from .._metadata import conditions
from .._metadata.inspection import FOREIGN, MOVING, inspect
from .._metadata.ownership import Owner
from .._metadata.schemas import on_server, schemas_of
from .._metadata.whereabouts import has_moved
from .quiesce import Quiesce, Resumed

if TYPE_CHECKING:
    from .._kubernetes.call import Call

# The lists of the result.
LISTS = ("paused", "running", "dead", "resumed", "forgotten", "unknown", "broken", "gone")
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
        has_dags = inspection.live is not None and "dag" in inspection.live.tables
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
            conditions.enforce([conditions.replaceable(inspection)], predicting=False)
        if idle or inspection.stage == MOVING or not (state == "forgotten" or has_dags):
            # There is no table of DAGs, so there is nothing to pause and nothing to unpause yet.
            result = {**{name: [] for name in LISTS}, "expected_seconds": {"running": 0.0, "longest": 0.0}}
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
        rights = action.rights()
        if call.check_mode and rights.verdict == conditions.REFUSED:
            # It is unknown which tasks will run then.
            call.warn(
                "nothing has to be paused now; if tasks that outlast the grace period run at the restart, the run will "
                f"stop there: {rights.found}; {rights.next_step}"
            )
    else:
        # Also in check mode, because a rotation comes here when the new keys are already in use.
        conditions.enforce([action.rights()], predicting=call.check_mode)
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
    number = len(result.unpaused)
    return {
        "changed": bool(number),
        "resumed": result.unpaused,
        "unknown": result.unknown,
        "broken": result.broken,
        "gone": result.gone,
        "diff": {"before": f"{number} DAGs paused\n", "after": f"{number} DAGs not paused\n"},
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
    dags = [dag for dag in action.remembered() if not wanted or dag in wanted]
    if not call.check_mode:
        dags = action.forget(wanted)
    diff = {"before": f"{len(dags)} DAGs on the list\n", "after": "0 DAGs on the list\n"}
    return {"changed": bool(dags), "forgotten": dags, "diff": diff}
