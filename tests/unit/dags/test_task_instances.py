# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which task instances count as dead, in the tables of Airflow 1.10 and of 3, and how long the others still need."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import itertools

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags.task_instances import read_busy
from ansible_collections.hopsworks.airflow.plugins.modules import quiesce as module
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of

NOW, LATELY, LONG_AGO = "UTC_TIMESTAMP()", "UTC_TIMESTAMP() - INTERVAL 23 HOUR", "UTC_TIMESTAMP() - INTERVAL 25 HOUR"
THERE, GONE, UNKNOWN = "p_demo_1__hello", "p_demo_1__gone", "p_demo_1__deleted"


class Old:
    """One task instance of 1.10, and what belongs to it."""

    def __init__(self, deployment):
        self._server, self._schema = deployment.server, deployment.names.live
        self._server.as_root("DELETE FROM task_instance; DELETE FROM dag_run; DELETE FROM job", self._schema)

    def add(self, state, dag=UNKNOWN, start="NULL", queued="NULL", job="NULL", run=None, run_end="NULL"):
        self._server.as_root(
            "INSERT INTO task_instance (task_id, dag_id, execution_date, state, start_date, queued_dttm, job_id, pool)"
            f" VALUES ('say', '{dag}', '2023-01-01', '{state}', {start}, {queued}, {job}, 'default_pool')",
            self._schema,
        )
        if run:
            self._server.as_root(
                "INSERT INTO dag_run (dag_id, execution_date, run_id, state, start_date, end_date)"
                f" VALUES ('{dag}', '2023-01-01', 'scheduled__1', '{run}', '2023-01-01', {run_end})",
                self._schema,
            )

    def add_job(self, state, heartbeat):
        self._server.as_root(
            "INSERT INTO job (id, dag_id, state, job_type, start_date, latest_heartbeat)"
            f" VALUES (4711, '{UNKNOWN}', '{state}', 'LocalTaskJob', '2023-01-01', {heartbeat})",
            self._schema,
        )


class New:
    """One task instance of 3.0.6, and what belongs to it."""

    def __init__(self, deployment):
        self._server, self._schema = deployment.server, deployment.names.workspace

    def add(self, state, dag=UNKNOWN, start="NULL", queued="NULL", heartbeat="NULL", run="running", run_end="NULL"):
        self._server.as_root(
            "INSERT INTO dag_run (dag_id, run_id, run_type, state, run_after, end_date)"
            f" VALUES ('{dag}', 'r', 'manual', '{run}', '2023-01-01', {run_end});"
            "INSERT INTO task_instance (id, task_id, dag_id, run_id, state, start_date, queued_dttm, last_heartbeat_at,"
            " pool, pool_slots)"
            f" VALUES ('1', 'say', '{dag}', 'r', '{state}', {start}, {queued}, {heartbeat}, 'default_pool', 1)",
            self._schema,
        )

    def add_dag(self, dag, stale):
        self._server.as_root(
            "INSERT INTO dag_bundle (name) VALUES ('dags');"
            "INSERT INTO dag (dag_id, is_paused, is_stale, bundle_name, max_active_tasks, has_task_concurrency_limits,"
            f" max_consecutive_failed_dag_runs) VALUES ('{dag}', 0, {stale}, 'dags', 16, 0, 0)",
            self._schema,
        )


@pytest.fixture
def old(deployment):
    return Old(deployment)


@pytest.fixture
def new(deployment):
    return New(deployment)


def dead_in(database, schema):
    (entry,) = read_busy(database, schema)
    return entry.dead


