# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""A reset that dies at any point, whichever way it goes, is finished by the next run or taken back."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.plan import read_plan, write_plan
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import INSTALL
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.back import Restore
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.whereabouts import old_tables
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, UNDO_RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import (
    ClientDiedError,
    DyingDatabase,
    reset,
    restore,
    set_state,
)


class TestInterrupted:
    """A server that dies in a RENAME TABLE of many tables leaves the first few of them renamed.

    So do MySQL 5.7, NDB Cluster and MariaDB before 10.6. The server of these tests takes them back
    (test_server_crash.py), so its tables are moved as such a server would have left them.
    """

    def test_at_every_point_the_reset_is_finished(self, database, deployment, memory):
        names = deployment.names
        old = deployment.content(database, names.live)
        plan = self._planned(database, deployment, memory)
        for done in range(1, len(plan.moves) + 1):
            self._move(deployment, plan.moves[:done])
            inspection = inspect(database, names)
            assert (inspection.stage, inspection.moves_done) == ("moving", done)

            result = reset(database, deployment, memory, run="20261130t000000")

            assert result["changed"], done
            assert result["run"] == RUN
            assert inspect(database, names).stage == "installed"
            assert deployment.content(database, plan.schema) == old, done
            assert deployment.tables(names.workspace) == set()
            self._rewind(database, deployment, plan)

    def test_at_every_point_it_can_be_taken_back(self, database, deployment, memory):
        names = deployment.names
        old, new = deployment.content(database, names.live), deployment.tables(names.workspace)
        plan = self._planned(database, deployment, memory)
        for done in range(1, len(plan.moves) + 1):
            self._move(deployment, plan.moves[:done])

            assert restore(database, deployment, memory)["changed"]

            assert inspect(database, names).stage == "old"
            assert deployment.content(database, names.live) == old, done
            assert deployment.tables(names.workspace) == new | {INSTALL}
            assert read_plan(database, plan.schema).state == "undone"
            set_state(database, plan, "planned")

    def test_at_every_point_the_way_back_is_finished(self, database, deployment, memory):
        names = deployment.names
        old = deployment.content(database, names.live)
        reset(database, deployment, memory)
        plan = self._planned_back(database, deployment, memory)
        for done in range(1, len(plan.moves) + 1):
            self._move(deployment, plan.moves[:done])
            assert inspect(database, names).stage == "moving"
            with pytest.raises(OperatorError, match="has not finished the restore"):
                reset(database, deployment, memory)

            assert restore(database, deployment, memory)["changed"]

            assert inspect(database, names).stage == "old"
            assert deployment.content(database, names.live) == old, done
            self._move(deployment, plan.moves, backwards=True)
            set_state(database, plan, "planned")
            memory.remembered = None

    def test_a_plan_of_which_nothing_was_done_is_made_anew(self, database, deployment, memory):
        self._planned(database, deployment, memory)
        deployment.server.as_root(f"INSERT INTO {deployment.names.live}.variable (`key`, val) VALUES ('later', 'yes')")
        old = deployment.definition(deployment.names.live)
        assert inspect(database, deployment.names).stage == "old"

        result = reset(database, deployment, memory, run="20261124t000000")

        assert result["run"] == "20261124t000000"
        assert deployment.definition(deployment.names.aside("20261124t000000")) == old

    # The old UI, when somebody starts it, makes those of its own tables that are missing: they come first.
    @pytest.mark.parametrize("made", ["surprise", "ab_permission"])
    def test_somebody_elses_hands_are_noticed(self, database, deployment, memory, made):
        plan = self._planned(database, deployment, memory)
        self._move(deployment, plan.moves[:5])
        deployment.server.as_root(f"CREATE TABLE {deployment.names.live}.{made} (id INT)")
        before = {schema: deployment.tables(schema) for schema in deployment.schemas()}

        with pytest.raises(OperatorError, match="match no step of the plan"):
            reset(database, deployment, memory)

        assert {schema: deployment.tables(schema) for schema in deployment.schemas()} == before

    def test_two_moves_that_have_begun_are_left_to_people(self, database, deployment, memory):
        """As a copied schema, or two versions of this collection, could leave them. Which one counts, nobody knows."""
        first = self._planned(database, deployment, memory)
        self._move(deployment, first.moves[:3])
        schema = deployment.names.aside("another")
        moves = tuple(dataclasses.replace(move, target=schema) for move in first.moves[3:])
        another = dataclasses.replace(first, schema=schema, run="another", moves=moves)
        deployment.server.as_root(f"CREATE DATABASE {schema}")
        write_plan(database, another)
        self._move(deployment, another.moves[:1])
        before = {schema: deployment.tables(schema) for schema in deployment.schemas()}

        inspection = inspect(database, deployment.names)

        assert inspection.stage == "foreign"
        both = ", ".join(sorted([first.schema, schema]))
        assert inspection.problems == (f"several moves are not finished: {both}",)
        for attempt in (reset, restore):
            with pytest.raises(OperatorError, match="several moves are not finished"):
                attempt(database, deployment, memory)
        assert {schema: deployment.tables(schema) for schema in deployment.schemas()} == before

    def test_rows_changed_while_it_was_half_done_are_noticed(self, database, deployment, memory):
        plan = self._planned(database, deployment, memory)
        self._move(deployment, plan.moves[:33])
        deployment.server.as_root(f"UPDATE {plan.schema}.variable SET val = 'changed'")

        with pytest.raises(OperatorError, match="have changed since they were set aside") as caught:
            reset(database, deployment, memory)

        assert "variable" in caught.value.found
        assert inspect(database, deployment.names).stage == "moving"

    def _planned(self, database, deployment, memory):
        """Everything up to the first move."""
        action = Reset(database, deployment.request(), memory, quiet)
        action._write_plan(inspect(database, deployment.names))
        return read_plan(database, deployment.names.aside(RUN))

    def _planned_back(self, database, deployment, memory):
        """Everything up to the first move of the way back."""
        action = Restore(database, deployment.request(run=UNDO_RUN), memory, quiet)
        action._write_plan(inspect(database, deployment.names))
        return read_plan(database, deployment.names.undone(UNDO_RUN))

    def _move(self, deployment, moves, *, backwards=False):
        pairs = [((move.source, move.table), (move.target, move.table)) for move in moves]
        if backwards:
            pairs = [(target, source) for source, target in reversed(pairs)]
        if pairs:
            deployment.server.as_root(
                "RENAME TABLE " + ", ".join(f"{quoted(*source)} TO {quoted(*target)}" for source, target in pairs)
            )

    def _rewind(self, database, deployment, plan):
        """Back to where nothing is done, the plan written."""
        self._move(deployment, plan.moves, backwards=True)
        set_state(database, plan, "planned")
        deployment.mark_new(database)


