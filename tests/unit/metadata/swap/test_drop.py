# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""The vendor's way: one DROP DATABASE, whatever happens."""

from __future__ import annotations

import contextlib

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.failures import AwayError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PLAN
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.whereabouts import has_moved
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import (
    ClientDiedError,
    DyingDatabase,
    reset,
    restore,
    set_state,
)

LATER = "20261225t030000x0002"


class TestDrop:
    """The vendor's way: one DROP DATABASE, whatever happens."""

    def test_drops_once_and_again_changes_nothing(self, database, deployment, memory):
        dropped = deployment.server.logged("DROP DATABASE")

        result = reset(database, deployment, memory, **self._drop(database, deployment))

        assert result["method"] == "drop"
        assert result["set_aside"] is None
        assert inspect(database, deployment.names).stage == "installed"
        assert deployment.server.logged("DROP DATABASE") == dropped + 1
        assert not reset(database, deployment, memory, **self._drop(database, deployment))["changed"]
        assert deployment.server.logged("DROP DATABASE") == dropped + 1
        assert deployment.schemas() == {deployment.names.live, deployment.names.workspace}
        with pytest.raises(OperatorError, match="dropped the old tables"):
            restore(database, deployment, memory)

    def test_a_file_of_somebody_in_the_servers_folder_stops_nobody(self, server, database, deployment, memory):
        """All tables are gone by then, and whoever is stopped waits for the new ones."""
        left = server.folder / "data" / deployment.names.live / "backup.txt"
        left.write_text("of an administrator")

        result = reset(database, deployment, memory, **self._drop(database, deployment))
        left.unlink()

        assert result["changed"]
        assert inspect(database, deployment.names).stage == "installed"

    def test_interrupted_at_every_statement_it_drops_once(self, server, bare, memory):
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
                    reset(dying, bare, memory, **changes)
                    break
                except ClientDiedError:
                    crashes += 1
        assert crashes >= 8
        with server.session() as database:
            assert inspect(database, bare.names).stage == "installed"
        assert server.logged("DROP DATABASE") == dropped + 1
        assert bare.tables(bare.names.workspace) == set()

    def test_a_failure_after_the_drop_does_not_call_the_old_tables_untouched(self, database, deployment, memory):
        changes = self._drop(database, deployment)
        action = Reset(database, deployment.request(**changes), memory, quiet)
        plan = action._write_plan(inspect(database, deployment.names))
        set_state(database, plan, "dropping")
        live = deployment.names.live
        deployment.server.as_root(
            f"DROP DATABASE {live}; CREATE DATABASE {live}; CREATE TABLE {live}.orders (id INT);"
            f" RENAME TABLE {plan.workspace}.{plan.moves[0].table} TO {live}.{plan.moves[0].table}"
        )

        with pytest.raises(OperatorError) as caught:
            reset(database, deployment, memory, **changes)

        assert "dropped before" in caught.value.untouched

    @pytest.mark.parametrize("written", [False, True])
    def test_a_half_done_drop_is_finished_by_a_run_without_the_dump(self, database, deployment, memory, written):
        """The playbook dumps in the stage `old` alone, so a run that goes on has none. The plan has its sums."""
        changes, live = self._drop(database, deployment), deployment.names.live
        action = Reset(database, deployment.request(**changes), memory, quiet)
        set_state(database, action._write_plan(inspect(database, deployment.names)), "dropping")
        deployment.server.as_root("SET foreign_key_checks = 0; DROP TABLE ab_permission, chart", live)
        if written:
            deployment.server.as_root("INSERT INTO variable (`key`, val) VALUES ('new', 'x')", live)
        left = deployment.tables(live)

        if written:
            with pytest.raises(OperatorError, match="changed since then: variable"):
                reset(database, deployment, memory, method="drop", run=LATER)
            assert deployment.tables(live) == left
        else:
            assert reset(database, deployment, memory, method="drop", run=LATER)["run"] == RUN
            assert inspect(database, deployment.names).stage == "installed"

    def test_one_whose_plan_has_no_sums_needs_the_dump(self, database, deployment, memory):
        """A version before wrote none."""
        changes, names = self._drop(database, deployment), deployment.names
        action = Reset(database, deployment.request(**changes), memory, quiet)
        plan = action._write_plan(inspect(database, names))
        set_state(database, plan, "dropping")
        plans = quoted(plan.schema, PLAN)
        database.execute(f"UPDATE {plans} SET row_count = NULL, content = NULL WHERE to_schema IS NULL")
        deployment.server.as_root("SET foreign_key_checks = 0; DROP TABLE ab_permission, chart", names.live)

        with pytest.raises(OperatorError, match="31 of 33 tables are left, and neither its plan") as refused:
            reset(database, deployment, memory, method="drop")
        assert f"drop schema {names.live}" in refused.value.next_step

        assert reset(database, deployment, memory, **changes)["changed"]

    def test_one_whose_rest_an_administrator_has_dropped_is_finished(self, database, deployment, memory):
        action = Reset(database, deployment.request(**self._drop(database, deployment)), memory, quiet)
        set_state(database, action._write_plan(inspect(database, deployment.names)), "dropping")
        deployment.server.as_root(f"DROP DATABASE {deployment.names.live}")

        assert reset(database, deployment, memory, method="drop")["changed"]

    def _drop(self, database, deployment):
        rehearsed = deployment.rehearsed(database, deployment.names.live)
        return {"method": "drop", "rehearsed_dump": rehearsed}


