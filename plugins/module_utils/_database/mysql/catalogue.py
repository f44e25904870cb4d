# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from ..description import Schema, Server, Session, Table
from .session import like_prefix, quoted

if TYPE_CHECKING:
    from .session import Statements


# What runs there, by the family of its tables.
MYSQL, MARIADB, NDB_CLUSTER = "MySQL", "MariaDB", "NDB Cluster"


def read_server(database: Statements) -> Server:
    version = str(database.value("SELECT VERSION()"))
    comment = str(database.value("SELECT @@version_comment"))
    text = f"{version} {comment}".lower()
    if "mariadb" in text:
        engine = MARIADB
    # 8.0.36-cluster, 5.7.44-ndb-7.6.28, 22.10.12-cluster (RonDB). Percona XtraDB Cluster is one of InnoDB.
    elif "-cluster" in version.lower() or "ndb" in text or "mysql cluster" in text:
        engine = NDB_CLUSTER
    else:
        engine = MYSQL
    return Server(engine, version, renames_atomically(engine, version))


def numbers_of(version: str) -> tuple[int, ...]:
    """A version as numbers. RonDB has its own (22.10.12), which are above those of the MySQL server in it."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0])[:3])


def renames_atomically(engine: str, version: str) -> bool:
    """Whether one RENAME TABLE of many tables happens as a whole even if the server dies in it.

    MySQL 8.0 and newer: https://dev.mysql.com/doc/refman/8.0/en/atomic-ddl.html. MariaDB 10.6 and newer,
    https://mariadb.com/kb/en/atomic-ddl/; tests kill a 10.11 in the middle of it. Older ones: each table by itself.
    """
    first = {MYSQL: (8,), MARIADB: (10, 6)}.get(engine)
    return first is not None and numbers_of(version) >= first


def utc_now(database: Statements) -> datetime.datetime:
    now: datetime.datetime = database.value("SELECT UTC_TIMESTAMP()")
    return now.replace(tzinfo=datetime.UTC)


def columns_of(database: Statements, schema: str, table: str) -> set[str]:
    """Names of a table's columns."""
    return {
        str(name)
        for (name,) in database.rows(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
            [schema, table],
        )
    }


def older_than(database: Statements, schema: str, table: str) -> list[str]:
    """Tables of a schema that were made before this one."""
    rows = database.rows(
        "SELECT t.TABLE_NAME FROM information_schema.TABLES t JOIN information_schema.TABLES m"
        " ON m.TABLE_SCHEMA = t.TABLE_SCHEMA AND m.TABLE_NAME = %s"
        " WHERE t.TABLE_SCHEMA = %s AND t.CREATE_TIME < m.CREATE_TIME",
        [table, schema],
    )
    return [str(name) for (name,) in rows]


def read_schemas(database: Statements, names: Sequence[str], prefixes: Sequence[str]) -> dict[str, Schema]:
    """The schemas with these names, and those whose names begin so, as far as they exist, with their tables."""
    condition = " OR ".join(["{0} = %s"] * len(names) + ["{0} LIKE %s"] * len(prefixes))
    values = [*names, *map(like_prefix, prefixes)]
    found = database.rows(
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
        f" WHERE {condition.format('SCHEMA_NAME')} ORDER BY SCHEMA_NAME",
        values,
    )
    # The catalogue compares names without regard to capitals, also where the server itself does not.
    found = [row for row in found if row[0] in names or row[0].startswith(tuple(prefixes))]
    tables: dict[str, dict[str, Table]] = {row[0]: {} for row in found}
    for schema, name, kind, engine, rows, data, index in database.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH"
        f" FROM information_schema.TABLES WHERE {condition.format('TABLE_SCHEMA')}"
        " ORDER BY TABLE_SCHEMA, TABLE_NAME",
        values,
    ):
        if schema in tables:
            tables[schema][name] = Table(name, kind, engine or "", int(rows or 0), int(data or 0) + int(index or 0))
    return {name: Schema(name, charset, collation, tables[name]) for name, charset, collation in found}


