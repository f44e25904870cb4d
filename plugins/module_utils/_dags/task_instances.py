# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which task instances run or are about to, which only seem to, and how long they still need.

A worker that lost its power leaves its task instances `running`. Airflow's scheduler notices by their heartbeats, but
only for DAGs that it still has: those of deleted DAGs never change, and can't be ended in the UI. So a task instance is
dead if the tables prove it, and the module does not wait for it. In doubt it is alive.
"""

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._database.engine import Database

Values = TypeVar("Values", bound="tuple[object, ...]")
# The number of SELECTs in one statement.
AT_ONCE = 100
# States, of all releases, of a task instance that a process works on or an executor is about to start.
BUSY_STATES = ("queued", "restarting", "running", "shutdown")
# Heartbeats come every few seconds, and a task that has none for some minutes ends itself. A day is longer than any
# difference between clocks and time zones of pods and server, and than any sensible setting of those minutes.
SILENT_SECONDS = 86_400
# The columns that change with each event of a task instance, if a release has them.
_SIGNS = ("start_date", "queued_dttm", "scheduled_dttm", "updated_at", "last_heartbeat_at")
# A task may take longer than its longest run so far: the factor and the seconds that are added to it.
MARGIN = 1.2
MARGIN_SECONDS = 10.0
# Airflow treats a DAG without a value as one that is not paused.
UNPAUSED = "COALESCE(is_paused, FALSE) = FALSE"
# Runs that are older than this say little about the next ones.
OUTLOOK_DAYS = 14


@dataclass(frozen=True)
class Busy:
    """A task instance that runs or is about to, according to its state; a dead one does neither."""

    dag: str
    task: str
    state: str
    seconds: int
    dead: bool = False

    def __str__(self) -> str:
        return f"{self.dag}.{self.task} ({self.state} {self.seconds} s)"


@dataclass(frozen=True)
class Outlook:
    """How long task instances need, according to the longest successful run of the same task.

    `running` is the time until all running and queued ones have ended, in seconds; None if one of them has never
    succeeded before. `longest` is the longest recent run of a task of any DAG that isn't paused.
    """

    running: float | None
    longest: float

    def fits(self, grace_seconds: float, *, paused: bool = False) -> bool:
        """Whether all of it ends within a grace period; of paused DAGs nothing new can start."""
        needed = None if self.running is None else max(self.running, 0.0 if paused else self.longest)
        return needed is not None and (not needed or needed * MARGIN + MARGIN_SECONDS <= grace_seconds)


def read_busy(database: Database, schema: str) -> list[Busy]:
    """Task instances that run or are about to, according to their state, the longest first."""
    columns, runs = database.columns_of(schema, "task_instance"), database.columns_of(schema, "dag_run")
    key = next((name for name in ("run_id", "execution_date") if name in columns & runs), None)
    signs = [f"t.{name}" for name in _SIGNS if name in columns]
    # Airflow 3 has the heartbeat in the row itself, from its start.
    gives_signs = "TRUE" if "last_heartbeat_at" in columns else "FALSE"
    if "job_id" in columns and {"id", "latest_heartbeat"} <= database.columns_of(schema, "job"):
        # Earlier ones have that of the job that runs it, which writes its row again if it was removed.
        gives_signs = f"({gives_signs} OR t.job_id IS NOT NULL)"
        signs.append(f"(SELECT j.latest_heartbeat FROM {database.quoted(schema, 'job')} j WHERE j.id = t.job_id)")
    now = database.now()
    long_ago = now - datetime.timedelta(seconds=SILENT_SECONDS)
    silent = " AND ".join(f"COALESCE({sign} < %s, TRUE)" for sign in signs)
    marks = ", ".join(["%s"] * len(BUSY_STATES))
    rows = database.rows(
        f"SELECT t.dag_id, t.task_id, t.state, t.start_date, {silent}, {gives_signs},"
        f" {f't.{key}' if key else 'NULL'} FROM {database.quoted(schema, 'task_instance')} t"
        f" WHERE t.state IN ({marks})",
        [*[long_ago] * len(signs), *BUSY_STATES],
    )
    stuck = [(dag, run) for dag, _task, state, _start, silent, _signs, run in rows if silent and state == "queued"]
    waited_for = _waited_for(database, schema, key, stuck, long_ago)
    busy = [
        Busy(
            str(dag),
            str(task),
            str(state),
            _seconds(start, now),
            bool(is_silent) and ((dag, run) not in waited_for if state == "queued" else bool(would_give_signs)),
        )
        for dag, task, state, start, is_silent, would_give_signs, run in rows
    ]
    return sorted(busy, key=lambda entry: -entry.seconds)


def read_outlook(database: Database, schema: str, busy: Sequence[Busy]) -> Outlook:
    """How long busy task instances still need. Queued ones count in full, as they may run one by one."""
    instances = database.quoted(schema, "task_instance")
    longest_run = f"SELECT MAX(duration) FROM {instances} WHERE dag_id = %s AND task_id = %s AND state = 'success'"
    before = value_for_each(database, longest_run, [(entry.dag, entry.task) for entry in busy])
    running, queued = 0.0, 0.0
    for entry in busy:
        past = float(before[entry.dag, entry.task] or 0.0)
        if entry.state == "queued":
            queued += past
        else:
            # One that already takes longer than ever before may take as long again.
            running = max(running, past - entry.seconds if past > entry.seconds else float(entry.seconds))
    ((longest,),) = database.rows(
        f"SELECT MAX(duration) FROM {instances} WHERE end_date > %s"
        f" AND dag_id IN (SELECT dag_id FROM {database.quoted(schema, 'dag')} WHERE {UNPAUSED})",
        [database.now() - datetime.timedelta(days=OUTLOOK_DAYS)],
    )
    return Outlook(None if None in before.values() else running + queued, float(longest or 0.0))


def _seconds(start: Any, now: datetime.datetime) -> int:
    """The seconds since a start, which is in UTC, with or without a time zone."""
    if not isinstance(start, datetime.datetime):
        return 0
    return max(0, int((now - (start if start.tzinfo else start.replace(tzinfo=datetime.UTC))).total_seconds()))


def _waited_for(
    database: Database,
    schema: str,
    key: str | None,
    queued: Sequence[tuple[object, object]],
    long_ago: datetime.datetime,
) -> set[tuple[object, object]]:
    """Those DAGs and runs of queued task instances that a scheduler has and continues.

    A run that ended recently may have left task instances in a queue.
    """
    columns = database.columns_of(schema, "dag")
    active = "COALESCE(is_active, TRUE)" if "is_active" in columns else "TRUE"
    active = "NOT COALESCE(is_stale, FALSE)" if "is_stale" in columns else active
    is_there = f"SELECT COUNT(*) FROM {database.quoted(schema, 'dag')} WHERE dag_id = %s AND {active}"
    dags = value_for_each(database, is_there, [(dag,) for dag, _run in queued])
    found = [(dag, run) for dag, run in queued if dags[(dag,)]]
    if key is None:
        return set(found)
    goes_on = (
        f"SELECT COUNT(*) FROM {database.quoted(schema, 'dag_run')} WHERE dag_id = %s AND {database.quoted(key)} = %s"
        f" AND (COALESCE(state, '') NOT IN ('success', 'failed') OR end_date >= %s)"
    )
    numbers = value_for_each(database, goes_on, [(*pair, long_ago) for pair in found])
    return {pair for pair in found if numbers[*pair, long_ago]}


def value_for_each(database: Database, select: str, wanted: Iterable[Values]) -> dict[Values, Any]:
    """The result of a SELECT of one value for each set of values, in few statements: there may be thousands of them.

    Values are parameters, not joined: tables that were made at different times may compare texts differently.
    """
    distinct = list(dict.fromkeys(wanted))
    found: dict[Values, Any] = {}
    for start in range(0, len(distinct), AT_ONCE):
        part = distinct[start : start + AT_ONCE]
        statement = " UNION ALL ".join(f"SELECT {number}, ({select})" for number in range(len(part)))
        for number, value in database.rows(statement, [value for values in part for value in values]):
            found[part[number]] = value
    return found
