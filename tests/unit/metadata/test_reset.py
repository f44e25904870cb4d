# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""The reset on a real MariaDB: every row stays what it was, whatever interrupts it and wherever."""

from __future__ import annotations

import re

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.move import alone
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import INSTALL, PLAN, PROBE
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.plan import read_plan
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import read_install
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.restore_old import Restore
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import NEW_REVISION, PASSWORD, RUN, quiet

UNDO_RUN = "20261123t090000"


def reset(database, deployment, mirror, **changes):
    return Reset(database, deployment.request(**changes), mirror, quiet).carry_out()


def restore(database, deployment, mirror, **changes):
    return Restore(database, deployment.request(run=UNDO_RUN, **changes), mirror, quiet).carry_out()


def test_set_aside_and_back_is_the_same_byte_by_byte(database, deployment, mirror):
    live, aside = deployment.names.live, deployment.names.aside(RUN)
    old, new = deployment.definition(live), deployment.tables(deployment.names.workspace)
    dropped = deployment.server.logged("DROP DATABASE") + deployment.server.logged("DROP SCHEMA")

    result = reset(database, deployment, mirror)

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
    assert mirror.memory.state == "installed"
    assert deployment.definition(aside) == old

    undone = restore(database, deployment, mirror)

    assert undone["changed"]
    assert deployment.definition(live) == old
    assert inspect(database, deployment.names).stage == "old"
    assert mirror.memory.state == "undone"
    assert INSTALL in deployment.tables(deployment.names.undone(UNDO_RUN))
    assert not restore(database, deployment, mirror)["changed"]
    assert deployment.server.logged("DROP DATABASE") + deployment.server.logged("DROP SCHEMA") == dropped


def test_run_again_changes_nothing(database, deployment, mirror):
    reset(database, deployment, mirror)
    before = deployment.definition(deployment.names.live)

    again = reset(database, deployment, mirror, run="20261125t000000")

    assert not again["changed"]
    assert again["run"] == RUN
    assert deployment.definition(deployment.names.live) == before


def test_an_empty_database_gets_the_new_schema(database, bare, mirror):
    bare.make_empty()
    bare.make_new(database)

    result = reset(database, bare, mirror)

    assert result["stage"] == "empty"
    assert result["set_aside"] is None
    assert inspect(database, bare.names).stage == "installed"
    assert bare.schemas() == {bare.names.live, bare.names.workspace}
    assert bare.tables(bare.names.workspace) == set()


def test_a_database_that_is_not_there_is_made(database, bare, mirror):
    bare.make_new(database)

    assert reset(database, bare, mirror)["stage"] == "absent"

    assert inspect(database, bare.names).stage == "installed"


def test_later_tables_get_the_new_character_set(database, deployment, mirror):
    reset(database, deployment, mirror)

    live = inspect(database, deployment.names).live
    assert (live.charset, live.collation) == ("utf8mb4", "utf8mb4_unicode_ci")

    restore(database, deployment, mirror)

    assert inspect(database, deployment.names).live.charset == "latin1"


def test_foreign_keys_follow_and_none_points_across(database, deployment, mirror):
    reset(database, deployment, mirror)

    live, aside = deployment.names.live, deployment.names.aside(RUN)
    for schema, number in ((live, 43), (aside, 13)):
        keys = deployment.server.as_root(
            "SELECT SUM(unique_constraint_schema = constraint_schema), COUNT(*)"
            f" FROM information_schema.referential_constraints WHERE constraint_schema = '{schema}'"
        ).split()
        assert keys == [str(number), str(number)]
    with pytest.raises(OperatorError, match="foreign key constraint fails"):
        database.execute(f"INSERT INTO {quoted(live, 'dag_tag')} (name, dag_id) VALUES ('x', 'nobody')")


