# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings the metadata into one of the two states of `metadata_swap`: reset or restored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..._common.names import record_name
from ..._database.address import read_address
from ..._database.connection import connected
from ..._database.server_wait import wait_of
from ..conditions import NOTED
from ..memory import Memory
from ..schemas import on_server, schemas_of
from .back import Restore
from .reset import Reset
from .swap import Request

if TYPE_CHECKING:
    from ..._kubernetes.call import Call


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    address = read_address(call.cluster, params["database"])
    names = schemas_of(address.name, params["workspace"], params["run"])
    with connected(call.cluster, address, wait_of(call)) as database:
        request = Request(
            names=on_server(database, names),
            namespace=call.cluster.namespace,
            deployment=params["deployment"],
            run=params["run"],
            confirm=params["confirm"],
            method=params["method"],
            image=params["image"],
            session_timeout_seconds=params["session_timeout"],
            verify_content=params["verify"] == "content",
            rehearsed_dump=params["rehearsed_dump"],
            extra_tables=tuple(params["extra_tables"]),
        )
        memory = Memory(call.cluster, params["record"] or record_name(params["deployment"]), params["deployment"])
        kind = Reset if params["state"] == "reset" else Restore
        action = kind(database, request, memory, call.progress)
        if call.check_mode:
            result = action.predict()
        else:
            with database.move_lock(request.names.live, params["session_timeout"]):
                result = action.carry_out()
    for condition in result["conditions"]:
        if condition["verdict"] == NOTED:
            call.warn(condition["found"])
    result["seconds"] = round(time.monotonic() - begun, 1)
    if result["changed"]:
        result["diff"] = difference(params["state"], address.name, result)
    return result


def difference(state: str, live: str, result: dict[str, Any]) -> dict[str, str]:
    """Before and after in words: the tables and their location."""
    old = f"{len(result['tables'])} old tables"
    if state == "reset":
        gone = f"{old} in schema {result['set_aside']}\n" if result["set_aside"] else ""
        before = f"schema {live}: {result['stage']}, {old}\n"
        return {"before": before, "after": f"schema {live}: installed, revision {result['revision']}\n{gone}"}
    return {
        "before": f"schema {live}: {result['stage']}\n",
        "after": f"schema {live}: old, revision {result['revision']}\nnew tables in schema {result['set_aside']}\n",
    }