# Rows of a migration of 1.10's, which the UI asks people to drop.
KEPT = "_airflow_moved__2_2__dangling__xcom"


class TestAnnounced:
    """A drop was announced and did not happen: the old Airflow goes on, and its rows are not those of the dump."""

    @pytest.fixture
    def announced(self, server, bare, memory):
        with server.session() as database:
            bare.make_old()
            bare.make_new(database)
        server.as_root(f"CREATE TABLE {KEPT} (id INT PRIMARY KEY)", bare.names.live)
        with server.session() as database:
            changes = {"method": "drop", "rehearsed_dump": bare.rehearsed(database, bare.names.live)}
            dying = DyingDatabase(database, before="DROP DATABASE")
            with pytest.raises(ClientDiedError):
                reset(dying, bare, memory, **changes)
            assert [plan.state for plan in inspect(database, bare.names).plans] == ["dropping"]
        return changes

    @pytest.mark.parametrize("method", ["set_aside", "drop"])
    def test_a_table_less_is_not_the_beginning_of_a_drop(self, server, bare, memory, announced, method):
        server.as_root("INSERT INTO variable (`key`, val) VALUES ('new', 'x')", bare.names.live)
        server.as_root(f"DROP TABLE {KEPT}", bare.names.live)
        before = bare.tables(bare.names.live)
        with server.session() as database, pytest.raises(OperatorError) as refused:
            reset(database, bare, memory, **{**announced, "method": method})
        assert bare.tables(bare.names.live) == before
        assert server.as_root("SELECT val FROM variable WHERE `key` = 'new'", bare.names.live).strip() == "x"
        assert ("changed since then: variable" if method == "drop" else "has method set_aside") in refused.value.found
        # It tells how to go on where the old Airflow did.
        server.as_root(f"DROP TABLE {bare.names.workspace}.{PLAN}")
        assert f"drop table {bare.names.workspace}.{PLAN}" in refused.value.next_step
        with server.session() as database:
            assert not has_moved(inspect(database, bare.names))
            assert reset(database, bare, memory, run=LATER)["set_aside"]

    def test_a_table_more_is_no_beginning_either(self, server, bare, memory, announced):
        server.as_root("CREATE TABLE kombu_queue (id INT PRIMARY KEY)", bare.names.live)
        with server.session() as database:
            assert not has_moved(inspect(database, bare.names))
            assert reset(database, bare, memory, run=LATER)["set_aside"]

    def test_one_that_ended_while_rows_were_compared_has_not_begun(self, server, bare, memory, monkeypatch):
        """Its session was killed, so nothing could be withdrawn; the old Airflow goes on, and drops a table."""
        with server.session() as database:
            bare.make_old()
            bare.make_new(database)
        server.as_root(f"CREATE TABLE {KEPT} (id INT PRIMARY KEY)", bare.names.live)
        with server.session() as database:
            changes = {"method": "drop", "rehearsed_dump": bare.rehearsed(database, bare.names.live)}
            number, real = database.value("SELECT CONNECTION_ID()"), database.rows

            def rows(statement, values=()):
                if "SHA2(" in statement and "`variable`" in statement:
                    server.as_root(f"KILL {number}")
                return real(statement, values)

            monkeypatch.setattr(database, "rows", rows)
            with pytest.raises(AwayError):
                reset(database, bare, memory, **changes)
        server.as_root(f"DROP TABLE {KEPT}", bare.names.live)
        with server.session() as database:
            found = inspect(database, bare.names)
            assert (found.stage, has_moved(found)) == ("old", False)
            assert reset(database, bare, memory, run=LATER)["set_aside"]

    def test_one_that_the_server_refuses_is_withdrawn(self, server, bare, memory):
        with server.session() as database:
            bare.make_old()
            bare.make_new(database)
            changes = {"method": "drop", "rehearsed_dump": bare.rehearsed(database, bare.names.live)}
            # With that schema as its own it would be a session that the reset waits for.
            other = server.connect("information_schema")
            with contextlib.closing(other), other.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute(f"SELECT * FROM {bare.names.live}.alembic_version")
                database.execute("SET SESSION lock_wait_timeout = 1")
                with pytest.raises(OperatorError, match="1205"):
                    reset(database, bare, memory, **changes)
            found = inspect(database, bare.names)
            assert (found.stage, found.plans) == ("old", ())


