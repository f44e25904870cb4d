# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pausing DAGs and waiting until no task runs; unpausing them in the same schema."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags import quiesce as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags.quiesce import Quiesce
from ansible_collections.hopsworks.airflow.tests.unit.dags.support import (
    UNPAUSED,
)
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import ClientDiedError, DyingDatabase


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

    with pytest.raises(OperatorError, match=r"a user or a program keeps unpausing p_demo_1__sleeping\n") as raised:
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


def test_a_dag_of_which_airflow_has_not_said_whether_it_is_paused_runs(deployment, quiesce):
    deployment.server.as_root(
        "INSERT INTO dag (dag_id, is_paused, is_active, fileloc) VALUES ('old_one', NULL, 1, '/dags/old.py')",
        deployment.names.live,
    )

    assert "old_one" in quiesce.pause()
    assert "old_one" in quiesce.resume().unpaused