class TestInterrupted:
    """A server that dies in a RENAME TABLE of many tables leaves the first few of them renamed (MariaDB)."""

    def test_at_every_point_the_reset_is_finished(self, database, deployment, mirror):
        names = deployment.names
        old = deployment.content(database, names.live)
        plan = self._planned(database, deployment, mirror)
        for done in range(1, len(plan.moves) + 1):
            self._move(deployment, plan.moves[:done])
            inspection = inspect(database, names)
            assert (inspection.stage, inspection.moves_done) == ("moving", done)

            result = reset(database, deployment, mirror, run="20261130t000000")

            assert result["changed"], done
            assert result["run"] == RUN
            assert inspect(database, names).stage == "installed"
            assert deployment.content(database, plan.schema) == old, done
            assert deployment.tables(names.workspace) == set()
            self._rewind(database, deployment, plan)

    def test_at_every_point_it_can_be_taken_back(self, database, deployment, mirror):
        names = deployment.names
        old, new = deployment.content(database, names.live), deployment.tables(names.workspace)
        plan = self._planned(database, deployment, mirror)
        for done in range(1, len(plan.moves) + 1):
            self._move(deployment, plan.moves[:done])

            assert restore(database, deployment, mirror)["changed"]

            assert inspect(database, names).stage == "old"
            assert deployment.content(database, names.live) == old, done
            assert deployment.tables(names.workspace) == new | {INSTALL}

    def test_at_every_point_the_way_back_is_finished(self, database, deployment, mirror):
        names = deployment.names
        old = deployment.content(database, names.live)
        reset(database, deployment, mirror)
        plan = self._planned_back(database, deployment, mirror)
        for done in range(1, len(plan.moves) + 1):
            self._move(deployment, plan.moves[:done])
            assert inspect(database, names).stage == "moving"
            with pytest.raises(OperatorError, match="half done"):
                reset(database, deployment, mirror)

            assert restore(database, deployment, mirror)["changed"]

            assert inspect(database, names).stage == "old"
            assert deployment.content(database, names.live) == old, done
            self._move(deployment, plan.moves, backwards=True)
            set_state(database, plan, "planned")
            mirror.memory = None

    def test_a_plan_of_which_nothing_was_done_is_made_anew(self, database, deployment, mirror):
        self._planned(database, deployment, mirror)
        deployment.server.as_root(f"INSERT INTO {deployment.names.live}.variable (`key`, val) VALUES ('later', 'yes')")
        old = deployment.definition(deployment.names.live)
        assert inspect(database, deployment.names).stage == "old"

        result = reset(database, deployment, mirror, run="20261124t000000")

        assert result["run"] == "20261124t000000"
        assert deployment.definition(deployment.names.aside("20261124t000000")) == old

    def test_somebody_elses_hands_are_noticed(self, database, deployment, mirror):
        plan = self._planned(database, deployment, mirror)
        self._move(deployment, plan.moves[:5])
        deployment.server.as_root(f"CREATE TABLE {deployment.names.live}.surprise (id INT)")
        before = {schema: deployment.tables(schema) for schema in deployment.schemas()}

        with pytest.raises(OperatorError, match="not where the plan"):
            reset(database, deployment, mirror)

        assert {schema: deployment.tables(schema) for schema in deployment.schemas()} == before

    def test_rows_changed_while_it_was_half_done_are_noticed(self, database, deployment, mirror):
        plan = self._planned(database, deployment, mirror)
        self._move(deployment, plan.moves[:33])
        deployment.server.as_root(f"UPDATE {plan.schema}.variable SET val = 'changed'")

        with pytest.raises(OperatorError, match="not what they were") as caught:
            reset(database, deployment, mirror)

        assert "variable" in caught.value.found
        assert inspect(database, deployment.names).stage == "moving"

    def test_a_server_that_loses_power_in_it(self, server, deployment, mirror):
        """Whatever the server has made of it by then, the next run finishes it."""
        old = without_counters(deployment.definition(deployment.names.live))
        with server.session() as database:
            plan = self._planned(database, deployment, mirror)
            self._move(deployment, plan.moves[:40])
        server.kill()
        server.start()
        with server.session() as database:
            assert reset(database, deployment, mirror)["changed"]
            assert inspect(database, deployment.names).stage == "installed"
        assert without_counters(deployment.definition(plan.schema)) == old

    def _planned(self, database, deployment, mirror):
        """Everything up to the first move."""
        action = Reset(database, deployment.request(), mirror, quiet)
        action._write_plan(inspect(database, deployment.names))
        return read_plan(database, deployment.names.aside(RUN))

    def _planned_back(self, database, deployment, mirror):
        """Everything up to the first move of the way back."""
        action = Restore(database, deployment.request(run=UNDO_RUN), mirror, quiet)
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


