# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.

"""Going back to the old tables has a guard, too."""

from __future__ import annotations

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import PLAN
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.restore_old import Restore
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import (
    PASSWORD,
    RUN,
    UNDO_RUN,
    quiet,
    reset,
    restore,
)

LATER = "20270101t000000"


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
        self.refused(database, deployment, mirror, "belongs to deployment 'demo'", deployment="other", confirm="other")

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

    def test_a_second_time_in_a_run_of_the_same_name(self, database, deployment, mirror):
        """The tables of the first time were dropped; its plan was left."""
        reset(database, deployment, mirror)
        restore(database, deployment, mirror)
        undone = deployment.names.undone(UNDO_RUN)
        tables = ", ".join(f"`{table}`" for table in deployment.tables(undone) - {PLAN})
        deployment.server.as_root(f"SET foreign_key_checks = 0; DROP TABLE {tables}", undone)
        deployment.make_new(database, run=LATER)
        reset(database, deployment, mirror, run=LATER)

        self.refused(database, deployment, mirror, f"{undone} has the plan of an earlier move")

        action = Restore(database, deployment.request(run="another"), mirror, quiet)
        assert action.carry_out()["changed"]

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
