# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which task instances run or are about to, and which only say so.

A worker that lost its power leaves its task instances `running`. Airflow's scheduler notices by their heartbeats, but
only for DAGs that it still has: those of deleted DAGs stay as they are for ever, and nobody can end them in the UI. So
a task instance is dead where the tables prove it, and is not waited for. In doubt it lives.
"""

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .._database.mysql.session import quoted
from .._metadata.records import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._database.mysql.session import Database

Values = TypeVar("Values", bound="tuple[object, ...]")
# So many SELECTs in one statement.
AT_ONCE = 100
# States of a task instance that a process works on, or that an executor is about to start: any release.
BUSY_STATES = ("queued", "restarting", "running", "shutdown")
# Heartbeats come every few seconds, and a task that has none for some minutes ends itself. A day is longer than the
# clocks and time zones of pods and server can differ, and than anybody has set those minutes to.
SILENT_SECONDS = 86_400
# What Airflow writes down whenever something happens to a task instance, as far as a release has it.
_SIGNS = ("start_date", "queued_dttm", "scheduled_dttm", "updated_at", "last_heartbeat_at")
_LONG_AGO = f"UTC_TIMESTAMP() - INTERVAL {SILENT_SECONDS} SECOND"


@dataclass(frozen=True)
class Busy:
    """A task instance that runs or is about to, by its state; a dead one does neither."""

    dag: str
    task: str
    state: str
    seconds: int
    dead: bool = False

    def __str__(self) -> str:
        return f"{self.dag}.{self.task} ({self.state} {self.seconds} s)"


def read_busy(database: Database, schema: str) -> list[Busy]:
    """Task instances that run or are about to, by their state, the longest first."""
    columns, runs = columns_of(database, schema, "task_instance"), columns_of(database, schema, "dag_run")
    key = next((name for name in ("run_id", "execution_date") if name in columns & runs), None)
    signs = [f"t.{name}" for name in _SIGNS if name in columns]
    # Airflow 3 has the heartbeat in the row itself, from the start on.
    gives_signs = "1" if "last_heartbeat_at" in columns else "0"
    if "job_id" in columns and {"id", "latest_heartbeat"} <= columns_of(database, schema, "job"):
        # In earlier ones it is that of the job that runs it, which writes its row again if somebody removed it.
        gives_signs = f"({gives_signs} OR t.job_id IS NOT NULL)"
        signs.append(f"(SELECT j.latest_heartbeat FROM {quoted(schema, 'job')} j WHERE j.id = t.job_id)")
    silent = " AND ".join(f"IFNULL({sign} < {_LONG_AGO}, 1)" for sign in signs)
    marks = ", ".join(["%s"] * len(BUSY_STATES))
    rows = database.rows(
        "SELECT t.dag_id, t.task_id, t.state,"
        " GREATEST(0, IFNULL(TIMESTAMPDIFF(SECOND, t.start_date, UTC_TIMESTAMP()), 0)),"
        f" {silent}, {gives_signs}, {f't.{key}' if key else 'NULL'} FROM {quoted(schema, 'task_instance')} t"
        f" WHERE t.state IN ({marks}) ORDER BY 4 DESC",
        BUSY_STATES,
    )
    stuck = [(dag, run) for dag, _task, state, _seconds, silent, _signs, run in rows if silent and state == "queued"]
    waited_for = _waited_for(database, schema, key, stuck)
    return [
        Busy(
            str(dag),
            str(task),
            str(state),
            int(seconds),
            bool(is_silent) and ((dag, run) not in waited_for if state == "queued" else bool(would_give_signs)),
        )
        for dag, task, state, seconds, is_silent, would_give_signs, run in rows
    ]


def _waited_for(
    database: Database, schema: str, key: str | None, queued: Sequence[tuple[object, object]]
) -> set[tuple[object, object]]:
    """Those DAGs and runs of queued task instances that a scheduler has and goes on with.

    One that has ended lately may have left something in a queue.
    """
    columns = columns_of(database, schema, "dag")
    active = "NOT IFNULL(is_stale, 0)" if "is_stale" in columns else "1"
    active = "IFNULL(is_active, 1)" if active == "1" and "is_active" in columns else active
    is_there = f"SELECT COUNT(*) FROM {quoted(schema, 'dag')} WHERE dag_id = %s AND {active}"
    dags = value_for_each(database, is_there, [(dag,) for dag, _run in queued])
    found = [(dag, run) for dag, run in queued if dags[(dag,)]]
    if key is None:
        return set(found)
    goes_on = (
        f"SELECT COUNT(*) FROM {quoted(schema, 'dag_run')} WHERE dag_id = %s AND {quoted(key)} = %s"
        f" AND (IFNULL(state, '') NOT IN ('success', 'failed') OR end_date >= {_LONG_AGO})"
    )
    return {pair for pair, number in value_for_each(database, goes_on, found).items() if number}


def value_for_each(database: Database, select: str, wanted: Iterable[Values]) -> dict[Values, Any]:
    """What a SELECT of one value returns for each set of values, in few statements: there may be thousands of them.

    Values are given, not joined: tables that were made at different times may compare texts in different ways.
    """
    distinct = list(dict.fromkeys(wanted))
    found: dict[Values, Any] = {}
    for start in range(0, len(distinct), AT_ONCE):
        part = distinct[start : start + AT_ONCE]
        statement = " UNION ALL ".join(f"SELECT {number}, ({select})" for number in range(len(part)))
        for number, value in database.rows(statement, [value for values in part for value in values]):
            found[part[number]] = value
    return found
