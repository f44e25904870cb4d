# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from ..description import Schema, Server, Session, Table
from .session import Statements, like_prefix, quoted

# Kinds of servers, by the family of their tables.
MYSQL, MARIADB, NDB_CLUSTER = "MySQL", "MariaDB", "NDB Cluster"
# lower_case_table_names if the server's files may be of either case (macOS, Windows).
KEPT_AS_WRITTEN = 2


class Catalogue(Statements):
    """What exists on the server.

    Its catalogue compares names without regard to case, even if the server itself does not, so answers are compared
    once more.
    """

    def now(self) -> datetime.datetime:
        now: datetime.datetime = self.value("SELECT UTC_TIMESTAMP()")
        return now.replace(tzinfo=datetime.UTC)

    def server(self) -> Server:
        version = str(self.value("SELECT VERSION()"))
        comment = str(self.value("SELECT @@version_comment"))
        text = f"{version} {comment}".lower()
        if "mariadb" in text:
            product = MARIADB
        # 8.0.36-cluster, 5.7.44-ndb-7.6.28, 22.10.12-cluster (RonDB). Percona XtraDB Cluster is one of InnoDB.
        elif "-cluster" in version.lower() or "ndb" in text or "mysql cluster" in text:
            product = NDB_CLUSTER
        else:
            product = MYSQL
        return Server(product, version, renames_atomically(product, version))

    def folded(self, name: str) -> str:
        """With lower_case_table_names set, the server takes every name in lower case, and answers with that.

        https://mariadb.com/kb/en/identifier-case-sensitivity/
        """
        ((folds, lower),) = self.rows("SELECT @@lower_case_table_names, LOWER(%s)", [name])
        if int(folds) != KEPT_AS_WRITTEN:
            return str(lower) if int(folds) else name
        # It ignores case as well, but answers with the name that the schema was created with.
        there = self.rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")
        return next((str(found) for (found,) in there if str(found).lower() == str(lower)), name)

    def alike(self, written: str) -> Callable[[str], bool]:
        """Whether a name in the server's answers means this schema or table, as the server itself compares names."""
        if int(self.value("SELECT @@lower_case_table_names")):
            return lambda name: name.lower() == written.lower()
        return lambda name: name == written

    def meant(self, there: Collection[str], named: Iterable[str]) -> frozenset[str]:
        are_they = [self.alike(name) for name in named]
        return frozenset(name for name in there if any(is_it(name) for is_it in are_they))

    def schema(self, name: str) -> Schema | None:
        found = self.rows(
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
            " WHERE SCHEMA_NAME = %s",
            [name],
        )
        if not found:
            return None
        rows = self.rows(
            f"SELECT {_TABLE} FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME", [name]
        )
        return Schema(name, found[0][0], found[0][1], {row[0]: _table(*row) for row in rows})

    def schemas(self, names: Sequence[str], prefixes: Sequence[str]) -> dict[str, Schema]:
        condition = " OR ".join(["{0} = %s"] * len(names) + ["{0} LIKE %s"] * len(prefixes))
        values = [*names, *map(like_prefix, prefixes)]
        found = self.rows(
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
            f" WHERE {condition.format('SCHEMA_NAME')} ORDER BY SCHEMA_NAME",
            values,
        )
        found = [row for row in found if row[0] in names or row[0].startswith(tuple(prefixes))]
        tables: dict[str, dict[str, Table]] = {row[0]: {} for row in found}
        for schema, *row in self.rows(
            f"SELECT TABLE_SCHEMA, {_TABLE} FROM information_schema.TABLES WHERE {condition.format('TABLE_SCHEMA')}"
            " ORDER BY TABLE_SCHEMA, TABLE_NAME",
            values,
        ):
            if schema in tables:
                tables[schema][row[0]] = _table(*row)
        return {name: Schema(name, charset, collation, tables[name]) for name, charset, collation in found}

    def schemas_with(self, table: str) -> list[str]:
        found = self.rows(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME = %s"
            " ORDER BY TABLE_SCHEMA",
            [table],
        )
        return [str(schema) for schema, name in found if name == table]

    def layout_of(self, schemas: Sequence[str]) -> dict[str, frozenset[str]]:
        found = {name: self.schema(name) for name in schemas}
        return {name: frozenset(schema.tables) if schema is not None else frozenset() for name, schema in found.items()}

    def columns_of(self, schema: str, table: str) -> set[str]:
        rows = self.rows(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
            [schema, table],
        )
        return {str(name) for (name,) in rows}

    def older_than(self, schema: str, table: str) -> list[str]:
        rows = self.rows(
            "SELECT t.TABLE_NAME FROM information_schema.TABLES t JOIN information_schema.TABLES m"
            " ON m.TABLE_SCHEMA = t.TABLE_SCHEMA AND m.TABLE_NAME = %s"
            " WHERE t.TABLE_SCHEMA = %s AND t.CREATE_TIME < m.CREATE_TIME",
            [table, schema],
        )
        return [str(name) for (name,) in rows]

    def stored_programs(self, schema: str) -> list[str]:
        """Events as well. Tables with triggers can't be moved."""
        is_it = self.alike(schema)
        return [
            f"{kind.lower()} {name}"
            for where, kind, name in self.rows(
                "SELECT TRIGGER_SCHEMA, 'TRIGGER', TRIGGER_NAME FROM information_schema.TRIGGERS"
                " WHERE TRIGGER_SCHEMA = %s UNION ALL SELECT ROUTINE_SCHEMA, ROUTINE_TYPE, ROUTINE_NAME"
                " FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s UNION ALL SELECT EVENT_SCHEMA, 'EVENT',"
                " EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s",
                [schema, schema, schema],
            )
            if is_it(str(where))
        ]

    def sessions_in(self, *schemas: str) -> list[Session]:
        """Those with one of these schemas as default. Without the right PROCESS the server shows those of the same user
        only; Airflow's components are that user."""
        marks = ", ".join(["%s"] * len(schemas))
        are_they = [self.alike(schema) for schema in schemas]
        found = self._sessions(f"DB IN ({marks}) AND ID <> CONNECTION_ID() ORDER BY ID", list(schemas))
        return [session for session in found if any(is_it(session.schema) for is_it in are_they)]

    def session_with(self, number: int) -> Session | None:
        """The session of this number, if it exists and the server shows it."""
        return next(iter(self._sessions("ID = %s", [number])), None)

    def _sessions(self, condition: str, values: Sequence[object]) -> list[Session]:
        return [
            Session(int(number), str(user), str(host), schema or "", command or "", int(seconds or 0))
            for number, user, host, schema, command, seconds in self.rows(
                f"SELECT ID, USER, HOST, DB, COMMAND, TIME FROM information_schema.PROCESSLIST WHERE {condition}",
                values,
            )
        ]

    def count(self, schema: str, table: str) -> int:
        return int(self.value(f"SELECT COUNT(*) FROM {quoted(schema, table)}"))


_TABLE = "TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH"


def _table(name: str, kind: str, storage_engine: Any, rows: Any, data: Any, index: Any) -> Table:
    return Table(name, kind, storage_engine or "", int(rows or 0), int(data or 0) + int(index or 0))


def numbers_of(version: str) -> tuple[int, ...]:
    """A version as numbers. RonDB has its own (22.10.12), which are above those of the MySQL server in it."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0])[:3])


def renames_atomically(product: str, version: str) -> bool:
    """Whether one RENAME TABLE of many tables is atomic even if the server dies while it executes it.

    MySQL 8.0 and newer: https://dev.mysql.com/doc/refman/8.0/en/atomic-ddl.html. MariaDB 10.6 and newer:
    https://mariadb.com/kb/en/atomic-ddl/; tests kill a 10.11 during it. Older ones: each table by itself.
    """
    first = {MYSQL: (8,), MARIADB: (10, 6)}.get(product)
    return first is not None and numbers_of(version) >= first
