# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import traceback
from collections.abc import Iterator
from typing import Any

from ..server_wait import NO_WAIT, ServerWait
from ..tls import PREFER, Tls, explained_tls
from .data_nodes import check_data_nodes
from .database import MySql
from .explanation import cause_of, explained
from .session_settings import arrange

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
# A greeting, a login and a setting take no time, unless the server asks slow name servers for the client's name.
PROMPT_SECONDS = 30.0
# For a server that hangs. Reading a big table takes minutes, not an hour.
ANSWER_TIMEOUT_SECONDS = 3600
# For a server whose node is gone: it doesn't even acknowledge packets.
GONE_SECONDS = 60
_WATCH = {
    "TCP_KEEPIDLE": GONE_SECONDS // 2,
    "TCP_KEEPINTVL": GONE_SECONDS // 6,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": GONE_SECONDS * 1000,
}


@contextlib.contextmanager
def session(
    host: str,
    port: int,
    user: str,
    password: bytes,
    where: str,
    tls: Tls | None = None,
    name: str = "",
    wait: ServerWait = NO_WAIT,
) -> Iterator[MySql]:
    """A session at an address that can be reached from here; `where` names it in messages.

    `name` is the server's own name, if the address is a tunnel to it. `wait` also applies when a closed session is
    opened again.
    """
    encryption = tls or Tls()
    given_limits: dict[str, int] = {}

    def opened() -> Any:
        try:
            try:
                connection = connect(encryption.context(name or host))
            except pymysql.MySQLError as error:
                # `prefer` accepts a server without usable TLS, as the tools do.
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
            # As bytes: the library encodes text as Latin-1, but passwords are set by tools that send UTF-8.
            password=password,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=PROMPT_SECONDS,
            write_timeout=PROMPT_SECONDS,
            # Nothing from this machine: no option file, no default user.
            read_default_file=None,
            ssl=context,
            ssl_disabled=context is None,
        )

    def reached() -> Any:
        return wait.wait_for(opened)

    database = MySql(reached(), where, reached, given_limits)
    with contextlib.closing(database):
        yield database


def connection_kind(mode: str) -> Any:
    """The library's connection, with two changes: what it does if the server offers no TLS, which differs between its
    versions, and how long it waits for an answer that normally comes immediately.
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
            """The timeout of all following answers."""
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