class TestDrop:
    """The vendor's way: one DROP DATABASE, whatever happens."""

    def test_drops_once_and_again_changes_nothing(self, database, deployment, mirror):
        dropped = deployment.server.logged("DROP DATABASE")

        result = reset(database, deployment, mirror, **self._drop(database, deployment))

        assert result["method"] == "drop"
        assert result["set_aside"] is None
        assert inspect(database, deployment.names).stage == "installed"
        assert deployment.server.logged("DROP DATABASE") == dropped + 1
        assert not reset(database, deployment, mirror, **self._drop(database, deployment))["changed"]
        assert deployment.server.logged("DROP DATABASE") == dropped + 1
        assert deployment.schemas() == {deployment.names.live, deployment.names.workspace}
        with pytest.raises(OperatorError, match="dropped the old tables"):
            restore(database, deployment, mirror)

    def test_interrupted_at_every_statement_it_drops_once(self, server, bare, mirror):
        """The client dies before each of the statements it sends, one after the other, until there is none left."""
        with server.session() as database:
            bare.make_old()
            bare.make_new(database)
            changes = self._drop(database, bare)
        dropped = server.logged("DROP DATABASE")
        crashes = 0
        while True:
            with server.session() as database:
                dying = DyingDatabase(database, after=crashes)
                try:
                    reset(dying, bare, mirror, **changes)
                    break
                except ClientDiedError:
                    crashes += 1
        assert crashes >= 8
        with server.session() as database:
            assert inspect(database, bare.names).stage == "installed"
        assert server.logged("DROP DATABASE") == dropped + 1
        assert bare.tables(bare.names.workspace) == set()

    @pytest.mark.parametrize("left", [1, 10, 32])
    def test_a_drop_that_the_server_did_not_finish_is_finished_by_table(self, database, deployment, mirror, left):
        """DROP DATABASE is not atomic on MariaDB: a crash leaves some of the tables."""
        changes = self._drop(database, deployment)
        action = Reset(database, deployment.request(**changes), mirror, quiet)
        plan = action._write_plan(inspect(database, deployment.names))
        set_state(database, plan, "dropping")
        gone = sorted(deployment.tables(deployment.names.live))[left:]
        live = deployment.names.live
        tables = ", ".join(quoted(live, table) for table in gone)
        deployment.server.as_root(f"SET foreign_key_checks = 0; DROP TABLE {tables}")
        dropped = deployment.server.logged("DROP DATABASE")
        assert inspect(database, deployment.names).stage == "moving"

        reset(database, deployment, mirror, **changes)

        assert inspect(database, deployment.names).stage == "installed"
        assert deployment.server.logged("DROP DATABASE") == dropped

    def _drop(self, database, deployment):
        rehearsed = deployment.rehearsed(database, deployment.names.live)
        return {"method": "drop", "rehearsed_dump": rehearsed}


def set_state(database, plan, state):
    database.execute(
        f"UPDATE {quoted(plan.schema, PLAN)} SET detail = JSON_SET(detail, '$.state', '{state}') WHERE position = 0"
    )


def without_counters(definition):
    """A server that died counts on from the highest value there is."""
    return re.sub(r" AUTO_INCREMENT=\d+", "", definition)


class ClientDiedError(Exception):
    """The test's stand-in for SIGKILL."""


