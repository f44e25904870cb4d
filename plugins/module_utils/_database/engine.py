# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every engine does: the doors of its folder.

Whoever calls them names no engine and writes no dialect. Statements that they send themselves are of the SQL that all
engines have: SELECT, INSERT, UPDATE and DELETE with values as `%s`, names from `Database.quoted`, TRUE and FALSE,
COALESCE, and moments as values instead of functions of the server.
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
    from .patience import Patience
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
        """Why the list of sessions may lack some, in words; empty where it is complete."""

    def missing(self, schemas: Iterable[str], use: Use = Use.BUILD) -> list[str]:
        """What is lacking, in words."""

    def remedies(
        self, live: str, schemas: Iterable[str], use: Use = Use.BUILD, of_runs: tuple[str, ...] = ()
    ) -> list[str]:
        """The statements that give what is lacking, for an administrator.

        Schemas that begin with one of `of_runs` get their names in a later run.
        """

    def hidden_in(self, schema: str) -> list[str]:
        """Kinds of objects of which "there are none" means nothing, as the user would not be shown any."""

    def to_show(self, schema: str, hidden: Iterable[str]) -> list[str]:
        """The statements that let the user be shown these kinds."""


class Database(Protocol):
    """One session of a database server; every statement commits by itself.

    Each of its methods raises OperatorError with the server's own words, never with values: AwayError where the server
    is away, DeniedError where the user may not read.
    """

    # Character set and collation of a schema that takes any text.
    any_text: tuple[str, str]

    # Statements

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows a statement returns."""

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:
        """The first column of the first row, or None."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement; returns the number of rows it affected."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Insert rows in one statement, so that all of them are there or none."""

    def together(self, work: Callable[[], None]) -> None:
        """The statements of `work` take effect together, or none of them does."""

    def quoted(self, *names: str) -> str:
        """Identifiers as the server wants them: schema and table, or a column."""

    def literal(self, text: str) -> str:
        """A text in a statement that is shown to an administrator."""

    def by_primary_key(self, schema: str, table: str) -> str:
        """The table in an UPDATE whose rows are found by the primary key, so that no others are locked."""

    def now(self) -> datetime.datetime:
        """The server's clock, in UTC."""

    # What is there

    def server(self) -> Server:
        """What runs there."""

    def folded(self, name: str) -> str:
        """A schema's name as this server keeps it."""

    def meant(self, there: Collection[str], named: Iterable[str]) -> frozenset[str]:
        """Those of the names that the server answers with that are meant by what somebody wrote."""

    def schema(self, name: str) -> Schema | None:
        """One schema with its tables, or None where there is no such schema."""

    def schemas(self, names: Sequence[str], prefixes: Sequence[str]) -> dict[str, Schema]:
        """The schemas with these names, and those whose names begin so, as far as they exist, with their tables."""

    def schemas_with(self, table: str) -> list[str]:
        """Every schema that is shown to the user and has a table of this name."""

    def layout_of(self, schemas: Sequence[str]) -> dict[str, frozenset[str]]:
        """Names of the tables in each schema; none where there is no such schema."""

    def columns_of(self, schema: str, table: str) -> set[str]:
        """Names of a table's columns."""

    def older_than(self, schema: str, table: str) -> list[str]:
        """Tables of the schema that were made before this one."""

    def stored_programs(self, schema: str) -> list[str]:
        """Triggers, routines and the like in a schema, in words: Airflow makes none."""

    def count(self, schema: str, table: str) -> int:
        """Exact number of rows; reads the table from end to end."""

    def rights(self) -> Rights:
        """Rights of the connected user, as a session of Airflow has them."""

    def neighbours(self, schema: str, rights: Rights) -> Neighbours:
        """What in other schemas depends on the tables of this one, as far as the user is shown it.

        `rights` are those that `rights()` has read.
        """

    def fitness(self, rights: Rights, tls: Tls | None = None) -> Fitness:
        """What the server can't do that a later phase needs; `tls` is how Airflow's components are to connect."""

    # Who else is there

    def sessions_in(self, *schemas: str) -> list[Session]:
        """Sessions of others that use one of these schemas, as far as they are shown."""

    def wait_for_sessions(self, schemas: Sequence[str], timeout_seconds: float, progress: Progress) -> list[Session]:
        """Wait until nobody else is connected; returns those who still are after the time."""

    def alone(self, live: str, timeout_seconds: float) -> AbstractContextManager[None]:
        """Nobody else of this collection moves tables of this schema meanwhile.

        A statement of a killed run that the server still carries out is waited for.
        """

    def wait_until_nobody_moves(self, live: str, timeout_seconds: float, progress: Progress) -> None:
        """Wait while another session of this collection works on this schema."""

    def locked(self, schema: str, tables: Iterable[str]) -> AbstractContextManager[None]:
        """Nobody else reads or writes these tables meanwhile, and this session can use no others."""

    # What is changed

    def create_schema(self, schema: str, charset: str, collation: str) -> None:
        """Make sure it is there. Never drops one."""

    def match_charset(self, schema: str, charset: str, collation: str) -> None:
        """Give a schema a default character set, if it has another."""

    def create_table(
        self, schema: str, table: str, columns: str, *, exact: bool = False, if_missing: bool = False
    ) -> None:
        """Make a table of our own. `exact`: texts are compared by their characters. `if_missing`: it may be there."""

    def rename_table(self, schema: str, table: str, new: str) -> None:
        """Give a table another name, at once."""

    def move_tables(self, moves: Iterable[tuple[str, str, str]], progress: Progress) -> None:
        """Move tables, each from a schema to another (source, target, table), in one statement."""

    def probe_move(self, workspace: str, aside: str, table: str, engines: Iterable[str]) -> None:
        """Find out on a table of our own whether such tables can be moved. Raises OperatorError where not."""

    def drop_tables(self, schema: str, tables: Sequence[str]) -> None:
        """Drop tables of a schema in one statement, whatever refers to whatever."""

    def drop_unreferenced(self, schema: str, tables: Collection[str]) -> None:
        """Drop what an interrupted drop has left, but no table that a key of another schema refers to."""

    def drop_schema(self, schema: str) -> None:
        """Drop a schema with all that is in it."""

    # Rows and definitions

    def checksums(self, schema: str, tables: Iterable[str], progress: Progress) -> dict[str, Content]:
        """A sum over each table's rows: the same wherever the table is moved. Reads every row."""

    def fingerprints(self, schema: str, tables: Iterable[str], progress: Progress) -> dict[str, Content]:
        """The same for a table and for a faithful restore of its dump. Reads every row."""

    def definitions(self, schema: str, tables: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Of each table its columns, keys, constraints and options, a line each, as the server writes them."""

    def refuse_too_large(self, schema: str, largest: Mapping[str, int]) -> None:
        """Raises OperatorError where a row (bytes by table) is too long to be restored from a dump."""

    def refuse_limits(self) -> None:
        """Raises OperatorError where a dump tool's session would not be given every row."""


@dataclass(frozen=True)
class Driver:
    """A library that Airflow connects by: its name for an import, and its URL with a `%s` for the password.

    `latin_1`: the library encodes the password's text as Latin-1. `away`: its error numbers for a server that isn't
    there, or says nothing.
    """

    module: str
    url: str
    latin_1: bool = False
    away: tuple[int, ...] = ()


class Engine(Protocol):
    """A kind of database server."""

    default_port: int
    # The Python package of our own connections, and why it can't be imported.
    library: tuple[str, str | None]
    # What the client image has to have, and an example of one.
    tools: str
    client_image: str
    # How the last line of a whole dump begins.
    dump_ends_with: bytes

    def session(
        self, host: str, port: int, address: Address, where: str, patience: Patience
    ) -> AbstractContextManager[Database]:
        """A session of the server, which is reached at `host` and `port`; `where` names it in messages."""

    def drivers(self, address: Address, schema: str, folder: str) -> list[Driver]:
        """How Airflow connects to a schema: its components first, and last what migrates fastest.

        The files for TLS are in `folder`.
        """

    def credentials(self, address: Address, folder: str) -> bytes:
        """What the client tools read first from standard input."""

    def dump(self, schema: str, left_out: Collection[str]) -> tuple[str, list[str]]:
        """A shell script that writes a gzip-compressed dump without some tables, and its arguments.

        Its first argument is the length of the credentials.
        """

    def restore(self, schema: str, size: int) -> tuple[str, list[str]]:
        """A shell script that plays a gzip-compressed dump of `size` bytes, and its arguments."""

    def tool_failure(self, errors: str) -> tuple[list[str], tuple[str, str] | None]:
        """Of what a tool has written: lines without values of rows; what was expected and what to do, where known."""
