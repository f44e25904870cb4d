# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was paused is unpaused whatever has happened to the schema since."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags import quiesce as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import Schemas
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.modules import quiesce as module
from ansible_collections.hopsworks.airflow.tests.unit.api_server import Clock
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import quiet

UNPAUSED = ["p_demo_1__gone", "p_demo_1__hello"]
VIEW = "CREATE VIEW report AS SELECT dag_id, state FROM dag_run"
MANY, AT_ONCE = 300, 25


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


@pytest.mark.parametrize("statement", ["DROP DATABASE {live}", "SET foreign_key_checks = 0; DROP TABLE dag"])
def test_the_list_stays_where_no_table_of_dags_is(database, deployment, act, statement):
    deployment.quiesce(database).pause()
    deployment.server.as_root(statement.format(live=deployment.names.live), deployment.names.live)

    assert act("resumed")["resumed"] == []
    assert sorted(deployment.quiesce(database).remembered()) == UNPAUSED


@pytest.mark.parametrize(("folders", "now"), [({"/new"}, "/new/b/x.py"), ({"/new", "/other"}, "/old/b/x.py")])
def test_a_file_follows_its_folder_where_it_is_known_which_one_took_its_place(folders, now):
    assert subject._followed("/old/b/x.py", {"/old": folders}) == now


def test_not_in_a_schema_whose_tables_are_half_moved(database, deployment, memory, act):
    """Its table of DAGs may be the old one or the new one."""
    deployment.quiesce(database).pause()
    action = Reset(database, deployment.request(), memory, quiet)
    first = action._write_plan(inspect(database, deployment.names, owner=deployment.owner())).moves[0]
    deployment.server.as_root(f"RENAME TABLE {first.source}.{first.table} TO {first.target}.{first.table}")
    other = Schemas(deployment.names.live, f"{deployment.names.live}_other").workspace

    assert act("resumed")["resumed"] == []
    with pytest.raises(OperatorError, match=f"airflow_database_workspace: {deployment.names.workspace}"):
        act("resumed", workspace=other)
    assert sorted(deployment.quiesce(database).remembered()) == UNPAUSED


class ParsingClock(Clock):
    """Time that passes only by sleeping; every `pause` seconds of it, `parse` gets the next few DAGs."""

    def __init__(self, dags, pause, parse):
        super().__init__()
        self._rounds = [dags[start : start + AT_ONCE] for start in range(0, len(dags), AT_ONCE)]
        self._pause, self._parse, self._due = pause, parse, pause

    def sleep(self, seconds):
        super().sleep(seconds)
        if self._rounds and self.now >= self._due:
            self._parse(self._rounds.pop(0))
            self._due = self.now + self._pause


def test_hundreds_that_are_parsed_a_few_at_a_time(database, deployment, memory, monkeypatch):
    """All of them take much longer than the time, which is for one pause between them."""
    live, timeout = deployment.names.live, 10
    deployment.server.as_root(
        f"INSERT INTO {live}.dag (dag_id, is_paused, is_active, fileloc)"
        f" SELECT CONCAT('many_', seq), 0, 1, CONCAT('/dags/many_', seq, '.py') FROM seq_1_to_{MANY}",
        live,
    )
    quiesce = deployment.quiesce(database)
    listed = sorted(quiesce.pause())
    quiesce.resume()
    Reset(database, deployment.request(), memory, quiet).carry_out()
    deployment.server.as_root(f"INSERT INTO {live}.dag_bundle (name) VALUES ('dags')")

    def parse(dags):
        rows = ", ".join(f"('{dag}', 1, 'dags', 16, 0, 0, '/dags/{dag}.py', '{dag}.py')" for dag in dags)
        deployment.server.as_root(
            f"INSERT INTO {live}.dag (dag_id, is_paused, bundle_name, max_active_tasks,"
            f" max_consecutive_failed_dag_runs, has_task_concurrency_limits, fileloc, relative_fileloc) VALUES {rows}"
        )

    clock, warnings = ParsingClock(listed, timeout - 4, parse), []
    monkeypatch.setattr(subject, "time", clock)
    given = {"live": live, "deployment": deployment.name, "state": "resumed", "timeout": timeout}
    call = dataclasses.replace(call_of(database, monkeypatch, module, **given), warn=warnings.append)

    result = module.act(call)

    assert len(listed) == MANY + len(UNPAUSED)
    assert (result["resumed"], result["unknown"], warnings) == (listed, [], [])
    assert clock.now > 5 * timeout
    resumed = deployment.quiesce(database, installed=True)
    assert sorted(resumed.unpaused()) == listed
    assert resumed.remembered() == {}
