# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# Names of schemas and tables can't be bound as values.
import gzip
import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import Address
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump import (
    Restoration,
    make_dump,
    read_content,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump_file import (
    whole,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.tool_output import own_lines
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.tools import Tools, option_file
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import PASSWORD, RUN, quiet


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
