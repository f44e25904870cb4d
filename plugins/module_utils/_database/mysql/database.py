# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, cast

from . import catalogue, content, ddl, exclusive
from .definitions import definitions
from .fitness import read_fitness
from .neighbours import read_neighbours
from .privileges import Rights, read_rights
from .session import Statements, quoted
from .session_settings import refuse_limits

if TYPE_CHECKING:
    import datetime

    from .. import engine
    from ..description import Content, Fitness, Neighbours, Schema, Server, Session
    from ..tls import Tls

    Progress = Callable[[str], None]


class MySql(Statements):
    """The doors of `engine.Database`; each leads to the file of its subject."""

    # What Airflow's documentation asks for: howto/set-up-database.html, "Setting up a MySQL Database".
    any_text = ("utf8mb4", "utf8mb4_unicode_ci")

    def quoted(self, *names: str) -> str:
        return quoted(*names)

    def literal(self, text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

    def by_primary_key(self, schema: str, table: str) -> str:
        # A server that reads a small table from end to end locks every row.
        return f"{quoted(schema, table)} FORCE INDEX (PRIMARY)"

    def now(self) -> datetime.datetime:
        return catalogue.utc_now(self)

    def server(self) -> Server:
        return catalogue.read_server(self)

    def folded(self, name: str) -> str:
        return catalogue.folded(self, name)

    def meant(self, there: Collection[str], named: Iterable[str]) -> frozenset[str]:
        return catalogue.meant(self, there, named)

    def schema(self, name: str) -> Schema | None:
        return catalogue.read_schema(self, name)

    def schemas(self, names: Sequence[str], prefixes: Sequence[str]) -> dict[str, Schema]:
        return catalogue.read_schemas(self, names, prefixes)

    def schemas_with(self, table: str) -> list[str]:
        return catalogue.schemas_with(self, table)

    def layout_of(self, schemas: Sequence[str]) -> dict[str, frozenset[str]]:
        return ddl.layout_of(self, schemas)

    def columns_of(self, schema: str, table: str) -> set[str]:
        return catalogue.columns_of(self, schema, table)

    def older_than(self, schema: str, table: str) -> list[str]:
        return catalogue.older_than(self, schema, table)

    def stored_programs(self, schema: str) -> list[str]:
        return catalogue.stored_programs(self, schema)

    def count(self, schema: str, table: str) -> int:
        return catalogue.count_rows(self, schema, table)

    def rights(self) -> Rights:
        return read_rights(self)

    def neighbours(self, schema: str, rights: engine.Rights) -> Neighbours:
        # An engine is handed its own rights back.
        return read_neighbours(self, schema, cast(Rights, rights))

    def fitness(self, rights: engine.Rights, tls: Tls | None = None) -> Fitness:
        return read_fitness(self, cast(Rights, rights), tls)

    def sessions_in(self, *schemas: str) -> list[Session]:
        return catalogue.sessions_in(self, *schemas)

    def wait_for_sessions(self, schemas: Sequence[str], timeout_seconds: float, progress: Progress) -> list[Session]:
        return exclusive.wait_for_sessions(self, schemas, timeout_seconds, progress)

    def alone(self, live: str, timeout_seconds: float) -> AbstractContextManager[None]:
        return exclusive.alone(self, live, timeout_seconds)

    def wait_until_nobody_moves(self, live: str, timeout_seconds: float, progress: Progress) -> None:
        exclusive.wait_until_nobody_moves(self, live, timeout_seconds, progress)

    def locked(self, schema: str, tables: Iterable[str]) -> AbstractContextManager[None]:
        return exclusive.locked(self, schema, tables)

    def create_schema(self, schema: str, charset: str, collation: str) -> None:
        ddl.create_schema(self, schema, charset, collation)

    def match_charset(self, schema: str, charset: str, collation: str) -> None:
        ddl.match_charset(self, schema, charset, collation)

    def create_table(
        self, schema: str, table: str, columns: str, *, exact: bool = False, if_missing: bool = False
    ) -> None:
        ddl.create_table(self, schema, table, columns, exact=exact, if_missing=if_missing)

    def rename_table(self, schema: str, table: str, new: str) -> None:
        ddl.rename_table(self, schema, table, new)

    def move_tables(self, moves: Iterable[tuple[str, str, str]], progress: Progress) -> None:
        ddl.rename_tables(self, moves, progress)

    def probe_move(self, workspace: str, aside: str, table: str, engines: Iterable[str]) -> None:
        ddl.probe_rename(self, workspace, aside, table, engines)

    def drop_tables(self, schema: str, tables: Sequence[str]) -> None:
        ddl.drop_tables(self, schema, tables)

    def drop_unreferenced(self, schema: str, tables: Collection[str]) -> None:
        ddl.drop_unreferenced(self, schema, tables)

    def drop_schema(self, schema: str) -> None:
        ddl.drop_schema(self, schema)

    def checksums(self, schema: str, tables: Iterable[str], progress: Progress) -> dict[str, Content]:
        return content.checksums(self, schema, tables, progress)

    def fingerprints(self, schema: str, tables: Iterable[str], progress: Progress) -> dict[str, Content]:
        return content.fingerprints(self, schema, tables, progress)

    def definitions(self, schema: str, tables: Iterable[str]) -> dict[str, tuple[str, ...]]:
        return definitions(self, schema, tables)

    def refuse_too_large(self, schema: str, largest: Mapping[str, int]) -> None:
        content.refuse_too_large(self, schema, largest)

    def refuse_limits(self) -> None:
        refuse_limits(self.given_limits)
