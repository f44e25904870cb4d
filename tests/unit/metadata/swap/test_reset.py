# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""The reset on a real MariaDB: every row stays what it was, and what is there decides what is done."""

from __future__ import annotations

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.failures import AwayError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.database import MySql
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import read_install
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import INSTALL, PLAN, PROBE
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NEW_REVISION, RUN, UNDO_RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset, restore


def test_set_aside_and_back_is_the_same_byte_by_byte(database, deployment, memory):
    live, aside = deployment.names.live, deployment.names.aside(RUN)
    old, new = deployment.definition(live), deployment.tables(deployment.names.workspace)
    dropped = deployment.server.logged("DROP DATABASE") + deployment.server.logged("DROP SCHEMA")

    result = reset(database, deployment, memory)

    assert result["changed"]
    assert result["stage"] == "old"
    assert result["set_aside"] == aside
    assert {table["name"] for table in result["tables"]} == deployment.tables(aside) - {PLAN}
    assert next(table for table in result["tables"] if table["name"] == "log")["rows"] == 300
    assert inspect(database, deployment.names).stage == "installed"
    assert deployment.tables(live) == new - {"hopsworks_airflow_workspace"} | {INSTALL}
    assert deployment.tables(deployment.names.workspace) == set()
    assert deployment.server.as_root(f"SELECT version_num FROM {live}.alembic_version").strip() == NEW_REVISION
    install = read_install(database, live)
    assert install is not None
    assert (install.deployment, install.run, install.revision) == ("demo", RUN, NEW_REVISION)
    assert memory.remembered.state == "installed"
    assert deployment.definition(aside) == old

    undone = restore(database, deployment, memory)

    assert undone["changed"]
    assert deployment.definition(live) == old
    assert inspect(database, deployment.names).stage == "old"
    assert memory.remembered.state == "undone"
    assert INSTALL in deployment.tables(deployment.names.undone(UNDO_RUN))
    assert not restore(database, deployment, memory)["changed"]
    assert deployment.server.logged("DROP DATABASE") + deployment.server.logged("DROP SCHEMA") == dropped


def test_run_again_changes_nothing(database, deployment, memory):
    reset(database, deployment, memory)
    before = deployment.definition(deployment.names.live)

    again = reset(database, deployment, memory, run="20261125t000000")

    assert not again["changed"]
    assert again["run"] == RUN
    assert deployment.definition(deployment.names.live) == before


@pytest.mark.parametrize("left", ["memory", "mark"])
def test_what_is_left_to_note_of_a_reset_is_due_once(database, deployment, memory, left):
    """The ConfigMap is lost, or another one after an adoption; or the run died right before its end."""
    reset(database, deployment, memory)
    if left == "memory":
        memory.remembered = None
    else:
        deployment.mark_new(database)
    action = Reset(database, deployment.request(run="20261130t000000"), memory, quiet)

    assert action.predict()["changed"]
    result = action.carry_out()

    assert (result["changed"], result["run"]) == (True, RUN)
    assert memory.remembered.state == "installed"
    assert deployment.tables(deployment.names.workspace) == set()
    assert not action.predict()["changed"]


def test_an_empty_database_gets_the_new_schema(database, bare, memory):
    bare.make_empty()
    bare.make_new(database)

    result = reset(database, bare, memory)

    assert result["stage"] == "empty"
    assert result["set_aside"] is None
    assert inspect(database, bare.names).stage == "installed"
    assert bare.schemas() == {bare.names.live, bare.names.workspace}
    assert bare.tables(bare.names.workspace) == set()


def test_a_database_that_is_not_there_is_made(database, bare, memory):
    bare.make_new(database)

    assert reset(database, bare, memory)["stage"] == "absent"

    assert inspect(database, bare.names).stage == "installed"


def test_later_tables_get_the_new_character_set(database, deployment, memory):
    reset(database, deployment, memory)

    live = inspect(database, deployment.names).live
    assert (live.charset, live.collation) == ("utf8mb4", "utf8mb4_unicode_ci")

    restore(database, deployment, memory)

    assert inspect(database, deployment.names).live.charset == "latin1"


def test_foreign_keys_follow_and_none_points_across(database, deployment, memory):
    reset(database, deployment, memory)

    live, aside = deployment.names.live, deployment.names.aside(RUN)
    for schema, number in ((live, 43), (aside, 13)):
        keys = deployment.server.as_root(
            "SELECT SUM(unique_constraint_schema = constraint_schema), COUNT(*)"
            f" FROM information_schema.referential_constraints WHERE constraint_schema = '{schema}'"
        ).split()
        assert keys == [str(number), str(number)]
    with pytest.raises(OperatorError, match="foreign key constraint fails"):
        database.execute(f"INSERT INTO {quoted(live, 'dag_tag')} (name, dag_id) VALUES ('x', 'nobody')")


