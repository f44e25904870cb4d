# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608
import gzip
import json
import os
import stat
import subprocess
import types
from collections.abc import Mapping

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import tools as tools_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.content import checksums, fingerprints
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import Address
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump import (
    Restoration,
    dump_path,
    make_dump,
    read_content,
    up_to_date,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump_file import (
    manifest_of,
    read_manifest,
    whole,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import WORKSPACE
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.tool_output import own_lines
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.tools import Tools, option_file
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import PASSWORD, RUN, quiet


class LocalPod:
    """Runs what would be executed in a pod on this machine, and keeps what its process list would have shown."""

    def __init__(self):
        self.commands = []

    environment: Mapping[str, str] = {}

    def execute(self, cluster, pod, container, command, *, stdin=(), stdout=None, timeout_seconds=0):
        self.commands.append(command)
        script, arguments = command[2], command[3:]
        # Every process that the script starts is shown with its arguments.
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.environment},
        )
        output, errors = process.communicate(b"".join(stdin))
        if stdout is not None and output:
            stdout(output)
        return process.returncode, errors.decode()


@pytest.fixture
def pod(monkeypatch):
    local = LocalPod()
    monkeypatch.setattr(tools_module, "execute", local.execute)
    return local


def address_of(server, password=PASSWORD):
    return Address("127.0.0.1", server.port, "airflow", "airflow", password.encode())


@pytest.fixture
def tools(server, pod):
    return Tools(None, "mysqlds-0", None, address_of(server), 60)


@pytest.fixture
def dump(database, deployment, tools, tmp_path):
    path = dump_path(str(tmp_path / "private"), deployment.names.live, RUN)
    before = read_content(database, deployment.names.live, quiet)
    make_dump(database, tools, deployment.names.live, RUN, path, before, quiet)
    return path


@pytest.fixture
def restoration(database, bare, dump):
    return Restoration(database, f"{bare.names.live}_rehearsal", bare.owner(), dump, read_manifest(dump), quiet)


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

    def test_that_fails_leaves_the_earlier_one(self, server, database, deployment, dump, pod):
        wrong = Tools(None, "mysqlds-0", None, address_of(server, "wrong"), 60)
        before = read_content(database, deployment.names.live, quiet)

        with pytest.raises(OperatorError, match="exit code 2") as caught:
            make_dump(database, wrong, deployment.names.live, RUN, dump, before, quiet)

        assert any("Access denied" in line for line in caught.value.evidence)
        assert whole(dump) is not None
        assert not list(dump.parent.glob("*.part"))

    def test_that_ends_early_is_noticed(self, database, deployment, tmp_path):
        """A connection that breaks without anybody noticing: no last line."""
        half = gzip.compress(b"-- MariaDB dump\nCREATE TABLE a (id INT);\n")
        lying = types.SimpleNamespace(dump=lambda _schema, write: write(half))
        path = tmp_path / "half.sql.gz"

        with pytest.raises(OperatorError, match="its last line is not there"):
            make_dump(database, lying, deployment.names.live, RUN, path, {}, quiet)

        assert list(tmp_path.iterdir()) == []

    def test_survives_a_server_that_closes_idle_sessions(self, server, database, deployment, tools, tmp_path):
        """The session that compares rows waits while the tool works."""
        before = read_content(database, deployment.names.live, quiet)
        number = database.value("SELECT CONNECTION_ID()")

        def dump(schema, write):
            tools.dump(schema, write)
            server.as_root(f"KILL {number}")
            database._used -= 60

        slow = types.SimpleNamespace(dump=dump)
        path = tmp_path / "slow.sql.gz"

        assert make_dump(database, slow, deployment.names.live, RUN, path, before, quiet).bytes > 0

    def test_says_which_tables_were_written_to_meanwhile(self, database, deployment, tools, tmp_path):
        before = read_content(database, deployment.names.live, quiet)
        deployment.server.as_root(f"INSERT INTO {deployment.names.live}.log (event) VALUES ('meanwhile')")

        made = make_dump(database, tools, deployment.names.live, RUN, tmp_path / "x.sql.gz", before, quiet)

        assert [table for table, entry in made.tables.items() if not entry.steady] == ["log"]

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

    def test_the_tools_failure_is_told(self, server, restoration, pod):
        wrong = Tools(None, "mysqlds-0", None, address_of(server, "wrong"), 60)
        restoration.make_room("rehearsal")

        with pytest.raises(OperatorError, match="exit code 1") as caught:
            restoration.play(wrong)

        assert any("Access denied" in line for line in caught.value.evidence)


