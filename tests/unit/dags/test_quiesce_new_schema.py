# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unpausing in a new schema, as the new Airflow gets to know the DAGs on the list."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._dags import quiesce as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PAUSED
from ansible_collections.hopsworks.airflow.tests.unit.dags.support import (
    UNPAUSED,
    can_import,
    cannot_import,
    on_the_list,
)

ENDLESS = 50


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