@pytest.mark.parametrize("state", ["running", "restarting", "shutdown"])
@pytest.mark.parametrize(
    ("job", "heartbeat", "start", "dead"),
    [
        ("failed", LONG_AGO, LONG_AGO, True),
        # A worker that lost its power: nobody could write that it has ended.
        ("running", LONG_AGO, LONG_AGO, True),
        # Removed by a clean-up of the table. A job that lives writes its row again.
        (None, None, LONG_AGO, True),
        (None, None, LATELY, False),
        ("running", NOW, LONG_AGO, False),
        ("running", LATELY, LONG_AGO, False),
        # Ended, and the scheduler has the time to see to it.
        ("failed", LATELY, LONG_AGO, False),
    ],
)
def test_a_task_instance_of_1_10_lives_by_the_heartbeat_of_its_job(
    database, deployment, old, state, job, heartbeat, start, dead
):
    old.add(state, start=start, job="4711")
    if job:
        old.add_job(job, heartbeat)

    assert dead_in(database, deployment.names.live) is dead


def test_without_a_job_nothing_is_proved(database, deployment, old):
    old.add("running", start="'2023-01-01'")

    assert not dead_in(database, deployment.names.live)


@pytest.mark.parametrize(
    ("values", "dead"),
    [
        ({"dag": THERE}, True),
        ({"dag": THERE, "run": "failed"}, True),
        ({"dag": THERE, "run": "success", "run_end": LONG_AGO, "queued": LONG_AGO}, True),
        # The DAG is gone, and its run goes on for ever.
        ({"dag": GONE, "run": "running"}, True),
        ({"dag": UNKNOWN, "run": "running"}, True),
        ({"dag": THERE, "run": "running", "queued": LONG_AGO}, False),
        ({"dag": THERE, "run": "queued"}, False),
        ({"dag": THERE, "run": "failed", "run_end": LATELY}, False),
        ({"dag": THERE, "run": "failed", "queued": LATELY}, False),
        ({"dag": GONE, "run": "running", "queued": LATELY}, False),
        ({"dag": UNKNOWN, "start": NOW}, False),
    ],
)
def test_a_queued_task_instance_of_1_10_lives_by_its_dag_and_its_run(database, deployment, old, values, dead):
    old.add("queued", **values)

    assert dead_in(database, deployment.names.live) is dead


@pytest.mark.parametrize(
    ("heartbeat", "start", "dead"),
    [
        (LONG_AGO, LONG_AGO, True),
        # Of before 3.0, whose tables had no heartbeat here.
        ("NULL", LONG_AGO, True),
        (LATELY, LONG_AGO, False),
        (LONG_AGO, LATELY, False),
    ],
)
def test_a_task_instance_of_3_lives_by_its_own_heartbeat(database, deployment, new, heartbeat, start, dead):
    new.add("running", start=start, heartbeat=heartbeat)

    assert dead_in(database, deployment.names.workspace) is dead


@pytest.mark.parametrize(
    ("values", "stale", "dead"),
    [
        ({"run": "success"}, 0, True),
        ({"run": "running"}, 1, True),
        ({"run": "running"}, 0, False),
        ({"run": "success", "queued": LATELY}, 0, False),
    ],
)
def test_a_queued_task_instance_of_3_lives_by_its_dag_and_its_run(database, deployment, new, values, stale, dead):
    new.add_dag(THERE, stale)
    new.add("queued", dag=THERE, **values)

    assert dead_in(database, deployment.names.workspace) is dead


def test_tables_that_compare_texts_in_different_ways(server, database, deployment, old):
    """As they may where the server's default changed between two releases of Airflow."""
    server.as_root(
        "DROP TABLE dag_tag; ALTER TABLE dag CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;"
        "ALTER TABLE dag_run CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        deployment.names.live,
    )
    old.add("queued", dag=THERE, run="failed")

    assert dead_in(database, deployment.names.live)


def test_the_dead_are_named_and_not_waited_for(database, deployment, old, monkeypatch):
    old.add("running", start="'2023-01-01'", job="4711")
    old.add_job("failed", "'2023-01-01 00:05'")
    quiesce = deployment.quiesce(database)
    params = {"live": deployment.names.live, "deployment": deployment.name, "timeout": 0, "grace": 0}
    call = call_of(database, monkeypatch, module, **params)

    result = module.act(call)

    assert result["running"] == []
    assert len(result["dead"]) == 1
    assert result["dead"][0].startswith(f"{UNKNOWN}.say (running")
    assert quiesce.unpaused() == {}
    assert result["expected_seconds"]["running"] == 0.0


