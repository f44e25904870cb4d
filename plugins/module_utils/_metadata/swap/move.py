# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from ..._database.catalogue import Session, read_schema, session_with, sessions_in
from ..._database.content import checksums
from ..._database.explanation import TABLESPACE_EXISTS, AwayError
from ..._database.neighbours import read_neighbours
from ..._database.privileges import read_rights
from ..._database.session import quoted
from ..._database.session_settings import EVERYWHERE
from .. import guard
from ..plan import Move, Plan, moves_done
from ..schemas import PLAN, PROBE

if TYPE_CHECKING:
    from ..._database.session import Database

# A session that holds the lock asks again sooner than this, also while it waits for an API server that is away. One
# whose machine is gone is ended by the server, which may not hear of that otherwise.
IDLE_ALONE_SECONDS = 300
LOCK_PAUSE_SECONDS = 0.5
LEFT_FILE_SECONDS = 120.0
LEFT_FILE_PAUSE_SECONDS = 1.0


@contextlib.contextmanager
def alone(database: Database, live: str, timeout_seconds: float) -> Iterator[None]:
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
    database: Database, live: str, timeout_seconds: float, progress: Callable[[str], None]
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


def _is_held(database: Database, name: str) -> bool:
    try:
        return database.value("SELECT IS_USED_LOCK(%s)", [name]) is not None
    except AwayError:
        raise
    except OperatorError:
        # A server without named locks, on which nobody moves anything.
        return False


def _lock_of(live: str) -> str:
    return f"hopsworks.airflow/{live}"[-64:]


def _held(database: Database, live: str, name: str, timeout_seconds: float) -> OperatorError:
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
def locked(database: Database, schema: str, tables: Iterable[str]) -> Iterator[None]:
    """Nobody else reads or writes these tables in this block; this session can use no others until its end.

    Raises OperatorError where somebody uses one of them.
    """
    lock = "LOCK TABLES " + ", ".join(f"{quoted(schema, table)} WRITE" for table in tables)
    unlock = "UNLOCK TABLES"
    # The server gives the tables to others as soon as this session ends.
    with database.between(lock, unlock, undone_by=unlock, what=f"the locks on the tables of schema {schema}"):
        yield


