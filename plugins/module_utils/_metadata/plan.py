# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .schemas import BOOKKEEPING, PLAN, PLAN_DRAFT

if TYPE_CHECKING:
    from .._database.engine import Database

FORMAT = 2
# States of a plan. DROPPING is written right before the drop of the schema, so that no later run drops it again.
PLANNED, DROPPING, DONE, UNDONE = "planned", "dropping", "done", "undone"
# What a plan is for.
RESET, RESTORE = "reset", "restore"
_COLUMNS = ("position", "from_schema", "to_schema", "table_name", "row_count", "content", "detail")
_HEADER = ("action", "method", "deployment", "namespace", "run", "live", "workspace", "state", "created_at", "facts")


def now() -> str:
    """ISO 8601, UTC, seconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Move:
    """One table and where it goes. `rows` and `content` are those of the time of the plan, if known."""

    table: str
    source: str
    target: str
    rows: int | None = None
    content: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a reset, or its reverse, does to tables: written to the database before the first of them is moved.

    `schema` is where the plan itself is kept; `moves` are made in this order and in no other; `dropped` are the live
    tables that are dropped with their schema before the moves (method drop only).
    """

    schema: str
    action: str
    method: str
    deployment: str
    namespace: str
    run: str
    live: str
    workspace: str
    moves: tuple[Move, ...]
    dropped: tuple[Move, ...] = ()
    state: str = PLANNED
    created_at: str = field(default_factory=now)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unfinished(self) -> bool:
        return self.state in (PLANNED, DROPPING)


def moves_done(moves: Sequence[Move], tables: Mapping[str, frozenset[str]], open_to: str = "") -> int | None:
    """How many of the moves, made in order, lead to the current layout; None if no number does.

    `tables` are the names of the tables that are now in each schema. With tables that the plan does not name it is None
    as well, because something else changed these schemas. But when all moves are made, further tables in the schema
    `open_to` do not matter: the Airflow that was started on it makes some.
    """
    involved = {move.source for move in moves} | {move.target for move in moves}
    actual = {schema: tables.get(schema, frozenset()) - BOOKKEEPING for schema in involved}
    layout: dict[str, set[str]] = {schema: set() for schema in involved}
    for move in moves:
        layout[move.source].add(move.table)
    for done in range(len(moves) + 1):
        if layout == actual:
            return done
        if done < len(moves):
            move = moves[done]
            layout[move.source].discard(move.table)
            layout[move.target].add(move.table)
    elsewhere = involved - {open_to}
    if open_to in involved and layout[open_to] < actual[open_to] and all(layout[it] == actual[it] for it in elsewhere):
        return len(moves)
    return None


def write_plan(database: Database, plan: Plan) -> None:
    """Write it under a draft name, then rename it, so that a plan is complete if it is there."""
    draft = database.quoted(plan.schema, PLAN_DRAFT)
    database.execute(f"DROP TABLE IF EXISTS {draft}")
    database.create_table(
        plan.schema,
        PLAN_DRAFT,
        "position INT PRIMARY KEY, from_schema VARCHAR(64), to_schema VARCHAR(64), table_name VARCHAR(64),"
        " row_count BIGINT, content VARCHAR(64), detail TEXT",
    )
    header = {"format": FORMAT, **{name: getattr(plan, name) for name in _HEADER}}
    rows: list[tuple[object, ...]] = [(0, None, None, None, None, None, json.dumps(header))]
    entries = [*plan.dropped, *plan.moves]
    rows += [
        (position, move.source, move.target or None, move.table, move.rows, move.content, None)
        for position, move in enumerate(entries, start=1)
    ]
    database.insert(draft, _COLUMNS, rows)
    database.rename_table(plan.schema, PLAN_DRAFT, PLAN)


def read_plan(database: Database, schema: str) -> Plan:
    """The plan kept in a schema. Raises OperatorError if it can't be read."""
    rows = database.rows(f"SELECT {', '.join(_COLUMNS)} FROM {database.quoted(schema, PLAN)} ORDER BY position")
    try:
        header = json.loads(rows[0][6])
        if rows[0][0] != 0 or header["format"] != FORMAT:
            raise ValueError("unknown format")
        entries = [
            Move(table, source, target or "", count, content)
            for source, target, table, count, content in (row[1:6] for row in rows[1:])
        ]
        return Plan(
            schema=schema,
            moves=tuple(move for move in entries if move.target),
            dropped=tuple(move for move in entries if not move.target),
            **{name: header[name] for name in _HEADER},
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise OperatorError(
            f"table {PLAN} in schema {schema} is not a plan that this version wrote ({type(error).__name__})",
            expected="the plan of a reset",
            untouched="all tables",
            next_step=f"look at {schema}.{PLAN}; finish the move with the version of the collection that wrote it",
        ) from None


def plan_of(database: Database, schema: str, live: str, *, unless_told: bool) -> Plan | None:
    """The plan kept in a schema, if it concerns this live schema.

    One that another version wrote can't be read. If it is finished, or another live schema's, it does not matter.
    Else raises OperatorError. `unless_told`: whether it concerns this live schema if it doesn't say so.
    """
    try:
        plan = read_plan(database, schema)
    except OperatorError:
        header = _header(database, schema)
        concerns = header["live"] == live if "live" in header else unless_told
        if concerns and header.get("state") not in (DONE, UNDONE):
            raise
        return None
    return plan if plan.live == live else None


def _header(database: Database, schema: str) -> dict[str, Any]:
    """The facts that a plan of any version has about itself, as far as they can be read."""
    try:
        found = json.loads(database.value(f"SELECT detail FROM {database.quoted(schema, PLAN)} WHERE position = 0"))
    except (OperatorError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def mark_plan(database: Database, plan: Plan, state: str) -> Plan:
    """Write the state before (DROPPING) or after (DONE, UNDONE) what it stands for."""
    table = database.quoted(plan.schema, PLAN)
    header = json.loads(database.value(f"SELECT detail FROM {table} WHERE position = 0"))
    header["state"] = state
    database.execute(f"UPDATE {table} SET detail = %s WHERE position = 0", [json.dumps(header)])
    return replace(plan, state=state)


def close_plan(database: Database, plan: Plan, state: str) -> None:
    """Mark a plan as DONE or UNDONE. In the workspace, which stays behind empty, drop it."""
    if plan.schema == plan.workspace:
        database.drop_tables(plan.schema, [PLAN])
    else:
        mark_plan(database, plan, state)


def drop_stale(database: Database, plans: Iterable[Plan], schema: str = "") -> None:
    """Drop plans of which nothing was done and, in `schema`, those that were undone.

    Without the tables that a plan names, it would look as if they had been moved.
    """
    for plan in plans:
        if plan.unfinished or (plan.state == UNDONE and plan.schema == schema):
            database.drop_tables(plan.schema, [PLAN])
