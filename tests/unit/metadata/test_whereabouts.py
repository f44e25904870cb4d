# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.

"""What an operator is told after a failure is what is true by then, by method and stage."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema import building
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import write_record
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.back import Restore
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_info
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, UNDO_RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset, restore, set_state

DUMP = "/runs/airflow-20261122t030000.sql.gz"


@pytest.fixture
def told(database, monkeypatch):
    """Whether anything was moved, and the words, as the module tells them."""

    def tell(deployment):
        call = call_of(database, monkeypatch, metadata_info, live=deployment.names.live, run=RUN, deployment="demo")
        found = metadata_info.act(call)
        return found["moved"], found["old_tables"]

    return tell


def move(deployment, plan, count):
    for entry in plan.moves[:count]:
        deployment.server.as_root(f"RENAME TABLE {entry.source}.{entry.table} TO {entry.target}.{entry.table}")


def dropping(database, deployment):
    rehearsed = {**deployment.rehearsed(database, deployment.names.live), "path": DUMP}
    return {"method": "drop", "rehearsed_dump": rehearsed}


def test_before_anything_is_moved(database, deployment, memory, told):
    untouched = (False, f"No table of schema {deployment.names.live} was moved or dropped.")
    assert told(deployment) == untouched

    # A plan is only paper.
    Reset(database, deployment.request(), memory, quiet)._write_plan(inspect(database, deployment.names))
    assert told(deployment) == untouched


@pytest.mark.parametrize("rebuilding", [False, True])
def test_a_plan_for_an_empty_schema_says_nothing_of_an_airflow_that_came_later(
    database, bare, memory, told, rebuilding
):
    """install.yml was refused after its plan was written; then an Airflow of somebody's own was brought there."""
    bare.make_empty()
    bare.make_new(database)
    Reset(database, bare.request(), memory, quiet)._write_plan(inspect(database, bare.names))
    if rebuilding:
        building.begin(database, inspect(database, bare.names), bare.owner(RUN), "bed/airflow:3.1.0", quiet)
        # Then the new schema has no table yet.
    bare.fill_old()

    assert told(bare) == (False, f"No table of schema {bare.names.live} was moved or dropped.")
    if not rebuilding:
        assert inspect(database, bare.names).stage == "old"
        assert reset(database, bare, memory)["set_aside"] == bare.names.aside(RUN)


@pytest.mark.parametrize("statement", ["DROP TABLE dag", "CREATE TABLE orders (id INT)", "DELETE FROM alembic_version"])
def test_a_strange_schema_has_not_been_moved(deployment, told, statement):
    deployment.server.as_root(f"SET foreign_key_checks = 0; {statement}", deployment.names.live)
    assert not told(deployment)[0]


def test_no_schema_and_an_empty_one_have_not_been_moved(bare, told):
    assert not told(bare)[0]
    bare.make_empty()
    assert not told(bare)[0]


def test_half_set_aside(database, deployment, memory, told):
    count = len(deployment.tables(deployment.names.live))
    plan = Reset(database, deployment.request(), memory, quiet)._write_plan(inspect(database, deployment.names))
    aside = deployment.names.aside(RUN)
    move(deployment, plan, 3)

    words = f"3 of the {count} old tables are in schema {aside}, the others still in {deployment.names.live}"
    assert told(deployment) == (True, f"{words}; all of them are complete.")

    move(deployment, type("Rest", (), {"moves": plan.moves[3 : count + 2]}), None)

    new = len(plan.moves) - count
    words = f"All {count} old tables are complete, in schema {aside}; 2 of {new} new ones are in their place."
    assert told(deployment) == (True, words)


def test_somebody_else_was_at_work(database, deployment, memory, told):
    plan = Reset(database, deployment.request(), memory, quiet)._write_plan(inspect(database, deployment.names))
    move(deployment, plan, 3)
    deployment.server.as_root("CREATE TABLE orders (id INT)", deployment.names.live)

    moved, words = told(deployment)

    assert moved
    assert "something else has moved, made or dropped tables" in words


def test_installed_with_the_old_tables_set_aside(database, deployment, memory, told):
    count = len(deployment.tables(deployment.names.live))
    reset(database, deployment, memory)
    aside = deployment.names.aside(RUN)

    words = f"The new tables are in their place, and {count} old ones in schema {aside}."
    assert told(deployment) == (True, words)

    deployment.server.as_root(f"DROP DATABASE {aside}")
    assert told(deployment)[1].endswith(f"the old ones were in schema {aside}, which is gone.")


@pytest.mark.parametrize("method", ["set_aside", "drop"])
def test_installed_where_nothing_was(database, bare, memory, told, method):
    bare.make_new(database)
    plan = Reset(database, bare.request(method=method), memory, quiet)._write_plan(inspect(database, bare.names))
    bare.server.as_root(f"CREATE DATABASE IF NOT EXISTS {bare.names.live}")
    move(bare, plan, 2)
    assert told(bare) == (True, f"There were no old tables; 2 of {len(plan.moves)} new ones are in their place.")

    reset(database, bare, memory, method=method)
    assert told(bare)[1].endswith("there were no old ones.")
    # The way back takes the new ones away, as there is nothing else.
    assert restore(database, bare, memory)["changed"]


def test_a_version_before_noted_a_drop_where_nothing_was(database, bare, memory, told):
    bare.make_new(database)
    reset(database, bare, memory)
    write_record(database, bare.names.live, bare.install(method="drop"))
    assert "if there were old rows, only the dump has them" in told(bare)[1]


def test_half_dropped_and_dropped(database, deployment, memory, told):
    """Never that they are whole somewhere."""
    changes = dropping(database, deployment)
    tables = sorted(deployment.tables(deployment.names.live))
    action = Reset(database, deployment.request(**changes), memory, quiet)
    plan = action._write_plan(inspect(database, deployment.names))
    set_state(database, plan, "dropping")
    deployment.server.as_root(f"SET foreign_key_checks = 0; DROP TABLE {', '.join(tables[:-2])}", deployment.names.live)

    moved, words = told(deployment)

    assert moved
    assert f"has dropped {len(tables) - 2} of the {len(tables)} old tables" in words
    assert DUMP in words

    deployment.server.as_root(f"DROP DATABASE {deployment.names.live}")
    moved, words = told(deployment)
    assert moved
    assert f"has dropped all {len(tables)} old tables" in words
    assert DUMP in words

    reset(database, deployment, memory, **changes)
    moved, words = told(deployment)
    assert moved
    assert words.endswith(f"only the dump has the old rows, {DUMP}.")


def test_on_the_way_back(database, deployment, memory, told):
    reset(database, deployment, memory)
    action = Restore(database, deployment.request(run=UNDO_RUN), memory, quiet)
    plan = action._write_plan(inspect(database, deployment.names))
    move(deployment, plan, 2)

    moved, words = told(deployment)
    assert moved
    assert f"has not finished the restore of the old tables: 2 of {len(plan.moves)} moves are made" in words

    restore(database, deployment, memory)
    assert not told(deployment)[0]
