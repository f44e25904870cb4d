# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# Names of schemas and tables can't be bound as values.
import gzip
import json
import os
import shutil
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.address import Address
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.client import Tools
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.changes import Changes
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.client import option_file
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import like_prefix
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.tool_output import own_lines
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dumping import make_dump, read_content
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import whole
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.restoring import Restoration
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.paused import PausedDags
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import write_record
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import (
    INSTALL,
    PAUSED,
    PLAN,
    WORKSPACE,
)
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset


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
    def large(self, request, server, bare):
        """A table with so many MiB in a value, of which a dump writes twice as many, as a server with 64M has it."""
        bare.make_empty()
        before = server.as_root("SELECT @@GLOBAL.max_allowed_packet").strip()
        server.as_root("SET GLOBAL max_allowed_packet = 67108864")
        statements = [
            "CREATE TABLE xcom (id INT PRIMARY KEY, value LONGBLOB)",
            f"SET @bytes = {request.param << 20}",
            "INSERT INTO xcom VALUES (1, 'x'), (2, REPEAT(x'00ff27', @bytes DIV 3))",
        ]
        server.as_root("; ".join(statements), bare.names.live)
        yield bare
        server.as_root(f"SET GLOBAL max_allowed_packet = {before}")

    # The tool by itself dumps no value that takes more than 24 MB.
    @pytest.mark.parametrize("large", [30], indirect=True)
    def test_are_dumped_and_restored(self, server, large, tools, tmp_path):
        with server.session() as database:
            before = read_content(database, large.names.live, quiet)
            path = tmp_path / "large.sql.gz"
            manifest = make_dump(database, tools, large.names.live, RUN, path, before, quiet)
            restoration = Restoration(database, f"{large.names.live}_rehearsal", large.owner(), path, manifest, quiet)
            restoration.make_room("rehearsal")
            restoration.play(tools)

            assert restoration.compare() == before

    @pytest.mark.parametrize("large", [9], indirect=True)
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


def test_a_restore_whose_gzip_is_killed_does_not_pass_for_a_whole_one(pod, dump, restoration, tools, tmp_path):
    """The client plays what it gets. Of a table that no sum is known of, nobody would miss a few rows."""
    killed = tmp_path / "bin/gzip"
    killed.parent.mkdir()
    killed.write_text(f"#!/bin/sh\n{shutil.which('gzip')} -cd | sed '/CREATE TABLE .xcom/,$d'\nexit 137\n")
    killed.chmod(0o755)
    pod.environment = {"PATH": f"{killed.parent}{os.pathsep}{os.environ['PATH']}"}
    restoration.make_room("restore")

    with pytest.raises(OperatorError) as caught:
        restoration.play(tools)

    assert caught.value.evidence == ("gzip: ended with 137, the restore is incomplete",)
    assert whole(dump) is not None


class TestTheServersSettings:
    """Those of sessions come from the server's defaults and from init_connect; they are not the tools' own."""

    @pytest.fixture
    def set_global(self, server):
        before = {}

        def change(name, value):
            before[name] = server.as_root(f"SELECT @@GLOBAL.{name}").strip()
            server.as_root(f"SET GLOBAL {name} = {value}")

        yield change
        for name, value in before.items():
            literal = value if value.replace(".", "").isdigit() else f"'{value}'"
            server.as_root(f"SET max_statement_time = 0, sql_mode = '', autocommit = 1; SET GLOBAL {name} = {literal}")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("autocommit", "0"),
            ("init_connect", "'SET autocommit = 0'"),
            ("completion_type", "2"),
            ("tx_read_only", "1"),
            ("max_statement_time", "0.001"),
            ("sql_mode", "'ANSI,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'"),
            ("sql_mode", "'ORACLE'"),
            ("time_zone", "'-12:00'"),
            ("default_storage_engine", "'MyISAM'"),
        ],
    )
    def test_do_not_matter(self, server, deployment, tools, tmp_path, set_global, name, value):
        live = deployment.names.live
        set_global(name, value)
        with server.session() as database:
            before = read_content(database, live, quiet)
            path = tmp_path / "x.sql.gz"
            manifest = make_dump(database, tools, live, RUN, path, before, quiet)
            restoration = Restoration(database, f"{live}_rehearsal", deployment.owner(), path, manifest, quiet)
            restoration.make_room("rehearsal")
            restoration.play(tools)

            assert restoration.compare() == before

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("sql_select_limit", "100"),
            ("sql_select_limit", "0"),
            ("init_connect", "'SET sql_select_limit = 100'"),
            ("max_join_size", "1"),
        ],
    )
    def test_that_would_cut_a_dump_are_told_before_it(
        self, server, deployment, tools, tmp_path, set_global, name, value
    ):
        """No option of the dump tool of this version lifts them."""
        live = deployment.names.live
        set_global(name, value)
        with server.session() as database:
            before = read_content(database, live, quiet)
            (problem,) = database.fitness(database.rights()).problems

            with pytest.raises(OperatorError, match="would lack rows, or fail") as caught:
                make_dump(database, tools, live, RUN, tmp_path / "x.sql.gz", before, quiet)

        assert problem in caught.value.found
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "value"), [("innodb_default_row_format", "'compact'"), ("default_storage_engine", "'MyISAM'")]
    )
    def test_that_airflow_can_not_do_with_are_told_beforehand(self, server, database, bare, set_global, name, value):
        set_global(name, value)

        (problem,) = database.fitness(database.rights()).problems
        assert name in problem

        # Our own tables have room for their keys, and roll back.
        database.execute(f"CREATE DATABASE {bare.names.live}")
        write_record(database, bare.names.live, bare.mark())
        write_record(database, bare.names.live, bare.install())
        PausedDags(database, bare.names.live, bare.owner()).write({})
        made = "SELECT ENGINE, ROW_FORMAT FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        assert set(database.rows(made, [bare.names.live])) == {("InnoDB", "Dynamic")}


def test_rows_of_our_own_tables_are_short_enough_for_ndb(database, deployment, memory):
    """14,000 bytes before MySQL 8.0, of which a TEXT takes 272, and 3072 in a key."""
    reset(database, deployment, memory)
    write_record(database, deployment.names.workspace, deployment.mark())
    PausedDags(database, deployment.names.workspace, deployment.owner()).write({})

    lengths = database.rows(
        "SELECT TABLE_NAME, COLUMN_KEY, IF(DATA_TYPE = 'text', 272, IFNULL(CHARACTER_OCTET_LENGTH + 2, 8))"
        " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA LIKE %s AND TABLE_NAME LIKE 'hopsworks%'",
        [like_prefix(deployment.names.live)],
    )

    tables = {table for table, _key, _length in lengths}
    assert tables == {INSTALL, PAUSED, PLAN, WORKSPACE}
    for table in tables:
        assert sum(int(length) for name, _key, length in lengths if name == table) < 14_000, table
        assert sum(int(length) for name, key, length in lengths if name == table and key == "PRI") < 3072, table


@pytest.mark.parametrize(
    ("default", "engine"),
    [("InnoDB", "InnoDB ROW"), ("MyISAM", "InnoDB ROW"), ("ndbcluster", "NDBCLUSTER "), ("NDB", "NDBCLUSTER ")],
)
def test_our_own_tables_are_where_every_node_sees_them(default, engine):
    sent = []
    session = SimpleNamespace(value=lambda _statement: default, execute=sent.append)
    Changes.create_table(session, "beside", "ours", "id INT")
    assert f"`beside`.`ours` (id INT) ENGINE={engine}" in sent[0]


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
