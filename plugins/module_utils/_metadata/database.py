# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import contextlib
import re
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
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
# Asked whether it still lives before a statement that comes later than this after the last one.
IDLE_SECONDS = 0.5
# A statement that needs a table somebody else uses gives up after this long, instead of blocking everybody behind it.
LOCK_WAIT_SECONDS = 30

SQL_MODE = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
NO_LIMIT = 2**64 - 1
# Settings of the session, as far as the server has them; those of the server and the user may be anything.
SETTINGS = {
    "time_zone": "'+00:00'",
    "lock_wait_timeout": str(LOCK_WAIT_SECONDS),
    "innodb_lock_wait_timeout": str(LOCK_WAIT_SECONDS),
    # Idle while a tool dumps or a Job migrates, and while a big table is read nothing is sent.
    "wait_timeout": "28800",
    "interactive_timeout": "28800",
    "net_read_timeout": "600",
    "net_write_timeout": "600",
    "idle_transaction_timeout": "0",
    "idle_readonly_transaction_timeout": "0",
    "idle_write_transaction_timeout": "0",
    # Limits on what a statement may read and change.
    "sql_safe_updates": "0",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "completion_type": "'NO_CHAIN'",
    "sql_auto_is_null": "0",
    # How the server writes names, and in which language it complains.
    "sql_quote_show_create": "1",
    "lc_messages": "'en_US'",
    # Estimates of MySQL 8 as they are now.
    "information_schema_stats_expiry": "0",
}
_ON_OFF = {"0": "off", "1": "on"}

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
    Every statement commits by itself, so a session that a server or a proxy closed while it was idle is replaced by
    another one (`reopen`), unless something depends on its being the same (`kept`).
    """

    def __init__(self, connection: Any, where: str, reopen: Callable[[], Any] | None = None) -> None:
        self._connection = connection
        self._where, self._reopen = where, reopen
        self._used = time.monotonic()
        self._needed_for: list[str] = []

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows a statement returns. Raises OperatorError with the server's own words, never with values."""
        with self._cursor(statement, values) as cursor:
            return list(cursor.fetchall())

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement; returns the number of rows it affected."""
        with self._cursor(statement, values) as cursor:
            return int(cursor.rowcount)

    @contextlib.contextmanager
    def _cursor(self, statement: str, values: Sequence[object]) -> Iterator[Any]:
        try:
            self._alive()
            with self._connection.cursor() as cursor:
                cursor.execute(self._rendered(statement, values))
                yield cursor
        except pymysql.MySQLError as error:
            raise explained(error, self._where) from None
        finally:
            self._used = time.monotonic()

    @contextlib.contextmanager
    def kept(self, purpose: str) -> Iterator[None]:
        """In this block the session must stay the same one: it holds a lock, or has settings of its own."""
        self._needed_for.append(purpose)
        try:
            yield
        finally:
            self._needed_for.pop()

    def close(self) -> None:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            self._connection.close()

    def _alive(self) -> None:
        """Make sure that there is a session before a statement is sent. No statement is ever sent twice."""
        if time.monotonic() - self._used < IDLE_SECONDS:
            return
        try:
            self._connection.ping(reconnect=False)
        except (pymysql.MySQLError, OSError) as error:
            if self._needed_for:
                raise OperatorError(
                    f"the database server {self._where} ended this session while it was needed for"
                    f" {self._needed_for[-1]} ({type(error).__name__})",
                    expected="the session to last",
                    untouched=_STATEMENT,
                    next_step="see why it was ended (KILL, a restart, a proxy's time limit), then run the same command"
                    " again",
                ) from None
            self.close()
            if self._reopen is not None:
                self._connection = self._reopen()

    def _rendered(self, statement: str, values: Sequence[object]) -> str:
        """The statement with its values in it. `%s` outside quotes is the one thing that is replaced.

        The library's own way replaces every `%` where there are values, and none where there are none.
        """
        given = iter(values)
        text = _TOKEN.sub(
            lambda match: (
                self._connection.escape(next(given), self._connection.encoders) if match[0] == "%s" else match[0]
            ),
            statement,
        )
        if next(given, _NO_VALUE) is not _NO_VALUE:
            raise ValueError("a statement was given more values than it takes")
        return text

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

    def opened() -> Any:
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
                # Nothing of the machine's: no option file, no default user.
                read_default_file=None,
            )
            arrange(connection)
        except pymysql.MySQLError as error:
            raise explained(error, where, untouched="the database: no statement was sent") from None
        return connection

    database = Database(opened(), where, opened)
    with contextlib.closing(database):
        yield database


def arrange(connection: Any) -> None:
    """Give a session the settings that its statements were written for, whatever the server's or the user's are."""
    with connection.cursor() as cursor:
        # A limit on statements may already be too short for these.
        for limit in ("max_statement_time", "max_execution_time"):
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute(f"SET SESSION {limit} = 0")
        # On these it depends how texts are quoted from here on, and whether anything may be read at all.
        cursor.execute(f"SET SESSION sql_mode = '{SQL_MODE}', sql_big_selects = 1, sql_select_limit = {NO_LIMIT}")
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE")
        # What began with the first statement is of the kind that the server is set to.
        cursor.execute("ROLLBACK")
        cursor.execute(
            "SHOW SESSION VARIABLES WHERE Variable_name IN (" + ", ".join(f"'{name}'" for name in SETTINGS) + ")"
        )
        found = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
        for name, wanted in SETTINGS.items():
            # Each server has some of them, and a user may not set every one.
            if name in found and found[name].lower() not in (wanted.strip("'").lower(), _ON_OFF.get(wanted)):
                with contextlib.suppress(pymysql.MySQLError):
                    cursor.execute(f"SET SESSION {name} = {wanted}")


def quoted(*names: str) -> str:
    """Identifiers as the server wants them: `schema`.`table`."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


