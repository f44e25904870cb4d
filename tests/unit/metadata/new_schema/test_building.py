# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""Building the new schema: what is there already is kept, dropped or refused, and never somebody else's dropped."""

from __future__ import annotations

import dataclasses
from unittest import mock

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect, revisions_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema import (
    building,
    migration,
    revision_job,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema.migrate_job import RESULT_MARK
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import read_mark
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import INSTALL, PAUSED, WORKSPACE
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_migrate
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NEW_REVISION, RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD, address_of

IMAGE = "bed/airflow:3.0.6"


def same(revision):
    """An image that answers what it answered before."""
    return revision


def standing(database, deployment, *, run=RUN, image=IMAGE, newest=same):
    inspection = inspect(database, deployment.names)
    return building.standing(inspection, run, image, revisions_of(database, inspection.workspace), newest)


def begin(database, deployment, *, name="demo", run=RUN):
    owner = dataclasses.replace(deployment.owner(run), deployment=name)
    return building.begin(database, inspect(database, deployment.names), owner, IMAGE, quiet)


def test_what_this_run_has_built_is_kept(database, deployment):
    result = standing(database, deployment)

    assert result is not None
    assert not result["changed"]
    assert result["revision"] == NEW_REVISION


@pytest.mark.parametrize(
    "changes", [{"run": "20261130t000000"}, {"image": "bed/airflow:3.1.0"}], ids=["another run", "another image"]
)
def test_what_was_built_for_something_else_is_built_anew(database, deployment, changes):
    assert standing(database, deployment, **changes) is None


def test_what_an_image_of_the_same_tag_was_built_for_is_built_again(database, deployment):
    assert standing(database, deployment, newest=lambda _known: "d2f4e1b3c5a7") is None


@pytest.mark.parametrize("changes", [{"run": "20261130t000000"}, {"image": "bed/airflow:3.1.0"}])
def test_no_image_is_asked_about_what_is_built_again_anyway(database, deployment, changes):
    assert standing(database, deployment, newest=mock.Mock(side_effect=AssertionError), **changes) is None


@pytest.mark.parametrize(
    ("image", "answer", "changed"),
    [
        (IMAGE, NEW_REVISION, False),
        (IMAGE, "d2f4e1b3c5a7", True),
        (f"bed/airflow@sha256:{'0' * 64}", "d2f4e1b3c5a7", False),
    ],
    ids=["the same image", "another image of the tag", "pinned by its digest"],
)
def test_the_image_is_asked_unless_it_is_pinned(database, deployment, monkeypatch, image, answer, changed):
    deployment.server.as_root(f"UPDATE {deployment.names.workspace}.{WORKSPACE} SET image = '{image}'")
    asked = []

    class Job:
        def __init__(self, _cluster, manifest, _progress, _secrets):
            (container,) = manifest["spec"]["template"]["spec"]["containers"]
            asked.append((container["image"], [each["name"] for each in container["env"]]))

        def run(self, _timeout):
            return [f'{RESULT_MARK}{{"heads": ["{answer}"], "version": "3.3.2"}}']

    monkeypatch.setattr(revision_job, "Job", Job)
    monkeypatch.setattr(migration, "told", lambda *_given: None)
    monkeypatch.setattr(migration, "Admission", mock.Mock())
    given = {"live": deployment.names.live, "deployment": deployment.name, "run": RUN, "image": image}
    pod = {"environment": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]}
    call = call_of(database, monkeypatch, metadata_migrate, check_mode=True, pod=pod, **given)
    call.params["database"] = {"password_secret": {"name": "database", "key": "password"}}
    address = dataclasses.replace(address_of(deployment.server), name=deployment.names.live)
    monkeypatch.setattr(migration, "read_address", lambda *_given: address)

    assert metadata_migrate.act(call)["changed"] is changed
    assert asked == ([] if "@" in image else [(image, ["USER", "LOGNAME"])])


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {WORKSPACE} SET state = 'building'",
        f"UPDATE {WORKSPACE} SET purpose = 'rehearsal'",
        "UPDATE alembic_version SET version_num = '29ce7909c52b'",
        "DELETE FROM alembic_version",
    ],
)
def test_what_is_not_whole_is_built_anew(database, deployment, statement):
    deployment.server.as_root(statement, deployment.names.workspace)

    assert standing(database, deployment) is None


