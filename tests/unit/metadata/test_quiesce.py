# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import quiesce as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import PAUSED
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.quiesce import Quiesce
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import (
    RUN,
    ClientDiedError,
    DyingDatabase,
    quiet,
)

UNPAUSED = ["p_demo_1__gone", "p_demo_1__hello"]
FILES = {"p_demo_1__gone": "gone.py", "p_demo_1__hello": "hello.py"}


@pytest.fixture
def quiesce(database, deployment):
    return deployment.quiesce(database)


@pytest.fixture
def upgraded(database, deployment, mirror):
    """Quiesced and upgraded; a function adds DAGs as the new Airflow does, paused."""
    quiesce = deployment.quiesce(database)
    quiesce.pause()
    quiesce.resume()
    Reset(database, deployment.request(), mirror, quiet).carry_out()
    live = deployment.names.live
    database.execute(f"INSERT INTO {live}.dag_bundle (name) VALUES ('dags')")

    def parse(*dags, paused=1, folder="/dags"):
        with deployment.server.session() as session:
            for dag in dags:
                session.execute(
                    f"INSERT INTO {live}.dag (dag_id, is_paused, bundle_name, max_active_tasks,"
                    " max_consecutive_failed_dag_runs, has_task_concurrency_limits, fileloc, relative_fileloc)"
                    " VALUES (%s, %s, 'dags', 16, 0, 0, %s, %s)",
                    [dag, paused, f"{folder}/{FILES.get(dag, 'x.py')}", FILES.get(dag, "x.py")],
                )

    return parse


def test_pauses_what_runs_and_unpauses_just_that(quiesce, deployment):
    before = deployment.definition(deployment.names.live)

    assert sorted(quiesce.pause()) == UNPAUSED

    assert quiesce.unpaused() == {}
    assert quiesce.resume().unpaused == UNPAUSED
    assert deployment.definition(deployment.names.live) == before


def test_dags_are_written_down_before_the_first_is_paused(server, deployment, quiesce):
    """A run that dies at the first of its pauses has the whole list."""
    with server.session() as session:
        statements = []
        for after in range(20):
            dying = DyingDatabase(session, after=after)
            try:
                deployment.quiesce(dying).pause()
                break
            except ClientDiedError as died:
                statements.append(str(died))
                session.execute("ROLLBACK")
                listed = sorted(quiesce.remembered())
                now = sorted(quiesce.unpaused())
                assert sorted({*listed, *now}) == UNPAUSED
                if "is_paused" in statements[-1]:
                    assert listed == UNPAUSED
    assert any("is_paused" in statement for statement in statements)


def test_a_run_that_died_after_the_pause_loses_nothing(server, deployment, quiesce):
    quiesce.pause()
    with server.session() as later:
        again = deployment.quiesce(later, run="20261130t000000")

        assert sorted(again.pause()) == UNPAUSED
        assert {entry.run for entry in again.remembered().values()} == {RUN}
        assert again.resume().unpaused == UNPAUSED


def test_a_run_that_died_within_the_pause_loses_nothing(quiesce, deployment):
    quiesce._list.write(quiesce.unpaused())
    deployment.server.as_root(f"UPDATE {deployment.names.live}.dag SET is_paused = 1 WHERE dag_id = '{UNPAUSED[0]}'")

    assert sorted(quiesce.pause()) == UNPAUSED
    assert quiesce.resume().unpaused == UNPAUSED


def test_what_was_paused_by_hand_after_a_resume_stays_paused(quiesce, deployment):
    quiesce.pause()
    quiesce.resume()
    deployment.server.as_root(f"UPDATE {deployment.names.live}.dag SET is_paused = 1 WHERE dag_id = '{UNPAUSED[0]}'")

    assert quiesce.resume().unpaused == []
    assert sorted(quiesce.pause()) == UNPAUSED[1:]
    assert quiesce.resume().unpaused == UNPAUSED[1:]


