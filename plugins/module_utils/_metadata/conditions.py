# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conditions of a reset and of its reverse: one function per condition, each of which can only refuse.

Everything is read from the live system. A condition that can't hold yet, because the run is not that far (the new
schema is not built, components still serve), is LATER: a prediction passes, and the real run is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ParamSpec

from .._common.failure import OperatorError
from .._database.engine import Use
from . import ownership
from .inspection import ABSENT, EMPTY, FOREIGN, INSTALLED, MIGRATABLE, OLD
from .memory import INSTALLED as REMEMBERED
from .records import unknown_tables
from .releases import ESSENTIAL_TABLES, REVISIONS_BEFORE_2_7
from .schemas import INSTALL, Schemas, content_of

if TYPE_CHECKING:
    from .._database.description import Content, Neighbours, Session
    from .._database.engine import Database, Rights
    from .inspection import Inspection
    from .memory import Remembered

HOLDS, LATER, REFUSED = "holds", "later", "refused"
# Holds as far as the server shows, and the operator should know what comes with it.
NOTED = "noted"
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Condition:
    """What was found when a condition was checked."""

    verdict: str
    found: str
    expected: str = ""
    next_step: str = ""
    name: str = ""

    def as_result(self) -> dict[str, str]:
        return {"condition": self.name, "verdict": self.verdict, "found": self.found}


def condition(check: Callable[Arguments, Condition]) -> Callable[Arguments, Condition]:
    """Gives a condition the name of the function that checks it."""

    @functools.wraps(check)
    def named(*given: Arguments.args, **options: Arguments.kwargs) -> Condition:
        return replace(check(*given, **options), name=check.__name__)

    return named


def enforce(checked: Sequence[Condition], *, predicting: bool) -> None:
    """Raises OperatorError with every condition that does not hold. A prediction passes those that are LATER."""
    passing = (HOLDS, NOTED, LATER) if predicting else (HOLDS, NOTED)
    failed = [entry for entry in checked if entry.verdict not in passing]
    if failed:
        raise OperatorError(
            "; ".join(entry.found for entry in failed),
            expected="; ".join(entry.expected for entry in failed),
            untouched="all tables: this action has moved, dropped and created none",
            next_step="; ".join(dict.fromkeys(entry.next_step for entry in failed)),
            evidence=tuple(f"{entry.name}: {entry.verdict}: {entry.found}" for entry in checked),
        )


@condition
def confirmed(deployment: str, confirm: str) -> Condition:
    """The operator typed the deployment's name."""
    if confirm and confirm == deployment:
        return Condition(HOLDS, f"the operator typed {deployment!r}")
    return Condition(
        REFUSED,
        f"the confirmation is {confirm!r}" if confirm else "there is no confirmation",
        f"the name of the deployment typed by the operator: {deployment!r}",
        f"set airflow_confirm={deployment} (option `confirm`) if this is the deployment you mean",
    )


@condition
def replaceable(inspection: Inspection) -> Condition:
    """There is no live schema, or it is one that can only be replaced."""
    stage, live = inspection.stage, inspection.names.live
    if stage in (OLD, EMPTY, ABSENT):
        return Condition(HOLDS, f"schema {live} is {stage}")
    expected = "a schema of Airflow older than 2.7, or an empty one"
    if inspection.others:
        found = "; ".join(map(str, inspection.others))
        expected, step = "schemas that only this deployment uses", ownership.next_step(inspection.others)
    elif stage == FOREIGN and inspection.begun is not None:
        found = "; ".join(inspection.problems)
        expected = "the same workspace until the unfinished move is finished"
        step = f"run the same command again with airflow_database_workspace: {inspection.begun.workspace}"
    elif stage == FOREIGN:
        found = f"schema {live}: {'; '.join(inspection.problems)}"
        step = (
            "find out whose it is; name the tables that belong to this deployment in `extra_tables`, and move all"
            f" others out of {live}"
        )
    elif stage == MIGRATABLE:
        found = f"schema {live} is at revision {inspection.revisions[0]}, which migrates in place"
        step = "migrate it with `airflow db migrate` of the new image; a reset would throw its history away"
    elif stage == INSTALLED:
        found = f"schema {live} was installed by this collection"
        step = "nothing has to be reset; to go back to the old tables use `state: restored`"
    else:
        found = f"schema {live} is {stage}"
        step = "finish the unfinished run: run the same command again"
    return Condition(REFUSED, found, expected, step)


@condition
def too_old_to_migrate(inspection: Inspection) -> Condition:
    """If there are tables, there is exactly one revision, and Airflow before 2.7 had it."""
    if inspection.live is None or not content_of(inspection.live):
        return Condition(HOLDS, "there are no tables, so there is no revision")
    if len(inspection.revisions) == 1 and inspection.revisions[0] in REVISIONS_BEFORE_2_7:
        return Condition(HOLDS, f"revision {inspection.revisions[0]} is older than 2.7")
    return Condition(
        REFUSED,
        f"alembic_version says {', '.join(inspection.revisions) or 'nothing'}",
        "one revision, known and older than Airflow 2.7",
        "find out which Airflow made this schema; a newer one migrates in place, an unknown one is not touched",
    )