class TestSecrets:
    """Rows are secrets. The tools print them where a statement fails."""

    @pytest.mark.parametrize(
        ("statement", "code"),
        [
            ("INSERT INTO t VALUES ('CANARY-row'), ('CANARY-row')", 1062),
            ("INSERT INTO t VALUES ('CANARY-row', CANARY)", 1054),
            ("INSERT INTO t VALUES ('CANARY-row'", 1064),
            ("INSERT INTO t VALUES ('CANARY-row', 'CANARY\nERROR 1045 (28000): CANARY\nmysql: CANARY') x", 1064),
            ("INSERT INTO n VALUES ('CANARY-row')", 1366),
            ("INSERT INTO nowhere VALUES ('CANARY-row')", 1146),
        ],
    )
    def test_of_rows_are_in_no_message(self, server, bare, tools, statement, code):
        bare.make_empty()
        schema = bare.names.live
        server.as_root("CREATE TABLE t (a VARCHAR(99) PRIMARY KEY); CREATE TABLE n (a INT)", schema)
        data = gzip.compress(f"SELECT 1;\n{statement};\n".encode())

        with pytest.raises(OperatorError) as caught:
            tools.restore(schema, len(data), [data])

        assert "CANARY" not in str(caught.value)
        assert any(line.startswith(f"ERROR {code} (") for line in caught.value.evidence)

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ("ERROR 1045 (28000): Access denied for user 'a'@'b' (using password: YES)", True),
            ("mariadb-dump: Got error: 1045: \"Access denied for user 'a'@'b'\" when trying to connect", True),
            ("mysqldump: Error 2020: Got packet bigger than 'max_allowed_packet' bytes when dumping table `x`", True),
            ("no mariadb-dump or mysqldump", True),
            ("gzip: stdin: unexpected end of file", True),
            ("INSERT INTO t VALUES ('CANARY')", False),
            ("CANARY mysql: x", False),
            ("--------------", False),
        ],
    )
    def test_lines_of_the_tools_are_told_from_others(self, line, shown):
        assert (own_lines(line) == [line]) is shown
        assert "CANARY" not in "".join(own_lines(line))


class TestLargeValues:
    @pytest.fixture
    def large(self, server, bare):
        """A table with a value of 9 MB, which a dump writes as 18 MB, as a server with 64M has it."""
        bare.make_empty()
        before = server.as_root("SELECT @@GLOBAL.max_allowed_packet").strip()
        server.as_root("SET GLOBAL max_allowed_packet = 67108864")
        server.as_root(
            "CREATE TABLE xcom (id INT PRIMARY KEY, value LONGBLOB);"
            " INSERT INTO xcom VALUES (1, 'x'), (2, REPEAT(x'00ff27', 3 << 20))",
            bare.names.live,
        )
        yield bare
        server.as_root(f"SET GLOBAL max_allowed_packet = {before}")

    def test_are_dumped_and_restored(self, server, large, tools, tmp_path):
        with server.session() as database:
            before = read_content(database, large.names.live, quiet)
            path = tmp_path / "large.sql.gz"
            manifest = make_dump(database, tools, large.names.live, RUN, path, before, quiet)
            restoration = Restoration(database, f"{large.names.live}_rehearsal", large.owner(), path, manifest, quiet)
            restoration.make_room("rehearsal")
            restoration.play(tools)

            assert restoration.compare() == before

    def test_that_the_server_does_not_take_are_told_before_the_dump(self, server, large, tools, tmp_path):
        server.as_root("SET GLOBAL max_allowed_packet = 16777216")
        with server.session() as database:
            before = read_content(database, large.names.live, quiet)

            with pytest.raises(OperatorError, match=r"xcom takes 18\.9 MB.*max_allowed_packet is 16\.8 MB") as caught:
                make_dump(database, tools, large.names.live, RUN, tmp_path / "x.sql.gz", before, quiet)

        assert "max_allowed_packet = 33554432" in caught.value.next_step
        assert list(tmp_path.iterdir()) == []


