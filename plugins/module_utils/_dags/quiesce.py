# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

"""Pausing DAGs until no task runs, and unpausing exactly those DAGs.

Pause:

1. Read which DAGs are not paused.
2. Write them to the list: a table in the workspace, with the deployment and the run that wrote it.
3. Set `is_paused`, fifty rows at a time, found by the primary key. A scheduler locks these rows as well, and so few are
   locked at the same time that neither waits long for the other.
4. Read every second which task instances run or are queued, except those that only seem to (`task_instances.py`). Pause
   the DAGs that were added or unpaused in the meantime.
5. Continue when nothing has run for two seconds: a scheduler may still queue what it chose right before the pause. The
   module does not wait for tasks that are expected to end within the grace period of their pods.
6. When the time is up, unpause everything and fail.

Unpause:

1. Read the list. In a new schema, wait until the new Airflow has parsed the DAGs on it, as long as it makes progress.
2. Unset `is_paused` of those that are there.
3. Remove them from the list. DAGs that are not there stay on it for a later run.

Guarantees:

- DAGs are on the list before they are paused, so a run that is killed in between loses nothing.
- Only `dag.is_paused` is written, and no release has a column that changes with it. So the rows of a DAG that was
  paused and unpaused are the same as before.
- A DAG that its owner had paused stays paused.
- The list of another deployment is never changed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._common.failure import OperatorError
from .._database.engine import Use
from .._metadata import conditions
from .._metadata.paused import BATCH, PausedDag, PausedDags
from .task_instances import UNPAUSED, Busy, Outlook, read_busy, read_outlook

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .._database.engine import Database
    from .._metadata.ownership import Owner
    from .._metadata.schemas import Schemas

# The scheduler locks rows of DAGs as well, and a statement holds all its locks until it has the last of them. By the
# primary key it locks no other rows: a server that reads a small table from end to end locks every row.
ROWS_AT_ONCE = 50
# A scheduler that read `is_paused` a moment before the pause may still queue what it chose then.
SETTLED_SECONDS = 2.0
REPORT_SECONDS = 10.0
PARSE_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Resumed:
    """DAGs that were unpaused, and those on the list that are not there: they stay on it.

    `unknown` ones are not parsed yet, or never will be; the files of the `broken` ones can't be imported; the files of
    the `gone` ones were already gone before. `present` are all that are there.
    """

    unpaused: list[str]
    unknown: list[str]
    broken: list[str]
    gone: list[str]
    present: list[str]


class Quiesce:
    """Pauses the DAGs of a schema, and unpauses exactly those that it paused.

    In an `installed` schema, DAGs are on the list until they are there: those that the new Airflow has not parsed yet,
    or whose file can't be imported or is gone now, stay on it for a later run. A first import may fail only because all
    files are imported at the same time.

    A DAG that its owner pauses while it is paused by us looks like the others, and is unpaused with them. One that its
    owner unpauses after the wait is left as it is, and removed from the list.
    """

    def __init__(
        self, database: Database, names: Schemas, owner: Owner, progress: Callable[[str], None], *, installed: bool
    ) -> None:
        self._database, self._names, self._progress = database, names, progress
        self._installed = installed
        self._list = PausedDags(database, names.workspace, owner)
        self.remembered = self._list.read
        self._dag = database.quoted(names.live, "dag")

    def unpaused(self) -> dict[str, PausedDag]:
        """DAGs that are not paused now, as entries of the list."""
        columns = self._database.columns_of(self._names.live, "dag")
        # Airflow keeps the rows of DAGs whose files are gone: 3.x calls them stale, earlier releases inactive.
        gone = "is_stale" if "is_stale" in columns else "NOT is_active" if "is_active" in columns else "FALSE"
        rows = self._database.rows(f"SELECT dag_id, fileloc, {gone} FROM {self._dag} WHERE {UNPAUSED} ORDER BY dag_id")
        return {str(dag): PausedDag(str(file or ""), gone=bool(stale), paused=True) for dag, file, stale in rows}

    def due(self) -> dict[str, PausedDag]:
        """The DAGs on the list that must be unpaused in this schema.

        In an old one, those that are paused now: the others are unpaused already, and kept for the new schema.
        """
        return {dag: entry for dag, entry in self.remembered().items() if entry.paused or self._installed}

    def busy(self) -> list[Busy]:
        """Task instances that still run or are about to, the longest first."""
        return [entry for entry in read_busy(self._database, self._names.live) if not entry.dead]

    def dead(self) -> list[Busy]:
        """Those that only seem to: the module does not wait for them."""
        return [entry for entry in read_busy(self._database, self._names.live) if entry.dead]

    def outlook(self) -> Outlook:
        """How long running tasks still need."""
        return read_outlook(self._database, self._names.live, self.busy())

    def rights(self) -> conditions.Condition:
        """Whether the user may keep the list, and so pause anything."""
        names = self._names
        return conditions.rights_suffice(self._database.rights(), names.live, [names.workspace], use=Use.LIST)

    def pause(self) -> dict[str, PausedDag]:
        """Pause what is not paused; returns all that must be unpaused later, also of an interrupted pause."""
        now = self.unpaused()
        dags = {**self.due(), **now}
        self._list.write(dags)
        self._set_paused(list(now), True)
        return dags

    def wait_until_idle(self, timeout_seconds: float, grace_seconds: float = 0.0) -> None:
        """Wait for running task instances, except those that end within the grace period that they have anyway.

        DAGs that are unpaused or added in the meantime are paused as well: else their tasks would start after the wait.
        Raises OperatorError, with everything unpaused again, after the time.
        """
        deadline = time.monotonic() + timeout_seconds
        idle_since: float | None = None
        reported_at, reported = 0.0, -1
        while True:
            added = sorted(self.unpaused())
            if added:
                self.pause()
                self._progress(f"paused DAGs that were unpaused or added in the meantime: {', '.join(added)}")
            busy = self.busy()
            now = time.monotonic()
            if busy and grace_seconds and self.outlook().fits(grace_seconds, paused=True):
                busy = []
            if busy or added:
                idle_since = None
                if busy and (len(busy) != reported or now - reported_at > REPORT_SECONDS):
                    reported, reported_at = len(busy), now
                    self._progress(f"waiting for {_listed(busy)}, {deadline - now:.0f} s left")
                if now >= deadline:
                    self.resume()
                    instances = self._database.quoted(self._names.live, "task_instance")
                    raise OperatorError(
                        f"after {timeout_seconds:.0f} s "
                        + (_listed(busy) if busy else f"a user or a program keeps unpausing {', '.join(added)}"),
                        expected="all running task instances to end within the time, and all DAGs to stay paused",
                        untouched="the deployment: it continues as before, and the DAGs that were paused are unpaused",
                        next_step="wait for them, mark them as failed in the UI (if their DAG is gone, as an"
                        f" administrator of the database: UPDATE {instances} SET state = 'failed'"
                        " WHERE state IN ('running', 'queued') AND dag_id = '...'), or allow more time (`timeout`,"
                        " airflow_quiesce_timeout); then run the same command again",
                        evidence=tuple(str(entry) for entry in busy[:50]),
                    )
            elif idle_since is None:
                idle_since = now
            elif now - idle_since >= SETTLED_SECONDS:
                return
            time.sleep(min(1.0, SETTLED_SECONDS))

    def predict(self, dags: Collection[str] = ()) -> Resumed:
        """What `resume` would do, without a change."""
        due = self.due()
        return self._predicted(due, dags or due, self._folders(due) if self._installed else {})

    def resume(self, dags: Collection[str] = ()) -> Resumed:
        """Unpause what is due, or `dags`, if it is there. In a new schema, DAGs that aren't there stay on the list."""
        listed, due = self.remembered(), self.due()
        folders = self._folders(due) if self._installed else {}
        wanted = dags or due
        result = self._predicted(due, wanted, folders)
        self._set_paused(result.unpaused, False)
        settled = result.present if self._installed else ()
        self._list.change(
            {
                dag: replace(entry, file=_followed(entry.file, folders), paused=entry.paused and dag not in wanted)
                for dag, entry in listed.items()
                if dag not in settled
            }
        )
        return result

    def resume_as_parsed(self, timeout_seconds: float) -> Resumed:
        """Unpause each DAG on the list as soon as a new Airflow has parsed it, as long as there is progress.

        The time begins again with each progress: another DAG of the list is there, or its file proves to be broken.
        Each DAG counts once, so this ends. Broken ones are unpaused if they are there, without a wait.
        """
        unpaused: list[str] = []
        known: set[tuple[str, bool]] = set()
        deadline = time.monotonic() + timeout_seconds
        while True:
            result = self.resume()
            unpaused += result.unpaused
            found = {(dag, True) for dag in result.present} | {(dag, False) for dag in result.broken}
            if not known.issuperset(found):
                known |= found
                deadline = time.monotonic() + timeout_seconds
            if not result.unknown or time.monotonic() >= deadline:
                return replace(result, unpaused=sorted(unpaused))
            self._progress(f"waiting for {len(result.unknown)} DAGs to be parsed: {', '.join(result.unknown[:5])}")
            time.sleep(min(PARSE_LOOK_SECONDS, timeout_seconds))

    def forget(self, dags: Collection[str] = ()) -> list[str]:
        """Remove `dags`, or all, from the list; returns those that were on it."""
        listed = self.remembered()
        given_up = [dag for dag in listed if not dags or dag in dags]
        self._list.change({dag: entry for dag, entry in listed.items() if dag not in given_up})
        return given_up

    def _predicted(
        self, due: Mapping[str, PausedDag], dags: Collection[str], folders: Mapping[str, Collection[str]]
    ) -> Resumed:
        wanted = sorted(dags)
        present, paused = self.among(wanted)
        absent = [dag for dag in wanted if dag not in present]
        files = self._broken_files(folders) if self._installed and absent else frozenset()
        broken = [dag for dag in absent if dag in due and due[dag].file in files]
        gone = [dag for dag in absent if dag in due and due[dag].gone and dag not in broken]
        return Resumed(paused, [dag for dag in absent if dag not in {*broken, *gone}], broken, gone, sorted(present))

    def _folders(self, due: Mapping[str, PausedDag]) -> dict[str, set[str]]:
        """The folders of DAGs, present ones and those of the `due` DAGs, each with the present folder of the same DAG.

        A folder is the path of a DAG's file, present or previous, without the part below its bundle's folder. So at
        least one DAG must have been parsed to know any.
        """
        folders: dict[str, set[str]] = {}
        for dag, file, inside in self._database.rows(
            f"SELECT dag_id, fileloc, relative_fileloc FROM {self._dag} WHERE relative_fileloc <> ''"
        ):
            now, before = str(file or ""), due[str(dag)].file if str(dag) in due else ""
            found = [path.removesuffix(f"/{inside}") for path in (now, before) if path.endswith(f"/{inside}")]
            for folder in found:
                folders.setdefault(folder, set()).add(found[0])
        return folders

    def _broken_files(self, folders: Collection[str]) -> frozenset[str]:
        """The files that can't be imported, with their present and previous paths.

        Airflow names a file relative to its bundle's folder, and projects have files of the same name. So whole paths
        are compared.
        """
        names = self._database.rows(f"SELECT filename FROM {self._database.quoted(self._names.live, 'import_error')}")
        broken = {str(name) for (name,) in names if name}
        return frozenset(broken | {f"{folder}/{name}" for folder in folders for name in broken})

    def among(self, dags: Sequence[str]) -> tuple[set[str], list[str]]:
        """The DAGs of these that are there, and those of them that are paused."""
        present: dict[str, bool] = {}
        for start in range(0, len(dags), BATCH):
            part = dags[start : start + BATCH]
            marks = ", ".join(["%s"] * len(part))
            for dag, paused in self._database.rows(
                f"SELECT dag_id, is_paused FROM {self._dag} WHERE dag_id IN ({marks}) ORDER BY dag_id", part
            ):
                present[str(dag)] = bool(paused)
        return set(present), [dag for dag, paused in present.items() if paused]

    def _set_paused(self, dags: Sequence[str], value: bool) -> None:
        table = self._database.by_primary_key(self._names.live, "dag")
        for start in range(0, len(dags), ROWS_AT_ONCE):
            part = dags[start : start + ROWS_AT_ONCE]
            marks = ", ".join(["%s"] * len(part))
            self._database.execute(f"UPDATE {table} SET is_paused = %s WHERE dag_id IN ({marks})", [value, *part])


def _followed(file: str, folders: Mapping[str, Collection[str]]) -> str:
    """A file's path in the folder that replaced its own, if such a folder is known.

    It is learnt from DAGs that are on the list and there. They leave the list before the others are there.
    """
    folder = max((folder for folder in folders if file.startswith(f"{folder}/")), key=len, default=None)
    if folder is None or len(folders[folder]) != 1:
        return file
    (now,) = folders[folder]
    return now + file.removeprefix(folder)


def _listed(busy: Sequence[Busy], most: int = 5) -> str:
    names = ", ".join(str(entry) for entry in busy[:most])
    rest = f" and {len(busy) - most} more" if len(busy) > most else ""
    return f"{len(busy)} task instances still run: {names}{rest}"
