# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import dataclasses
import itertools
import threading
import time
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags import quiesce as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags.quiesce import Quiesce
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PAUSED
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.modules import quiesce as module
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import ClientDiedError, DyingDatabase

UNPAUSED = ["p_demo_1__gone", "p_demo_1__hello"]
ENDLESS = 50
FILES = {"p_demo_1__gone": "gone.py", "p_demo_1__hello": "hello.py"}


@pytest.fixture
def quiesce(database, deployment):
    return deployment.quiesce(database)


@pytest.fixture
def upgraded(database, deployment, memory):
    """Quiesced and upgraded; a function adds DAGs as the new Airflow does, paused."""
    quiesce = deployment.quiesce(database)
    quiesce.pause()
    quiesce.resume()
    Reset(database, deployment.request(), memory, quiet).carry_out()
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


@pytest.fixture
def clock(monkeypatch):
    """Each look at the time is a minute after the one before; what is done while it sleeps is given, one a sleep."""
    made = SimpleNamespace(minutes=0, meanwhile=iter(()), slept=0)

    def monotonic():
        made.minutes += 1
        return made.minutes * 60.0

    def sleep(_seconds):
        made.slept += 1
        assert made.slept < ENDLESS
        do = next(made.meanwhile, None)
        if do is not None:
            do()

    # Not the module itself: the session of the database looks at the clock as well.
    monkeypatch.setattr(subject, "time", SimpleNamespace(monotonic=monotonic, sleep=sleep))
    return made


def on_the_list(deployment, *dags, file="/dags/other/late.py"):
    table = f"{deployment.names.workspace}.{PAUSED}"
    for dag in dags:
        deployment.server.as_root(
            f"INSERT INTO {table} SELECT '{dag}', '{file}', 0, 1, deployment, namespace, live, run FROM {table} LIMIT 1"
        )


def cannot_import(deployment, *files):
    for file in files:
        deployment.server.as_root(
            f"INSERT INTO {deployment.names.live}.import_error (filename, stacktrace) VALUES ('{file}', 'x')"
        )


def can_import(deployment):
    deployment.server.as_root(f"DELETE FROM {deployment.names.live}.import_error")


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


def test_named_dags_alone_are_unpaused_and_the_rest_stays_on_the_list(quiesce):
    quiesce.pause()

    assert quiesce.predict(["p_demo_1__hello"]).unpaused == ["p_demo_1__hello"]
    assert quiesce.resume(["p_demo_1__hello"]).unpaused == ["p_demo_1__hello"]

    assert list(quiesce.unpaused()) == ["p_demo_1__hello"]
    assert quiesce.resume().unpaused == ["p_demo_1__gone"]


def test_a_dag_that_was_never_paused_and_is_not_there_is_unknown(quiesce):
    quiesce.pause()

    result = quiesce.resume(["misspelt"])

    assert (result.unpaused, result.unknown) == ([], ["misspelt"])


def test_what_was_paused_by_hand_after_a_resume_stays_paused(quiesce, deployment):
    quiesce.pause()
    quiesce.resume()
    deployment.server.as_root(f"UPDATE {deployment.names.live}.dag SET is_paused = 1 WHERE dag_id = '{UNPAUSED[0]}'")

    assert quiesce.resume().unpaused == []
    assert sorted(quiesce.pause()) == UNPAUSED[1:]
    assert quiesce.resume().unpaused == UNPAUSED[1:]


def test_the_same_dags_run_again_in_the_new_schema(upgraded, database, deployment):
    """Those that come later, too; also one whose file was gone before."""
    on_the_list(deployment, "p_demo_2__late")
    upgraded("p_demo_1__hello", "p_demo_1__sleeping")
    quiesce = deployment.quiesce(database, installed=True)

    result = quiesce.resume()

    assert (result.unpaused, result.unknown, result.gone) == (
        ["p_demo_1__hello"],
        ["p_demo_2__late"],
        ["p_demo_1__gone"],
    )
    assert list(quiesce.unpaused()) == ["p_demo_1__hello"]
    assert sorted(quiesce.remembered()) == ["p_demo_1__gone", "p_demo_2__late"]

    # A rotation in between neither loses it nor takes it for one that it has paused itself.
    quiesce.pause()
    assert quiesce.resume().unpaused == ["p_demo_1__hello"]
    upgraded("p_demo_2__late")

    assert quiesce.resume().unpaused == ["p_demo_2__late"]
    upgraded("p_demo_1__gone")
    assert quiesce.resume().unpaused == ["p_demo_1__gone"]
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


