# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.catalogue import read_schema
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.move import create_schema
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import PAUSED
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.workspace import CHARSET, COLLATION
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import Database
    from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import Schemas

# States of a task instance that a process works on, or that an executor is about to start: any release.
BUSY_STATES = ("queued", "restarting", "running", "shutdown")
# A scheduler that read `is_paused` a moment before the pause may still queue what it chose then.
SETTLED_SECONDS = 2.0
REPORT_SECONDS = 10.0
BATCH = 500
# Tasks take longer than they ever did: so much more than their longest run is expected, by factor and in seconds.
MARGIN = 1.2
MARGIN_SECONDS = 10.0
# What tasks took longer ago than this says little about what is started now.
OUTLOOK_DAYS = 14


@dataclass(frozen=True)
class Remembered:
    """DAGs that were not paused before the quiesce, with the file each came from; `paused` while they are paused."""

    dags: dict[str, str]
    paused: bool


@dataclass(frozen=True)
class Busy:
    """A task instance that still runs or is about to."""

    dag: str
    task: str
    state: str
    seconds: int

    def __str__(self) -> str:
        return f"{self.dag}.{self.task} ({self.state} {self.seconds} s)"


@dataclass(frozen=True)
class Outlook:
    """How long task instances need, by the longest successful run that the same task had.

    `running` is what those that run or are queued still need, all together, in seconds; None where one of them has
    never succeeded before. `longest` is the longest that any task of a DAG that isn't paused took lately.
    """

    running: float | None
    longest: float

    def fits(self, grace_seconds: float, *, paused: bool = False) -> bool:
        """Whether all of it ends within a grace; of DAGs that are paused nothing new can start."""
        needed = None if self.running is None else max(self.running, 0.0 if paused else self.longest)
        return needed is not None and (not needed or needed * MARGIN + MARGIN_SECONDS <= grace_seconds)


