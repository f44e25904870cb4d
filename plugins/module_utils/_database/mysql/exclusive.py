# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..._common.failure import OperatorError
from ..description import Session
from ..failures import AwayError
from .catalogue import Catalogue
from .session import quoted
from .session_settings import EVERYWHERE

# A session that holds the lock sends its next statement sooner, even while it waits for an unavailable API server. If
# the machine of a session is gone, the server may not notice, and ends the session after this time.
IDLE_ALONE_SECONDS = 300
LOCK_PAUSE_SECONDS = 0.5


class Exclusive(Catalogue):
    """How sessions keep out of each other's way."""

    @contextlib.contextmanager
    def move_lock(self, live: str, timeout_seconds: float) -> Iterator[None]:
        """By a named lock, which the server itself keeps until the session and its last statement have ended."""
        name = _lock_of(live)
        if self.value("SELECT GET_LOCK(%s, %s)", [name, timeout_seconds]) != 1:
            raise self._held(live, timeout_seconds)
        # The server releases the lock as soon as this session ends.
        with self.kept(f"the lock on schema {live}"):
            try:
                self.execute(f"SET SESSION wait_timeout = {IDLE_ALONE_SECONDS}")
                yield
            finally:
                # If the session has ended, the lock is free, and an earlier statement has reported it.
                with contextlib.suppress(OperatorError):
                    self.value("SELECT RELEASE_LOCK(%s)", [name])
                    self.execute(f"SET SESSION wait_timeout = {EVERYWHERE['wait_timeout']}")

    def wait_until_nobody_moves(self, live: str, timeout_seconds: float, progress: Callable[[str], None]) -> None:
        deadline, told = time.monotonic() + timeout_seconds, False
        while self._is_held(live):
            if time.monotonic() >= deadline:
                raise self._held(live, timeout_seconds)
            if not told:
                progress(
                    f"another session still works on schema {live}; waiting up to {timeout_seconds:.0f} s for its end"
                )
                told = True
            time.sleep(LOCK_PAUSE_SECONDS)

    def _is_held(self, live: str) -> bool:
        try:
            return self.value("SELECT IS_USED_LOCK(%s)", [_lock_of(live)]) is not None
        except AwayError:
            raise
        except OperatorError:
            # A server without named locks, where no run moves anything.
            return False

    def _held(self, live: str, timeout_seconds: float) -> OperatorError:
        """Which session has the lock, and what ends it."""
        number = self.value("SELECT IS_USED_LOCK(%s)", [_lock_of(live)])
        holder = self.session_with(int(number)) if number is not None else None
        found, again = f"another session of this collection still works on schema {live}", "run the same command again"
        if holder is None:
            next_step = f"SHOW FULL PROCESSLIST shows it; {again} when it has ended"
        elif holder.command == "Sleep":
            found += f": session {holder.id} of {holder.user}@{holder.host}, idle for {holder.seconds} s"
            next_step = (
                f"if a run is active there, wait for its end; if its machine is gone, the server ends the session"
                f" within {IDLE_ALONE_SECONDS} s, and KILL {holder.id} ends it immediately; then {again}"
            )
        else:
            found += (
                f": session {holder.id} of {holder.user}@{holder.host} has been executing a statement for"
                f" {holder.seconds} s ({holder.command})"
            )
            next_step = (
                f"wait until SHOW FULL PROCESSLIST no longer shows it: its statement must end by itself; then {again}"
            )
        return OperatorError(
            found,
            expected=f"a session that ends within {timeout_seconds:.0f} s",
            untouched="all tables, by this run",
            next_step=next_step,
        )

    @contextlib.contextmanager
    def locked(self, schema: str, tables: Iterable[str]) -> Iterator[None]:
        lock = "LOCK TABLES " + ", ".join(f"{quoted(schema, table)} WRITE" for table in tables)
        unlock = "UNLOCK TABLES"
        # The server releases the locks as soon as this session ends.
        with self.between(lock, unlock, undone_by=unlock, what=f"the locks on the tables of schema {schema}"):
            yield

    def wait_for_sessions(
        self, schemas: Sequence[str], timeout_seconds: float, progress: Callable[[str], None]
    ) -> list[Session]:
        deadline = time.monotonic() + timeout_seconds
        reported = 0
        while True:
            sessions = self.sessions_in(*schemas)
            if not sessions or time.monotonic() >= deadline:
                return sessions
            if len(sessions) != reported:
                reported = len(sessions)
                progress(f"waiting for {reported} sessions on {', '.join(schemas)} to end")
            time.sleep(0.5)


def _lock_of(live: str) -> str:
    return f"hopsworks.airflow/{live}"[-64:]
