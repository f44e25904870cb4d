# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""Going back to the old tables has conditions, too."""

from __future__ import annotations

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.memory import Remembered
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PLAN
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.back import Restore
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, UNDO_RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import (
    ClientDiedError,
    DyingDatabase,
    RememberingMemory,
    reset,
    restore,
)

LATER = "20270101t000000"


class TestWayBackIsRefused:
    """Going back has conditions, too."""

    def refused(self, database, schemas, memory, match, **changes):
        before = schemas.everything(database)
        for attempt in self.attempts(database, schemas, memory, **changes):
            with pytest.raises(OperatorError, match=match):
                attempt()
        assert schemas.everything(database) == before

    def attempts(self, database, schemas, memory, **changes):
        action = Restore(database, schemas.request(run=UNDO_RUN, **changes), memory, quiet)
        return action.predict, action.carry_out

    def test_without_the_name_typed(self, database, deployment, memory):
        reset(database, deployment, memory)
        self.refused(database, deployment, memory, "confirmation", confirm="yes")

    def test_for_another_deployment(self, database, deployment, memory):
        reset(database, deployment, memory)
        self.refused(database, deployment, memory, "belongs to deployment 'demo'", deployment="other", confirm="other")

    @pytest.mark.parametrize("statement", ["DROP TABLE xcom", "CREATE TABLE more (id INT)", f"DROP TABLE {PLAN}"])
    def test_when_the_old_tables_are_not_all_there(self, database, deployment, memory, statement):
        reset(database, deployment, memory)
        deployment.server.as_root(statement, deployment.names.aside(RUN))
        self.refused(database, deployment, memory, "airflow_t\\d+_before")

    def test_when_the_old_schema_is_gone(self, database, deployment, memory):
        reset(database, deployment, memory)
        deployment.server.as_root(f"DROP DATABASE {deployment.names.aside(RUN)}")
        self.refused(database, deployment, memory, "has no plan of a finished reset")

    @pytest.mark.parametrize("loss", ["DROP DATABASE {0}", "DROP DATABASE {0}; CREATE DATABASE {0}"])
    def test_when_the_live_schema_is_lost(self, database, deployment, memory, loss):
        """Nothing is in its place, so that is not said, either."""
        reset(database, deployment, memory)
        deployment.server.as_root(loss.format(deployment.names.live))
        self.refused(database, deployment, memory, f"33 old tables are set aside in {deployment.names.aside(RUN)}")

    @pytest.mark.parametrize(
        ("statement", "named"),
        [
            ("CREATE VIEW failures AS SELECT dag_id FROM dag_run WHERE state = 'failed'", "failures \\(view\\)"),
            ("CREATE TRIGGER audit AFTER DELETE ON variable FOR EACH ROW SET @x = 1", "trigger audit"),
            ("CREATE SEQUENCE numbers", "numbers \\(sequence\\)"),
            ("CREATE PROCEDURE tidy() SELECT 1", "procedure tidy"),
        ],
    )
    def test_when_there_is_what_airflow_never_makes(self, database, deployment, memory, statement, named):
        """The server moves no view and no table with a trigger: found before everything is stopped."""
        reset(database, deployment, memory)
        deployment.server.as_root(statement, deployment.names.live)
        tables = {schema: deployment.tables(schema) for schema in deployment.schemas()}
        for attempt in self.attempts(database, deployment, memory):
            with pytest.raises(OperatorError, match=named):
                attempt()
        assert {schema: deployment.tables(schema) for schema in deployment.schemas()} == tables

    def test_when_an_old_table_has_a_trigger(self, database, deployment, memory):
        reset(database, deployment, memory)
        deployment.server.as_root(
            "CREATE TRIGGER audit AFTER DELETE ON variable FOR EACH ROW SET @x = 1", deployment.names.aside(RUN)
        )
        self.refused(database, deployment, memory, "has trigger audit")

    def test_when_rights_on_the_schema_for_the_new_tables_are_lacking(self, server, database, deployment, memory):
        reset(database, deployment, memory)
        undone = quoted(deployment.names.undone(UNDO_RUN).replace("_", "\\_"))
        server.as_root(f"GRANT SELECT ON {undone}.* TO airflow@'%'")
        try:
            self.refused(database, deployment, memory, f"lacks ALTER ON {deployment.names.undone(UNDO_RUN)}")
        finally:
            server.as_root(f"REVOKE SELECT ON {undone}.* FROM airflow@'%'")

    def test_when_there_is_no_room_for_the_new_tables(self, database, deployment, memory):
        reset(database, deployment, memory)
        undone = deployment.names.undone(UNDO_RUN)
        deployment.server.as_root(f"CREATE DATABASE {undone}; CREATE TABLE {undone}.dag (id INT)")
        self.refused(database, deployment, memory, "already holds 1 tables")

    def test_a_second_time_in_a_run_of_the_same_name(self, database, deployment, memory):
        """The tables of the first time were dropped; its plan was left."""
        reset(database, deployment, memory)
        restore(database, deployment, memory)
        undone = deployment.names.undone(UNDO_RUN)
        tables = ", ".join(f"`{table}`" for table in deployment.tables(undone) - {PLAN})
        deployment.server.as_root(f"SET foreign_key_checks = 0; DROP TABLE {tables}", undone)
        deployment.make_new(database, run=LATER)
        reset(database, deployment, memory, run=LATER)

        self.refused(database, deployment, memory, f"{undone} has the plan of an earlier move")

        action = Restore(database, deployment.request(run="another"), memory, quiet)
        assert action.carry_out()["changed"]

    def test_when_old_rows_have_changed(self, database, deployment, memory):
        reset(database, deployment, memory)
        deployment.server.as_root("UPDATE variable SET val = 'x'", deployment.names.aside(RUN))
        before = deployment.everything(database)
        with pytest.raises(OperatorError, match="have changed since they were set aside"):
            restore(database, deployment, memory)
        assert deployment.everything(database) == before

        assert restore(database, deployment, memory, verify_content=False)["changed"]

    def test_while_somebody_is_connected(self, server, database, deployment, memory):
        reset(database, deployment, memory)
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
                restore(database, deployment, memory)
        finally:
            connection.close()
        assert deployment.everything(database) == before

    def test_of_a_schema_that_is_not_ours(self, database, deployment, memory):
        deployment.server.as_root("CREATE TABLE orders (id INT)", deployment.names.live)
        self.refused(database, deployment, memory, "orders")