class TestMeanwhile:
    """Reading all rows takes minutes: what comes while they are compared is in no dump."""

    @pytest.fixture
    def while_reading(self, server, bare, monkeypatch):
        """A reset by one session, in which something happens as soon as the rows of a table were read."""

        @contextlib.contextmanager
        def prepared(what, reading="SHA2("):
            with server.session() as database:
                bare.make_old()
                bare.make_new(database)
                changes = {"method": "drop", "rehearsed_dump": bare.rehearsed(database, bare.names.live)}
                real, happened = database.rows, []

                def rows(statement, values=()):
                    found = real(statement, values)
                    if reading in statement and "`variable`" in statement and not happened:
                        happened.append(what())
                    return found

                monkeypatch.setattr(database, "rows", rows)
                yield database, changes

        return prepared

    def write_elsewhere(self, server, live, statement):
        """What the server answers somebody who doesn't have the schema as default, so can't be seen."""
        with contextlib.closing(server.connect("information_schema")) as other, other.cursor() as cursor:
            cursor.execute("SET SESSION lock_wait_timeout = 1")
            try:
                cursor.execute(statement.format(live=live))
            except pymysql.MySQLError as error:
                return error.args[0]
            other.commit()
            return 0

    def test_nobody_can_write_what_would_be_dropped(self, server, bare, memory, while_reading):
        answers = []

        def write():
            statement = "INSERT INTO {live}.variable (`key`, val) VALUES ('late', 'x')"
            answers.append(self.write_elsewhere(server, bare.names.live, statement))

        with while_reading(write) as (database, changes):
            assert reset(database, bare, memory, **changes)["changed"]

        assert answers == [1205]

    def test_who_has_come_is_refused_and_may_go_on(self, server, bare, memory, while_reading):
        came = []
        with while_reading(lambda: came.append(server.connect(bare.names.live))) as (database, changes):
            before = bare.everything(database)
            with pytest.raises(OperatorError, match="1 sessions of others"):
                reset(database, bare, memory, **changes)
            with contextlib.closing(came[0]) as other, other.cursor() as cursor:
                cursor.execute("SELECT COUNT(*) FROM variable")
            assert bare.everything(database) == before
            assert reset(database, bare, memory, **changes)["changed"]

    def test_a_table_that_was_made_is_in_no_dump(self, server, bare, memory, while_reading):
        made = "CREATE TABLE {live}.sensor_instance (id INT PRIMARY KEY)"
        with while_reading(lambda: self.write_elsewhere(server, bare.names.live, made)) as (database, changes):
            before = bare.everything(database)
            with pytest.raises(OperatorError, match="differs from the live tables in sensor_instance"):
                reset(database, bare, memory, **changes)
            assert bare.tables(bare.names.live) - {"sensor_instance"} == before[bare.names.live].keys()
            assert bare.tables(bare.names.workspace) == before[bare.names.workspace].keys()

    @pytest.mark.parametrize("come", [True, False])
    def test_what_an_interrupted_drop_has_left_is_locked_as_well(self, server, bare, memory, while_reading, come):
        live, answers, came = bare.names.live, [], []

        def meanwhile():
            answers.append(self.write_elsewhere(server, live, "DELETE FROM {live}.variable"))
            if come:
                came.append(server.connect(live))

        with while_reading(meanwhile) as (database, changes):
            plan = Reset(database, bare.request(**changes), memory, quiet)._write_plan(inspect(database, bare.names))
            set_state(database, plan, "dropping")
            server.as_root("SET foreign_key_checks = 0; DROP TABLE dag, xcom", live)
            left = bare.tables(live)
            if come:
                with pytest.raises(OperatorError, match="1 sessions of others"):
                    reset(database, bare, memory, **changes)
                came[0].close()
                assert bare.tables(live) == left
            assert reset(database, bare, memory, **changes)["changed"]

        assert answers == [1205]

    def test_a_table_that_was_made_beside_what_is_left_is_not_dropped(self, server, bare, memory, while_reading):
        live = bare.names.live
        made = "CREATE TABLE {live}.orders (id INT PRIMARY KEY)"
        with while_reading(lambda: self.write_elsewhere(server, live, made)) as (database, changes):
            plan = Reset(database, bare.request(**changes), memory, quiet)._write_plan(inspect(database, bare.names))
            set_state(database, plan, "dropping")
            server.as_root("SET foreign_key_checks = 0; DROP TABLE dag, xcom", live)
            with pytest.raises(OperatorError, match="match no step of the plan"):
                reset(database, bare, memory, **changes)
            assert bare.tables(live) == {"orders"}

    def test_a_set_aside_moves_nothing_under_who_has_come(self, server, bare, memory, while_reading):
        came = []
        with while_reading(lambda: came.append(server.connect(bare.names.live)), "CHECKSUM TABLE") as (
            database,
            _changes,
        ):
            before = bare.tables(bare.names.live)
            with pytest.raises(OperatorError, match="1 sessions of others"):
                reset(database, bare, memory)
            assert bare.tables(bare.names.live) == before
            came[0].close()
            assert reset(database, bare, memory)["changed"]
