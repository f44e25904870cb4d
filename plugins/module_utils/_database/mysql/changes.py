# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from ..._common.failure import OperatorError
from ..failures import AwayError
from .catalogue import Catalogue
from .explanation import TABLESPACE_EXISTS
from .session import quoted

LEFT_FILE_SECONDS = 120.0
LEFT_FILE_PAUSE_SECONDS = 1.0


class Changes(Catalogue):
    """What changes schemas and tables."""

    def create_schema(self, schema: str, charset: str, collation: str) -> None:
        self.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(schema)} CHARACTER SET {charset} COLLATE {collation}")

    def match_charset(self, schema: str, charset: str, collation: str) -> None:
        found = self.schema(schema)
        if found is not None and (found.charset, found.collation) != (charset, collation):
            self.execute(f"ALTER DATABASE {quoted(schema)} CHARACTER SET {charset} COLLATE {collation}")

    def create_table(
        self, schema: str, table: str, columns: str, *, exact: bool = False, if_missing: bool = False
    ) -> None:
        """With NDB, if that is the default, so that all SQL nodes see it, as they see Airflow's tables; elsewhere
        transactional, with room for long keys."""
        default = str(self.value("SELECT @@GLOBAL.default_storage_engine")).lower()
        engine = "ENGINE=NDBCLUSTER" if default in ("ndb", "ndbcluster") else "ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
        collation = " COLLATE utf8mb4_bin" if exact else ""
        create = "CREATE TABLE IF NOT EXISTS" if if_missing else "CREATE TABLE"
        self.execute(f"{create} {quoted(schema, table)} ({columns}) {engine} CHARACTER SET utf8mb4{collation}")

    def rename_table(self, schema: str, table: str, new: str) -> None:
        self.execute(f"RENAME TABLE {quoted(schema, table)} TO {quoted(schema, new)}")

    def move_tables(self, moves: Iterable[tuple[str, str, str]], progress: Callable[[str], None]) -> None:
        """Waits if the server still has the file of a table that it was dropping when it died.

        By then it no longer knows the table, and some time after its restart it removes the file in the background.
        """
        statement = "RENAME TABLE " + ", ".join(
            f"{quoted(source, table)} TO {quoted(target, table)}" for source, target, table in moves
        )
        deadline = time.monotonic() + LEFT_FILE_SECONDS
        told = False
        while True:
            try:
                self.execute(statement)
                return
            except OperatorError as error:
                if TABLESPACE_EXISTS.search(error.found) is None or time.monotonic() >= deadline:
                    raise
                if not told:
                    progress("the server still has to remove the file of a dropped table; waiting for that")
                    told = True
            time.sleep(LEFT_FILE_PAUSE_SECONDS)

    def probe_move(self, workspace: str, aside: str, table: str, engines: Iterable[str]) -> None:
        for engine in sorted(set(engines) - {"InnoDB"}):
            probes = [quoted(schema, table) for schema in (workspace, aside)]
            drop = f"DROP TABLE IF EXISTS {', '.join(probes)}"
            self.execute(drop)
            self.execute(f"CREATE TABLE {probes[0]} (id INT PRIMARY KEY) ENGINE = {quoted(engine)}")
            try:
                self.execute(f"RENAME TABLE {probes[0]} TO {probes[1]}")
            except AwayError:
                raise
            except OperatorError as error:
                with contextlib.suppress(OperatorError):
                    self.execute(drop)
                raise OperatorError(
                    f"the server can't rename {engine} tables across schemas: {error.found}",
                    expected="tables that can be set aside",
                    untouched="all tables: the attempt was made on an empty table of this collection",
                    next_step="use method: drop, which requires a dump that was rehearsed in the same run",
                ) from None
            self.execute(drop)

    def drop_tables(self, schema: str, tables: Sequence[str]) -> None:
        if tables:
            enforced = "SET SESSION foreign_key_checks = 1"
            with self.between(
                "SET SESSION foreign_key_checks = 0",
                enforced,
                undone_by=enforced,
                what="its own setting of foreign_key_checks",
            ):
                self.execute("DROP TABLE " + ", ".join(quoted(schema, table) for table in tables))

    def drop_unreferenced(self, schema: str, tables: Collection[str]) -> None:
        """The tables refer to each other, and the server drops those that it can: repeated while that helps."""
        left = frozenset(tables)
        while left:
            try:
                self.execute("DROP TABLE " + ", ".join(quoted(schema, table) for table in sorted(left)))
            except OperatorError as error:
                remaining = self.layout_of([schema])[schema] & left
                if remaining == left:
                    raise self._half_dropped(schema, error) from None
                left = remaining
            else:
                return

    def drop_schema(self, schema: str) -> None:
        """The one DROP DATABASE. Most servers drop table by table.

        A failure that leaves no table is none: the server could not remove the folder, which has a file of another
        program.
        """
        try:
            self.execute(f"DROP DATABASE {quoted(schema)}")
        except OperatorError as error:
            if self.layout_of([schema])[schema]:
                raise self._half_dropped(schema, error) from None

    def _half_dropped(self, schema: str, error: OperatorError) -> OperatorError:
        left = self.layout_of([schema])[schema]
        return OperatorError(
            f"{error.found}; {len(left)} tables are left in schema {schema}: {', '.join(sorted(left)[:10])}",
            expected=error.expected,
            untouched="the new tables, in the workspace; the rehearsed dump has what was dropped",
            next_step=error.next_step,
        )
