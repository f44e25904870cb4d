# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The owner of everything that this collection leaves in a schema.

A server may serve several deployments, of several inventories and namespaces. So marks, lists of paused DAGs, plans and
sentinels have the name, the namespace and the live schema of their deployment, and the run that wrote them. What
belongs to another deployment is never changed. What an earlier run of the same deployment left is taken over, unless
that run may still be active.
"""

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._common.failure import OperatorError
from .plan import Plan, read_plan
from .records import BUILDING, Install, Mark, read_install, read_mark, write_record
from .schemas import INSTALL, PAUSED, PLAN, WORKSPACE

if TYPE_CHECKING:
    from .._database.description import Schema
    from .._database.engine import Database

# The longest time that a build may take. A mark that is older belongs to a run that was killed.
FRESH_SECONDS = 900
WHAT = {
    WORKSPACE: "the mark",
    PAUSED: "the list of paused DAGs",
    PLAN: "the plan of a move",
    INSTALL: "the sentinel",
}
READERS: dict[str, Callable[[Database, str], Mark | Install | Plan | None]] = {
    WORKSPACE: read_mark,
    PLAN: read_plan,
    INSTALL: read_install,
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
    """One of our tables in a schema, and its owner; None if it can't be read.

    `adopted_with` is the statement that gives it to the deployment that found it, if that may have it.
    """

    schema: str
    table: str
    owner: Owner | None
    adopted_with: str | None = None

    def __str__(self) -> str:
        whose = f"belongs to {self.owner}" if self.owner is not None else "was not written by this version"
        return f"{WHAT[self.table]} in schema {self.schema} (table {self.table}) {whose}"


def adoption(database: Database, claim: Claim, after: Owner) -> str | None:
    """The statement that gives it to `after`, if that is the same deployment in another namespace.

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
    """The owners of the bookkeeping in a schema."""
    for table in WHAT:
        # A run that was killed between making the table and writing into it has claimed nothing.
        if table not in schema.tables or not database.count(schema.name, table):
            continue
        if table == PAUSED:
            owners = paused_by(database, schema.name)
        else:
            # The sentinel names the schema that its tables will be moved to, so it may be in another one.
            record = READERS[table](database, schema.name)
            owners = [owner_of(record) if record is not None else None]
        yield from (Claim(schema.name, table, owner) for owner in owners)


def owner_of(record: Mark | Install | Plan) -> Owner:
    return Owner(record.deployment, record.namespace, record.live, record.run)


def paused_by(database: Database, schema: str) -> list[Owner | None]:
    """The owners of the DAGs on the list of paused DAGs: one, unless something else changed the list."""
    wanted = ("deployment", "namespace", "live", "run")
    if not database.columns_of(schema, PAUSED).issuperset(wanted):
        return [None]
    rows = database.rows(
        f"SELECT DISTINCT {', '.join(wanted)} FROM {database.quoted(schema, PAUSED)} ORDER BY run DESC"
    )
    return [Owner(*(str(value) for value in row)) for row in rows]


def others(database: Database, schema: Schema, owner: Owner) -> list[Claim]:
    """What in a schema belongs to another deployment, or to an unknown one."""
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
    return f"run {mark.run} began to build there {max(0.0, age):.0f} s ago, and may still be active"


def refuse_others(database: Database, schema: Schema, owner: Owner) -> None:
    """Raises OperatorError if a schema is another deployment's, or another run still builds in it."""
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
            expected=f"no other active run in schema {schema.name}",
            untouched="all tables, in it and elsewhere",
            next_step=f"wait for that run; if it is dead, run the same command again {FRESH_SECONDS} s after it began",
        )


def adopted_with(found: Iterable[Claim]) -> list[str]:
    """The statements that give a deployment what was its own elsewhere; none if a part of it is another's.

    After a disaster, or for a copy of a production deployment, a database is restored for a deployment in another
    namespace, or under another name.
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


def begin_mark(database: Database, schema: str, owner: Owner, purpose: str, image: str = "", made: str = "") -> Mark:
    """Write the mark of a run that begins to build in a schema. The time is the server's: clocks of machines differ."""
    mark = Mark(
        purpose=purpose,
        deployment=owner.deployment,
        namespace=owner.namespace,
        live=owner.live,
        run=owner.run,
        state=BUILDING,
        image=image,
        revision="",
        created_at=database.now().isoformat(),
        made=made,
    )
    write_record(database, schema, mark)
    return mark
