# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every engine's folder provides.

The rooms above name no engine and use no dialect. They send only the SQL that all engines have: SELECT with UNION ALL
and LIMIT, INSERT, UPDATE, DELETE and DROP TABLE IF EXISTS, values as `%s`, names from `Database.quoted`, TRUE, FALSE,
COALESCE, COUNT, MAX and REPLACE(), times as values, not from functions of the server. Columns of our own tables are
INT, BIGINT, SMALLINT, VARCHAR or TEXT, with NOT NULL and PRIMARY KEY.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime

    from .address import Address
    from .description import Content, Fitness, Neighbours, Schema, Server, Session
    from .server_wait import ServerWait
    from .tls import Tls

Progress = Callable[[str], None]


class Use(Enum):
    """What a user needs rights on a schema for."""

    BUILD = "to build, move, dump and restore its tables"
    LOCK = "to lock its tables while they are compared"
    LIST = "to keep a table of our own in it"


class Rights(Protocol):
    """What the connected user may do."""

    account: str

    @property
    def unseen(self) -> list[str]:
        """Why the list of sessions may be incomplete, in words; empty if it is complete."""

    def missing(self, schemas: Iterable[str], use: Use = Use.BUILD) -> list[str]:
        """The missing rights, in words."""

    def remedies(
        self, live: str, schemas: Iterable[str], use: Use = Use.BUILD, of_runs: tuple[str, ...] = ()
    ) -> list[str]:
        """The statements with which an administrator grants the missing rights.

        Schemas that begin with one of `of_runs` get their names in a later run.
        """

    def hidden_in(self, schema: str) -> list[str]:
        """Kinds of objects that the server would not show this user, so that an empty list of them proves nothing."""

    def to_show(self, schema: str, hidden: Iterable[str]) -> list[str]:
        """The statements after which the server shows these kinds to the user."""