class Quiesce:
    """Pauses the DAGs of a schema, and lets run again exactly those that it paused.

    What is paused is written down, in a table of the workspace, before the first DAG is: a run that dies in between
    loses nothing. Only `dag.is_paused` is ever written, in no release is there a column that changes with it; so a DAG
    that is paused and resumed is, row for row, what it was.
    """

    def __init__(self, database: Database, names: Schemas, progress: Callable[[str], None]) -> None:
        self._database, self._names, self._progress = database, names, progress
        self._memory = quoted(names.workspace, PAUSED)
        self._dag = quoted(names.live, "dag")

    def has_dags(self) -> bool:
        """Whether there is a table of DAGs at all."""
        live = read_schema(self._database, self._names.live)
        return live is not None and "dag" in live.tables

    def unpaused(self) -> dict[str, str]:
        """DAGs that are not paused now, with their files."""
        rows = self._database.rows(f"SELECT dag_id, fileloc FROM {self._dag} WHERE is_paused = 0 ORDER BY dag_id")
        return {str(dag): str(file or "") for dag, file in rows}

    def remembered(self) -> Remembered:
        """What an earlier quiesce wrote down."""
        workspace = read_schema(self._database, self._names.workspace)
        if workspace is None or PAUSED not in workspace.tables:
            return Remembered({}, paused=False)
        rows = self._database.rows(f"SELECT dag_id, fileloc, paused FROM {self._memory} ORDER BY dag_id")
        return Remembered({str(row[0]): str(row[1]) for row in rows}, paused=any(row[2] for row in rows))

    def busy(self) -> list[Busy]:
        """Task instances that still run or are about to, the longest first."""
        marks = ", ".join(["%s"] * len(BUSY_STATES))
        rows = self._database.rows(
            "SELECT dag_id, task_id, state, GREATEST(0, IFNULL(TIMESTAMPDIFF(SECOND, start_date, UTC_TIMESTAMP()), 0))"
            f" FROM {quoted(self._names.live, 'task_instance')} WHERE state IN ({marks}) ORDER BY 4 DESC",
            BUSY_STATES,
        )
        return [Busy(str(dag), str(task), str(state), int(seconds)) for dag, task, state, seconds in rows]

    def outlook(self) -> Outlook:
        """How long what runs still needs. Queued task instances may run one after the other: they count in full."""
        instances = quoted(self._names.live, "task_instance")
        running, queued = 0.0, 0.0
        known = True
        for entry in self.busy():
            ((past,),) = self._database.rows(
                f"SELECT MAX(duration) FROM {instances} WHERE dag_id = %s AND task_id = %s AND state = 'success'",
                [entry.dag, entry.task],
            )
            if past is None:
                known = False
            elif entry.state == "queued":
                queued += float(past)
            else:
                # One that takes longer than ever before may take as long again.
                left = float(past) - entry.seconds
                running = max(running, left if left > 0 else float(entry.seconds))
        ((longest,),) = self._database.rows(
            f"SELECT MAX(duration) FROM {instances} WHERE end_date > UTC_TIMESTAMP() - INTERVAL %s DAY"
            f" AND dag_id IN (SELECT dag_id FROM {self._dag} WHERE is_paused = 0)",
            [OUTLOOK_DAYS],
        )
        return Outlook(running + queued if known else None, float(longest or 0.0))

    def pause(self) -> dict[str, str]:
        """Pause what is not paused; returns all that a resume has to let run again, of an interrupted pause too."""
        now = self.unpaused()
        memory = self.remembered()
        dags = {**(memory.dags if memory.paused else {}), **now}
        self._remember(dags)
        self._set_paused(list(now), 1)
        return dags

    def wait_until_idle(self, timeout_seconds: float, grace_seconds: float = 0.0) -> None:
        """Wait for running task instances, but not for those that end within the grace that they have anyway.

        Raises OperatorError, with everything running again, after the time.
        """
        deadline = time.monotonic() + timeout_seconds
        idle_since: float | None = None
        reported_at, reported = 0.0, -1
        while True:
            busy = self.busy()
            now = time.monotonic()
            if busy and not (grace_seconds and self.outlook().fits(grace_seconds, paused=True)):
                idle_since = None
                if len(busy) != reported or now - reported_at > REPORT_SECONDS:
                    reported, reported_at = len(busy), now
                    self._progress(f"waiting for {_listed(busy)}, {deadline - now:.0f} s left")
                if now >= deadline:
                    self.resume()
                    raise OperatorError(
                        f"after {timeout_seconds:.0f} s {_listed(busy)}",
                        expected="all running task instances to end within the time",
                        untouched="the deployment: it goes on as before, the DAGs that were paused run again",
                        next_step="wait for them, mark them as failed in the UI, or allow more time (`timeout`,"
                        " airflow_quiesce_timeout); then run the same command again",
                        evidence=tuple(str(entry) for entry in busy[:50]),
                    )
            elif idle_since is None:
                idle_since = now
            elif now - idle_since >= SETTLED_SECONDS:
                return
            time.sleep(min(1.0, SETTLED_SECONDS))

    def resume(self, dags: Collection[str] = (), *, forget: bool = False) -> tuple[list[str], list[str]]:
        """Let run again what was paused, or `dags`; returns those that were paused and those that are not there.

        With `forget` what was written down is removed: nothing more is to be done with it.
        """
        memory = self.remembered()
        wanted = sorted(dags or (memory.dags if memory.paused or forget else ()))
        present, paused = self.among(wanted)
        self._set_paused(paused, 0)
        if memory.dags and forget:
            self._database.execute(f"DROP TABLE {self._memory}")
        elif memory.paused:
            self._database.execute(f"UPDATE {self._memory} SET paused = 0")
        return paused, sorted(set(wanted) - present)

    def wait_for(self, dags: Collection[str], timeout_seconds: float) -> None:
        """Wait until DAGs have been parsed by a new Airflow, but not for those whose files it could not import."""
        deadline = time.monotonic() + timeout_seconds
        files = self.remembered().dags
        while True:
            present = self.among(sorted(dags))[0]
            broken = self._broken_files()
            missing = [dag for dag in dags if dag not in present and _name(files.get(dag, "")) not in broken]
            if not missing or time.monotonic() >= deadline:
                return
            self._progress(f"waiting for {len(missing)} DAGs to be parsed: {', '.join(sorted(missing)[:5])}")
            time.sleep(2)

    def _broken_files(self) -> set[str]:
        rows = self._database.rows(f"SELECT filename FROM {quoted(self._names.live, 'import_error')}")
        return {_name(str(file)) for (file,) in rows if file}

    def among(self, dags: Sequence[str]) -> tuple[set[str], list[str]]:
        """Which of these DAGs are there, and which of those are paused."""
        present: dict[str, bool] = {}
        for start in range(0, len(dags), BATCH):
            part = dags[start : start + BATCH]
            marks = ", ".join(["%s"] * len(part))
            for dag, paused in self._database.rows(
                f"SELECT dag_id, is_paused FROM {self._dag} WHERE dag_id IN ({marks}) ORDER BY dag_id", part
            ):
                present[str(dag)] = bool(paused)
        return set(present), [dag for dag, paused in present.items() if paused]

    def _set_paused(self, dags: Sequence[str], value: int) -> None:
        for start in range(0, len(dags), BATCH):
            part = dags[start : start + BATCH]
            marks = ", ".join(["%s"] * len(part))
            self._database.execute(f"UPDATE {self._dag} SET is_paused = %s WHERE dag_id IN ({marks})", [value, *part])

    def _remember(self, dags: dict[str, str]) -> None:
        """Replace what is written down, in one transaction."""
        database = self._database
        create_schema(database, self._names.workspace, CHARSET, COLLATION)
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {self._memory} (dag_id VARCHAR(512) NOT NULL, fileloc VARCHAR(2000) NOT NULL,"
            " paused TINYINT NOT NULL, PRIMARY KEY (dag_id)) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        )
        database.execute("START TRANSACTION")
        database.execute(f"DELETE FROM {self._memory}")
        for start in range(0, len(dags), BATCH):
            part = list(dags.items())[start : start + BATCH]
            database.insert(self._memory, ("dag_id", "fileloc", "paused"), [(dag, file, 1) for dag, file in part])
        database.execute("COMMIT")


def _name(file: str) -> str:
    return PurePosixPath(file).name


def _listed(busy: Sequence[Busy], most: int = 5) -> str:
    names = ", ".join(str(entry) for entry in busy[:most])
    rest = f" and {len(busy) - most} more" if len(busy) > most else ""
    return f"{len(busy)} task instances still run: {names}{rest}"