@condition
def no_sentinel(inspection: Inspection) -> Condition:
    """There is no sentinel in the live schema."""
    if not inspection.has_sentinel:
        return Condition(HOLDS, f"no table {INSTALL} in schema {inspection.names.live}")
    install = inspection.install
    return Condition(
        REFUSED,
        f"table {INSTALL} is in schema {inspection.names.live}"
        + (f": installed {install.installed_at} by run {install.run}" if install is not None else ""),
        "no such table: what this collection installed is never reset",
        "to go back to the tables that were set aside use `state: restored`",
    )


@condition
def memory_agrees(inspection: Inspection, remembered: Remembered | None, config_map: str, namespace: str) -> Condition:
    """The cluster does not remember an install that the database does not show."""
    if remembered is None:
        return Condition(HOLDS, f"ConfigMap {config_map} remembers no install")
    if remembered.state != REMEMBERED or remembered.schema != inspection.names.live:
        return Condition(HOLDS, f"ConfigMap {config_map} remembers run {remembered.run} of schema {remembered.schema}")
    return Condition(
        REFUSED,
        f"ConfigMap {config_map} remembers that run {remembered.run} installed this deployment at {remembered.at}, yet"
        f" schema {inspection.names.live} is {inspection.stage}",
        "database and memory to agree; this looks like a database restored from an older backup, or another server",
        f"check database.host; if you do mean the old database: kubectl -n {namespace} patch configmap {config_map}"
        ' --type=json -p \'[{"op":"remove","path":"/data/installed"}]\'',
    )


@condition
def nobody_connected(schema: str, sessions: Sequence[Session], rights: Rights | None = None) -> Condition:
    """No other session is open on a schema, as far as the server shows."""
    unseen = rights.unseen if rights is not None else []
    if not sessions and unseen:
        return Condition(NOTED, f"no session of others on schema {schema} is shown; {'; '.join(unseen)}")
    if not sessions:
        return Condition(HOLDS, f"no session of others on schema {schema}")
    seen = ", ".join(f"{session.user}@{session.host} ({session.seconds} s)" for session in sessions[:5])
    return Condition(
        LATER,
        f"{len(sessions)} sessions of others on schema {schema}: {seen}",
        "no other session: all components and clients stopped",
        "stop the connected clients (find pods by the address), then run the same command again",
    )


def wait_until_unused(database: Database, schema: str, seconds: float, progress: Callable[[str], None]) -> None:
    """Wait for other sessions on a schema to end. Raises OperatorError if one is still open after the time."""
    enforce([nobody_connected(schema, database.wait_for_sessions([schema], seconds, progress))], predicting=False)


@condition
def workspace_complete(inspection: Inspection) -> Condition:
    """The new schema is complete, ours, and at the revision it was migrated to."""
    schema, mark, state = inspection.names.workspace, inspection.mark, inspection.workspace_state
    expected = f"a complete new schema in {schema}, built by metadata_migrate for this deployment"
    step = f"run metadata_migrate; if {schema} is not this deployment's, choose another `workspace`"
    if state == "foreign":
        return Condition(REFUSED, f"the tables in schema {schema} were not made by this collection", expected, step)
    if state != "complete" or mark is None or inspection.workspace is None:
        return Condition(LATER, f"schema {schema} is {state}", expected, step)
    lacking = ESSENTIAL_TABLES - content_of(inspection.workspace)
    if lacking:
        return Condition(REFUSED, f"schema {schema} lacks {', '.join(sorted(lacking))}", expected, step)
    strange = unknown_tables(mark, inspection.workspace)
    if strange:
        found = f"schema {schema} has tables that no run of this collection made there: {', '.join(sorted(strange))}"
        return Condition(REFUSED, found, expected, "move those tables elsewhere, then run the same command again")
    other = sorted(str(table) for table in inspection.workspace.tables.values() if not table.base)
    if other:
        return Condition(REFUSED, f"schema {schema} has {', '.join(other)}", expected, step)
    return Condition(HOLDS, f"schema {schema} is complete at revision {mark.revision}")


@condition
def workspace_at_head(inspection: Inspection, revisions: Sequence[str]) -> Condition:
    """The workspace is at the revision that metadata_migrate reported; `revisions` were read there just now."""
    if inspection.mark is None or inspection.workspace_state != "complete":
        return Condition(LATER, "the new schema is not built yet", "its revision", "run metadata_migrate")
    if list(revisions) == [inspection.mark.revision]:
        return Condition(HOLDS, f"alembic_version of the new schema is {inspection.mark.revision}")
    return Condition(
        REFUSED,
        f"alembic_version of schema {inspection.names.workspace} is {', '.join(revisions) or 'empty'}",
        f"revision {inspection.mark.revision}, which metadata_migrate reported",
        "run metadata_migrate again: it builds the new schema from the beginning",
    )


@condition
def aside_free(inspection: Inspection, run: str) -> Condition:
    """Nothing is in the schema that the old tables will be moved to."""
    schema = inspection.names.aside(run)
    found = inspection.in_the_way(schema)
    if found is None:
        return Condition(HOLDS, f"schema {schema} is free")
    return Condition(
        REFUSED,
        found,
        "no such schema, or nothing in it",
        "use another `run`: an earlier one of this name has set tables aside there",
    )