# What is in quotes stands for itself.
_TOKEN = re.compile(r"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|%s", re.DOTALL)
_NO_VALUE = object()
_STATEMENT = "what this statement was to change; earlier statements of this action are done and are recognised"


def like_prefix(text: str) -> str:
    """A LIKE pattern for everything that begins with `text`."""
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"


def explained(error: Exception, where: str, untouched: str = _STATEMENT) -> OperatorError:
    """A failure of the database library in an operator's words."""
    code, text = error.args[0] if error.args else 0, str(error.args[-1] if error.args else error)
    # 1025, 150: a table takes the place of one that a key of another schema still refers to, and doesn't fit it.
    known = 1451 if code == 1025 and "150" in text else code
    expected, next_step = _ADVICE.get(
        known if isinstance(known, int) else 0,
        ("the statement to be accepted", "see the server's message; run the same command again when it is put right"),
    )
    return OperatorError(
        f"the database server {where} answered {code}: {text}",
        expected=expected,
        untouched=untouched,
        next_step=next_step,
    )


def advice_for(codes: Sequence[int]) -> tuple[str, str] | None:
    """What was expected and what to do next, for the first of a tool's errors that is known."""
    return next((_ADVICE[code] for code in codes if code in _ADVICE), None)


_UNREACHABLE = (
    "a database server that answers",
    "check that its pod or host is up and the address is right, then run the same command again",
)
_DENIED = (
    "the user to have the right for it",
    "let hopsworks.airflow.metadata_db_info list `missing_privileges`, grant them, run the same command again",
)
_FIND_KEY = (
    "an administrator of the database finds it: SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME,"
    " UNIQUE_CONSTRAINT_SCHEMA FROM information_schema.REFERENTIAL_CONSTRAINTS"
    " WHERE CONSTRAINT_SCHEMA <> UNIQUE_CONSTRAINT_SCHEMA; when its owner has dropped that key"
    " (ALTER TABLE ... DROP FOREIGN KEY ...), run the same command again: it finishes what is begun"
)
_REFERRED_TO = ("no foreign key of another schema onto these tables", _FIND_KEY)
_ENLARGE = (
    "as an administrator of the database: SET GLOBAL max_allowed_packet = 1073741824, and the same in its"
    " configuration; then run the same command again"
)
_TOO_LARGE = ("every row to fit into the server's max_allowed_packet, as a statement", _ENLARGE)
_ADVICE: dict[int, tuple[str, str]] = {
    1045: (
        "the user and the password of the Secret to be accepted",
        "correct database.user or database.password_secret",
    ),
    1044: _DENIED,
    1142: _DENIED,
    1227: _DENIED,
    1217: _REFERRED_TO,
    1451: _REFERRED_TO,
    3730: _REFERRED_TO,
    1205: (
        f"nobody to hold the tables for more than {LOCK_WAIT_SECONDS} s",
        "find who uses them (SHOW FULL PROCESSLIST), end it, run the same command again",
    ),
    1153: _TOO_LARGE,
    2020: _TOO_LARGE,
    2002: _UNREACHABLE,
    2003: _UNREACHABLE,
    2006: _UNREACHABLE,
    2013: _UNREACHABLE,
}
