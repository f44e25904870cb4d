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
# How long to wait each time before a statement is sent again that the server has rolled back. The transactions that it
# met are those of Airflow's scheduler: some each second, all of them short.
PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0)
# DDL isn't repeated: on servers that don't take back what it did, a part of it may be done. It wins over those anyway.
_ALL_OR_NOTHING = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE)\b")
# Asked whether it still lives before a statement that comes later than this after the last one.
IDLE_SECONDS = 0.5


class Statements:
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


def quoted(*names: str) -> str:
    """Identifiers as the server wants them: `schema`.`table`."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


# What is in quotes stands for itself.
_TOKEN = re.compile(r"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|%s", re.DOTALL)


def like_prefix(text: str) -> str:
    """A LIKE pattern for everything that begins with `text`."""
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%") + "%"
