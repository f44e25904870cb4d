# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import contextlib
import re
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ..._common.failure import OperatorError
from ..._kubernetes.network import Network
from ..patience import AT_ONCE, Patience
from ..tls import PREFER, TLS_ARGUMENT, Tls, explained_tls, read_tls
from .data_nodes import check_data_nodes
from .explanation import STATEMENT, AwayError, RolledBackError, cause_of, explained
from .session_settings import arrange

if TYPE_CHECKING:
    from ..._kubernetes.cluster import Cluster

try:
    import pymysql
    import pymysql.connections
    import pymysql.constants
except ImportError:
    pymysql = None  # type: ignore[assignment,unused-ignore]
    PYMYSQL_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    PYMYSQL_IMPORT_ERROR = None

CONNECT_TIMEOUT_SECONDS = 10
# A greeting, a login and a setting come at once, but for a server that asks slow name servers who connects.
PROMPT_SECONDS = 30.0
# A server that hangs. Reading a big table from end to end takes minutes, not an hour.
ANSWER_TIMEOUT_SECONDS = 3600
# A server whose node is gone: it doesn't even confirm that it has received anything.
GONE_SECONDS = 60
_WATCH = {
    "TCP_KEEPIDLE": GONE_SECONDS // 2,
    "TCP_KEEPINTVL": GONE_SECONDS // 6,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": GONE_SECONDS * 1000,
}
Result = TypeVar("Result")
# How long to wait each time before a statement is sent again that the server has rolled back. The transactions that it
# met are those of Airflow's scheduler: some each second, all of them short.
PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0)
# DDL isn't repeated: on servers that don't take back what it did, a part of it may be done. It wins over those anyway.
_ALL_OR_NOTHING = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE)\b")
# Asked whether it still lives before a statement that comes later than this after the last one.
IDLE_SECONDS = 0.5

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
            "tls": TLS_ARGUMENT,
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
    tls: Tls = field(default_factory=Tls)

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
    tls = read_tls(cluster, options.get("tls"))
    return Address(options["host"], options["port"], options["name"], options["user"], entries[key], tls)


