# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose it is: the one answer for everything that this collection leaves in a schema.

A server may serve several deployments, of several inventories and namespaces. So a mark, a list of paused DAGs, a plan
and a sentinel each say which deployment they belong to, by its name, its namespace and its live schema, and which run
wrote them. What belongs to another deployment is never changed. What an earlier run of the same deployment left is
taken over, unless that run may still be at work.
"""

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._common.failure import OperatorError
from .plan import read_plan
from .records import BUILDING, Mark, read_install, read_mark
from .schemas import INSTALL, PAUSED, PLAN, WORKSPACE

if TYPE_CHECKING:
    from .._database.description import Schema
    from .._database.engine import Database

# As long as a build may take. A mark that is older is that of a run that died.
FRESH_SECONDS = 900
WHAT = {
    WORKSPACE: "the mark",
    PAUSED: "the list of paused DAGs",
    PLAN: "the plan of a move",
    INSTALL: "the sentinel",
}


@dataclass(frozen=True)
class Owner:
    """A deployment, by its name in the inventory, its namespace and its live schema; and one run of it."""

    deployment: str
    namespace: str
    live: str
    run: str = ""

    def is_same(self, other: Owner) -> bool:
        """Whether both are the same deployment, whatever the run."""
        return (self.deployment, self.namespace, self.live) == (other.deployment, other.namespace, other.live)

    def __str__(self) -> str:
        run = f", run {self.run}" if self.run else ""
        return f"deployment {self.deployment!r} in namespace {self.namespace} (schema {self.live}{run})"


@dataclass(frozen=True)
class Claim:
    """One of our tables in a schema, and whose it is; None where it can't be read.

    `adopted_with` is the statement that gives it to the deployment that came upon it, where it may have that.
    """

    schema: str
    table: str
    owner: Owner | None
    adopted_with: str | None = None

    def __str__(self) -> str:
        whose = f"belongs to {self.owner}" if self.owner is not None else "is not one that this version wrote"
        return f"{WHAT[self.table]} in schema {self.schema} (table {self.table}) {whose}"


def adoption(database: Database, claim: Claim, after: Owner) -> str | None:
    """The statement that gives it to who asks, where that is the same deployment in another namespace.

    Or with another live schema, whose sentinel it is: a dump of the former one was restored under that name.
    """
    before = claim.owner
    if before is None or before.is_same(after):
        return None
    renamed = claim.table == INSTALL and claim.schema == after.live
    if not replace(before, namespace=after.namespace, live=after.live if renamed else before.live).is_same(after):
        return None
    table = database.quoted(claim.schema, claim.table)
    if claim.table == PLAN:
        old, new = (f'"namespace": "{owner.namespace}"' for owner in (before, after))
        return f"UPDATE {table} SET detail = REPLACE(detail, '{old}', '{new}') WHERE position = 0"
    changed = [name for name in ("namespace", "live") if getattr(before, name) != getattr(after, name)]
    values, conditions = (
        [f"{name} = {database.literal(getattr(owner, name))}" for name in changed] for owner in (after, before)
    )
    return f"UPDATE {table} SET {', '.join(values)} WHERE {' AND '.join(conditions)}"


def claims(database: Database, schema: Schema) -> Iterator[Claim]:
    """Whose the bookkeeping in a schema is."""
    for table in WHAT:
        # A run that died between making the table and writing into it has claimed nothing.
        if table not in schema.tables or not database.count(schema.name, table):
            continue
        if table == PAUSED:
            for owner in paused_by(database, schema.name):
                yield Claim(schema.name, table, owner)
        elif table == PLAN:
            plan = read_plan(database, schema.name)
            yield Claim(schema.name, table, Owner(plan.deployment, plan.namespace, plan.live, plan.run))
        elif table == WORKSPACE:
            mark = read_mark(database, schema.name)
            yield Claim(schema.name, table, owner_of(mark) if mark is not None else None)
        else:
            install = read_install(database, schema.name)
            # A new schema has its sentinel before it is moved to where it says that it is.
            whose = (install.deployment, install.namespace, install.live, install.run) if install is not None else None
            yield Claim(schema.name, table, Owner(*whose) if whose is not None else None)


def owner_of(mark: Mark) -> Owner:
    return Owner(mark.deployment, mark.namespace, mark.live, mark.run)


def paused_by(database: Database, schema: str) -> list[Owner | None]:
    """Whose DAGs the list of paused DAGs names: one owner, unless somebody else was at work."""
    wanted = ("deployment", "namespace", "live", "run")
    if not database.columns_of(schema, PAUSED).issuperset(wanted):
        return [None]
    rows = database.rows(
        f"SELECT DISTINCT {', '.join(wanted)} FROM {database.quoted(schema, PAUSED)} ORDER BY run DESC"
    )
    return [Owner(*(str(value) for value in row)) for row in rows]


def others(database: Database, schema: Schema, owner: Owner) -> list[Claim]:
    """What in a schema belongs to another deployment, or to nobody who can be told."""
    return [
        replace(claim, adopted_with=adoption(database, claim, owner))
        for claim in claims(database, schema)
        if claim.owner is None or not claim.owner.is_same(owner)
    ]


def still_working(database: Database, mark: Mark | None, owner: Owner) -> str | None:
    """Why another run of the same deployment may still be building, or None."""
    if mark is None or mark.state != BUILDING or mark.run == owner.run:
        return None
    now = database.now()
    try:
        age = (now - datetime.datetime.fromisoformat(mark.created_at)).total_seconds()
    except (TypeError, ValueError):
        return f"run {mark.run} may still build there: its mark has no time ({mark.created_at!r})"
    if age >= FRESH_SECONDS:
        return None
    return f"run {mark.run} began to build there {max(0.0, age):.0f} s ago, and may still be at work"


def refuse_others(database: Database, schema: Schema, owner: Owner) -> None:
    """Raises OperatorError where a schema is another deployment's, or another run still builds in it."""
    strange = others(database, schema, owner)
    if strange:
        raise OperatorError(
            "; ".join(map(str, strange)),
            expected=f"a schema that only {owner} uses",
            untouched="all tables, in it and elsewhere",
            next_step=next_step(strange),
        )
    mark = read_mark(database, schema.name) if WORKSPACE in schema.tables else None
    working = still_working(database, mark, owner)
    if working:
        raise OperatorError(
            f"schema {schema.name}: {working}",
            expected=f"nobody else at work in schema {schema.name}",
            untouched="all tables, in it and elsewhere",
            next_step=f"wait for that run; if it has died, run the same command again {FRESH_SECONDS} s after it began",
        )


def adopted_with(found: Iterable[Claim]) -> list[str]:
    """The statements that give a deployment what it had itself elsewhere; none where anything is another's.

    After a disaster, or for a copy of a production, a database is restored for a deployment in another namespace, or
    under another name.
    """
    statements = [claim.adopted_with for claim in found]
    return [] if None in statements else [statement for statement in statements if statement is not None]


def next_step(found: Iterable[Claim]) -> str:
    advice = (
        "check airflow_namespace, airflow_database_host, airflow_database_name, airflow_database_workspace and"
        " airflow_database_rehearsal: deployments can share a server, but no schema; a deployment that was renamed"
        " keeps its name with airflow_name"
    )
    statements = adopted_with(found)
    if statements:
        advice += (
            "; if this database was restored or moved for this deployment, and no other one uses it,"
            f" adopt it, as an administrator of the database: {'; '.join(statements)}"
        )
    return advice


def server_now(database: Database) -> str:
    """The server's time, ISO 8601 in UTC: runs come from machines whose clocks may differ."""
    return database.now().isoformat()
