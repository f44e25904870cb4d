# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a deployment's database is, in one answer. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._database.address import Address, read_address
from .._database.connection import connected
from .._database.server_wait import RUN_SECONDS, wait_of
from .._keys.fernet import keys_of
from .._kubernetes.secret import copied_value
from .encrypted import readable
from .inspection import INSTALLED, MIGRATABLE, MOVING, OLD, as_result, inspect
from .ownership import Owner
from .paused import read_paused
from .schemas import on_server, refuse_rehearsal, schemas_of
from .whereabouts import has_moved, old_tables

if TYPE_CHECKING:
    from .._kubernetes.call import Call


def fernet_keys(call: Call) -> list[bytes]:
    """The keys from the first source that has any; none if there is no source."""
    sources = call.params["fernet_keys"]
    for place in sources:
        last = place is sources[-1]
        try:
            value = copied_value(call.cluster, place["from_secret"], place["from_config_map"])
        except OperatorError:
            if last:
                raise
            continue
        try:
            return keys_of(value)
        except ValueError as problem:
            source = place["from_secret"] or place["from_config_map"]
            raise OperatorError(
                f"entry {source['key']} of {source['name']} in namespace {call.cluster.namespace} {problem}",
                expected="the Fernet key itself, as Airflow has it in [core] fernet_key",
                untouched="everything",
                next_step=(
                    "use the entry that holds it (airflow_fernet_key_from); if an earlier run has copied it, remove "
                    "it from that Secret"
                ),
            ) from None
    return []


def act(call: Call) -> dict[str, Any]:
    address = read_address(call.cluster, call.params["database"])
    # It changes nothing, so it starts again if the server becomes unavailable in between.
    return wait_of(call, call.params["timeout"]).wait_for(lambda: look(call, address))


def look(call: Call, address: Address) -> dict[str, Any]:
    run = call.params["run"]
    names = schemas_of(address.name, call.params["workspace"], run)
    deployment = call.params["deployment"]
    with connected(call.cluster, address) as database:
        names = on_server(database, names)
        if call.params.get("lock"):
            # No other run acts, but the server may still execute a statement of a killed action.
            seconds = RUN_SECONDS if call.params["timeout"] is None else call.params["timeout"]
            database.wait_until_nobody_moves(names.live, seconds, call.progress)
        rehearsal = call.params["rehearsal"] and database.folded(call.params["rehearsal"])
        if rehearsal:
            refuse_rehearsal(names, rehearsal)
        owner = Owner(deployment, call.cluster.namespace, names.live) if deployment else None
        inspection = inspect(database, names, call.params["extra_tables"], owner)
        sessions = database.sessions_in(names.live)
        keys = fernet_keys(call) if inspection.stage in (OLD, MIGRATABLE) else []
        encrypted = readable(database, names.live, keys) if keys else None
        rights = database.rights()
        fitness = database.fitness(rights, address.tls)
        # The owner of the list was checked with the rest.
        listed = {} if inspection.others else read_paused(database, names.workspace, owner)
    involved = [names.live, names.workspace, names.aside(run), names.undone(run)]
    if rehearsal and inspection.stage in (OLD, MIGRATABLE):
        involved.append(rehearsal)
    if inspection.stage in (OLD, MOVING):
        for line in fitness.unseen:
            call.warn(line)
    return {
        **as_result(inspection),
        "moved": has_moved(inspection),
        "old_tables": old_tables(inspection),
        "paused": {
            "now": [dag for dag, entry in listed.items() if entry.paused],
            "waiting": [dag for dag, entry in listed.items() if not entry.paused and inspection.stage == INSTALLED],
            "runs": sorted({entry.run for entry in listed.values() if entry.paused}),
        },
        "sessions": [session.as_result() for session in sessions],
        "encrypted": encrypted,
        "unfit": list(fitness.problems),
        "unseen": list(fitness.unseen),
        "missing_privileges": rights.missing(involved),
        "grants_needed": rights.remedies(names.live, involved),
    }