class Database:
    """One session of the database server, without a default schema: names in statements are always qualified.

    That keeps this session out of the list of sessions that use a schema, and statements free of hidden context.
    Every statement commits by itself, so a session that a server or a proxy closed while it was idle is replaced by
    another one (`reopen`), unless something depends on its being the same (`kept`, `together`). What the server itself
    has rolled back is sent again.
    """

    def __init__(
        self,
        connection: Any,
        where: str,
        reopen: Callable[[], Any] | None = None,
        given_limits: Mapping[str, int] | None = None,
    ) -> None:
        self._connection = connection
        # What other sessions of this user are limited to (session_settings).
        self.given_limits: Mapping[str, int] = given_limits if given_limits is not None else {}
        self._where, self._reopen = where, reopen
        self._used = time.monotonic()
        self._needed_for: list[str] = []
        self._in_transaction = False

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows a statement returns. Raises OperatorError with the server's own words, never with values."""
        return self._sent(statement, values, lambda cursor: list(cursor.fetchall()))

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement; returns the number of rows it affected."""
        return self._sent(statement, values, lambda cursor: int(cursor.rowcount))

    def _sent(self, statement: str, values: Sequence[object], read: Callable[[Any], Result]) -> Result:
        def send() -> Result:
            try:
                self._alive()
                with self._connection.cursor() as cursor:
                    cursor.execute(self._rendered(statement, values))
                    return read(cursor)
            except pymysql.MySQLError as error:
                raise explained(error, self._where) from None
            finally:
                self._used = time.monotonic()

        alone = not self._in_transaction and _ALL_OR_NOTHING.match(statement)
        return _repeated(send) if alone else send()

    @contextlib.contextmanager
    def kept(self, purpose: str) -> Iterator[None]:
        """In this block the session must stay the same one: it holds a lock, or has settings of its own."""
        self._needed_for.append(purpose)
        try:
            yield
        finally:
            self._needed_for.pop()

    def together(self, work: Callable[[], None]) -> None:
        """The statements of `work` take effect together, or none of them does."""

        def attempt() -> None:
            # Without a ROLLBACK the next statement that defines a table would commit what there is of it.
            with self.between("START TRANSACTION", "COMMIT", undone_by="ROLLBACK", what="a transaction"):
                self._in_transaction = True
                try:
                    work()
                finally:
                    self._in_transaction = False

        _repeated(attempt)

    @contextlib.contextmanager
    def between(self, first: str, last: str, *, undone_by: str, what: str) -> Iterator[None]:
        """Two statements around this block, all in one session: it is needed for `what`.

        `undone_by` is the last one where the block fails.
        """
        self.execute(first)
        with self.kept(what):
            try:
                yield
            except BaseException:
                with contextlib.suppress(OperatorError):
                    self.execute(undone_by)
                raise
            self.execute(last)

    def close(self) -> None:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            self._connection.close()

    def _alive(self) -> None:
        """Make sure that there is a session before a statement is sent. None is sent twice that may have been done."""
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
                    untouched=STATEMENT,
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
        places = sum(match[0] == "%s" for match in _TOKEN.finditer(statement))
        if places != len(values):
            raise ValueError(f"a statement takes {places} values and was given {len(values)}")
        given = iter(values)
        return _TOKEN.sub(lambda match: self._literal(next(given)) if match[0] == "%s" else match[0], statement)

    def _literal(self, value: object) -> str:
        if isinstance(value, bytes):
            # The library's oldest version writes them as text, in the session's character set.
            return f"x'{value.hex()}'"
        return str(self._connection.escape(value, self._connection.encoders))

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


def _repeated(attempt: Callable[[], Result]) -> Result:
    """The result of `attempt`, which is made again a few times while the server rolls it back."""
    for pause in PAUSES_SECONDS:
        try:
            return attempt()
        except RolledBackError:
            time.sleep(pause)
    return attempt()


@contextlib.contextmanager
def connected(cluster: Cluster, address: Address, patience: Patience = AT_ONCE) -> Iterator[Database]:
    """A session of the server, through a tunnel where its name does not lead to it from here."""
    where = f"{address.host}:{address.port} as {address.user}"
    with Network(cluster) as network:

        def find() -> tuple[str, int]:
            try:
                return network.address(address.host, address.port)
            except OperatorError as error:  # it has no ready pod, say
                raise AwayError(
                    error.found, expected=error.expected, untouched=error.untouched, next_step=error.next_step
                ) from None

        host, port = patience.wait_for(find)
        with session(
            host, port, address.user, address.password, where, address.tls, address.host, patience
        ) as database:
            yield database


@contextlib.contextmanager
def session(
    host: str,
    port: int,
    user: str,
    password: bytes,
    where: str,
    tls: Tls | None = None,
    name: str = "",
    patience: Patience = AT_ONCE,
) -> Iterator[Database]:
    """A session at an address that can be reached from here; `where` names it in messages.

    `name` is what the server is called, where the address is that of a tunnel to it. `patience` is that for a server
    that is away, also when a session that was closed is opened again.
    """
    encryption = tls or Tls()
    given_limits: dict[str, int] = {}

    def opened() -> Any:
        try:
            try:
                connection = connect(encryption.context(name or host))
            except pymysql.MySQLError as error:
                # `prefer` is for servers of any kind, as the tools have it.
                if encryption.mode != PREFER or explained_tls(cause_of(error), host) is None:
                    raise
                connection = connect(None)
            given_limits.update(arrange(connection))
            check_data_nodes(connection)
        except (pymysql.MySQLError, RuntimeError) as error:
            raise explained(error, where, "the database: no statement was sent", name or host) from None
        connection.wait_for(ANSWER_TIMEOUT_SECONDS)
        return connection

    def connect(context: Any) -> Any:
        return connection_kind(encryption.mode)(
            host=host,
            port=port,
            user=user,
            # As bytes: the library encodes text as Latin-1, the server's tools store what the client sends, UTF-8.
            password=password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=PROMPT_SECONDS,
            write_timeout=PROMPT_SECONDS,
            # Nothing of the machine's: no option file, no default user.
            read_default_file=None,
            ssl=context,
            ssl_disabled=context is None,
        )

    def reached() -> Any:
        return patience.wait_for(opened)

    database = Database(reached(), where, reached, given_limits)
    with contextlib.closing(database):
        yield database


def connection_kind(mode: str) -> Any:
    """The library's connection, but for two things.

    What it does where the server offers no TLS: that differs by its version. And how long it waits for a server that
    says nothing: not for minutes where an answer takes none.
    """

    # Its types don't describe what is overridden.
    base: Any = pymysql.connections.Connection

    class Connection(base):  # type: ignore[misc,unused-ignore]
        ssl: Any

        def connect(self, sock: Any = None) -> None:
            super().connect(sock)
            for name, value in _WATCH.items():
                # Not every system has all of them.
                with contextlib.suppress(AttributeError, OSError):
                    self._sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

        def wait_for(self, seconds: float) -> None:
            """From here on, this is how long an answer may take."""
            self._read_timeout = self._write_timeout = seconds

        def ping(self, reconnect: bool = False) -> None:
            before = self._read_timeout
            self.wait_for(PROMPT_SECONDS)
            try:
                super().ping(reconnect)
            finally:
                self.wait_for(before)

        def _request_authentication(self) -> None:
            offered = self.server_capabilities  # type: ignore[attr-defined,unused-ignore]  # not in its types
            if self.ssl and not offered & pymysql.constants.CLIENT.SSL:
                if mode != PREFER:
                    raise pymysql.OperationalError(2026, "the server offers no TLS")
                self.ssl = False
            super()._request_authentication()  # type: ignore[misc,unused-ignore]  # not in its types

    return Connection


def quoted(*names: str) -> str:
    """Identifiers as the server wants them: `schema`.`table`."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def own_table(database: Database) -> str:
    """How a table of this collection's own is made, whatever the server's defaults are (for CREATE TABLE).

    On a server that makes its tables with NDB, ours are seen by all its SQL nodes, as Airflow's are; elsewhere they are
    transactional, with room for long keys.
    """
    default = str(database.value("SELECT @@GLOBAL.default_storage_engine")).lower()
    engine = "ENGINE=NDBCLUSTER" if default in ("ndb", "ndbcluster") else "ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
    return f"{engine} CHARACTER SET utf8mb4"


# What is in quotes stands for itself.
_TOKEN = re.compile(r"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|%s", re.DOTALL)


def like_prefix(text: str) -> str:
    """A LIKE pattern for everything that begins with `text`."""
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"
