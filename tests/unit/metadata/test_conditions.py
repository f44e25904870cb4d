# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""Every condition of the reset, with attempts to get past it while all the others hold."""

from __future__ import annotations

import contextlib
import dataclasses
import threading

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.engine import Use
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.privileges import NEEDED
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import conditions
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import (
    INSTALLED,
    MIGRATABLE,
    MOVING,
    inspect,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.memory import Remembered
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.plan import now
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import write_record
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import INSTALL, PLAN
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NEW_REVISION, RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset, restore


@contextlib.contextmanager
def refused(database, deployment, match):
    """The block raises, says why in all four parts, and nothing at all is different afterwards."""
    before, moved = deployment.everything(database), moves(deployment)
    with pytest.raises(OperatorError, match=match) as caught:
        yield
    assert deployment.everything(database) == before
    assert moves(deployment) == moved
    for part in (caught.value.found, caught.value.expected, caught.value.untouched, caught.value.next_step):
        assert part
    assert PASSWORD not in str(caught.value)


def moves(deployment):
    """How many statements have moved tables out of the live schema or into it."""
    live = deployment.names.live
    return sum(map(deployment.server.logged, (f"RENAME TABLE `{live}`.", f" TO `{live}`.")))


def attempt(database, deployment, memory, **changes):
    Reset(database, deployment.request(**changes), memory, quiet).carry_out()


def attempt_either_way(database, deployment, memory, match):
    """By set_aside and by drop, and in a prediction, which refuses what can't come true."""
    with refused(database, deployment, match):
        attempt(database, deployment, memory)
    with refused(database, deployment, match):
        attempt(database, deployment, memory, method="drop", rehearsed_dump=rehearsed(database, deployment))
    with refused(database, deployment, match):
        Reset(database, deployment.request(), memory, quiet).predict()


def rehearsed(database, deployment):
    return deployment.rehearsed(database, deployment.names.live)


@pytest.mark.parametrize("confirm", ["", "Demo", "demo ", "yes", "airflow"])
def test_the_name_has_to_be_typed(database, deployment, memory, confirm):
    for method in ("set_aside", "drop"):
        with refused(database, deployment, "confirmation"):
            attempt(database, deployment, memory, confirm=confirm, method=method)


COLUMNS = ("deployment", "run", "installed_at", "image", "revision", "method", "set_aside")
EMPTY_SENTINEL = f"CREATE TABLE {INSTALL} ({', '.join(f'{name} VARCHAR(9)' for name in COLUMNS)})"
LIVE = {
    "another application's table": ("CREATE TABLE orders (id INT)", "orders"),
    "a view": ("CREATE VIEW open_runs AS SELECT * FROM dag_run", "open_runs"),
    "a trigger": ("CREATE TRIGGER audit BEFORE UPDATE ON dag FOR EACH ROW SET NEW.is_paused = 1", "trigger audit"),
    "a stored procedure": ("CREATE PROCEDURE tidy() SELECT 1", "procedure tidy"),
    "an unknown revision": ("UPDATE alembic_version SET version_num = 'ffffffffffff'", "ffffffffffff"),
    "two revisions": ("INSERT INTO alembic_version VALUES ('ffffffffffff')", "several revisions"),
    "no revision": ("DELETE FROM alembic_version", "empty: an incomplete schema"),
    "no alembic_version": ("DROP TABLE alembic_version", "no alembic_version"),
    "half a schema": ("SET foreign_key_checks=0; DROP TABLE dag_run", "an incomplete schema.*dag_run"),
    "a revision that migrates": ("UPDATE alembic_version SET version_num = '405de8318b3a'", "migrates in place"),
    "a newer Airflow": (f"UPDATE alembic_version SET version_num = '{NEW_REVISION}'", "migrates in place"),
    "somebody's sentinel": (f"CREATE TABLE {INSTALL} (note TEXT)", "this collection did not write"),
    "an empty sentinel": (EMPTY_SENTINEL, "this collection did not write"),
}


@pytest.mark.parametrize("name", LIVE)
def test_only_a_schema_known_in_every_respect_is_replaced(database, deployment, memory, name):
    statement, match = LIVE[name]
    deployment.server.as_root(statement, deployment.names.live)

    if name.startswith("a view"):
        # A sum over a view's rows can't be taken.
        with pytest.raises(OperatorError, match=match):
            attempt(database, deployment, memory)
    else:
        attempt_either_way(database, deployment, memory, match)


def test_tables_named_as_this_deployments_own_are_moved_with_the_rest(database, deployment, memory):
    deployment.server.as_root("CREATE TABLE plugin_state (id INT PRIMARY KEY)", deployment.names.live)
    with refused(database, deployment, "plugin_state"):
        attempt(database, deployment, memory)

    attempt(database, deployment, memory, extra_tables=("plugin_state",))

    assert "plugin_state" in deployment.tables(deployment.names.aside(RUN))


def test_tables_that_airflow_2_keeps_aside_are_its_own(database, deployment, memory):
    deployment.server.as_root("CREATE TABLE _airflow_moved__2_2__dangling__dag_run (id INT)", deployment.names.live)

    attempt(database, deployment, memory)


def test_a_schema_installed_for_another_deployment_is_left_alone(database, deployment, memory):
    write_record(database, deployment.names.live, deployment.install(deployment="other"))

    attempt_either_way(database, deployment, memory, r"the sentinel .* belongs to deployment 'other'")


def test_the_sentinel_alone_is_enough_to_refuse(database, deployment):
    write_record(database, deployment.names.live, deployment.install(method="drop"))

    assert conditions.no_sentinel(inspect(database, deployment.names)).verdict == conditions.REFUSED


def test_a_database_from_an_older_backup_is_left_alone(database, deployment, memory):
    memory.remembered = Remembered("installed", "demo", "20260101t000000", deployment.names.live, now())

    attempt_either_way(database, deployment, memory, "remembers that run 20260101t000000 installed")

    memory.remembered = Remembered("undone", "demo", "20260101t000000", deployment.names.live, now())
    attempt(database, deployment, memory)


def test_a_lost_database_is_not_taken_for_a_new_one(database, bare, memory):
    bare.make_new(database)
    memory.remembered = Remembered("installed", "demo", "20260101t000000", bare.names.live, now())

    with refused(database, bare, "remembers"):
        attempt(database, bare, memory)


@contextlib.contextmanager
def somebody_connected(server, schema):
    connection = pymysql.connect(
        host="127.0.0.1", port=server.port, user="airflow", password=PASSWORD.encode(), database=schema
    )
    try:
        yield
    finally:
        connection.close()


def test_nobody_may_be_connected(server, database, deployment, memory):
    with somebody_connected(server, deployment.names.live):
        for changes in ({}, {"method": "drop", "rehearsed_dump": rehearsed(database, deployment)}):
            with refused(database, deployment, "1 sessions of others"):
                attempt(database, deployment, memory, **changes)
        predicted = Reset(database, deployment.request(), memory, quiet).predict()
    verdicts = {condition["condition"]: condition["verdict"] for condition in predicted["conditions"]}
    assert verdicts["nobody_connected"] == "later"


def test_sessions_of_pods_just_stopped_are_waited_for(server, database, deployment, memory):
    connected = somebody_connected(server, deployment.names.live)
    connected.__enter__()
    ending = threading.Timer(1.0, connected.__exit__, (None, None, None))
    ending.start()

    attempt(database, deployment, memory, session_timeout_seconds=20)

    ending.join()


WORKSPACE = {
    "is not there": (lambda names: f"DROP DATABASE {names.workspace}", "is absent"),
    "is empty": (
        lambda names: f"DROP DATABASE {names.workspace}; CREATE DATABASE {names.workspace}",
        "is empty",
    ),
    "is half built": (
        lambda names: f"UPDATE {names.workspace}.hopsworks_airflow_workspace SET state = 'building'",
        "is building",
    ),
    "is a rehearsal": (
        lambda names: f"UPDATE {names.workspace}.hopsworks_airflow_workspace SET purpose = 'rehearsal'",
        "is rehearsal",
    ),
    "is another deployment's": (
        lambda names: f"UPDATE {names.workspace}.hopsworks_airflow_workspace SET deployment = 'other'",
        "belongs to deployment 'other'",
    ),
    "is somebody else's": (
        lambda names: f"DROP TABLE {names.workspace}.hopsworks_airflow_workspace",
        "were not made by this collection",
    ),
    "lacks a table": (
        lambda names: f"SET foreign_key_checks=0; DROP TABLE {names.workspace}.task_instance",
        "lacks task_instance",
    ),
    "has a view": (lambda names: f"CREATE VIEW {names.workspace}.totals AS SELECT 1", r"has totals \(view\)"),
    "is behind": (
        lambda names: f"UPDATE {names.workspace}.alembic_version SET version_num = '29ce7909c52b'",
        "is 29ce7909c52b",
    ),
    "has no revision": (lambda names: f"DELETE FROM {names.workspace}.alembic_version", "is empty"),
}


@pytest.mark.parametrize("name", WORKSPACE)
def test_the_new_schema_has_to_be_whole_and_ours(database, deployment, memory, name):
    statement, match = WORKSPACE[name]
    deployment.server.as_root(statement(deployment.names))

    for changes in ({}, {"method": "drop", "rehearsed_dump": rehearsed(database, deployment)}):
        with refused(database, deployment, match):
            attempt(database, deployment, memory, **changes)


def test_old_tables_are_not_put_where_there_are_some(database, deployment, memory):
    aside = deployment.names.aside(RUN)
    deployment.server.as_root(f"CREATE DATABASE {aside}; CREATE TABLE {aside}.dag (id INT)")

    with refused(database, deployment, "already holds 1 tables"):
        attempt(database, deployment, memory)


def test_a_run_whose_name_was_used_before(server, database, deployment, memory):
    """The tables that it set aside were dropped since, and those that it installed; its plan was left."""
    reset(database, deployment, memory)
    aside, live = deployment.names.aside(RUN), deployment.names.live
    for schema in (aside, live):
        tables = ", ".join(f"`{table}`" for table in deployment.tables(schema) - {PLAN})
        server.as_root(f"SET foreign_key_checks = 0; DROP TABLE {tables}", schema)
    server.as_root(f"DROP DATABASE {live}")
    deployment.make_old()
    deployment.make_new(database)
    memory.remembered = None

    with refused(database, deployment, f"{aside} has the plan of an earlier move"):
        reset(database, deployment, memory)


def test_rights_are_known_to_suffice_before_anything_begins(server, database, deployment, memory):
    live, workspace = deployment.names.live, deployment.names.workspace
    server.as_root(
        f"CREATE USER {live} IDENTIFIED BY 'secret'; GRANT ALL ON `{live}`.* TO {live};"
        f" GRANT ALL ON `{workspace}`.* TO {live}"
    )
    with session("127.0.0.1", server.port, live, b"secret", "limited") as limited:
        with refused(database, deployment, f"lacks ALTER ON {deployment.names.aside(RUN)}"):
            attempt(limited, deployment, memory)
        server.as_root(f"GRANT ALL ON `{live}\\_before\\_%`.* TO {live}")
    with session("127.0.0.1", server.port, live, b"secret", "limited") as limited:
        attempt(limited, deployment, memory)


def test_tables_are_moved_there_and_back_with_the_rights_that_are_named(server, deployment, memory):
    user = deployment.names.live
    server.as_root(
        f"CREATE USER {user} IDENTIFIED BY 'secret'; GRANT {', '.join(NEEDED[Use.BUILD])} ON `{user}%`.* TO {user}"
    )
    with session("127.0.0.1", server.port, user, b"secret", "limited") as limited:
        attempt(limited, deployment, memory)
        restore(limited, deployment, memory)
        assert inspect(limited, deployment.names).stage == "old"


def test_a_schema_that_the_user_may_not_see_is_not_taken_for_absent(server, database, deployment, memory):
    live, workspace, aside = deployment.names.live, deployment.names.workspace, deployment.names.aside(RUN)
    server.as_root(f"CREATE USER {live}; GRANT ALL ON `{workspace}`.* TO {live}; GRANT ALL ON `{aside}`.* TO {live}")
    with session("127.0.0.1", server.port, live, b"", "blind") as blind:
        assert inspect(blind, deployment.names).stage == "absent"
        with refused(database, deployment, f"lacks ALTER ON {live}"):
            attempt(blind, deployment, memory)


class TestDrop:
    """Nothing is dropped that was not dumped, restored and compared in this run."""

    def drop(self, database, deployment, memory, dump):
        attempt(database, deployment, memory, method="drop", rehearsed_dump=dump)

    @pytest.mark.parametrize("dump", [None, {}])
    def test_without_a_dump(self, database, deployment, memory, dump):
        with refused(database, deployment, "no rehearsed dump"):
            self.drop(database, deployment, memory, dump)

    def test_of_nothing_without_a_dump(self, database, bare, memory):
        bare.make_empty()
        bare.make_new(database)
        self.drop(database, bare, memory, None)
        assert inspect(database, bare.names).stage == "installed"

    @pytest.mark.parametrize("changes", [{"database": "other"}, {"run": "20260101t000000"}, {"run": None}])
    def test_with_a_dump_of_something_else(self, database, deployment, memory, changes):
        with refused(database, deployment, "the rehearsed dump is of database"):
            self.drop(database, deployment, memory, {**rehearsed(database, deployment), **changes})

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE variable SET val = CONCAT(val, ' ')",
            "INSERT INTO log (event) VALUES ('one more')",
            "DELETE FROM dag_tag",
            "UPDATE dag_run SET conf = x'80049500fe' WHERE conf IS NOT NULL",
            "UPDATE connection SET password = NULL",
            "UPDATE dag SET last_scheduler_run = '2026-11-21 03:00:00.123457' WHERE last_scheduler_run IS NOT NULL",
            "CREATE TABLE sensor_instance (id INT)",
        ],
    )
    def test_with_a_dump_of_rows_that_have_changed_since(self, database, deployment, memory, statement):
        dump = rehearsed(database, deployment)
        deployment.server.as_root(statement, deployment.names.live)

        with refused(database, deployment, "differs from the live tables"):
            self.drop(database, deployment, memory, dump)

    def test_with_a_dump_that_lacks_a_table(self, database, deployment, memory):
        dump = rehearsed(database, deployment)
        del dump["tables"]["xcom"]

        with refused(database, deployment, "differs from the live tables in xcom"):
            self.drop(database, deployment, memory, dump)

    def test_a_prediction_leaves_the_dump_for_later(self, database, deployment, memory):
        predicted = Reset(database, deployment.request(method="drop"), memory, quiet).predict()

        assert {"condition": "dump_rehearsed", "verdict": "later", "found": "no rehearsed dump was given"} in predicted[
            "conditions"
        ]


