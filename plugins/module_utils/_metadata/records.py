# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .._common.failure import OperatorError
from .schemas import INSTALL, WORKSPACE, content_of

if TYPE_CHECKING:
    from .._database.description import Schema
    from .._database.engine import Database

# The purpose of a schema that is built alongside the live one.
MIGRATION, REHEARSAL = "migration", "rehearsal"
BUILDING, COMPLETE = "building", "complete"


@dataclass(frozen=True)
class Install:
    """The sentinel: this collection installed this schema and never resets it again."""

    deployment: str
    namespace: str
    live: str
    run: str
    installed_at: str
    image: str
    revision: str
    method: str
    set_aside: str
    # For method drop, the path of the dump that holds the old rows.
    dump: str


@dataclass(frozen=True)
class Mark:
    """Says that this collection made all tables of a schema alongside the live one, and how far it is."""

    purpose: str
    deployment: str
    namespace: str
    live: str
    run: str
    state: str
    image: str
    revision: str
    created_at: str
    # Its tables (`names_of`), if they are known: from the beginning for a dump, else when it is complete. Marks of
    # earlier versions have no such column.
    made: str = ""

    @property
    def tables(self) -> frozenset[str] | None:
        """The tables that are ours, or None if that is unknown."""
        return frozenset(json.loads(self.made)) if self.made else None

    def as_result(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "made"}


def names_of(tables: Collection[str]) -> str:
    """In the form of a mark's column `made`."""
    return json.dumps(sorted(tables))


# In characters. An engine may accept no more than 3,500 of them in a row.
_LONGER = {"image": 512, "dump": 512}

Record = TypeVar("Record", Install, Mark)


def read_install(database: Database, schema: str) -> Install | None:
    """The sentinel's one row; None if the table has other columns or not exactly one row."""
    return _read(database, schema, INSTALL, Install)


def read_mark(database: Database, schema: str) -> Mark | None:
    """The mark's one row; None if the table has other columns or not exactly one row."""
    return _read(database, schema, WORKSPACE, Mark)


def write_record(database: Database, schema: str, record: Install | Mark) -> None:
    """Write a sentinel or a mark into a schema, in place of an earlier one: a mark before any other table is there."""
    table = INSTALL if isinstance(record, Install) else WORKSPACE
    values = asdict(record)
    target = database.quoted(schema, table)
    database.execute(f"DROP TABLE IF EXISTS {target}")
    kinds = {name: "TEXT" if name == "made" else f"VARCHAR({_LONGER.get(name, 255)})" for name in values}
    columns = ", ".join(f"{name} {kind} NOT NULL" for name, kind in kinds.items())
    # With a key, because servers can be told to refuse tables without one.
    database.create_table(schema, table, f"{columns}, PRIMARY KEY (run)")
    database.insert(target, list(values), [list(values.values())])


def complete_mark(database: Database, schema: str, mark: Mark, revision: str, tables: Collection[str]) -> Mark:
    """Record that the schema is complete, and its tables.

    Raises OperatorError if the mark is another one by now: another run builds there.
    """
    whole = replace(mark, state=COMPLETE, revision=revision, made=names_of(tables))
    if not database.execute(
        f"UPDATE {database.quoted(schema, WORKSPACE)} SET state = %s, revision = %s, made = %s"
        " WHERE run = %s AND created_at = %s AND state = %s",
        [whole.state, whole.revision, whole.made, mark.run, mark.created_at, mark.state],
    ):
        raise OperatorError(
            f"the mark of this build in schema {schema} was replaced (run {mark.run}, begun {mark.created_at})",
            expected="no other run that builds there",
            untouched="the live schema and the new one",
            next_step="wait for the other run; then run the same command again",
        )
    return whole


def unknown_tables(mark: Mark, schema: Schema) -> frozenset[str]:
    """Tables that were made in addition to those of the mark. The sentinel is written after the mark."""
    return content_of(schema) - mark.tables - {INSTALL} if mark.tables is not None else frozenset()


def _read(database: Database, schema: str, table: str, kind: type[Record]) -> Record | None:
    there = database.columns_of(schema, table)
    if not there.issuperset(entry.name for entry in fields(kind) if entry.default is MISSING):
        return None
    names = [entry.name for entry in fields(kind) if entry.name in there]
    rows = database.rows(f"SELECT {', '.join(names)} FROM {database.quoted(schema, table)}")
    return kind(**dict(zip(names, map(str, rows[0]), strict=True))) if len(rows) == 1 else None