def test_the_same_dags_run_again_in_the_new_schema(upgraded, database, deployment):
    """Those that come later, too; one whose file was gone before is not waited for."""
    deployment.server.as_root(
        f"INSERT INTO {deployment.names.workspace}.{PAUSED} SELECT 'p_demo_2__late', '/dags/p_demo_2/late.py', 0, 0,"
        f" deployment, namespace, live, run FROM {deployment.names.workspace}.{PAUSED} LIMIT 1"
    )
    upgraded("p_demo_1__hello", "p_demo_1__sleeping")
    quiesce = deployment.quiesce(database, installed=True)

    result = quiesce.resume()

    assert (result.unpaused, result.unknown, result.gone) == (
        ["p_demo_1__hello"],
        ["p_demo_2__late"],
        ["p_demo_1__gone"],
    )
    assert list(quiesce.unpaused()) == ["p_demo_1__hello"]
    assert sorted(quiesce.remembered()) == ["p_demo_2__late"]

    # A rotation in between neither loses it nor takes it for one that it has paused itself.
    quiesce.pause()
    assert quiesce.resume().unpaused == ["p_demo_1__hello"]
    upgraded("p_demo_2__late")

    assert quiesce.resume().unpaused == ["p_demo_2__late"]
    assert PAUSED not in deployment.tables(deployment.names.workspace)
    assert quiesce.resume().unpaused == []
    assert "p_demo_1__sleeping" not in quiesce.unpaused()


def test_what_its_owner_unpaused_before_is_left_to_its_owner(upgraded, database, deployment):
    upgraded("p_demo_1__hello", paused=0)
    quiesce = deployment.quiesce(database, installed=True)
    quiesce.resume()
    deployment.server.as_root(f"UPDATE {deployment.names.live}.dag SET is_paused = 1")

    assert quiesce.resume().unpaused == []


def test_the_rest_can_be_given_up(upgraded, database, deployment):
    quiesce = deployment.quiesce(database, installed=True)

    assert quiesce.forget() == UNPAUSED
    assert quiesce.remembered() == {}
    assert PAUSED not in deployment.tables(deployment.names.workspace)
    assert quiesce.forget() == []


def test_waits_as_long_as_new_dags_arrive(upgraded, database, deployment, monkeypatch):
    """The time is for no progress: one DAG a look is progress, whatever the time in all."""
    clock = iter(range(0, 10_000, 50))
    arriving = iter([["other_1"], [], ["other_2"], ["p_demo_1__hello"]])
    # Not the module itself: the session of the database looks at the clock as well.
    time = SimpleNamespace(
        monotonic=lambda: next(clock),
        sleep=lambda _seconds: upgraded(*next(arriving, [])),
    )
    monkeypatch.setattr(subject, "time", time)
    quiesce = deployment.quiesce(database, installed=True)

    quiesce.wait_for_new(120)

    assert next(arriving, None) is None
    assert quiesce.resume().unpaused == ["p_demo_1__hello"]


def test_gives_up_waiting_when_nothing_arrives_any_more(upgraded, database, deployment, monkeypatch):
    looks = []
    clock = iter(range(0, 10_000, 50))
    monkeypatch.setattr(subject, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=looks.append))
    quiesce = deployment.quiesce(database, installed=True)

    quiesce.wait_for_new(120)

    assert 1 <= len(looks) <= 3
    assert quiesce.resume().unknown == ["p_demo_1__hello"]


def test_waits_for_running_task_instances(quiesce, deployment):
    table = f"{deployment.names.live}.task_instance"
    deployment.server.as_root(
        f"UPDATE {table} SET state = 'running', start_date = UTC_TIMESTAMP() - INTERVAL 75 SECOND"
    )
    lines = []
    quiesce = Quiesce(quiesce._database, deployment.names, deployment.owner(), lines.append, installed=False)
    ending = threading.Timer(1.5, lambda: deployment.server.as_root(f"UPDATE {table} SET state = 'success'"))
    ending.start()
    begun = time.monotonic()
    quiesce.pause()

    quiesce.wait_until_idle(30)

    ending.join()
    assert time.monotonic() - begun > 1.5
    assert "p_demo_1__hello.say (running 7" in lines[0]


@pytest.fixture
def unpause(deployment):
    """Has a DAG run that may not have been there before."""

    def run(dag):
        deployment.server.as_root(
            f"INSERT INTO {deployment.names.live}.dag (dag_id, is_paused, is_active, fileloc)"
            f" VALUES ('{dag}', 0, 1, '/dags/x.py') ON DUPLICATE KEY UPDATE is_paused = 0"
        )

    return run


@pytest.mark.parametrize("dag", ["p_demo_1__hello", "p_demo_1__added"])
def test_a_dag_that_is_unpaused_or_added_while_it_waits_is_paused_as_well(quiesce, unpause, monkeypatch, dag):
    """The UI answers meanwhile and folders are parsed: the stop would kill what it starts."""
    monkeypatch.setattr(subject, "SETTLED_SECONDS", 0.0)
    busy, looks = quiesce.busy, []

    def look():
        looks.append(quiesce.unpaused())
        if len(looks) == 1:
            unpause(dag)
        return busy()

    monkeypatch.setattr(quiesce, "busy", look)
    quiesce.pause()

    quiesce.wait_until_idle(30)

    # That nothing ran before it was paused doesn't say that nothing does now.
    assert looks == [{}, {}, {}, {}]
    assert quiesce.unpaused() == {}
    assert quiesce.resume().unpaused == sorted({*UNPAUSED, dag})