def read_schema(database: Statements, name: str) -> Schema | None:
    """One schema with its tables, or None where there is no such schema."""
    found = database.rows(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
        " WHERE SCHEMA_NAME = %s",
        [name],
    )
    if not found:
        return None
    rows = database.rows(
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME",
        [name],
    )
    tables = {
        table: Table(table, kind, engine or "", int(count or 0), int(data or 0) + int(index or 0))
        for table, kind, engine, count, data, index in rows
    }
    return Schema(name, found[0][0], found[0][1], tables)


def schemas_with(database: Statements, table: str) -> list[str]:
    """Every schema that is shown to the user and has a table of this name."""
    found = database.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME = %s ORDER BY TABLE_SCHEMA",
        [table],
    )
    return [str(schema) for schema, name in found if name == table]


def alike(database: Statements, written: str) -> Callable[[str], bool]:
    """Whether a name that the server answers with means this schema, or this table.

    The catalogue compares names without regard to capitals, whether the server does so itself or not.
    """
    if int(database.value("SELECT @@lower_case_table_names")):
        return lambda name: name.lower() == written.lower()
    return lambda name: name == written


def meant(database: Statements, there: Collection[str], named: Iterable[str]) -> frozenset[str]:
    """Those of the names that the server answers with that are meant by what somebody wrote."""
    are_they = [alike(database, name) for name in named]
    return frozenset(name for name in there if any(is_it(name) for is_it in are_they))


def stored_programs(database: Statements, schema: str) -> list[str]:
    """Triggers, routines and events in a schema: Airflow makes none, and tables with triggers can't be moved."""
    is_it = alike(database, schema)
    return [
        f"{kind.lower()} {name}"
        for where, kind, name in database.rows(
            "SELECT TRIGGER_SCHEMA, 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s"
            " UNION ALL SELECT ROUTINE_SCHEMA, ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES"
            " WHERE ROUTINE_SCHEMA = %s UNION ALL SELECT EVENT_SCHEMA, 'EVENT', EVENT_NAME"
            " FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s",
            [schema, schema, schema],
        )
        if is_it(str(where))
    ]


def sessions_in(database: Statements, *schemas: str) -> list[Session]:
    """Sessions of others with one of these schemas as default.

    Without the right PROCESS the server shows those of the same user only; Airflow's components are that user.
    """
    marks = ", ".join(["%s"] * len(schemas))
    are_they = [alike(database, schema) for schema in schemas]
    return [
        Session(int(number), user, host, schema, command or "", int(seconds or 0))
        for number, user, host, schema, command, seconds in database.rows(
            "SELECT ID, USER, HOST, DB, COMMAND, TIME FROM information_schema.PROCESSLIST"
            f" WHERE DB IN ({marks}) AND ID <> CONNECTION_ID() ORDER BY ID",
            list(schemas),
        )
        if any(is_it(str(schema)) for is_it in are_they)
    ]


def session_with(database: Statements, number: int) -> Session | None:
    """The session of this number, if it is there and is shown."""
    found = database.rows(
        "SELECT USER, HOST, DB, COMMAND, TIME FROM information_schema.PROCESSLIST WHERE ID = %s", [number]
    )
    for user, host, schema, command, seconds in found:
        return Session(number, str(user), str(host), schema or "", command or "", int(seconds or 0))
    return None


def count_rows(database: Statements, schema: str, table: str) -> int:
    """Exact number of rows; reads an index of the table from end to end."""
    return int(database.value(f"SELECT COUNT(*) FROM {quoted(schema, table)}"))


# lower_case_table_names where the server's files may be of either case (macOS, Windows).
KEPT_AS_WRITTEN = 2


def folded(database: Statements, name: str) -> str:
    """A schema's name as this server keeps it.

    With lower_case_table_names set, the server takes every name in lower case, and answers with it: whoever compares
    what it answers with a name as it was written finds nothing where there is something.
    https://mariadb.com/kb/en/identifier-case-sensitivity/
    """
    ((folds, lower),) = database.rows("SELECT @@lower_case_table_names, LOWER(%s)", [name])
    if int(folds) != KEPT_AS_WRITTEN:
        return str(lower) if int(folds) else name
    # It compares them all the same, and answers with the name as it was when the schema was made.
    there = database.rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
    return next((str(found) for (found,) in there if str(found).lower() == str(lower)), name)