@pytest.mark.parametrize("dag", [THERE, UNKNOWN])
def test_thousands_of_task_instances_are_judged_in_few_statements(server, database, deployment, old, monkeypatch, dag):
    """Each of another run, and of another task."""
    server.as_root(
        "INSERT INTO task_instance (task_id, dag_id, execution_date, state, pool)"
        f" SELECT CONCAT('t', seq), '{dag}', '2023-01-01' + INTERVAL seq HOUR, 'queued', 'p' FROM seq_1_to_3000;"
        "INSERT INTO dag_run (dag_id, execution_date, run_id, state)"
        f" SELECT '{dag}', '2023-01-01' + INTERVAL seq HOUR, seq, IF(seq > 2000, 'running', 'failed')"
        " FROM seq_1_to_3000",
        deployment.names.live,
    )
    statements, rows = [], database.rows
    monkeypatch.setattr(database, "rows", lambda *given: statements.append(given) or rows(*given))
    quiesce = deployment.quiesce(database)

    assert len(quiesce.dead()) == (2000 if dag == THERE else 3000)
    quiesce.outlook()

    assert len(statements) < 100


@pytest.fixture
def instances(deployment):
    """One task that took 50 s before and runs since 20 s, as the only one."""
    table = f"{deployment.names.live}.task_instance"
    deployment.server.as_root(f"DELETE FROM {table}")
    insert = (
        f"INSERT INTO {table} (task_id, dag_id, execution_date, state, start_date, end_date, duration, pool,"
        " pool_slots)"
        " VALUES ('say', 'p_demo_1__hello', '2026-01-01' + INTERVAL {number} DAY, '{state}',"
        " UTC_TIMESTAMP() - INTERVAL {age} SECOND, UTC_TIMESTAMP(), {duration}, 'default_pool', 1)"
    )
    numbers = itertools.count()

    def add(state, age, duration="NULL"):
        deployment.server.as_root(insert.format(number=next(numbers), state=state, age=age, duration=duration))

    add("success", 3600, 50)
    return add


@pytest.mark.parametrize(
    ("running", "needed"),
    [
        ([("running", 20)], 30.0),
        # Longer than ever before: as long again.
        ([("running", 80)], 80.0),
        # One after the other.
        ([("running", 20), ("queued", 1), ("queued", 2)], 130.0),
        ([], 0.0),
    ],
)
def test_expects_what_the_task_took_before(quiesce, instances, running, needed):
    for state, age in running:
        instances(state, age)

    outlook = quiesce.outlook()

    assert outlook.running == pytest.approx(needed, abs=2)
    assert outlook.longest == 50.0


def test_a_task_that_never_succeeded_may_take_any_time(quiesce, instances, deployment):
    instances("running", 20)
    deployment.server.as_root(f"DELETE FROM {deployment.names.live}.task_instance WHERE state = 'success'")

    outlook = quiesce.outlook()

    assert outlook.running is None
    assert not outlook.fits(86_400)


def test_what_may_start_again_has_to_fit_as_long_as_it_is_not_paused(quiesce, instances, deployment):
    instances("running", 45)

    outlook = quiesce.outlook()

    assert not outlook.fits(60)
    assert outlook.fits(60, paused=True)
    assert outlook.fits(75)
    quiesce.pause()
    assert quiesce.outlook().longest == 0.0


def test_where_nothing_runs_and_nothing_can_start_no_grace_is_needed(quiesce):
    quiesce.pause()

    assert quiesce.outlook().fits(0)


def test_does_not_wait_for_what_ends_within_the_grace(quiesce, instances):
    instances("running", 20)
    quiesce.pause()

    quiesce.wait_until_idle(5, grace_seconds=60)

    with pytest.raises(OperatorError, match="1 task instances still run"):
        quiesce.wait_until_idle(0.5, grace_seconds=20)
