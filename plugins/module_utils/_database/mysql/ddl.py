# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from ..failures import AwayError
from .catalogue import read_schema
from .explanation import TABLESPACE_EXISTS
from .session import quoted

if TYPE_CHECKING:
    from .session import Statements

LEFT_FILE_SECONDS = 120.0
LEFT_FILE_PAUSE_SECONDS = 1.0


def layout_of(database: Statements, schemas: Sequence[str]) -> dict[str, frozenset[str]]:
    """Names of the tables in each schema; none where there is no such schema."""
    found = {name: read_schema(database, name) for name in schemas}
    return {name: frozenset(schema.tables) if schema is not None else frozenset() for name, schema in found.items()}


def rename_tables(database: Statements, moves: Iterable[tuple[str, str, str]], progress: Callable[[str], None]) -> None:
    """Move tables, each from a schema to another (source, target, table), in one statement.

    Waits where the server still has the file of a table that it was dropping when it died.
    It has forgotten the table by then, and removes its file some time after it runs again, in the background.
    """
    statement = "RENAME TABLE " + ", ".join(
        f"{quoted(source, table)} TO {quoted(target, table)}" for source, target, table in moves
    )
    deadline = time.monotonic() + LEFT_FILE_SECONDS
    told = False
    while True:
        try:
            database.execute(statement)
            return
        except OperatorError as error:
            if TABLESPACE_EXISTS.search(error.found) is None or time.monotonic() >= deadline:
                raise
            if not told:
                progress("the server still has to remove the file of a table that was dropped; waits for it")
                told = True
        time.sleep(LEFT_FILE_PAUSE_SECONDS)


def match_charset(database: Statements, schema: str, charset: str, collation: str) -> None:
    """Give a schema a default character set, if it has another: later migrations make their tables with it."""
    found = read_schema(database, schema)
    if found is not None and (found.charset, found.collation) != (charset, collation):
        database.execute(f"ALTER DATABASE {quoted(schema)} CHARACTER SET {charset} COLLATE {collation}")


def create_schema(database: Statements, schema: str, charset: str, collation: str) -> None:
    """Make sure it is there. Never drops one."""
    database.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(schema)} CHARACTER SET {charset} COLLATE {collation}")


def create_table(
    database: Statements, schema: str, table: str, columns: str, *, exact: bool = False, if_missing: bool = False
) -> None:
    """Make a table of this collection's own, whatever the server's defaults are.

    On a server that makes its tables with NDB, ours are seen by all its SQL nodes, as Airflow's are; elsewhere they are
    transactional, with room for long keys.
    """
    default = str(database.value("SELECT @@GLOBAL.default_storage_engine")).lower()
    engine = "ENGINE=NDBCLUSTER" if default in ("ndb", "ndbcluster") else "ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
    collation = " COLLATE utf8mb4_bin" if exact else ""
    create = "CREATE TABLE IF NOT EXISTS" if if_missing else "CREATE TABLE"
    database.execute(f"{create} {quoted(schema, table)} ({columns}) {engine} CHARACTER SET utf8mb4{collation}")


def rename_table(database: Statements, schema: str, table: str, new: str) -> None:
    """Give a table another name, at once."""
    database.execute(f"RENAME TABLE {quoted(schema, table)} TO {quoted(schema, new)}")


def drop_tables(database: Statements, schema: str, tables: Sequence[str]) -> None:
    """Drop tables of a schema in one statement, whatever refers to whatever."""
    if tables:
        enforced = "SET SESSION foreign_key_checks = 1"
        with database.between(
            "SET SESSION foreign_key_checks = 0",
            enforced,
            undone_by=enforced,
            what="its own setting of foreign_key_checks",
        ):
            database.execute("DROP TABLE " + ", ".join(quoted(schema, table) for table in tables))


def drop_schema(database: Statements, schema: str) -> None:
    """The one DROP DATABASE. Most servers drop table by table, so a failure may leave some of them.

    Where it leaves none, nothing is lacking: the server could not remove the folder, in which there is a file of
    somebody's.
    """
    try:
        database.execute(f"DROP DATABASE {quoted(schema)}")
    except OperatorError as error:
        if layout_of(database, [schema])[schema]:
            raise _half_dropped(database, schema, error) from None


def drop_unreferenced(database: Statements, schema: str, tables: Collection[str]) -> None:
    """Drop what an interrupted drop has left, but no table that a key of another schema refers to.

    Among themselves the tables refer to each other, and the server drops those that it may: again, as long as it helps.
    """
    left = frozenset(tables)
    while left:
        try:
            database.execute("DROP TABLE " + ", ".join(quoted(schema, table) for table in sorted(left)))
        except OperatorError as error:
            remaining = layout_of(database, [schema])[schema] & left
            if remaining == left:
                raise _half_dropped(database, schema, error) from None
            left = remaining
        else:
            return


def _half_dropped(database: Statements, schema: str, error: OperatorError) -> OperatorError:
    left = layout_of(database, [schema])[schema]
    return OperatorError(
        f"{error.found}; {len(left)} tables are left in schema {schema}: {', '.join(sorted(left)[:10])}",
        expected=error.expected,
        untouched="the new tables, in the schema beside; what was dropped is in the rehearsed dump",
        next_step=error.next_step,
    )


def probe_rename(database: Statements, workspace: str, aside: str, table: str, engines: Iterable[str]) -> None:
    """Find out on a table of our own whether this server renames tables of these engines across schemas.

    Raises OperatorError where it doesn't.
    """
    for engine in sorted(set(engines) - {"InnoDB"}):
        probes = [quoted(schema, table) for schema in (workspace, aside)]
        database.execute(f"DROP TABLE IF EXISTS {', '.join(probes)}")
        database.execute(f"CREATE TABLE {probes[0]} (id INT PRIMARY KEY) ENGINE = {quoted(engine)}")
        try:
            database.execute(f"RENAME TABLE {probes[0]} TO {probes[1]}")
        except AwayError:
            raise
        except OperatorError as error:
            with contextlib.suppress(OperatorError):
                database.execute(f"DROP TABLE IF EXISTS {', '.join(probes)}")
            raise OperatorError(
                f"the server can't rename {engine} tables across schemas: {error.found}",
                expected="tables that can be set aside",
                untouched="all tables: the attempt was made on an empty table of this collection",
                next_step="use method: drop, which wants a dump rehearsed in the same run",
            ) from None
        database.execute(f"DROP TABLE IF EXISTS {', '.join(probes)}")