def test_some_can_be_given_up(upgraded, database, deployment):
    quiesce = deployment.quiesce(database, installed=True)

    assert quiesce.forget(["p_demo_1__gone", "never_there"]) == ["p_demo_1__gone"]
    assert list(quiesce.remembered()) == ["p_demo_1__hello"]


def test_waits_as_long_as_dags_on_the_list_arrive(upgraded, database, deployment, clock):
    """The time is for no progress: one DAG a look is progress, whatever the time in all."""
    late = [f"late_{number}" for number in range(5)]
    on_the_list(deployment, *late)
    clock.meanwhile = iter([lambda dag=dag: upgraded(dag) for dag in (*late, "p_demo_1__hello")])

    result = deployment.quiesce(database, installed=True).resume_as_parsed(120)

    assert result.unpaused == [*late, "p_demo_1__hello"]
    assert result.unknown == []


def test_a_file_that_turns_out_to_be_broken_is_progress_once(upgraded, database, deployment, clock):
    on_the_list(deployment, "only_old", file="/dags/only_old.py")
    upgraded("p_demo_1__sleeping")
    again_and_again = [lambda: cannot_import(deployment, "only_old.py"), lambda: can_import(deployment)]
    clock.meanwhile = itertools.cycle(again_and_again)

    deployment.quiesce(database, installed=True).resume_as_parsed(120)

    assert clock.slept == 2


def test_the_wait_ends_whatever_else_is_parsed(upgraded, database, deployment, clock):
    """One DAG was renamed, and users add some of their own all day."""
    clock.meanwhile = (lambda number=number: upgraded(f"added_{number}") for number in itertools.count())

    result = deployment.quiesce(database, installed=True).resume_as_parsed(120)

    assert result.unknown == ["p_demo_1__hello"]


def test_a_dag_that_is_there_does_not_wait_for_the_others(upgraded, database, deployment, clock):
    on_the_list(deployment, "renamed")
    upgraded("p_demo_1__hello")
    quiesce, seen = deployment.quiesce(database, installed=True), []
    clock.meanwhile = iter([lambda: seen.append((list(quiesce.unpaused()), sorted(quiesce.remembered())))])

    quiesce.resume_as_parsed(120)

    assert seen == [(["p_demo_1__hello"], ["p_demo_1__gone", "renamed"])]


def test_a_dag_whose_first_import_failed_is_unpaused_when_it_is_there(upgraded, database, deployment, clock):
    """All files are imported at once when Airflow starts, so one may take too long."""
    on_the_list(deployment, "slow", "slower", "late", file="/dags/demo/slow.py")
    upgraded("p_demo_1__hello")
    cannot_import(deployment, "demo/slow.py")
    quiesce = deployment.quiesce(database, installed=True)
    assert quiesce.predict().broken == ["late", "slow", "slower"]
    on_the_list(deployment, "waited_for")
    clock.meanwhile = iter([lambda: upgraded("slow"), lambda: upgraded("waited_for")])

    result = quiesce.resume_as_parsed(120)

    assert result.unpaused == ["p_demo_1__hello", "slow", "waited_for"]
    assert result.broken == ["late", "slower"]
    # And in a later run.
    can_import(deployment)
    upgraded("slower")
    assert quiesce.resume_as_parsed(0).unpaused == ["slower"]
    assert sorted(quiesce.remembered()) == ["late", "p_demo_1__gone"]


def test_a_dag_whose_file_was_gone_and_now_fails_to_import_is_told_once(upgraded, database, deployment):
    upgraded("p_demo_1__hello")
    cannot_import(deployment, "gone.py")

    result = deployment.quiesce(database, installed=True).predict()

    assert (result.broken, result.gone) == (["p_demo_1__gone"], [])


def test_what_is_not_there_is_not_taken_for_paused_by_the_next_run(upgraded, database, deployment, monkeypatch):
    """A rotation would wait for all tasks where one within its grace is enough."""
    upgraded("p_demo_1__hello")
    deployment.quiesce(database, installed=True).resume()
    act = {"live": deployment.names.live, "deployment": deployment.name, "state": "quiesced", "timeout": 60}

    assert module.act(call_of(database, monkeypatch, module, grace=60, **act))["paused"] == []
    for check_mode in (True, False):
        call = call_of(database, monkeypatch, module, check_mode=check_mode, **act)
        assert module.act(call)["paused"] == ["p_demo_1__hello"]


