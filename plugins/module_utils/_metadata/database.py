# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.network import Network
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster

try:
    import pymysql
except ImportError:
    pymysql = None  # type: ignore[assignment,unused-ignore]
    PYMYSQL_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    PYMYSQL_IMPORT_ERROR = None

CONNECT_TIMEOUT_SECONDS = 10
# A connection that died unnoticed. Reading a big table from end to end takes minutes, not an hour.
ANSWER_TIMEOUT_SECONDS = 3600
# A statement that needs a table somebody else uses gives up after this long, instead of blocking everybody behind it.
LOCK_WAIT_SECONDS = 30

# The argument spec of the option `database`; documented in the fragment hopsworks.airflow.database.
DATABASE_ARGUMENT: dict[str, Any] = {
    "database": {
        "type": "dict",
        "required": True,
        "options": {
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "default": 3306},
            "name": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "password_secret": {
                "type": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "key": {"type": "str", "required": True, "no_log": False},
                },
            },
        },
    },
}


@dataclass(frozen=True)
class Address:
    """Where the metadata database is and who connects; `password` never leaves this process."""

    host: str
    port: int
    name: str
    user: str
    password: bytes

    def __repr__(self) -> str:
        return f"Address({self.user}@{self.host}:{self.port}/{self.name})"


def read_address(cluster: Cluster, options: dict[str, Any]) -> Address:
    """The option `database` with the password read from its Secret. Raises OperatorError where it is not there."""
    secret, key = options["password_secret"]["name"], options["password_secret"]["key"]
    entries = cluster.secret_entries(secret)
    if entries is None or key not in entries:
        found = "there is no such Secret" if entries is None else f"its entries are {', '.join(sorted(entries))}"
        raise OperatorError(
            f"no entry {key} in Secret {secret} of namespace {cluster.namespace}: {found}",
            expected="the password of the database user there",
            untouched="everything; the database was not contacted",
            next_step="correct database.password_secret, or create the entry, then run the same command again",
        )
    return Address(options["host"], options["port"], options["name"], options["user"], entries[key])


class Database:
    """One session of the database server, without a default schema: names in statements are always qualified.

    That keeps this session out of the list of sessions that use a schema, and statements free of hidden context.
    Every statement commits by itself.
    """

    def __init__(self, connection: Any, where: str) -> None:
        self._connection = connection
        self._where = where

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows a statement returns. Raises OperatorError with the server's own words, never with values."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, tuple(values) or None)
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            raise explained(error, self._where) from None

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement; returns the number of rows it affected."""
        try:
            with self._connection.cursor() as cursor:
                return int(cursor.execute(statement, tuple(values) or None))
        except pymysql.MySQLError as error:
            raise explained(error, self._where) from None

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:
        """The first column of the first row, or None."""
        rows = self.rows(statement, values)
        return rows[0][0] if rows else None

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Insert rows in one statement, so that all of them are there or none."""
        if rows:
            line = "(" + ", ".join(["%s"] * len(columns)) + ")"
            self.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([line] * len(rows))}",
                [value for row in rows for value in row],
            )


@contextlib.contextmanager
def connected(cluster: Cluster, address: Address) -> Iterator[Database]:
    """A session of the server, through a tunnel where its name does not resolve here."""
    where = f"{address.host}:{address.port} as {address.user}"
    with Network(cluster) as network:
        host, port = network.address(address.host, address.port)
        with session(host, port, address.user, address.password, where) as database:
            yield database


@contextlib.contextmanager
def session(host: str, port: int, user: str, password: bytes, where: str) -> Iterator[Database]:
    """A session at an address that can be reached from here; `where` names it in messages."""
    try:
        connection = pymysql.connect(
            host=host,
            port=port,
            user=user,
            # As bytes: the library encodes text as Latin-1, the server's tools store what the client sends, UTF-8.
            password=password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=ANSWER_TIMEOUT_SECONDS,
            init_command=f"SET SESSION time_zone = '+00:00', lock_wait_timeout = {LOCK_WAIT_SECONDS}",
        )
    except pymysql.MySQLError as error:
        raise explained(error, where, untouched="the database: no statement was sent") from None
    with contextlib.closing(connection):
        yield Database(connection, where)


def quoted(*names: str) -> str:
    """Identifiers as the server wants them: `schema`.`table`."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


_STATEMENT = "what this statement was to change; earlier statements of this action are done and are recognised"


def like_prefix(text: str) -> str:
    """A LIKE pattern for everything that begins with `text`."""
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"


def explained(error: Exception, where: str, untouched: str = _STATEMENT) -> OperatorError:
    """A failure of the database library in an operator's words."""
    code, text = error.args[0] if error.args else 0, str(error.args[-1] if error.args else error)
    expected, next_step = _ADVICE.get(
        code if isinstance(code, int) else 0,
        ("the statement to be accepted", "see the server's message; run the same command again when it is put right"),
    )
    return OperatorError(
        f"the database server {where} answered {code}: {text}",
        expected=expected,
        untouched=untouched,
        next_step=next_step,
    )


_UNREACHABLE = (
    "a database server that answers",
    "check that its pod or host is up and the address is right, then run the same command again",
)
_DENIED = (
    "the user to have the right for it",
    "let hopsworks.airflow.metadata_db_info list `missing_privileges`, grant them, run the same command again",
)
_ADVICE: dict[int, tuple[str, str]] = {
    1045: (
        "the user and the password of the Secret to be accepted",
        "correct database.user or database.password_secret",
    ),
    1044: _DENIED,
    1142: _DENIED,
    1227: _DENIED,
    1205: (
        f"nobody to hold the tables for more than {LOCK_WAIT_SECONDS} s",
        "find who uses them (SHOW FULL PROCESSLIST), end it, run the same command again",
    ),
    2002: _UNREACHABLE,
    2003: _UNREACHABLE,
    2006: _UNREACHABLE,
    2013: _UNREACHABLE,
}
