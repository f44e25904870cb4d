# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from ..description import Session
from ..failures import AwayError
from .catalogue import session_with, sessions_in
from .session import quoted
from .session_settings import EVERYWHERE

if TYPE_CHECKING:
    from .session import Statements

# A session that holds the lock asks again sooner than this, also while it waits for an API server that is away. One
# whose machine is gone is ended by the server, which may not hear of that otherwise.
IDLE_ALONE_SECONDS = 300
LOCK_PAUSE_SECONDS = 0.5


@contextlib.contextmanager
def alone(database: Statements, live: str, timeout_seconds: float) -> Iterator[None]:
    """Nobody else of this collection moves tables of this schema meanwhile.

    The server itself keeps the name until the session ends: a statement of a killed run that the server still carries
    out is waited for. Raises OperatorError where it isn't free in time.
    """
    name = _lock_of(live)
    if database.value("SELECT GET_LOCK(%s, %s)", [name, timeout_seconds]) != 1:
        raise _held(database, live, name, timeout_seconds)
    # The server gives the name to others as soon as this session ends.
    with database.kept(f"the lock on schema {live}"):
        try:
            database.execute(f"SET SESSION wait_timeout = {IDLE_ALONE_SECONDS}")
            yield
        finally:
            # Where the session is gone the name is free, and what went before has said so.
            with contextlib.suppress(OperatorError):
                database.value("SELECT RELEASE_LOCK(%s)", [name])
                database.execute(f"SET SESSION wait_timeout = {EVERYWHERE['wait_timeout']}")


def wait_until_nobody_moves(
    database: Statements, live: str, timeout_seconds: float, progress: Callable[[str], None]
) -> None:
    """Wait while another session of this collection works on this schema: a statement of an action that was killed.

    The server carries it out, and until then it may show all tables as they were. Raises OperatorError after the time.
    """
    name = _lock_of(live)
    deadline, told = time.monotonic() + timeout_seconds, False
    while _is_held(database, name):
        if time.monotonic() >= deadline:
            raise _held(database, live, name, timeout_seconds)
        if not told:
            progress(f"another session still works on schema {live}; waits for its end, up to {timeout_seconds:.0f} s")
            told = True
        time.sleep(LOCK_PAUSE_SECONDS)


def _is_held(database: Statements, name: str) -> bool:
    try:
        return database.value("SELECT IS_USED_LOCK(%s)", [name]) is not None
    except AwayError:
        raise
    except OperatorError:
        # A server without named locks, on which nobody moves anything.
        return False


def _lock_of(live: str) -> str:
    return f"hopsworks.airflow/{live}"[-64:]


def _held(database: Statements, live: str, name: str, timeout_seconds: float) -> OperatorError:
    """Who has the lock, and what ends that."""
    number = database.value("SELECT IS_USED_LOCK(%s)", [name])
    holder = session_with(database, int(number)) if number is not None else None
    found, again = f"another session of this collection still works on schema {live}", "run the same command again"
    if holder is None:
        next_step = f"SHOW FULL PROCESSLIST shows it; {again} when it has ended"
    elif holder.command == "Sleep":
        found += f": session {holder.id} of {holder.user}@{holder.host}, idle for {holder.seconds} s"
        next_step = (
            f"if a run goes on there, wait for its end; if its machine is gone, the server ends the session within"
            f" {IDLE_ALONE_SECONDS} s, or KILL {holder.id} does at once; then {again}"
        )
    else:
        found += (
            f": session {holder.id} of {holder.user}@{holder.host} carries out a statement for {holder.seconds} s"
            f" ({holder.command})"
        )
        next_step = (
            f"wait until SHOW FULL PROCESSLIST no longer shows it: its statement must end by itself; then {again}"
        )
    return OperatorError(
        found,
        expected=f"it to end within {timeout_seconds:.0f} s",
        untouched="all tables, by this run",
        next_step=next_step,
    )


@contextlib.contextmanager
def locked(database: Statements, schema: str, tables: Iterable[str]) -> Iterator[None]:
    """Nobody else reads or writes these tables in this block; this session can use no others until its end.

    Raises OperatorError where somebody uses one of them.
    """
    lock = "LOCK TABLES " + ", ".join(f"{quoted(schema, table)} WRITE" for table in tables)
    unlock = "UNLOCK TABLES"
    # The server gives the tables to others as soon as this session ends.
    with database.between(lock, unlock, undone_by=unlock, what=f"the locks on the tables of schema {schema}"):
        yield


def wait_for_sessions(
    database: Statements, schemas: Sequence[str], timeout_seconds: float, progress: Callable[[str], None]
) -> list[Session]:
    """Wait until nobody else is connected: the server notices a little later than the pod that it is gone.

    Returns those who still are after the time is up.
    """
    deadline = time.monotonic() + timeout_seconds
    reported = 0
    while True:
        sessions = sessions_in(database, *schemas)
        if not sessions or time.monotonic() >= deadline:
            return sessions
        if len(sessions) != reported:
            reported = len(sessions)
            progress(f"waiting for {reported} sessions on {', '.join(schemas)} to end")
        time.sleep(0.5)
