# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._database.description import Schema, Table
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import as_result, inspect, judge
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.releases import (
    REVISIONS_BEFORE_2_7,
    REVISIONS_FROM_2_7,
)
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import DATA, OLD_REVISION

OLD_TABLES = frozenset(
    line.split("`")[1] for line in (DATA / "airflow-1.10.15.sql").read_text().splitlines() if "CREATE TABLE" in line
)


def schema_with(names, views=()):
    tables = {name: Table(name, "VIEW" if name in views else "BASE TABLE", "InnoDB", 1, 1) for name in [*names, *views]}
    return Schema("airflow", "utf8mb4", "utf8mb4_general_ci", tables)


@pytest.mark.parametrize("revision", sorted(REVISIONS_BEFORE_2_7)[::10])
def test_old(revision):
    assert judge(schema_with(OLD_TABLES), (revision,), []) == ("old", ())


@pytest.mark.parametrize("revision", sorted(REVISIONS_FROM_2_7)[::10])
def test_migratable_whatever_tables_a_newer_airflow_has(revision):
    assert judge(schema_with(OLD_TABLES | {"asset", "brand_new"}), (revision,), []) == ("migratable", ())


@pytest.mark.parametrize(
    ("tables", "views", "revisions", "programs", "problem"),
    [
        (OLD_TABLES | {"orders"}, (), (OLD_REVISION,), [], "tables that are not Airflow's: orders"),
        (OLD_TABLES, ("report",), (OLD_REVISION,), [], "what Airflow never makes: report (view)"),
        (OLD_TABLES, (), (OLD_REVISION,), ["event tidy"], "stored programs, which Airflow never makes: event tidy"),
        (OLD_TABLES, (), (), [], "alembic_version is empty"),
        (OLD_TABLES, (), ("a", "b"), [], "several revisions: a, b"),
        (OLD_TABLES, (), ("a",), [], "has had revision a of alembic_version"),
        (
            OLD_TABLES - {"dag"},
            (),
            (OLD_REVISION,),
            [],
            "incomplete schema: revision 03afc6b6f902, but no table dag",
        ),
        (OLD_TABLES - {"alembic_version"}, (), (), [], "no alembic_version"),
        ({"orders", "customers"}, (), (), [], "none of its tables is Airflow's: customers, orders"),
        ({"orders", "log", "job", "connection"}, (), (), [], "none of its tables is Airflow's"),
        (set(), (), (), ["procedure x"], "stored programs"),
        (set(), ("report",), (), [], "report (view)"),
        (OLD_TABLES, ("report",), ("405de8318b3a",), [], "report (view)"),
    ],
)
def test_foreign_with_the_reason(tables, views, revisions, programs, problem):
    stage, problems = judge(schema_with(tables, views), revisions, programs)

    assert stage == "foreign"
    assert any(problem in text for text in problems), problems


@pytest.mark.parametrize("revision", ["405de8318b3a", OLD_REVISION])
def test_a_known_revision_is_not_called_unknown_for_what_else_is_wrong(revision):
    problems = judge(schema_with(OLD_TABLES, ("report",)), (revision,), [])[1]

    assert problems == ("it has what Airflow never makes: report (view)",)


def test_empty():
    assert judge(schema_with(()), (), []) == ("empty", ())
    assert judge(schema_with({"hopsworks_airflow_paused"}), (), []) == ("empty", ())


def test_the_tables_of_the_default_broker_of_1_x_are_known():
    assert judge(schema_with(OLD_TABLES | {"kombu_message", "kombu_queue"}), (OLD_REVISION,), []) == ("old", ())


def test_extra_tables_are_known():
    assert judge(schema_with(OLD_TABLES | {"plugin"}), (OLD_REVISION,), [], ["plugin"])[0] == "old"


def test_result_of_a_real_schema(database, deployment):
    result = as_result(inspect(database, deployment.names))

    assert result["stage"] == "old"
    assert result["revision"] == OLD_REVISION
    assert {table["name"] for table in result["tables"]} == OLD_TABLES
    assert result["server"]["product"] == "MariaDB"
    assert result["workspace"]["state"] == "complete"
    assert result["workspace"]["tables"] == 45
    assert result["moving"] is None
    assert result["set_aside"] == []
    assert result["bytes"] > 0


def test_other_deployments_on_the_same_server_are_not_seen(server, database, deployment):
    """Names that a LIKE pattern with a bare underscore would match."""
    name = deployment.names.live
    server.as_root(f"CREATE DATABASE {name}xbeforexrun1; CREATE DATABASE {name}2_before_run1")

    assert as_result(inspect(database, deployment.names))["set_aside"] == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE VIEW report AS SELECT 1", "report (view)"),
        ("ALTER TABLE variable ADD SYSTEM VERSIONING", "variable (system versioned)"),
        ("CREATE SEQUENCE numbers", "numbers (sequence)"),
    ],
)
def test_what_is_no_table_like_airflows_is_called_what_it_is(server, database, deployment, statement, what):
    server.as_root(statement, deployment.names.live)

    found = inspect(database, deployment.names)

    assert found.stage == "foreign"
    assert f"it has what Airflow never makes: {what}" in found.problems