def test_prediction_changes_nothing_and_comes_true(database, deployment, memory):
    before = {schema: deployment.definition(schema) for schema in deployment.schemas()}

    predicted = Reset(database, deployment.request(), memory, quiet).predict()

    assert {schema: deployment.definition(schema) for schema in deployment.schemas()} == before
    made = reset(database, deployment, memory)
    for key in ("changed", "stage", "method", "run", "revision", "set_aside", "moved"):
        assert predicted[key] == made[key], key
    assert [table["name"] for table in predicted["tables"]] == [table["name"] for table in made["tables"]]


def test_prediction_before_the_new_schema_is_built(database, bare, memory):
    bare.make_old()

    predicted = Reset(database, bare.request(), memory, quiet).predict()

    verdicts = {condition["condition"]: condition["verdict"] for condition in predicted["conditions"]}
    assert verdicts["workspace_complete"] == "later"
    assert verdicts["too_old_to_migrate"] == "holds"
    assert bare.schemas() == {bare.names.live}


def test_upgraded_again_after_going_back(database, deployment, memory):
    old = deployment.definition(deployment.names.live)
    reset(database, deployment, memory)
    restore(database, deployment, memory)
    deployment.make_new(database)

    assert reset(database, deployment, memory)["changed"]

    assert inspect(database, deployment.names).stage == "installed"
    assert deployment.definition(deployment.names.aside(RUN)) == old


def test_a_table_that_somebody_holds_is_not_waited_for_without_end(server, database, deployment, memory):
    """A session without a default schema is in no list; the server's own lock time-out ends the attempt."""
    database.execute("SET SESSION lock_wait_timeout = 1")
    holder = pymysql.connect(host="127.0.0.1", port=server.port, user="airflow", password=PASSWORD.encode())
    with holder.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute(f"SELECT * FROM {deployment.names.live}.xcom")
    before = deployment.content(database, deployment.names.live)

    with pytest.raises(OperatorError, match="Lock wait timeout"):
        reset(database, deployment, memory)

    assert inspect(database, deployment.names).stage == "old"
    assert deployment.content(database, deployment.names.live) == before
    holder.close()
    assert reset(database, deployment, memory)["changed"]


def test_tables_of_another_engine_are_tried_first(database, deployment, memory):
    deployment.server.as_root("ALTER TABLE import_error ENGINE = Aria", deployment.names.live)
    old = deployment.definition(deployment.names.live)

    reset(database, deployment, memory)

    assert deployment.definition(deployment.names.aside(RUN)) == old


def test_an_engine_that_cannot_be_renamed_across_schemas_is_told_before_anything_moves(database, deployment, memory):
    deployment.server.as_root("ALTER TABLE import_error ENGINE = Aria", deployment.names.live)
    before = deployment.content(database, deployment.names.live)

    with pytest.raises(OperatorError, match="can't rename Aria tables across schemas") as caught:
        reset(UnwillingDatabase(database), deployment, memory)

    assert "method: drop" in caught.value.next_step
    assert deployment.content(database, deployment.names.live) == before
    assert inspect(database, deployment.names).stage == "old"


class UnwillingDatabase(MySql):
    """A server that makes tables of its own engine, and does not rename them across schemas (NDB may be one)."""

    def __init__(self, database):
        super().__init__(database._connection, "the test's server")

    def execute(self, statement, values=()):
        if statement.startswith("RENAME TABLE") and PROBE in statement:
            raise OperatorError("no", expected="", untouched="", next_step="")
        return super().execute(statement, values)


def test_two_at_a_time_take_turns(server, database, deployment):
    with (
        server.session() as other,
        other.move_lock(deployment.names.live, 1),
        pytest.raises(OperatorError, match="another session"),
        database.move_lock(deployment.names.live, 0.2),
    ):
        pass
    with database.move_lock(deployment.names.live, 1):
        pass


@pytest.mark.parametrize(
    "action",
    [
        lambda database, names: database.drop_tables(names.live, ["chart"]),
        lambda database, names: database.probe_move(names.workspace, names.live, PROBE, ["Aria"]),
    ],
    ids=["drop_tables", "probe_rename"],
)
def test_a_connection_that_is_lost_is_told_as_such(server, database, deployment, monkeypatch, action):
    """Whatever is tidied up afterwards needs the connection as well."""
    real, number = database.execute, database.value("SELECT CONNECTION_ID()")

    def execute(statement, values=()):
        if statement.startswith(("DROP TABLE `", "RENAME TABLE")):
            server.as_root(f"KILL {number}")
        return real(statement, values)

    monkeypatch.setattr(database, "execute", execute)
    with pytest.raises(AwayError) as caught:
        action(database, deployment.names)
    assert "answered 2013" in caught.value.found


def test_foreign_keys_are_enforced_again_after_a_drop(database, deployment):
    database.drop_tables(deployment.names.live, ["chart"])
    assert database.value("SELECT @@SESSION.foreign_key_checks") == 1
    with pytest.raises(OperatorError):
        database.drop_tables(deployment.names.live, ["chart"])
    assert database.value("SELECT @@SESSION.foreign_key_checks") == 1