class DyingDatabase:
    """A session whose client dies before it sends one more statement that changes something."""

    def __init__(self, database, after):
        self._database, self._left = database, after

    def __getattr__(self, name):
        return getattr(self._database, name)

    def execute(self, statement, values=()):
        self._die(statement)
        return self._database.execute(statement, values)

    def insert(self, table, columns, rows):
        self._die(table)
        return self._database.insert(table, columns, rows)

    def _die(self, statement):
        if self._left == 0:
            raise ClientDiedError(statement)
        self._left -= 1


def test_crashing_before_every_statement_of_a_set_aside(server, bare, mirror):
    with server.session() as database:
        bare.make_old()
        bare.make_new(database)
    old = bare.definition(bare.names.live)
    crashes = 0
    while True:
        with server.session() as database:
            try:
                reset(DyingDatabase(database, after=crashes), bare, mirror)
                break
            except ClientDiedError:
                crashes += 1
    assert crashes >= 8
    with server.session() as database:
        assert inspect(database, bare.names).stage == "installed"
    assert bare.definition(bare.names.aside(RUN)) == old
    assert bare.tables(bare.names.workspace) == set()


def test_prediction_changes_nothing_and_comes_true(database, deployment, mirror):
    before = {schema: deployment.definition(schema) for schema in deployment.schemas()}

    predicted = Reset(database, deployment.request(), mirror, quiet).predict()

    assert {schema: deployment.definition(schema) for schema in deployment.schemas()} == before
    made = reset(database, deployment, mirror)
    for key in ("changed", "stage", "method", "run", "revision", "set_aside", "moved"):
        assert predicted[key] == made[key], key
    assert [table["name"] for table in predicted["tables"]] == [table["name"] for table in made["tables"]]


def test_prediction_before_the_new_schema_is_built(database, bare, mirror):
    bare.make_old()

    predicted = Reset(database, bare.request(), mirror, quiet).predict()

    verdicts = {condition["condition"]: condition["verdict"] for condition in predicted["conditions"]}
    assert verdicts["workspace_complete"] == "later"
    assert verdicts["too_old_to_migrate"] == "holds"
    assert bare.schemas() == {bare.names.live}


class TestWayBackIsRefused:
    """Going back has a guard, too."""

    def refused(self, database, schemas, mirror, match, **changes):
        before = schemas.everything(database)
        action = Restore(database, schemas.request(run=UNDO_RUN, **changes), mirror, quiet)
        for attempt in (action.predict, action.carry_out):
            with pytest.raises(OperatorError, match=match):
                attempt()
        assert schemas.everything(database) == before

    def test_without_the_name_typed(self, database, deployment, mirror):
        reset(database, deployment, mirror)
        self.refused(database, deployment, mirror, "confirmation", confirm="yes")

    def test_for_another_deployment(self, database, deployment, mirror):
        reset(database, deployment, mirror)
        self.refused(database, deployment, mirror, "installed for deployment", deployment="other", confirm="other")

    @pytest.mark.parametrize("statement", ["DROP TABLE xcom", "CREATE TABLE more (id INT)", f"DROP TABLE {PLAN}"])
    def test_when_the_old_tables_are_not_all_there(self, database, deployment, mirror, statement):
        reset(database, deployment, mirror)
        deployment.server.as_root(statement, deployment.names.aside(RUN))
        self.refused(database, deployment, mirror, "airflow_t\\d+_before")

    def test_when_the_old_schema_is_gone(self, database, deployment, mirror):
        reset(database, deployment, mirror)
        deployment.server.as_root(f"DROP DATABASE {deployment.names.aside(RUN)}")
        self.refused(database, deployment, mirror, "has no plan of a finished reset")

    def test_when_there_is_no_room_for_the_new_tables(self, database, deployment, mirror):
        reset(database, deployment, mirror)
        undone = deployment.names.undone(UNDO_RUN)
        deployment.server.as_root(f"CREATE DATABASE {undone}; CREATE TABLE {undone}.dag (id INT)")
        self.refused(database, deployment, mirror, "already holds 1 tables")

    def test_when_old_rows_have_changed(self, database, deployment, mirror):
        reset(database, deployment, mirror)
        deployment.server.as_root("UPDATE variable SET val = 'x'", deployment.names.aside(RUN))
        before = deployment.everything(database)
        with pytest.raises(OperatorError, match="not what they were"):
            restore(database, deployment, mirror)
        assert deployment.everything(database) == before

        assert restore(database, deployment, mirror, verify_content=False)["changed"]

    def test_while_somebody_is_connected(self, server, database, deployment, mirror):
        reset(database, deployment, mirror)
        before = deployment.everything(database)
        connection = pymysql.connect(
            host="127.0.0.1",
            port=server.port,
            user="airflow",
            password=PASSWORD.encode(),
            database=deployment.names.live,
        )
        try:
            with pytest.raises(OperatorError, match="1 sessions of others"):
                restore(database, deployment, mirror)
        finally:
            connection.close()
        assert deployment.everything(database) == before

    def test_of_a_schema_that_is_not_ours(self, database, deployment, mirror):
        deployment.server.as_root("CREATE TABLE orders (id INT)", deployment.names.live)
        self.refused(database, deployment, mirror, "orders")