def test_gives_up_where_a_dag_is_unpaused_again_and_again(quiesce, unpause, monkeypatch):
    busy = quiesce.busy

    def look():
        unpause("p_demo_1__sleeping")
        return busy()

    monkeypatch.setattr(quiesce, "busy", look)
    quiesce.pause()

    with pytest.raises(OperatorError, match=r"somebody unpauses p_demo_1__sleeping\n") as raised:
        quiesce.wait_until_idle(1.5)

    assert raised.value.untouched.startswith("the deployment")
    assert sorted(quiesce.unpaused()) == sorted([*UNPAUSED, "p_demo_1__sleeping"])


def test_gives_up_in_time_and_lets_everything_run_again(quiesce, deployment):
    before_pause = quiesce.unpaused()
    deployment.server.as_root(
        f"UPDATE {deployment.names.live}.task_instance SET state = 'queued', queued_dttm = UTC_TIMESTAMP() LIMIT 1"
    )
    quiesce.pause()

    with pytest.raises(OperatorError, match=r"p_demo_1__hello\.say \(queued"):
        quiesce.wait_until_idle(0.5)

    assert quiesce.unpaused() == before_pause


def test_does_not_wait_for_dags_that_the_new_airflow_cannot_import(upgraded, database, deployment):
    """And only for those: another project's file of the same name says nothing."""
    memory = f"{deployment.names.workspace}.{PAUSED}"
    deployment.server.as_root(
        f"INSERT INTO {deployment.names.live}.import_error (filename, stacktrace) VALUES ('demo/only_old.py', 'x');"
        f"UPDATE {memory} SET dag_id = 'only_old', fileloc = '/dags/demo/only_old.py', gone = 0"
        " WHERE dag_id = 'p_demo_1__gone';"
        f"INSERT INTO {memory} SELECT 'others', '/dags/other/only_old.py', 0, 0, deployment, namespace, live, run"
        f" FROM {memory} LIMIT 1"
    )
    upgraded("p_demo_1__hello")
    quiesce = deployment.quiesce(database, installed=True)

    result = quiesce.resume()

    assert (result.broken, result.unknown) == (["only_old"], ["others"])
    upgraded("others")
    quiesce.wait_for_new(3600)
    assert quiesce.resume().unpaused == ["others"]


@pytest.mark.parametrize("folder", ["/dags", "/opt/airflow/dags"])
def test_a_broken_file_of_the_same_name_in_another_folder_says_nothing(upgraded, database, deployment, folder):
    """Wherever the folder of the DAGs is now."""
    memory = f"{deployment.names.workspace}.{PAUSED}"
    deployment.server.as_root(
        f"INSERT INTO {deployment.names.live}.import_error (filename, stacktrace)"
        " VALUES ('job.py', 'x'), ('a/x.py', 'x');"
        f"INSERT INTO {memory} SELECT 'mine', '/dags/team_a/job.py', 0, 0, deployment, namespace, live, run"
        f" FROM {memory} LIMIT 1;"
        f"INSERT INTO {memory} SELECT 'broken', '/dags/a/x.py', 0, 0, deployment, namespace, live, run"
        f" FROM {memory} LIMIT 1"
    )
    quiesce = deployment.quiesce(database, installed=True)
    # Nothing is parsed yet, so what is before `a/x.py` isn't known to be the folder.
    assert quiesce.predict().broken == []

    upgraded("p_demo_1__hello", folder=folder)

    assert quiesce.predict().broken == ["broken"]
    assert "mine" in quiesce.predict().unknown


def test_a_dag_of_which_airflow_has_not_said_whether_it_is_paused_runs(deployment, quiesce):
    deployment.server.as_root(
        "INSERT INTO dag (dag_id, is_paused, is_active, fileloc) VALUES ('old_one', NULL, 1, '/dags/old.py')",
        deployment.names.live,
    )

    assert "old_one" in quiesce.pause()
    assert "old_one" in quiesce.resume().unpaused


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


def test_does_not_wait_for_what_ends_within_the_grace(quiesce, instances):
    instances("running", 20)
    quiesce.pause()

    quiesce.wait_until_idle(5, grace_seconds=60)

    with pytest.raises(OperatorError, match="1 task instances still run"):
        quiesce.wait_until_idle(0.5, grace_seconds=20)
