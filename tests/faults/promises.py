# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every upgrade promises, whatever happened to it."""

from __future__ import annotations

import time

from bed import NAMESPACE, ROOT, Bed, expected, unchanged
from steps import shows_no_canary

UPGRADE = "playbooks/upgrade.yml"
# The steps that pause the DAGs of the live schema, and unpause them.
PAUSE, UNPAUSE = (rf"^sql UPDATE `airflow`\.`dag` .*SET is_paused = {paused} " for paused in (1, 0))
COMPONENTS = ("airflow-webserver", "airflow-scheduler")
# In rows of every kind that a message might quote. Passwords of the test cluster begin with the same word.
PLANTED = (
    "INSERT INTO airflow.variable (`key`, val, is_encrypted) VALUES ('canary', 'CANARY-row-1', 0)",
    (
        "INSERT INTO airflow.xcom (`key`, value, timestamp, task_id, dag_id, execution_date)"
        " VALUES ('canary', 'CANARY-row-2', '2026-11-20', 'say', 'p_demo_119__hello', '2026-11-20')"
    ),
    "INSERT INTO airflow.connection (conn_id, conn_type, extra) VALUES ('canary', 'http', 'CANARY-row-3')",
    "UPDATE airflow.slot_pool SET description = 'CANARY-row-4'",
)


def old_deployment(bed: Bed) -> dict[str, list[object]]:
    """Make the old deployment, with canaries in its rows; returns what it remembers."""
    bed.reset("old")
    with bed.database() as cursor:
        for statement in PLANTED:
            cursor.execute(statement)
    return bed.history()


class Old:
    """The old deployment, for one test after the other: made when there is none that a test has left in use."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._history: dict[str, list[object]] | None = None

    def deployment(self) -> dict[str, list[object]]:
        """What it remembers. It counts as used up until the test says that it is still there."""
        history, self._history = self._history, None
        return old_deployment(self._bed) if history is None else history

    def still_serves(self, history: dict[str, list[object]]) -> None:
        """After a fault: UI and scheduler are ready, with the old image and all rows, and nothing was dropped."""
        deadline = time.monotonic() + 120
        while not serves(self._bed):
            assert time.monotonic() < deadline
            time.sleep(1)
        for name in COMPONENTS:
            live = self._bed.cluster.plain(self._bed.cluster.apps.read_namespaced_deployment(name, NAMESPACE))
            assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "bed/airflow:1.10.15"
        assert self._bed.history() == history
        paused = {row[0]: bool(row[1]) for row in self._bed.history()["dag"]}
        assert all(paused[dag_id] == dag["paused"] for dag_id, dag in expected()["dags"].items())
        assert self._bed.dropped_databases() == []
        assert self._bed.cluster.coordination.list_namespaced_lease(NAMESPACE).items == []
        self._history = history


def serves(bed: Bed) -> bool:
    """Whether the deployment, old or new, has a ready UI and a ready scheduler."""
    return all(
        (bed.cluster.apps.read_namespaced_deployment(name, NAMESPACE).status.ready_replicas or 0) == 1
        for name in COMPONENTS
    )


def nothing_leaked(bed: Bed, *texts: str) -> None:
    """No password and no value of a row, in what was printed, in the report and in the cluster."""
    reports = [path.read_text(encoding="utf-8") for path in (ROOT / ".sandbox/runs").glob("*/report.html")]
    for text in (*texts, *reports, str(bed.run_record())):
        shows_no_canary(text)


def old_tables(bed: Bed, history: dict[str, list[object]]) -> str:
    """The schema that has the old tables with all their rows; a move that is half done counts as none."""
    for schema in bed.schemas():
        of_the_old = schema == "airflow" or schema.startswith("airflow_before_")
        if of_the_old and set(history) <= set(bed.tables(schema)) and bed.history(schema) == history:
            return schema
    return "half moved"


def completes(bed: Bed, *arguments: str) -> None:
    """The same command again does the rest."""
    again = bed.play(UPGRADE, *arguments)
    assert again.returncode == 0, again.stdout[-6000:]
    record = bed.run_record()
    assert record is not None
    assert record["status"] == "done"
    nothing_leaked(bed, again.stdout)


def nothing_is_left_behind(bed: Bed) -> None:
    assert bed.cluster.batch.list_namespaced_job(NAMESPACE).items == []
    assert bed.cluster.coordination.list_namespaced_lease(NAMESPACE).items == []
    quiet = bed.play(UPGRADE)
    assert quiet.returncode == 0, quiet.stdout[-4000:]
    assert unchanged(quiet.stdout)


def set_aside_completes(bed: Bed, history: dict[str, list[object]]) -> None:
    """After the fault: the rest is done, no row is lost, no database dropped, nothing left behind."""
    assert bed.dropped_databases() == []
    completes(bed)
    aside = [schema for schema in bed.schemas() if schema.startswith("airflow_before_")]
    assert len(aside) == 1, aside
    assert old_tables(bed, history) == aside[0]
    assert bed.dropped_databases() == []
    nothing_is_left_behind(bed)