def test_nothing_is_built_beside_an_installed_schema(database, deployment, memory):
    Reset(database, deployment.request(), memory, quiet).carry_out()

    result = standing(database, deployment, run="20261130t000000")

    assert result is not None
    assert "installed already" in result["reason"]


def test_nothing_is_built_while_tables_are_being_moved(database, deployment, memory):
    action = Reset(database, deployment.request(), memory, quiet)
    plan = action._write_plan(inspect(database, deployment.names))
    move = plan.moves[0]
    deployment.server.as_root(f"RENAME TABLE {move.source}.{move.table} TO {move.target}.{move.table}")

    result = standing(database, deployment, run="20261130t000000")

    assert result is not None
    assert "the move of the new schema is not finished" in result["reason"]


def test_nothing_is_built_for_a_schema_that_will_not_be_replaced(database, deployment):
    deployment.server.as_root("CREATE TABLE orders (id INT)", deployment.names.live)

    with pytest.raises(OperatorError, match="orders"):
        standing(database, deployment)


def test_an_earlier_runs_tables_make_room(database, deployment):
    dropped = deployment.server.logged("DROP DATABASE")
    deployment.quiesce(database).pause()
    deployment.server.as_root(f"CREATE TABLE {INSTALL} (id INT)", deployment.names.workspace)
    live = deployment.content(database, deployment.names.live)

    mark = begin(database, deployment, run="20261130t000000")

    assert (mark.state, mark.run) == ("building", "20261130t000000")
    # What a quiesce has written down is not thrown away with it.
    assert deployment.tables(deployment.names.workspace) == {WORKSPACE, PAUSED}
    assert deployment.content(database, deployment.names.live) == live
    assert deployment.server.logged("DROP DATABASE") == dropped


def test_the_schema_is_made_with_the_character_set_that_airflow_asks_for(database, bare):
    bare.make_empty()
    bare.server.as_root(f"CREATE DATABASE {bare.names.workspace} CHARACTER SET latin1")

    begin(database, bare)

    assert inspect(database, bare.names).workspace.charset == "utf8mb4"


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        (f"DROP TABLE {WORKSPACE}", "no run of this collection made"),
        (f"UPDATE {WORKSPACE} SET deployment = 'other'", "belongs to deployment 'other'"),
        (f"DROP TABLE {WORKSPACE}; CREATE TABLE {WORKSPACE} (id INT)", "no run of this collection made"),
    ],
)
def test_tables_of_others_are_never_dropped(database, deployment, statement, match):
    deployment.server.as_root(statement, deployment.names.workspace)
    before = deployment.tables(deployment.names.workspace)

    with pytest.raises(OperatorError, match=match):
        begin(database, deployment)

    assert deployment.tables(deployment.names.workspace) == before


def test_tables_older_than_our_mark_are_somebody_elses(database, bare):
    bare.make_empty()
    bare.server.as_root(f"CREATE DATABASE {bare.names.workspace}; CREATE TABLE {bare.names.workspace}.orders (id INT)")
    bare.server.as_root("DO SLEEP(1.1)")
    bare.mark_new(database)

    with pytest.raises(OperatorError, match="orders"):
        begin(database, bare)

    assert "orders" in bare.tables(bare.names.workspace)


@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "while it waits"])
def test_a_table_that_somebody_made_beside_ours_is_never_dropped(database, deployment, monkeypatch, meanwhile):
    """When the new schema is complete, it is known which tables are in it."""
    schema = deployment.names.workspace
    building.finish(database, schema, deployment.mark(), NEW_REVISION)
    before = deployment.tables(schema)

    def make(*_given):
        deployment.server.as_root("CREATE TABLE kept_connections (id INT)", schema)
        return []

    if meanwhile:
        monkeypatch.setattr(database, "wait_for_sessions", make)
    else:
        make()
    with pytest.raises(OperatorError, match="no run of this collection made there: kept_connections"):
        begin(database, deployment, run="20261130t000000")

    assert deployment.tables(schema) == before | {"kept_connections"}