class AwayMirror(RememberingMemory):
    """The ConfigMap behind an API server that is away for a while."""

    away = False

    def write(self, remembered):
        if self.away:
            raise OperatorError("the API server does not answer", expected="", untouched="", next_step="")
        super().write(remembered)


class TestTakenBack:
    """A reset that was half done is taken back: the old tables are live again, as if there had been none."""

    @pytest.fixture
    def memory(self):
        return AwayMirror()

    @pytest.fixture
    def half_done(self, server, bare, memory):
        """The reset died after it was remembered, before its plan was marked as done."""
        with server.session() as database:
            bare.make_old()
            bare.make_new(database)
        with server.session() as database, pytest.raises(ClientDiedError):
            reset(DyingDatabase(database, before="UPDATE"), bare, memory)
        assert memory.remembered.state == "installed"
        return bare

    def test_says_where_the_new_tables_are(self, database, half_done, memory):
        predicted = Restore(database, half_done.request(run=UNDO_RUN), memory, quiet).predict()

        result = restore(database, half_done, memory)

        assert result["set_aside"] == predicted["set_aside"] == half_done.names.workspace
        assert "dag_version" in half_done.tables(result["set_aside"])

    @pytest.mark.parametrize("interrupted_by", ["the API server", "a kill"])
    def test_is_finished_by_the_same_command(self, server, half_done, memory, interrupted_by):
        with server.session() as database:
            if interrupted_by == "a kill":
                with pytest.raises(ClientDiedError):
                    restore(DyingDatabase(database, before="ALTER DATABASE"), half_done, memory)
            else:
                memory.away = True
                with pytest.raises(OperatorError, match="API server"):
                    restore(database, half_done, memory)
                memory.away = False
        with server.session() as database:
            assert Restore(database, half_done.request(run=UNDO_RUN), memory, quiet).predict()["changed"]
            with pytest.raises(OperatorError, match="confirmation"):
                restore(database, half_done, memory, confirm="")

            assert restore(database, half_done, memory)["changed"]

            self.is_as_if_there_had_been_no_reset(database, half_done, memory)

    def test_is_done_once(self, database, half_done, memory):
        assert restore(database, half_done, memory)["changed"]
        self.is_as_if_there_had_been_no_reset(database, half_done, memory)

    def test_leaves_a_memory_of_another_reset(self, database, deployment, memory):
        """A plan of which nothing was done is no reason to forget what was."""
        Reset(database, deployment.request(run=LATER), memory, quiet)._write_plan(inspect(database, deployment.names))
        remembered = Remembered("installed", deployment.name, RUN, deployment.names.live, "2026-11-22T03:00:00Z")
        memory.remembered = remembered

        assert not restore(database, deployment, memory)["changed"]

        assert memory.remembered == remembered

    def test_of_an_empty_schema(self, database, bare, memory):
        """Its plan is in the workspace, which the next run uses again."""
        bare.make_empty()
        bare.make_new(database)
        with pytest.raises(ClientDiedError):
            reset(DyingDatabase(database, before="DROP TABLE `airflow"), bare, memory)
        with pytest.raises(ClientDiedError):
            restore(DyingDatabase(database, before="ALTER DATABASE"), bare, memory)

        assert restore(database, bare, memory)["changed"]

        assert not restore(database, bare, memory)["changed"]
        assert reset(database, bare, memory, run=LATER)["changed"]

    def is_as_if_there_had_been_no_reset(self, database, deployment, memory):
        assert not restore(database, deployment, memory)["changed"]
        assert memory.remembered.state == "undone"
        assert database.schema(deployment.names.live).charset == "latin1"
        assert inspect(database, deployment.names).stage == "old"
        assert Reset(database, deployment.request(run=LATER), memory, quiet).predict()["changed"]
        assert reset(database, deployment, memory, run=LATER)["changed"]
