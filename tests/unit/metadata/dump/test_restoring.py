# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a dump, for a rehearsal or to stay."""

# Names of schemas and tables can't be bound as values.

from __future__ import annotations

import dataclasses
import gzip

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.client import Tools
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dumping import (
    dump_path,
    make_dump,
    read_content,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import (
    read_manifest,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.restoring import RESTORE, Restoration
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.ownership import Owner
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import BOOKKEEPING, INSTALL, WORKSPACE
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NAMESPACE, RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import address_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset


class TestRestore:
    def test_brings_back_every_row(self, database, deployment, restoration, tools):
        restoration.make_room("restore")
        restoration.play(tools)
        restored = restoration.compare()
        restoration.keep()

        assert restored == read_content(database, deployment.names.live, quiet)
        assert deployment.tables(restoration._schema) == deployment.tables(deployment.names.live)

    def test_rehearsed_leaves_an_empty_schema(self, deployment, restoration, tools):
        dropped = deployment.server.logged("DROP DATABASE")
        restoration.make_room("rehearsal")
        restoration.play(tools)
        restoration.compare()
        restoration.clear()

        assert deployment.tables(restoration._schema) == set()
        assert deployment.server.logged("DROP DATABASE") == dropped

    def test_begins_anew_after_an_interrupted_one(self, deployment, restoration, tools):
        restoration.make_room("rehearsal")
        restoration.play(tools)

        restoration.make_room("rehearsal")

        assert deployment.tables(restoration._schema) == {WORKSPACE}

    @pytest.mark.parametrize("played", [False, True])
    def test_a_rehearsal_drops_no_table_that_is_in_no_dump(self, deployment, restoration, tools, played):
        """The one before was killed, and left its mark there."""
        restoration.make_room("rehearsal")
        if played:
            restoration.play(tools)
        deployment.server.as_root("CREATE TABLE orders (id INT)", restoration._schema)
        before = deployment.tables(restoration._schema)

        with pytest.raises(OperatorError, match="not of a dump: orders"):
            restoration.make_room("rehearsal")

        assert deployment.tables(restoration._schema) == before

    def test_a_rehearsal_drops_what_that_of_another_dump_has_left(self, database, deployment, restoration, tools):
        restoration.make_room("rehearsal")
        restoration.play(tools)
        manifest = restoration._manifest
        fewer = {table: entry for table, entry in manifest.tables.items() if table != "xcom"}
        other = Restoration(
            database,
            restoration._schema,
            deployment.owner(),
            restoration._dump,
            dataclasses.replace(manifest, tables=fewer),
            quiet,
        )

        other.make_room("rehearsal")

        assert deployment.tables(restoration._schema) == {WORKSPACE}

    def test_a_rehearsal_clears_away_its_own_tables_alone(self, deployment, restoration, tools):
        restoration.make_room("rehearsal")
        restoration.play(tools)
        restoration.compare()
        deployment.server.as_root("CREATE TABLE orders (id INT)", restoration._schema)

        restoration.clear()

        assert deployment.tables(restoration._schema) == {"orders"}

    def test_killed_before_its_last_stroke_is_known_to_be_done(self, database, deployment, restoration, tools):
        assert not restoration.is_done()
        restoration.make_room("restore")
        assert not restoration.is_done()
        restoration.play(tools)

        assert restoration.is_done()
        restoration.keep()

        assert restoration.is_done()
        assert deployment.tables(restoration._schema) == deployment.tables(deployment.names.live)

    def test_killed_before_its_last_stroke_drops_no_row_that_is_newer(self, deployment, restoration, tools):
        restoration.make_room("restore")
        restoration.play(tools)
        deployment.server.as_root("INSERT INTO variable (`key`, val) VALUES ('newer', 'x')", restoration._schema)
        before = deployment.tables(restoration._schema)

        assert not restoration.is_done()
        with pytest.raises(OperatorError, match="but other rows or definitions"):
            restoration.make_room("restore")

        assert deployment.tables(restoration._schema) == before

    @pytest.mark.parametrize("killed", [True, False])
    def test_killed_in_a_table_whose_rows_no_sum_knows_is_not_done(
        self, server, database, deployment, restoration, tools, killed
    ):
        """Somebody wrote to the last table, xcom, while it was dumped; so a part of it looked like all of it."""
        tables = restoration._manifest.tables
        tables["xcom"] = dataclasses.replace(tables["xcom"], steady=False, rows=50)
        schema = restoration._schema
        restoration.make_room("restore")
        if killed:
            restoration._mark = None
        restoration.play(tools)

        if not killed:
            assert restoration.is_done()
            return
        assert not restoration.is_done()
        with pytest.raises(OperatorError, match="perhaps not all rows of the last table"):
            restoration.make_room("restore")
        assert deployment.tables(schema) == {*deployment.tables(deployment.names.live), WORKSPACE}

        server.as_root("DROP TABLE xcom", schema)
        restoration.make_room("restore")
        restoration.play(tools)
        assert restoration.is_done()

    def test_that_an_airflow_has_built_on_is_left_alone(self, deployment, restoration):
        restoration.make_room("restore")
        deployment.server.as_root("CREATE TABLE dag_version (id INT PRIMARY KEY)", restoration._schema)

        with pytest.raises(OperatorError, match="not of the dump: dag_version"):
            restoration.make_room("restore")

    def test_killed_in_the_middle_begins_again(self, deployment, restoration, tools):
        restoration.make_room("restore")
        restoration.play(tools)
        deployment.server.as_root("DROP TABLE xcom; DELETE FROM variable", restoration._schema)

        restoration.make_room("restore")

        assert deployment.tables(restoration._schema) == {WORKSPACE}

    def test_of_a_schema_that_was_set_aside_is_rehearsed(self, database, deployment, memory, tools, tmp_path):
        """It holds the plan of the move as well, which is none of its tables."""
        reset(database, deployment, memory)
        aside = deployment.names.aside(RUN)
        path = dump_path(str(tmp_path), aside, "daily")
        manifest = make_dump(database, tools, aside, "daily", path, read_content(database, aside, quiet), quiet)
        assert len(manifest.tables) == 33
        assert not any(table in gzip.decompress(path.read_bytes()).decode() for table in BOOKKEEPING)
        owner = Owner(deployment.name, NAMESPACE, aside, "daily")
        rehearsal = Restoration(database, f"{deployment.names.live}_rehearsal", owner, path, manifest, quiet)
        for attempt in (1, 2):
            rehearsal.make_room("rehearsal")
            rehearsal.play(tools)
            assert len(rehearsal.compare()) == 33, attempt
            rehearsal.clear()
        assert deployment.tables(rehearsal._schema) == set()

    def test_of_an_installed_schema_has_its_sentinel(self, database, deployment, memory, tools, tmp_path):
        """A database that is restored from it is not reset a second time."""
        reset(database, deployment, memory)
        live = deployment.names.live
        made = make_dump(database, tools, live, RUN, tmp_path / "x.sql.gz", read_content(database, live, quiet), quiet)
        assert INSTALL in made.tables

    def test_into_a_schema_of_somebody_else_has_the_character_set_of_the_dump(
        self, server, database, deployment, restoration, tools
    ):
        """A later migration makes its tables with that, and their keys have to fit those that were restored."""
        schema = restoration._schema
        server.as_root(f"CREATE DATABASE {schema} CHARACTER SET utf16")

        restoration.make_room(RESTORE)
        restoration.play(tools)
        restoration.compare()

        live, restored = (database.schema(name) for name in (deployment.names.live, schema))
        assert (restored.charset, restored.collation) == (live.charset, live.collation)

    def test_goes_over_nobodys_tables(self, database, deployment, dump, tools):
        over_live = Restoration(database, deployment.names.live, deployment.owner(), dump, read_manifest(dump), quiet)
        over_workspace = Restoration(
            database, deployment.names.workspace, deployment.owner(), dump, read_manifest(dump), quiet
        )
        before = deployment.everything(database)

        for purpose in ("rehearsal", "restore"):
            with pytest.raises(OperatorError, match="not this collection's"):
                over_live.make_room(purpose)
            with pytest.raises(OperatorError, match="those of a migration"):
                over_workspace.make_room(purpose)

        assert deployment.everything(database) == before

    @pytest.mark.parametrize(
        "change",
        ["DELETE FROM dag_tag", "UPDATE variable SET val = 'x'", "DROP TABLE xcom", "CREATE TABLE more (id INT)"],
    )
    def test_that_differs_is_noticed(self, deployment, restoration, tools, change):
        restoration.make_room("rehearsal")
        restoration.play(tools)
        deployment.server.as_root(change, restoration._schema)

        with pytest.raises(OperatorError, match="differ from the dumped ones"):
            restoration.compare()

    def test_of_a_file_that_can_not_be_read_any_more_is_told_in_words(self, dump, restoration, tools):
        """And not as a connection that broke."""
        restoration.make_room("rehearsal")
        dump.unlink()

        with pytest.raises(OperatorError, match="not a complete dump: it can't be read"):
            restoration.play(tools)

    def test_the_tools_failure_is_told(self, server, restoration, pod):
        wrong = Tools(None, "mysqlds-0", None, address_of(server, "wrong"), 60)
        restoration.make_room("rehearsal")

        with pytest.raises(OperatorError, match="exit code 1") as caught:
            restoration.play(wrong)

        assert any("Access denied" in line for line in caught.value.evidence)


def test_a_dump_loses_bits_of_float_and_the_sums_know_it(database, deployment, restoration, tools):
    """Why CHECKSUM TABLE can't be used to compare a dump with its source."""
    restoration.make_room("rehearsal")
    restoration.play(tools)
    live, copy, table = deployment.names.live, restoration._schema, ["task_instance"]

    assert database.checksums(live, table, quiet) != database.checksums(copy, table, quiet)
    assert database.fingerprints(live, table, quiet) == database.fingerprints(copy, table, quiet)