def test_a_table_that_somebody_made_beside_ours_is_not_moved_either(database, deployment, memory):
    schema = deployment.names.workspace
    building.finish(database, schema, deployment.mark(), NEW_REVISION)
    deployment.server.as_root("CREATE TABLE kept_connections (id INT)", schema)

    with pytest.raises(OperatorError, match="no run of this collection made there: kept_connections"):
        Reset(database, deployment.request(), memory, quiet).predict()


def test_what_was_made_there_before_is_dropped_with_a_mark_of_an_earlier_version(database, deployment):
    """Its mark has no list of tables."""
    schema = deployment.names.workspace
    deployment.server.as_root(f"ALTER TABLE {WORKSPACE} DROP COLUMN made", schema)
    # The server has made the mark anew; what was put there after it has to stay the younger.
    for table in deployment.tables(schema) - {WORKSPACE}:
        deployment.server.as_root(f"ALTER TABLE `{table}` COMMENT = 'of an earlier version'", schema)
    assert standing(database, deployment) is not None

    begin(database, deployment, run="20261130t000000")

    assert deployment.tables(schema) == {WORKSPACE}


def test_what_came_back_from_a_reset_is_ours(database, deployment, memory):
    """The sentinel is put there after the mark."""
    building.finish(database, deployment.names.workspace, deployment.mark(), NEW_REVISION)
    Reset(database, deployment.request(), memory, quiet)._write_plan(inspect(database, deployment.names))

    begin(database, deployment, run="20261130t000000")

    assert deployment.tables(deployment.names.workspace) == {WORKSPACE}


def test_a_migration_that_still_runs_is_not_pulled_from_under(server, database, deployment, monkeypatch):
    monkeypatch.setattr(building, "SESSION_SECONDS", 0.2)
    connection = pymysql.connect(
        host="127.0.0.1",
        port=server.port,
        user="airflow",
        password=PASSWORD.encode(),
        database=deployment.names.workspace,
    )
    before = deployment.tables(deployment.names.workspace)
    try:
        with pytest.raises(OperatorError, match="1 sessions of others"):
            begin(database, deployment)
    finally:
        connection.close()
    assert deployment.tables(deployment.names.workspace) == before


def test_it_is_whole_only_at_the_images_newest_revision(database, bare):
    bare.make_empty()
    mark = begin(database, bare)
    table = f"{bare.names.workspace}.alembic_version"
    with pytest.raises(OperatorError, match="is empty"):
        building.finish(database, bare.names.workspace, mark, NEW_REVISION)
    database.execute(f"CREATE TABLE {table} (version_num VARCHAR(32) PRIMARY KEY)")
    database.execute(f"INSERT INTO {table} VALUES ('29ce7909c52b')")
    with pytest.raises(OperatorError, match="29ce7909c52b"):
        building.finish(database, bare.names.workspace, mark, NEW_REVISION)
    assert inspect(database, bare.names).workspace_state == "building"

    database.execute(f"UPDATE {table} SET version_num = '{NEW_REVISION}'")
    building.finish(database, bare.names.workspace, mark, NEW_REVISION)

    assert inspect(database, bare.names).workspace_state == "complete"


def test_a_build_that_was_taken_over_says_nothing_of_the_one_after_it(server, database, bare):
    """Its machine slept after the migration; another run has begun anew there by then."""
    schema = bare.names.workspace
    mark = begin(database, bare)
    server.as_root(f"UPDATE {schema}.{WORKSPACE} SET created_at = '2026-01-01T00:00:00+00:00'")
    later = begin(database, bare, run="later")
    server.as_root(
        f"CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);"
        f"INSERT INTO alembic_version VALUES ('{NEW_REVISION}')",
        schema,
    )

    with pytest.raises(OperatorError, match=r"the mark of this build in schema .* was replaced"):
        building.finish(database, schema, mark, NEW_REVISION)

    assert read_mark(database, schema) == later