def test_crashing_before_every_statement_of_a_set_aside(server, bare, memory):
    with server.session() as database:
        bare.make_old()
        bare.make_new(database)
    old = bare.definition(bare.names.live)
    crashes = 0
    while True:
        with server.session() as database:
            try:
                reset(DyingDatabase(database, after=crashes), bare, memory)
                break
            except ClientDiedError:
                crashes += 1
    assert crashes >= 8
    with server.session() as database:
        assert inspect(database, bare.names).stage == "installed"
    assert bare.definition(bare.names.aside(RUN)) == old
    assert bare.tables(bare.names.workspace) == set()


def test_a_reset_that_only_has_to_be_noted_is_finished_whatever_was_started(server, database, deployment, memory):
    """The API server is away when all tables are in their places, and somebody starts an old UI in the meantime."""
    with pytest.raises(ClientDiedError):
        reset(DyingDatabase(database, before="UPDATE"), deployment, memory)
    server.as_root("CREATE TABLE users (id INT PRIMARY KEY)", deployment.names.live)

    found = inspect(database, deployment.names, owner=deployment.owner())
    assert (found.stage, found.moves_done) == ("moving", len(found.begun.moves))
    assert "46 of 46 new ones are in their place" in old_tables(found)

    assert reset(database, deployment, memory)["changed"]
    assert inspect(database, deployment.names, owner=deployment.owner()).stage == "installed"


def test_a_reset_on_which_something_was_started_is_not_taken_back(server, database, deployment, memory):
    """What was made there would be in the way of old tables, or stay among them."""
    with pytest.raises(ClientDiedError):
        reset(DyingDatabase(database, before="UPDATE"), deployment, memory)
    server.as_root("CREATE TABLE users (id INT PRIMARY KEY)", deployment.names.live)
    before = deployment.everything(database)

    with pytest.raises(OperatorError, match="match no step of the plan"):
        restore(database, deployment, memory)

    assert deployment.everything(database) == before
