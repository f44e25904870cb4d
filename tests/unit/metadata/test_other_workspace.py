# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""What a run has left is found by the next one although airflow_database_workspace was changed in between."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags.quiesce import Quiesce
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import as_result, inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.paused import PausedDags, read_paused
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PAUSED, PLAN, Schemas
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.whereabouts import has_moved, old_tables
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import (
    ClientDiedError,
    DyingDatabase,
    reset,
    restore,
)

LATER = "20261201t030000"


@pytest.fixture
def other(deployment):
    return Schemas(deployment.names.live, f"{deployment.names.live}_other")


def refused(database, deployment, memory, names, act=reset, **changes):
    before = deployment.everything(database)
    with pytest.raises(OperatorError, match=f"run {RUN} has begun to move tables") as caught:
        act(database, deployment, memory, names=names, **changes)
    assert f"airflow_database_workspace: {deployment.names.workspace}" in caught.value.next_step
    assert deployment.everything(database) == before


def test_a_set_aside_that_is_half_done(database, deployment, memory, other):
    action = Reset(database, deployment.request(), memory, quiet)
    plan = action._write_plan(inspect(database, deployment.names, owner=deployment.owner()))
    first = plan.moves[0]
    deployment.server.as_root(f"RENAME TABLE {first.source}.{first.table} TO {first.target}.{first.table}")

    found = inspect(database, other, owner=deployment.owner())

    assert (found.stage, found.moves_done, has_moved(found)) == ("foreign", 1, True)
    assert "1 of the" in old_tables(found)
    assert [entry["schema"] for entry in as_result(found)["set_aside"]] == [plan.schema]
    refused(database, deployment, memory, other)
    refused(database, deployment, memory, other, act=restore)
    assert reset(database, deployment, memory)["changed"]


def test_a_drop_that_is_half_done(database, deployment, memory, other):
    rehearsed = {**deployment.rehearsed(database, deployment.names.live), "path": "/runs/airflow.sql.gz"}
    changes = {"method": "drop", "rehearsed_dump": rehearsed}
    with pytest.raises(ClientDiedError):
        reset(DyingDatabase(database, before="CREATE DATABASE"), deployment, memory, **changes)
    assert deployment.tables(deployment.names.live) == set()

    found = inspect(database, other, owner=deployment.owner())

    assert has_moved(found)
    assert "/runs/airflow.sql.gz" in old_tables(found)
    refused(database, deployment, memory, other, **changes)
    assert reset(database, deployment, memory, **changes)["changed"]


def test_a_plan_of_which_nothing_was_done_is_in_nobodys_way(database, deployment, memory, other):
    Reset(database, deployment.request(), memory, quiet)._write_plan(inspect(database, deployment.names))

    assert inspect(database, other, owner=deployment.owner()).stage == "old"


@pytest.mark.parametrize("state", ["done", "undone", "planned"])
def test_a_finished_plan_of_another_version_is_in_nobodys_way(server, database, deployment, memory, state):
    reset(database, deployment, memory)
    aside = deployment.names.aside(RUN)
    server.as_root(
        f"UPDATE {aside}.{PLAN} SET detail = JSON_SET(detail, '$.format', 9, '$.state', '{state}') WHERE position = 0"
    )
    if state == "planned":
        with pytest.raises(OperatorError, match="not a plan that this version wrote"):
            inspect(database, deployment.names, owner=deployment.owner())
        return

    found = inspect(database, deployment.names, owner=deployment.owner())

    assert found.stage == "installed"
    # Whether all old tables are there it alone would tell.
    with pytest.raises(OperatorError, match="has no plan of a finished reset"):
        restore(database, deployment, memory)


@pytest.mark.parametrize("detail", ["no json", "[]", '{"format": 9, "live": "airflow_elsewhere"}'])
def test_a_plan_of_another_deployment_and_version_is_in_nobodys_way(server, database, deployment, detail):
    schema = f"airflow_x_{deployment.names.live}"
    server.as_root(
        f"CREATE DATABASE {schema}; CREATE TABLE {schema}.{PLAN} (position INT PRIMARY KEY, detail TEXT);"
        f"INSERT INTO {schema}.{PLAN} VALUES (0, '{detail}')"
    )
    try:
        assert inspect(database, deployment.names, owner=deployment.owner()).stage == "old"
    finally:
        server.as_root(f"DROP DATABASE {schema}")


def test_dags_that_were_paused_are_unpaused(database, deployment, other):
    paused = sorted(deployment.quiesce(database).pause())
    assert sorted(read_paused(database, other.workspace, deployment.owner())) == paused

    second = Quiesce(database, other, deployment.owner(LATER), quiet, installed=False)
    assert sorted(second.pause()) == paused
    assert PAUSED not in deployment.tables(deployment.names.workspace)
    assert {entry.run for entry in second.remembered().values()} == {RUN}

    assert sorted(second.resume().unpaused) == paused


def test_a_run_that_only_unpauses_finds_them(database, deployment, other):
    paused = sorted(deployment.quiesce(database).pause())

    third = Quiesce(database, other, deployment.owner(LATER), quiet, installed=False)

    assert sorted(third.resume().unpaused) == paused
    assert not any(entry.paused for entry in third.remembered().values())


def test_a_list_of_another_deployment_is_left_alone(database, deployment, other):
    deployment.quiesce(database).pause()
    whose = deployment.owner()
    stranger = type(whose)("another", whose.namespace, whose.live, whose.run)

    PausedDags(database, other.workspace, stranger).write({})

    assert read_paused(database, other.workspace, stranger) == {}
    assert PAUSED in deployment.tables(deployment.names.workspace)


def test_a_list_of_another_deployment_that_is_shown_and_not_to_be_read(server, database, deployment, other):
    """A right on everything, as one that is to show keys from outside, shows the tables of all."""
    deployment.quiesce(database).pause()
    whose, schema = deployment.owner(), f"others_{other.workspace}"
    server.as_root(
        f"CREATE DATABASE {schema}; CREATE TABLE {schema}.{PAUSED} LIKE {deployment.names.workspace}.{PAUSED};"
        " GRANT REFERENCES ON *.* TO airflow@'%'"
    )
    try:
        with server.session() as partly:
            with pytest.raises(OperatorError, match="1142"):
                partly.value(f"SELECT run FROM {schema}.{PAUSED}")
            assert read_paused(partly, other.workspace, whose)
            assert Quiesce(partly, other, whose, quiet, installed=False).resume().unpaused
    finally:
        server.as_root(f"DROP DATABASE {schema}; REVOKE REFERENCES ON *.* FROM airflow@'%'")
