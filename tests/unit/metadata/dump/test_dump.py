# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608
import contextlib
import dataclasses
import gzip
import json
import os
import resource
import signal
import stat
import types

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.client import Tools
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dump import (
    RESTORE,
    Restoration,
    dump_path,
    make_dump,
    read_content,
    up_to_date,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import (
    manifest_of,
    read_manifest,
    whole,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.ownership import Owner
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import BOOKKEEPING, INSTALL, WORKSPACE
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_restore
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NAMESPACE, RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import address_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset


@contextlib.contextmanager
def disk_of(size):
    """No file can be longer than that, which is to whoever writes as if the disk were full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


class TestDump:
    def test_is_private_whole_and_described(self, dump, deployment):
        assert stat.S_IMODE(dump.stat().st_mode) == 0o600
        assert stat.S_IMODE(dump.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(manifest_of(dump).stat().st_mode) == 0o600
        manifest = whole(dump)
        assert manifest is not None
        assert manifest.tables["log"].rows == 300
        assert all(entry.steady for entry in manifest.tables.values())
        assert sorted(path.name for path in dump.parent.iterdir()) == [dump.name, f"{dump.name}.json"]
        assert "DROP TABLE" not in gzip.decompress(dump.read_bytes()).decode()

    def test_is_private_whatever_the_umask(self, database, deployment, tools, tmp_path):
        before = os.umask(0)
        try:
            self.test_is_private_whole_and_described(self._again(database, deployment, tools, tmp_path), deployment)
        finally:
            os.umask(before)

    def test_shows_the_password_nowhere(self, dump, pod):
        shown = json.dumps(pod.commands) + manifest_of(dump).read_text() + gzip.decompress(dump.read_bytes()).decode()
        assert "CANARY" not in shown

    @pytest.mark.parametrize("damage", ["cut", "flip", "append", "no manifest", "other manifest", "empty manifest"])
    def test_that_is_not_whole_is_not_taken_for_one(self, dump, damage):
        data = dump.read_bytes()
        if damage == "cut":
            dump.write_bytes(data[:-20])
        elif damage == "flip":
            dump.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
        elif damage == "append":
            dump.write_bytes(data + b"x")
        elif damage == "no manifest":
            manifest_of(dump).unlink()
        elif damage == "other manifest":
            manifest_of(dump).write_text(manifest_of(dump).read_text().replace('"format": 1', '"format": 2'))
        else:
            manifest_of(dump).write_text("")
        assert whole(dump) is None

    def test_of_rows_that_have_not_changed_is_not_made_again(self, database, deployment, dump):
        assert up_to_date(dump, read_content(database, deployment.names.live, quiet)) is not None

        deployment.server.as_root(f"UPDATE {deployment.names.live}.variable SET val = 'other'")

        assert up_to_date(dump, read_content(database, deployment.names.live, quiet)) is None

    def test_of_tables_that_are_defined_in_another_way_now_is_made_again(self, database, deployment, dump):
        deployment.server.as_root(f"ALTER TABLE {deployment.names.live}.variable ADD KEY by_value (val(10))")

        assert up_to_date(dump, read_content(database, deployment.names.live, quiet)) is None

    def test_that_fails_leaves_the_earlier_one(self, server, database, deployment, dump, pod):
        wrong = Tools(None, "mysqlds-0", None, address_of(server, "wrong"), 60)
        before = read_content(database, deployment.names.live, quiet)

        with pytest.raises(OperatorError, match="exit code 2") as caught:
            make_dump(database, wrong, deployment.names.live, RUN, dump, before, quiet)

        assert any("Access denied" in line for line in caught.value.evidence)
        assert whole(dump) is not None
        assert not list(dump.parent.glob("*.part"))

    @pytest.mark.parametrize("full_at", ["the dump", "its last bytes", "its manifest"])
    def test_on_a_disk_that_is_full_is_told_in_words(self, database, deployment, dump, tools, full_at):
        before = read_content(database, deployment.names.live, quiet)
        there = {path.name: path.read_bytes() for path in dump.parent.iterdir()}
        small = types.SimpleNamespace(dump=lambda _schema, write, _left_out: write(gzip.compress(os.urandom(2000))))
        given = small if full_at == "its last bytes" else tools
        room = len(dump.read_bytes()) + 1000 if full_at == "its manifest" else 1000

        with (
            disk_of(room),
            pytest.raises(OperatorError, match=r"\.(gz|json) can't be written: File too large") as caught,
        ):
            make_dump(database, given, deployment.names.live, RUN, dump, before, quiet)

        assert str(dump.parent) in caught.value.next_step
        assert {path.name: path.read_bytes() for path in dump.parent.iterdir()} == there
        assert whole(dump) is not None

    def test_into_a_folder_that_can_not_be_made_is_told_in_words(self, database, deployment, tools, tmp_path):
        (tmp_path / "file").write_text("")
        path = dump_path(str(tmp_path / "file" / "folder"), deployment.names.live, RUN)

        with pytest.raises(OperatorError, match="can't be written: Not a directory"):
            make_dump(database, tools, deployment.names.live, RUN, path, {}, quiet)

    def test_that_ends_early_is_noticed(self, database, deployment, tmp_path):
        """A connection that breaks without anybody noticing: no last line."""
        half = gzip.compress(b"-- MariaDB dump\nCREATE TABLE a (id INT);\n")
        lying = types.SimpleNamespace(dump=lambda _schema, write, _left_out: write(half))
        path = tmp_path / "half.sql.gz"

        with pytest.raises(OperatorError, match="its last line is not there"):
            make_dump(database, lying, deployment.names.live, RUN, path, {}, quiet)

        assert list(tmp_path.iterdir()) == []

    def test_says_which_tables_were_written_to_meanwhile(self, database, deployment, tools, tmp_path):
        before = read_content(database, deployment.names.live, quiet)
        deployment.server.as_root(f"INSERT INTO {deployment.names.live}.log (event) VALUES ('meanwhile')")

        made = make_dump(database, tools, deployment.names.live, RUN, tmp_path / "x.sql.gz", before, quiet)

        assert [table for table, entry in made.tables.items() if not entry.steady] == ["log"]

    def test_of_a_table_that_is_written_to_lacks_no_more_than_a_few_rows(self, database, deployment, tools, tmp_path):
        live = deployment.names.live
        before = read_content(database, live, quiet)
        deployment.server.as_root(f"INSERT INTO {live}.log (event) VALUES ('meanwhile')")
        path = tmp_path / "x.sql.gz"
        made = make_dump(database, tools, live, RUN, path, before, quiet)
        restoration = Restoration(database, f"{live}_rehearsal", deployment.owner(), path, made, quiet)
        restoration.make_room("rehearsal")
        restoration.play(tools)
        assert restoration.compare()["log"].rows == 301

        deployment.server.as_root("DELETE FROM log ORDER BY id LIMIT 201", restoration._schema)

        with pytest.raises(OperatorError, match=r"log \(300 rows dumped, 100 restored\)"):
            restoration.compare()

    def _again(self, database, deployment, tools, tmp_path):
        path = dump_path(str(tmp_path / "again"), deployment.names.live, RUN)
        before = read_content(database, deployment.names.live, quiet)
        make_dump(database, tools, deployment.names.live, RUN, path, before, quiet)
        return path


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
        with pytest.raises(OperatorError, match="with other rows or definitions than in it"):
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
        with pytest.raises(OperatorError, match="perhaps not all rows of the last one"):
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

        with pytest.raises(OperatorError, match="differs from what was dumped"):
            restoration.compare()

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (
                "ALTER TABLE dag_run MODIFY execution_date timestamp(6) NULL DEFAULT current_timestamp(6)",
                "dag_run .*execution_date",
            ),
            ("ALTER TABLE variable MODIFY val text", r"variable .*dumped: `val` mediumtext.*restored: `val` text"),
            ("ALTER TABLE slot_pool DROP KEY pool", "slot_pool .*dumped: UNIQUE KEY .*restored: nothing"),
            ("ALTER TABLE log ENGINE = Aria", "log .*InnoDB.*Aria"),
        ],
    )
    def test_whose_tables_are_defined_in_another_way_is_noticed(self, deployment, restoration, tools, change, told):
        """With the very same rows."""
        restoration.make_room("restore")
        restoration.play(tools)
        assert restoration.is_done()
        deployment.server.as_root(change, restoration._schema)

        with pytest.raises(OperatorError, match=told):
            restoration.compare()
        assert not restoration.is_done()

    def test_by_a_server_that_gives_times_an_update_of_their_own_is_noticed(self, server, restoration, tools):
        server.as_root("SET GLOBAL explicit_defaults_for_timestamp = 0")
        try:
            restoration.make_room("rehearsal")
            restoration.play(tools)
        finally:
            server.as_root("SET GLOBAL explicit_defaults_for_timestamp = 1")

        with pytest.raises(OperatorError, match=r"task_instance .*ON UPDATE current_timestamp"):
            restoration.compare()

    def test_with_a_manifest_of_an_earlier_version_says_what_was_not_compared(
        self, database, deployment, dump, restoration, tools
    ):
        text = json.loads(manifest_of(dump).read_text())
        for entry in text["tables"].values():
            del entry["definition"]
        manifest_of(dump).write_text(json.dumps(text))
        earlier = Restoration(database, restoration._schema, deployment.owner(), dump, read_manifest(dump), quiet)
        earlier.make_room("restore")
        earlier.play(tools)
        deployment.server.as_root("ALTER TABLE log ENGINE = Aria", earlier._schema)

        assert earlier.compare()["log"].rows == 300

        (doubt,) = earlier.doubts
        assert "does not say how tables are defined" in doubt
        assert earlier.is_done()

    def test_on_another_server_says_what_is_defined_in_other_words(
        self, database, deployment, dump, restoration, tools, monkeypatch
    ):
        manifest = dataclasses.replace(read_manifest(dump), server="MariaDB 10.5.1")
        elsewhere = Restoration(database, restoration._schema, deployment.owner(), dump, manifest, quiet)
        elsewhere.make_room("restore")
        elsewhere.play(tools)
        elsewhere.compare()
        assert elsewhere.doubts == []
        deployment.server.as_root("ALTER TABLE log ENGINE = Aria", elsewhere._schema)

        elsewhere.compare()

        (doubt,) = elsewhere.doubts
        assert "MariaDB 10.5.1" in doubt
        assert "Aria" in doubt

        warned = []
        call = call_of(
            database,
            monkeypatch,
            metadata_restore,
            live=deployment.names.live,
            deployment=deployment.name,
            state="restored",
            dump=str(dump),
            schema=elsewhere._schema,
        )
        monkeypatch.setattr(metadata_restore, "read_manifest", lambda _dump: manifest)
        monkeypatch.setattr(metadata_restore, "client_of", lambda *_given: ("image", "pod"))
        result = metadata_restore.act(dataclasses.replace(call, warn=warned.append))
        assert (result["changed"], warned) == (True, [doubt])

    def test_of_a_file_that_can_not_be_read_any_more_is_told_in_words(self, dump, restoration, tools):
        """And not as a connection that broke."""
        restoration.make_room("rehearsal")
        dump.unlink()

        with pytest.raises(OperatorError, match="not a whole dump: it can't be read"):
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


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE t SET a = 'x' WHERE id = 1",
        "UPDATE t SET a = NULL WHERE id = 1",
        "UPDATE t SET a = '' WHERE id = 2",
        "UPDATE t SET b = x'00' WHERE id = 1",
        "UPDATE t SET a = b, b = a WHERE id = 3",
        "UPDATE t SET id = 9 WHERE id = 1",
        "INSERT INTO t VALUES (4, 'one', x'01')",
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET a = 'ONE' WHERE id = 1",
        "UPDATE t SET a = 'one ' WHERE id = 1",
    ],
)
def test_any_change_changes_the_fingerprint(server, database, bare, statement):
    bare.make_empty()
    server.as_root(
        "CREATE TABLE t (id INT, a VARCHAR(20), b VARBINARY(20)) CHARACTER SET utf8mb4;"
        "INSERT INTO t VALUES (1, 'one', x'01'), (2, NULL, NULL), (3, 'x', 'y'), (1, 'one', x'01')",
        bare.names.live,
    )
    before = database.fingerprints(bare.names.live, ["t"], quiet)
    assert before == database.fingerprints(bare.names.live, ["t"], quiet)

    server.as_root(statement, bare.names.live)

    assert database.fingerprints(bare.names.live, ["t"], quiet) != before