@pytest.mark.parametrize("revisions", [(), (NEW_REVISION,), ("ffff00001111",), ("0038cd0c28b4", "004c1210f153")])
def test_no_other_condition_is_needed_to_refuse_a_revision(database, deployment, revisions):
    inspection = dataclasses.replace(inspect(database, deployment.names), revisions=revisions)
    assert conditions.too_old_to_migrate(inspection).verdict == conditions.REFUSED


ADVICE = {
    MIGRATABLE: "airflow db migrate",
    INSTALLED: "to go back to the old tables",
    MOVING: "run the same command again",
}


@pytest.mark.parametrize("stage", ADVICE)
def test_each_stage_that_is_not_replaced_is_told_with_the_next_step_for_it(database, deployment, stage):
    condition = conditions.replaceable(dataclasses.replace(inspect(database, deployment.names), stage=stage))

    assert condition.verdict == conditions.REFUSED
    assert [other for other, words in ADVICE.items() if words in condition.next_step] == [stage]


def test_what_the_cluster_remembers_of_another_schema_is_no_reason_to_refuse(database, deployment, memory):
    """The deployment has got another database since."""
    memory.remembered = Remembered("installed", "demo", "20260101t000000", f"{deployment.names.live}_before", now())
    assert reset(database, deployment, memory)["changed"]


def test_several_reasons_are_told_at_once(database, deployment, memory):
    memory.remembered = Remembered("installed", "demo", "20260101t000000", deployment.names.live, now())

    with pytest.raises(OperatorError) as caught:
        attempt(database, deployment, memory, confirm="")

    assert "confirmation" in caught.value.found
    assert "remembers" in caught.value.found
    assert any(line.startswith("too_old_to_migrate: holds") for line in caught.value.evidence)


def test_the_mark_of_a_finished_schema_is_not_enough(database, bare, memory):
    bare.make_old()
    bare.server.as_root(f"CREATE DATABASE {bare.names.workspace}")
    mark = bare.mark(image="image")
    write_record(database, bare.names.workspace, mark)

    with refused(database, bare, "lacks"):
        attempt(database, bare, memory)
