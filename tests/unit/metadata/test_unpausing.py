# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was paused is unpaused whatever has happened to the schema since."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import Schemas
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.modules import quiesce as module
from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import call_of, quiet

UNPAUSED = ["p_demo_1__gone", "p_demo_1__hello"]
VIEW = "CREATE VIEW report AS SELECT dag_id, state FROM dag_run"


@pytest.fixture
def act(database, deployment, monkeypatch):
    def act(state, **params):
        given = {"live": deployment.names.live, "deployment": deployment.name, "state": state, "timeout": 0, **params}
        return module.act(call_of(database, monkeypatch, module, **given))

    return act


@pytest.mark.parametrize(
    "statement",
    [
        VIEW,
        "CREATE TABLE _task_instance_gho (id INT)",
        "CREATE TRIGGER audit AFTER DELETE ON variable FOR EACH ROW SET @x = 1",
        "DROP TABLE xcom",
        "DELETE FROM alembic_version",
    ],
)
def test_whatever_else_is_in_the_old_schema_by_then(database, deployment, act, statement):
    deployment.quiesce(database).pause()
    deployment.server.as_root(statement, deployment.names.live)
    assert inspect(database, deployment.names, owner=deployment.owner()).stage == "foreign"

    assert act("resumed")["resumed"] == UNPAUSED

    assert sorted(deployment.quiesce(database).unpaused()) == UNPAUSED
    with pytest.raises(OperatorError, match=f"schema {deployment.names.live}"):
        act("quiesced")


@pytest.mark.parametrize("statement", [VIEW, "DROP DATABASE {live}"])
def test_the_list_is_given_up_whatever_the_live_schema_is(database, deployment, act, statement):
    deployment.quiesce(database).pause()
    deployment.server.as_root(statement.format(live=deployment.names.live), deployment.names.live)

    assert act("forgotten")["forgotten"] == UNPAUSED
    assert deployment.quiesce(database).remembered() == {}


def test_not_in_a_schema_whose_tables_are_half_moved(database, deployment, mirror, act):
    """Its table of DAGs may be the old one or the new one."""
    deployment.quiesce(database).pause()
    action = Reset(database, deployment.request(), mirror, quiet)
    first = action._write_plan(inspect(database, deployment.names, owner=deployment.owner())).moves[0]
    deployment.server.as_root(f"RENAME TABLE {first.source}.{first.table} TO {first.target}.{first.table}")
    other = Schemas(deployment.names.live, f"{deployment.names.live}_other").workspace

    assert act("resumed")["resumed"] == []
    with pytest.raises(OperatorError, match=f"airflow_database_workspace: {deployment.names.workspace}"):
        act("resumed", workspace=other)
    assert sorted(deployment.quiesce(database).remembered()) == UNPAUSED
