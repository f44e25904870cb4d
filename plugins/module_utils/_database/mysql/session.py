# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ..._common.failure import OperatorError
from ..failures import STATEMENT, RolledBackError
from .explanation import explained

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    import pymysql

Result = TypeVar("Result")
# The pauses before a statement that the server has rolled back is sent again. The other transactions are those of
# Airflow's scheduler: several per second, all of them short.
PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0)
# DDL isn't repeated: some servers don't roll it back, so a part of it may be done. It wins over those transactions
# anyway.
_ALL_OR_NOTHING = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE)\b")
# After a longer pause, the session is tested before the next statement.
IDLE_SECONDS = 0.5


class Statements:
    """One session of the database server, without a default schema: names in statements are always qualified.

    So this session is not in the list of sessions that use a schema, and statements have no hidden context. A session
    that a server or a proxy closed while it was idle is replaced by a new one (`reopen`), unless something depends on
    this one (`kept`, `together`). A statement that the server has rolled back is sent again.
    """

    # From Airflow's documentation: howto/set-up-database.html, "Setting up a MySQL Database".
    any_text = ("utf8mb4", "utf8mb4_unicode_ci")

    def __init__(
        self,
        connection: Any,
        where: str,
        reopen: Callable[[], Any] | None = None,
        given_limits: Mapping[str, int] | None = None,
    ) -> None:
        self._connection = connection
        # The limits of other sessions of this user (session_settings).
        self.given_limits: Mapping[str, int] = given_limits if given_limits is not None else {}
        self._where, self._reopen = where, reopen
        self._used = time.monotonic()
        self._needed_for: list[str] = []
        self._in_transaction = False

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._sent(statement, values, lambda cursor: list(cursor.fetchall()))

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
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

        repeatable = not self._in_transaction and _ALL_OR_NOTHING.match(statement)
        return _repeated(send) if repeatable else send()

    @contextlib.contextmanager
    def kept(self, purpose: str) -> Iterator[None]:
        """In this block the session is not replaced: it holds a lock, or has settings of its own."""
        self._needed_for.append(purpose)
        try:
            yield
        finally:
            self._needed_for.pop()

    def together(self, work: Callable[[], None]) -> None:
        def attempt() -> None:
            # Without a ROLLBACK the next DDL statement would commit a half-done transaction.
            with self.between("START TRANSACTION", "COMMIT", undone_by="ROLLBACK", what="a transaction"):
                self._in_transaction = True
                try:
                    work()
                finally:
                    self._in_transaction = False

        _repeated(attempt)

    @contextlib.contextmanager
    def between(self, first: str, last: str, *, undone_by: str, what: str) -> Iterator[None]:
        """Two statements around this block, all in one session, which is needed for `what`.

        If the block fails, `undone_by` replaces the last one.
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
        """Replace a closed session before a statement is sent: one that may have been done is never sent twice."""
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
                    next_step="find out why it ended (KILL, a restart, a proxy's timeout), then run the same command"
                    " again",
                ) from None
            self.close()
            if self._reopen is not None:
                self._connection = self._reopen()

    def _rendered(self, statement: str, values: Sequence[object]) -> str:
        """The statement with its values, each in the place of a `%s` outside quotes.

        The library itself would replace every `%` if there are values, and none if there are none.
        """
        places = sum(match[0] == "%s" for match in _TOKEN.finditer(statement))
        if places != len(values):
            raise ValueError(f"a statement takes {places} values and was given {len(values)}")
        given = iter(values)
        return _TOKEN.sub(lambda match: self._encoded(next(given)) if match[0] == "%s" else match[0], statement)

    def _encoded(self, value: object) -> str:
        if isinstance(value, bytes):
            # The oldest supported version of the library writes them as text, in the session's character set.
            return f"x'{value.hex()}'"
        return str(self._connection.escape(value, self._connection.encoders))

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:
        rows = self.rows(statement, values)
        return rows[0][0] if rows else None

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        if rows:
            line = "(" + ", ".join(["%s"] * len(columns)) + ")"
            self.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([line] * len(rows))}",
                [value for row in rows for value in row],
            )

    def quoted(self, *names: str) -> str:
        return quoted(*names)

    def literal(self, text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

    def by_primary_key(self, schema: str, table: str) -> str:
        """A server that reads a small table from end to end locks every row."""
        return f"{quoted(schema, table)} FORCE INDEX (PRIMARY)"


def _repeated(attempt: Callable[[], Result]) -> Result:
    """The result of `attempt`, which is repeated a few times while the server rolls it back."""
    for pause in PAUSES_SECONDS:
        try:
            return attempt()
        except RolledBackError:
            time.sleep(pause)
    return attempt()


def quoted(*names: str) -> str:
    """Quoted identifiers: `schema`.`table`."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


# Text in quotes is not replaced.
_TOKEN = re.compile(r"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|%s", re.DOTALL)


def like_prefix(text: str) -> str:
    """A LIKE pattern for all texts that begin with `text`."""
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"