def wait_for_sessions(
    database: Database, schemas: Sequence[str], timeout_seconds: float, progress: Callable[[str], None]
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


def layout_of(database: Database, schemas: Sequence[str]) -> dict[str, frozenset[str]]:
    """Names of the tables in each schema; none where there is no such schema."""
    found = {name: read_schema(database, name) for name in schemas}
    return {name: frozenset(schema.tables) if schema is not None else frozenset() for name, schema in found.items()}


def make_moves(database: Database, plan: Plan, progress: Callable[[str], None], *, backwards: bool = False) -> int:
    """Make the moves that are not made yet, or take back those that are; returns how many that were.

    All of them are one statement: where the server can, that is all or nothing. Elsewhere a server that dies in it
    leaves the first few made, which is what the layout then shows. Raises OperatorError where the layout is one that
    no number of moves explains.
    """
    involved = sorted({move.source for move in plan.moves} | {move.target for move in plan.moves})
    done = moves_done(plan.moves, layout_of(database, involved), "" if backwards else plan.live)
    if done is None:
        raise OperatorError(
            f"the tables in {', '.join(involved)} are not where the plan in {plan.schema} says, after any of its moves",
            expected="nobody else to move, make or drop tables there",
            untouched="the new tables; the old ones were dropped before (method drop)"
            if plan.dropped
            else "all tables: none was moved by this run",
            next_step=f"compare them with table {PLAN} in {plan.schema}, put right what differs, run it again",
        )
    if backwards:
        left = [Move(move.table, move.target, move.source) for move in reversed(plan.moves[:done])]
    else:
        left = list(plan.moves[done:])
    if left:
        progress(f"moving {len(left)} tables" + (f"; {done} were moved already" if done and not backwards else ""))
        _rename(
            database,
            "RENAME TABLE "
            + ", ".join(f"{quoted(move.source, move.table)} TO {quoted(move.target, move.table)}" for move in left),
            progress,
        )
    return len(left)


def _rename(database: Database, statement: str, progress: Callable[[str], None]) -> None:
    """Run the statement, and wait where the server still has the file of a table that it was dropping when it died.

    It has forgotten the table by then, and removes its file some time after it runs again, in the background.
    """
    deadline = time.monotonic() + LEFT_FILE_SECONDS
    told = False
    while True:
        try:
            database.execute(statement)
            return
        except OperatorError as error:
            if TABLESPACE_EXISTS.search(error.found) is None or time.monotonic() >= deadline:
                raise
            if not told:
                progress("the server still has to remove the file of a table that was dropped; waits for it")
                told = True
        time.sleep(LEFT_FILE_PAUSE_SECONDS)


def check_content(database: Database, schema: str, expected: Sequence[Move], progress: Callable[[str], None]) -> None:
    """Compare tables with what the plan noted about them. Raises OperatorError naming those that differ."""
    noted = {move.table: move for move in expected if move.content is not None}
    now = checksums(database, schema, noted, progress)
    different = [
        f"{table} ({move.rows} rows, now {now[table].rows})"
        for table, move in noted.items()
        if (now[table].rows, now[table].sum) != (move.rows, move.content)
    ]
    if different:
        raise OperatorError(
            f"tables in schema {schema} are not what they were when they were set aside: {', '.join(different)}",
            expected="the same rows, by number and checksum",
            untouched="all tables are whole and in their places; nothing was dropped",
            next_step="find out who wrote to them; with `verify: presence` rows are not compared",
        )


def match_charset(database: Database, schema: str, charset: str, collation: str) -> None:
    """Give a schema a default character set, if it has another: later migrations make their tables with it."""
    found = read_schema(database, schema)
    if found is not None and (found.charset, found.collation) != (charset, collation):
        database.execute(f"ALTER DATABASE {quoted(schema)} CHARACTER SET {charset} COLLATE {collation}")


def create_schema(database: Database, schema: str, charset: str, collation: str) -> None:
    """Make sure it is there. Never drops one."""
    database.execute(f"CREATE DATABASE IF NOT EXISTS {quoted(schema)} CHARACTER SET {charset} COLLATE {collation}")


def drop_tables(database: Database, schema: str, tables: Sequence[str]) -> None:
    """Drop tables of a schema in one statement, whatever refers to whatever."""
    if tables:
        enforced = "SET SESSION foreign_key_checks = 1"
        with database.between(
            "SET SESSION foreign_key_checks = 0",
            enforced,
            undone_by=enforced,
            what="its own setting of foreign_key_checks",
        ):
            database.execute("DROP TABLE " + ", ".join(quoted(schema, table) for table in tables))


def refuse_keys(database: Database, live: str) -> None:
    """Raises OperatorError where a key of another schema is in the way of a drop, as far as it is shown."""
    rights = read_rights(database)
    finding = guard.no_key_from_outside(read_neighbours(database, live, rights), rights.account, dropping=True)
    if finding.verdict == guard.REFUSED:
        raise OperatorError(
            finding.found,
            expected=finding.expected,
            untouched="all tables that are there; the new ones are whole, in the schema beside",
            next_step=f"{finding.next_step.partition(', or')[0]}, then run the same command again",
        )


def drop_schema(database: Database, schema: str) -> None:
    """The one DROP DATABASE. Most servers drop table by table, so a failure may leave some of them.

    Where it leaves none, nothing is lacking: the server could not remove the folder, in which there is a file of
    somebody's.
    """
    try:
        database.execute(f"DROP DATABASE {quoted(schema)}")
    except OperatorError as error:
        if layout_of(database, [schema])[schema]:
            raise _half_dropped(database, schema, error) from None


def drop_unreferenced(database: Database, schema: str, tables: Collection[str]) -> None:
    """Drop what an interrupted drop has left, but no table that a key of another schema refers to.

    Among themselves the tables refer to each other, and the server drops those that it may: again, as long as it helps.
    """
    left = frozenset(tables)
    while left:
        try:
            database.execute("DROP TABLE " + ", ".join(quoted(schema, table) for table in sorted(left)))
        except OperatorError as error:
            remaining = layout_of(database, [schema])[schema] & left
            if remaining == left:
                raise _half_dropped(database, schema, error) from None
            left = remaining
        else:
            return


def _half_dropped(database: Database, schema: str, error: OperatorError) -> OperatorError:
    left = layout_of(database, [schema])[schema]
    return OperatorError(
        f"{error.found}; {len(left)} tables are left in schema {schema}: {', '.join(sorted(left)[:10])}",
        expected=error.expected,
        untouched="the new tables, in the schema beside; what was dropped is in the rehearsed dump",
        next_step=error.next_step,
    )


def probe_rename(database: Database, workspace: str, aside: str, engines: Iterable[str]) -> None:
    """Find out on a table of our own whether this server renames tables of these engines across schemas.

    Raises OperatorError where it doesn't.
    """
    for engine in sorted(engines):
        probes = [quoted(schema, PROBE) for schema in (workspace, aside)]
        database.execute(f"DROP TABLE IF EXISTS {', '.join(probes)}")
        database.execute(f"CREATE TABLE {probes[0]} (id INT PRIMARY KEY) ENGINE = {quoted(engine)}")
        try:
            database.execute(f"RENAME TABLE {probes[0]} TO {probes[1]}")
        except AwayError:
            raise
        except OperatorError as error:
            with contextlib.suppress(OperatorError):
                database.execute(f"DROP TABLE IF EXISTS {', '.join(probes)}")
            raise OperatorError(
                f"the server can't rename {engine} tables across schemas: {error.found}",
                expected="tables that can be set aside",
                untouched="all tables: the attempt was made on an empty table of this collection",
                next_step="use method: drop, which wants a dump rehearsed in the same run",
            ) from None
        database.execute(f"DROP TABLE IF EXISTS {', '.join(probes)}")