def test_it_is_said_which_dags_stay_paused_and_why(upgraded, database, deployment, monkeypatch):
    on_the_list(deployment, "broken", file="/dags/demo/slow.py")
    on_the_list(deployment, "renamed")
    cannot_import(deployment, "demo/slow.py")
    upgraded("p_demo_1__hello")
    act = {"live": deployment.names.live, "deployment": deployment.name, "state": "resumed", "timeout": 0}
    warnings = []
    call = dataclasses.replace(call_of(database, monkeypatch, module, **act), warn=warnings.append)

    result = module.act(call)

    assert (result["unknown"], result["broken"], result["gone"]) == (["renamed"], ["broken"], ["p_demo_1__gone"])
    (warning,) = warnings
    assert "1 are not known to the new Airflow yet: renamed; 1 are in files that it can't import: broken" in warning
    assert "p_demo_1__gone" in warning
    assert "run the same playbook again" in warning


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
    table = f"{deployment.names.workspace}.{PAUSED}"
    deployment.server.as_root(
        f"INSERT INTO {deployment.names.live}.import_error (filename, stacktrace) VALUES ('demo/only_old.py', 'x');"
        f"UPDATE {table} SET dag_id = 'only_old', fileloc = '/dags/demo/only_old.py', gone = 0"
        " WHERE dag_id = 'p_demo_1__gone';"
        f"INSERT INTO {table} SELECT 'others', '/dags/other/only_old.py', 0, 0, deployment, namespace, live, run"
        f" FROM {table} LIMIT 1"
    )
    upgraded("p_demo_1__hello")
    quiesce = deployment.quiesce(database, installed=True)

    result = quiesce.resume()

    assert (result.broken, result.unknown) == (["only_old"], ["others"])
    upgraded("others")
    assert quiesce.resume_as_parsed(3600).unpaused == ["others"]


@pytest.mark.parametrize("folder", ["/dags", "/opt/airflow/dags"])
def test_a_broken_file_of_the_same_name_in_another_folder_says_nothing(upgraded, database, deployment, folder):
    """Wherever the folder of the DAGs is now."""
    table = f"{deployment.names.workspace}.{PAUSED}"
    deployment.server.as_root(
        f"INSERT INTO {deployment.names.live}.import_error (filename, stacktrace)"
        " VALUES ('job.py', 'x'), ('a/x.py', 'x');"
        f"INSERT INTO {table} SELECT 'mine', '/dags/team_a/job.py', 0, 0, deployment, namespace, live, run"
        f" FROM {table} LIMIT 1;"
        f"INSERT INTO {table} SELECT 'broken', '/dags/a/x.py', 0, 0, deployment, namespace, live, run"
        f" FROM {table} LIMIT 1"
    )
    quiesce = deployment.quiesce(database, installed=True)
    # Nothing is parsed yet, so what is before `a/x.py` isn't known to be the folder.
    assert quiesce.predict().broken == []

    upgraded("p_demo_1__hello", folder=folder)

    assert quiesce.predict().broken == ["broken"]
    assert "mine" in quiesce.predict().unknown
    # Also when the DAG that tells the folder is off the list.
    quiesce.resume()
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


def test_where_nothing_runs_and_nothing_can_start_no_grace_is_needed(quiesce):
    quiesce.pause()

    assert quiesce.outlook().fits(0)


def test_does_not_wait_for_what_ends_within_the_grace(quiesce, instances):
    instances("running", 20)
    quiesce.pause()

    quiesce.wait_until_idle(5, grace_seconds=60)

    with pytest.raises(OperatorError, match="1 task instances still run"):
        quiesce.wait_until_idle(0.5, grace_seconds=20)


class TestRights:
    """Taken away when the upgrade was through; a rotation pauses DAGs when the new keys are in use already."""

    @pytest.fixture
    def act(self, server, database, deployment, monkeypatch):
        live = deployment.names.live
        server.as_root(f"CREATE USER later@'%' IDENTIFIED BY 'x'; GRANT ALL ON {live}.* TO later@'%'")
        said = []

        def run(**options):
            with session("127.0.0.1", server.port, "later", b"x", "db") as later:
                call = call_of(later, monkeypatch, module, live=live, run=RUN, deployment="demo", **options)
                return module.act(dataclasses.replace(call, warn=said.append)), said

        yield run
        server.as_root("DROP USER later@'%'")

    @pytest.mark.parametrize("check_mode", [True, False])
    def test_that_a_list_needs_are_missed_before_anything_is_paused(self, act, database, deployment, check_mode):
        with pytest.raises(OperatorError, match="lacks CREATE ON") as caught:
            act(check_mode=check_mode)

        assert "GRANT CREATE, DELETE, DROP, INSERT, SELECT ON" in caught.value.next_step
        assert sorted(deployment.quiesce(database).unpaused()) == UNPAUSED

    def test_that_may_be_needed_later_are_said_in_the_plan(self, act):
        result, said = act(check_mode=True, grace=3600)
        assert result["paused"] == []
        assert "lacks CREATE ON" in said[0]
        assert act(grace=3600)[0]["paused"] == []