def test_upgraded_again_after_going_back(database, deployment, mirror):
    old = deployment.definition(deployment.names.live)
    reset(database, deployment, mirror)
    restore(database, deployment, mirror)
    deployment.make_new(database)

    assert reset(database, deployment, mirror)["changed"]

    assert inspect(database, deployment.names).stage == "installed"
    assert deployment.definition(deployment.names.aside(RUN)) == old


def test_a_table_that_somebody_holds_is_not_waited_for_without_end(server, database, deployment, mirror):
    """A session without a default schema is in no list; the server's own lock time-out ends the attempt."""
    database.execute("SET SESSION lock_wait_timeout = 1")
    holder = pymysql.connect(host="127.0.0.1", port=server.port, user="airflow", password=PASSWORD.encode())
    with holder.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute(f"SELECT * FROM {deployment.names.live}.xcom")
    before = deployment.content(database, deployment.names.live)

    with pytest.raises(OperatorError, match="Lock wait timeout"):
        reset(database, deployment, mirror)

    assert inspect(database, deployment.names).stage == "old"
    assert deployment.content(database, deployment.names.live) == before
    holder.close()
    assert reset(database, deployment, mirror)["changed"]


def test_tables_of_another_engine_are_tried_first(database, deployment, mirror):
    deployment.server.as_root("ALTER TABLE import_error ENGINE = Aria", deployment.names.live)
    old = deployment.definition(deployment.names.live)

    reset(database, deployment, mirror)

    assert deployment.definition(deployment.names.aside(RUN)) == old


def test_an_engine_that_cannot_be_renamed_across_schemas_is_told_before_anything_moves(database, deployment, mirror):
    deployment.server.as_root("ALTER TABLE import_error ENGINE = Aria", deployment.names.live)
    before = deployment.content(database, deployment.names.live)

    with pytest.raises(OperatorError, match="can't rename Aria tables across schemas") as caught:
        reset(UnwillingDatabase(database), deployment, mirror)

    assert "method: drop" in caught.value.next_step
    assert deployment.content(database, deployment.names.live) == before
    assert inspect(database, deployment.names).stage == "old"


class UnwillingDatabase:
    """A server that makes tables of its own engine, and does not rename them across schemas (NDB may be one)."""

    def __init__(self, database):
        self._database = database

    def __getattr__(self, name):
        return getattr(self._database, name)

    def execute(self, statement, values=()):
        if statement.startswith("RENAME TABLE") and PROBE in statement:
            raise OperatorError("no", expected="", untouched="", next_step="")
        return self._database.execute(statement, values)


def test_two_at_a_time_take_turns(server, database, deployment):
    with (
        server.session() as other,
        alone(other, deployment.names.live, 1),
        pytest.raises(OperatorError, match="another session"),
        alone(database, deployment.names.live, 0.2),
    ):
        pass
    with alone(database, deployment.names.live, 1):
        pass