class TestForeignSettings:
    """What the pod's image, its user and its environment say of connections is not for us."""

    FILE = "[client]\nuser=nobody\npassword=x\nhost=192.0.2.1\nskip-comments\n[mysqldump]\nskip-comments\nno-data\n"

    @pytest.fixture
    def surroundings(self, pod, tmp_path):
        home = tmp_path / "home"
        home.mkdir()
        (home / ".my.cnf").write_text(self.FILE)
        (home / "my.cnf").write_text(self.FILE)
        pod.environment = {
            "HOME": str(home),
            "MYSQL_HOME": str(home),
            "MARIADB_HOME": str(home),
            "MYSQL_HOST": "192.0.2.1",
            "MYSQL_PWD": "other",
            "MYSQL_TCP_PORT": "1",
            "MYSQL_UNIX_PORT": "/nowhere",
            "MYSQL_GROUP_SUFFIX": "_other",
        }

    @pytest.mark.usefixtures("surroundings")
    def test_are_not_read(self, dump, restoration, tools):
        restoration.make_room("restore")
        restoration.play(tools)

        assert whole(dump) is not None
        assert restoration.compare()["log"].rows == 300


def test_a_dump_loses_bits_of_float_and_the_sums_know_it(database, deployment, restoration, tools):
    """Why CHECKSUM TABLE can't be used to compare a dump with its source."""
    restoration.make_room("rehearsal")
    restoration.play(tools)
    live, copy, table = deployment.names.live, restoration._schema, ["task_instance"]

    assert checksums(database, live, table, quiet) != checksums(database, copy, table, quiet)
    assert fingerprints(database, live, table, quiet) == fingerprints(database, copy, table, quiet)


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
    before = fingerprints(database, bare.names.live, ["t"], quiet)
    assert before == fingerprints(database, bare.names.live, ["t"], quiet)

    server.as_root(statement, bare.names.live)

    assert fingerprints(database, bare.names.live, ["t"], quiet) != before


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        'a"b',
        "a'b",
        "a#b",
        "a\\b",
        "a\\nb",
        " leading",
        "trailing ",
        '"quoted"',
        "a=b;c",
        "[client]",
        "$(id)`id`",
    ],
)
def test_any_password_passes_through_the_option_file(server, bare, pod, password):
    bare.make_empty()
    schema = user = bare.names.live
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    server.as_root(
        f"CREATE USER {user} IDENTIFIED BY '{escaped}'; GRANT ALL ON {schema}.* TO {user};"
        f" CREATE TABLE {schema}.t (id INT)"
    )
    address = Address("127.0.0.1", server.port, schema, user, password.encode())
    received = []

    Tools(None, "pod", None, address, 60).dump(schema, received.append)

    assert b"CREATE TABLE" in gzip.decompress(b"".join(received))
    assert json.dumps(password)[1:-1] not in json.dumps(pod.commands[0][3:])


def test_option_file_has_nothing_but_the_connection():
    assert option_file(Address("mysql", 3306, "airflow", "airflow", b'a"\\b')).decode().splitlines() == [
        "[client]",
        'host="mysql"',
        "port=3306",
        "protocol=TCP",
        'user="airflow"',
        'password="a\\"\\\\b"',
        "loose-ssl-mode=PREFERRED",
        "[client-mariadb]",
        "skip-ssl-verify-server-cert",
    ]