class Database(Protocol):
    """One session of a database server; every statement commits by itself.

    Each method raises OperatorError with the server's own words, never with values: AwayError if the server is away,
    DeniedError if the user may not read. Durations are in seconds.
    """

    # Character set and collation of a schema that accepts any text.
    any_text: tuple[str, str]

    # Statements

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows that a statement returns."""

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:
        """The first column of the first row, or None."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement; returns the number of rows that it affected."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Insert rows in one statement: all of them or none."""

    def together(self, work: Callable[[], None]) -> None:
        """Run the statements of `work` in one transaction. `work` may run several times."""

    def quoted(self, *names: str) -> str:
        """Quoted identifiers: a schema and a table, or a column."""

    def literal(self, text: str) -> str:
        """A text as a literal, for a statement that an administrator is shown."""

    def by_primary_key(self, schema: str, table: str) -> str:
        """The table, for an UPDATE that finds its rows by the primary key and so locks no other rows."""

    def now(self) -> datetime.datetime:
        """The server's clock, in UTC."""

    # The catalogue

    def server(self) -> Server:
        """The server's kind and version."""

    def folded(self, name: str) -> str:
        """A schema's name as this server stores it, which may be in lower case."""

    def meant(self, there: Collection[str], named: Iterable[str]) -> frozenset[str]:
        """Those of the server's names `there` that the names `named`, written by a user, refer to."""

    def schema(self, name: str) -> Schema | None:
        """One schema with its tables, or None if it does not exist."""

    def schemas(self, names: Sequence[str], prefixes: Sequence[str]) -> dict[str, Schema]:
        """The existing schemas with these names or prefixes, by name, with their tables."""

    def schemas_with(self, table: str) -> list[str]:
        """All schemas with a table of this name, as far as the server shows them to the user."""

    def layout_of(self, schemas: Sequence[str]) -> dict[str, frozenset[str]]:
        """The names of the tables in each schema; no names for a schema that does not exist."""

    def columns_of(self, schema: str, table: str) -> set[str]:
        """The names of a table's columns."""

    def older_than(self, schema: str, table: str) -> list[str]:
        """The tables of the schema that were created before this one."""

    def stored_programs(self, schema: str) -> list[str]:
        """Triggers, routines and the like in a schema, in words. Airflow creates none."""

    def count(self, schema: str, table: str) -> int:
        """The exact number of rows; reads the whole table."""

    def rights(self) -> Rights:
        """The rights of the connected user, as a session of Airflow has them."""

    def neighbours(self, schema: str, rights: Rights) -> Neighbours:
        """What in other schemas depends on the tables of this one, as far as the server shows it to the user.

        `rights` come from `rights()` of the same engine.
        """

    def fitness(self, rights: Rights, tls: Tls | None = None) -> Fitness:
        """What the server lacks that a later phase needs. Changes nothing.

        `rights` come from `rights()` of the same engine. `tls` says how Airflow's components will connect.
        """

    # Other sessions

    def sessions_in(self, *schemas: str) -> list[Session]:
        """Other sessions that use one of these schemas, as far as the server shows them to the user."""

    def wait_for_sessions(self, schemas: Sequence[str], timeout_seconds: float, progress: Progress) -> list[Session]:
        """Wait until no other session uses these schemas; returns the sessions that are left after the timeout.

        The server notices a little later than the cluster that a pod has ended.
        """

    def move_lock(self, live: str, timeout_seconds: float) -> AbstractContextManager[None]:
        """In this block no other session of this collection moves tables of this schema.

        Waits for a statement of a killed run that the server still executes. Raises OperatorError after the timeout.
        """

    def wait_until_nobody_moves(self, live: str, timeout_seconds: float, progress: Progress) -> None:
        """Wait while another session of this collection works on this schema: a statement of a killed action.

        Until the server has executed it, it may show all tables as they were. Raises OperatorError after the timeout.
        """

    def locked(self, schema: str, tables: Iterable[str]) -> AbstractContextManager[None]:
        """In this block no other session reads or writes these tables, and this session can use no others.

        Raises OperatorError if another session uses one of them.
        """

    # Changes

    def create_schema(self, schema: str, charset: str, collation: str) -> None:
        """Create a schema if it does not exist. Never drops one."""

    def match_charset(self, schema: str, charset: str, collation: str) -> None:
        """Change a schema's default character set, if it differs: later migrations create their tables with it."""

    def create_table(
        self, schema: str, table: str, columns: str, *, exact: bool = False, if_missing: bool = False
    ) -> None:
        """Create a table of our own, whatever the server's defaults are.

        `exact`: texts are compared by their characters. `if_missing`: no error if it exists.
        """

    def rename_table(self, schema: str, table: str, new: str) -> None:
        """Rename a table within its schema, in one atomic step."""

    def move_tables(self, moves: Iterable[tuple[str, str, str]], progress: Progress) -> None:
        """Move tables to another schema in one statement or transaction; each move is (source, target, table)."""

    def probe_move(self, workspace: str, aside: str, table: str, engines: Iterable[str]) -> None:
        """Try with a table of our own whether tables of these storage engines can move.

        Raises OperatorError if they can't.
        """

    def drop_tables(self, schema: str, tables: Sequence[str]) -> None:
        """Drop tables of a schema in one statement, in spite of foreign keys onto them."""

    def drop_unreferenced(self, schema: str, tables: Collection[str]) -> None:
        """Drop what an interrupted drop has left, but no table that a key of another schema refers to."""

    def drop_schema(self, schema: str) -> None:
        """Drop a schema with all its tables. A failure may leave some of them: OperatorError names these."""

    # Rows and definitions

    def checksums(self, schema: str, tables: Iterable[str], progress: Progress) -> dict[str, Content]:
        """Rows and a sum by table. A move to another schema keeps the sum. Reads every row."""

    def fingerprints(self, schema: str, tables: Iterable[str], progress: Progress) -> dict[str, Content]:
        """Rows, a sum and the longest row by table. A dump and its restore keep the sum. Reads every row."""

    def definitions(self, schema: str, tables: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Columns, keys, constraints and options by table: sorted lines, as the server writes them for a dump.

        Sorted, because a restore may create keys in another order. The order of columns is part of the sums.
        """

    def refuse_too_large(self, schema: str, largest: Mapping[str, int]) -> None:
        """Raises OperatorError if a row (bytes by table) is too long to be restored from a dump."""

    def refuse_limits(self) -> None:
        """Raises OperatorError if the server would not give a dump tool every row."""


@dataclass(frozen=True)
class Driver:
    """A library that Airflow connects with: its name for an import, and its URL with a `%s` for the password.

    `latin_1`: the library encodes the password as Latin-1. `away`: its error numbers for a server that can't be reached
    or doesn't answer.
    """

    module: str
    url: str
    latin_1: bool = False
    away: tuple[int, ...] = ()


class Engine(Protocol):
    """A kind of database server."""

    default_port: int
    # The Python package of our own connections, and the traceback of its import if it can't be imported.
    library: tuple[str, str | None]
    # What the client image must have, and an example of one.
    tools: str
    client_image: str
    # The beginning of the last line of a complete dump.
    dump_ends_with: bytes

    def session(
        self, host: str, port: int, address: Address, where: str, wait: ServerWait
    ) -> AbstractContextManager[Database]:
        """A session of the server at `host` and `port`, which may be a tunnel; `where` names it in messages."""

    def drivers(self, address: Address, schema: str, folder: str) -> list[Driver]:
        """How Airflow connects to a schema: first as its components do, last with the fastest one for migrations.

        The files for TLS are in `folder`.
        """

    def credentials(self, address: Address, folder: str) -> bytes:
        """The first bytes of the client tools' standard input. The files for TLS are in `folder`."""

    def dump(self, schema: str, left_out: Collection[str]) -> tuple[str, list[str]]:
        """A shell script that writes a gzip-compressed dump without the tables `left_out`, and its arguments.

        The script's first argument is the length of the credentials in bytes; these come after it.
        """

    def restore(self, schema: str, size: int) -> tuple[str, list[str]]:
        """A shell script that restores a gzip-compressed dump of `size` bytes, and its arguments, as for `dump`."""

    def tool_failure(self, errors: str) -> tuple[list[str], tuple[str, str] | None]:
        """From a tool's standard error: the lines without values of rows; what was expected and the next step, if
        known."""
