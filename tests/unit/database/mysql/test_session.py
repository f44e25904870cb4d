# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session says and does the same whatever the server's settings are."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import contextlib

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.failures import AwayError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql import session as database_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import like_prefix, quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session_settings import (
    LOCK_WAIT_SECONDS,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.tls import Tls
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import Schemas
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset

# What a server may have been told, and what would go wrong with it.
HOSTILE = {
    "sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
    "wait_timeout": "1",
    "interactive_timeout": "1",
    "idle_transaction_timeout": "1",
    "idle_readonly_transaction_timeout": "1",
    "idle_write_transaction_timeout": "1",
    "net_read_timeout": "1",
    "net_write_timeout": "1",
    "max_statement_time": "0.001",
    "sql_safe_updates": "1",
    "sql_select_limit": "1",
    "foreign_key_checks": "0",
    "tx_isolation": "'SERIALIZABLE'",
    "tx_read_only": "1",
    "lock_wait_timeout": "1",
    "innodb_lock_wait_timeout": "1",
    "time_zone": "'+05:00'",
    "character_set_server": "'latin1'",
    "autocommit": "0",
    "sql_big_selects": "0",
    "max_join_size": "1",
    "lc_messages": "'de_DE'",
    "init_connect": "'SET autocommit = 0'",
    "completion_type": "2",
    "default_storage_engine": "'MyISAM'",
}


def _literal(value):
    return value if value.replace(".", "").isdigit() else f"'{value}'"


@contextlib.contextmanager
def hostile(server):
    before = {name: server.as_root(f"SELECT @@GLOBAL.{name}").strip() for name in HOSTILE}
    server.as_root("; ".join(f"SET GLOBAL {name} = {value}" for name, value in HOSTILE.items()))
    try:
        yield
    finally:
        restored = (f"SET GLOBAL {name} = {_literal(value)}" for name, value in before.items())
        server.as_root("SET max_statement_time = 0, sql_big_selects = 1, autocommit = 1; " + "; ".join(restored))


@pytest.fixture
def schema(server, bare):
    bare.make_empty()
    server.as_root("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20)); INSERT INTO t VALUES (1, 'x')", bare.names.live)
    return bare.names.live


def test_texts_are_utf8_whatever_the_server_makes_of_what_a_client_says(server, monkeypatch):
    """With skip-character-set-client-handshake, say. Else DAGs whose names have an umlaut would not be found."""
    # As in the library before 1.1.
    monkeypatch.setattr(pymysql.connections.Connection, "set_character_set", lambda *_given: None, raising=False)
    server.as_root("SET GLOBAL init_connect = 'SET NAMES latin1'")
    try:
        with server.session() as database:
            assert database.value("SELECT HEX(%s)", ["ä"]) == "C3A4"
            assert database.value("SELECT CONVERT(x'e4' USING latin1)") == "ä"
    finally:
        server.as_root("SET GLOBAL init_connect = ''")


@pytest.mark.parametrize(
    "name", ["airflow_50%d", "airflow_%s", "airflow_'x'", "airflow_{}", 'airflow_"', "airflow_`%s"]
)
def test_any_name_can_be_in_a_statement_with_values_and_in_one_without(server, database, name):
    table = quoted(name, "t")
    server.as_root(f"CREATE DATABASE {quoted(name)}; CREATE TABLE {table} (id INT, a VARCHAR(20))")
    try:
        assert database.execute(f"INSERT INTO {table} VALUES (%s, %s)", [1, "100%s `%d` 'x' \\"]) == 1
        assert database.execute(f"INSERT INTO {table} VALUES (2, '%s')") == 1
        assert database.rows(f"SELECT a FROM {table} WHERE id = %s", [1]) == [("100%s `%d` 'x' \\",)]
        assert database.value(f"SELECT a FROM {table} WHERE id = 2") == "%s"
        assert database.value(f"SELECT 7 % 4 FROM {table} WHERE a LIKE %s", [like_prefix("100%s")]) == 3
    finally:
        server.as_root(f"DROP DATABASE {quoted(name)}")


@pytest.mark.parametrize("values", [[], [1], [1, 2, 3]])
def test_values_and_places_are_counted(database, values):
    with pytest.raises(ValueError, match="takes 2 values"):
        database.rows("SELECT %s, %s", values)


def test_values_of_every_kind_arrive(database):
    values = [None, 1, 1.5, "Grüß 😀", b"\x00\xff'\\"]

    assert database.rows("SELECT %s, %s, %s, %s, %s", values) == [tuple(values)]


def test_the_servers_settings_do_not_matter(server, schema, bare):
    with hostile(server), server.session() as database:
        names = Schemas(bare.names.live, f"{schema}_beside")
        assert database.execute(f"INSERT INTO {quoted(schema, 't')} VALUES (2, 'y')") == 1
        assert set(database.schemas([names.live], names.of_runs)[schema].tables) == {"t"}
        with server.session() as another:
            assert another.value(f"SELECT a FROM {quoted(schema, 't')} WHERE id = 2") == "y"
        assert len(database.rows(f"SELECT a.id FROM {quoted(schema, 't')} a, {quoted(schema, 't')} b")) == 4
        assert database.execute(f"UPDATE {quoted(schema, 't')} SET a = 'x'") == 1
        assert database.value("SELECT @@lock_wait_timeout") == LOCK_WAIT_SECONDS
        assert database.value("SELECT @@time_zone") == "+00:00"
        assert database.value("SELECT SLEEP(0.05)") == 0
        assert database.value("SELECT @@wait_timeout") > 1000
        with pytest.raises(OperatorError, match="doesn't exist"):
            database.rows(f"SELECT * FROM {quoted(schema, 'no')}")
    assert server.as_root(f"SET max_statement_time=0; SELECT MAX(id) FROM {schema}.t").strip() == "2"


def test_a_session_may_be_idle_and_slow_for_as_long_as_a_tool_works(server):
    idle = ("wait_timeout", "interactive_timeout")
    slow = ("net_read_timeout", "net_write_timeout")
    unlimited = ("idle_transaction_timeout", "idle_readonly_transaction_timeout", "idle_write_transaction_timeout")
    with hostile(server), server.session() as database:
        given = {name: database.value(f"SELECT @@{name}") for name in (*idle, *slow, *unlimited)}
    assert given == {**dict.fromkeys(idle, 28800), **dict.fromkeys(slow, 600), **dict.fromkeys(unlimited, 0)}


def test_a_reset_on_a_server_with_other_settings(server, deployment, memory):
    with hostile(server), server.session() as database:
        assert reset(database, deployment, memory)["changed"]


def test_a_statement_is_never_sent_twice(server, database, schema):
    """It ended a moment ago: whether the server got the statement isn't known."""
    server.as_root(f"KILL {database.value('SELECT CONNECTION_ID()')}")

    with pytest.raises(OperatorError, match="answered"):
        database.execute(f"INSERT INTO {quoted(schema, 't')} VALUES (5, 'once')")

    assert server.as_root(f"SELECT COUNT(*) FROM {schema}.t").strip() == "1"


def test_a_statement_on_a_session_that_is_closed_is_told_as_such(server, database, monkeypatch):
    """The one that found it closed was told, and this one comes right after it."""
    monkeypatch.setattr(database_module, "IDLE_SECONDS", 60)
    server.as_root(f"KILL {database.value('SELECT CONNECTION_ID()')}")
    for _attempt in ("the first", "the next"):
        with pytest.raises(AwayError) as caught:
            database.value("SELECT 1")
    assert "the session is closed" in caught.value.found


def test_a_server_that_is_gone_is_told(server, bare):
    with (
        pytest.raises(OperatorError, match="answered 2003"),
        session("127.0.0.1", 1, "airflow", b"", "db:3306 as airflow"),
    ):
        pass


@pytest.mark.parametrize("encryption", [Tls("disable"), Tls("prefer"), Tls("require")])
def test_a_name_that_resolves_nowhere_is_told(encryption):
    with (
        pytest.raises(OperatorError, match="does not resolve") as caught,
        session("no-such-name.invalid", 3306, "airflow", b"", "no-such-name.invalid:3306 as airflow", encryption),
    ):
        pass
    assert "database.host" in caught.value.next_step