@condition
def rights_suffice(
    rights: Rights, live: str, schemas: Sequence[str], *, use: Use = Use.BUILD, dropping: bool = False
) -> Condition:
    """The user has the rights for all of it, on every schema involved."""
    missing, remedies = rights.missing(schemas, use), rights.remedies(live, schemas, use, Schemas(live, "").of_runs)
    if dropping:
        missing += rights.missing([live], Use.LOCK)
        remedies += rights.remedies(live, [live], Use.LOCK)
    if not missing:
        return Condition(HOLDS, f"user {rights.account} has the rights it needs")
    return Condition(
        REFUSED,
        f"user {rights.account} lacks {', '.join(missing)}",
        "these rights, before anything begins",
        f"as an administrator of the database: {'; '.join(remedies)}",
    )


@condition
def nothing_hidden(rights: Rights, live: str, *, there: bool, dropping: bool) -> Condition:
    """The server would show routines, triggers and events, so there are none if it shows none.

    The drop of a schema drops them as well, and no dump holds them. A table with a trigger can't be moved.
    """
    hidden = rights.hidden_in(live) if there else []
    if not hidden:
        return Condition(HOLDS, f"the server shows {rights.account} everything in schema {live}")
    found = f"the server would not show {rights.account} {', '.join(hidden)} in schema {live}"
    if not dropping:
        return Condition(NOTED, f"{found}, so it is unknown whether there are any (they would be moved or refused)")
    return Condition(
        REFUSED,
        f"{found}: a drop would drop them as well, and no dump holds them",
        "the right to see everything that will be dropped",
        f"as an administrator of the database: {'; '.join(rights.to_show(live, hidden))}; or use method: set_aside",
    )


@condition
def no_key_from_outside(neighbours: Neighbours, account: str, *, dropping: bool) -> Condition:
    """No foreign key of another schema refers to a table that will be dropped. A table that is moved keeps them."""
    live, keys = neighbours.schema, ", ".join(neighbours.keys)
    if keys and dropping:
        return Condition(
            REFUSED,
            f"foreign keys of other schemas refer to tables of schema {live}: {keys}",
            "no foreign key of another schema onto tables that are dropped",
            "have its owner drop that key, or use method: set_aside",
        )
    if keys:
        return Condition(NOTED, f"{keys} will follow the old table to where it is set aside")
    if not neighbours.every_key:
        return Condition(
            NOTED,
            f"the server shows {account} no foreign key of other schemas onto schema {live}; those of schemas without"
            f" a right for it are unknown{neighbours.shown_with}",
        )
    return Condition(HOLDS, f"no foreign key of another schema refers to a table of schema {live}")


@condition
def no_reader_outside(neighbours: Neighbours) -> Condition:
    """Nothing in other schemas reads these tables by name."""
    live, readers = neighbours.schema, ", ".join(neighbours.readers)
    if readers:
        return Condition(NOTED, f"{readers} names tables of schema {live}, and will find the new ones there")
    return Condition(HOLDS, f"nothing that the server shows of other schemas names tables of schema {live}")


def rehearsed_sums(rehearsed: Mapping[str, Any]) -> dict[str, str]:
    """The fingerprint of each table that a rehearsal has restored (`content.fingerprints`)."""
    return {str(table): str(entry["sum"]) for table, entry in (rehearsed.get("tables") or {}).items()}


@condition
def dump_rehearsed(
    inspection: Inspection,
    rehearsed: Mapping[str, Any] | None,
    run: str,
    live: Callable[[], Mapping[str, Content]] | None,
) -> Condition:
    """For drop: a dump of this database was restored and compared in this run, and it holds the live rows.

    `live` reads the fingerprints of the live tables; without it, they are compared later.
    """
    expected = "a dump of exactly these rows, restored and compared in this run (metadata_restore, state: rehearsed)"
    step = "stop the components, dump, rehearse the restore, then run this again; or use method: set_aside"
    if inspection.stage in (EMPTY, ABSENT):
        return Condition(HOLDS, "there is nothing to lose")
    if not rehearsed:
        return Condition(LATER, "no rehearsed dump was given", expected, step)
    if (rehearsed.get("database"), rehearsed.get("run")) != (inspection.names.live, run):
        found = f"the rehearsed dump is of database {rehearsed.get('database')} in run {rehearsed.get('run')}"
        return Condition(REFUSED, found, expected, step)
    if live is None:
        return Condition(NOTED, f"a dump was rehearsed in run {run}; its rows are compared right before the drop")
    restored = rehearsed_sums(rehearsed)
    now = {table: content.sum for table, content in live().items()}
    different = sorted(table for table in restored.keys() | now.keys() if restored.get(table) != now.get(table))
    if different:
        found = f"the rehearsed dump differs from the live tables in {', '.join(different)}"
        return Condition(REFUSED, found, expected, step)
    return Condition(HOLDS, f"the rehearsed dump holds the live rows of all {len(now)} tables")
