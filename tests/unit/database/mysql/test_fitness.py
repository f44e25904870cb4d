# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.database import MySql
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.privileges import (
    Grants,
    Rights,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import conditions
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_info
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset


class Answering(MySql):
    """A session of a server that answers some statements in its own way."""

    def __init__(self, database, answers):
        super().__init__(database._connection, database._where)
        self._answers = answers

    def _answer(self, statement):
        return next((answer for text, answer in self._answers.items() if text in statement), self)

    def rows(self, statement, values=()):
        answer = self._answer(statement)
        return super().rows(statement, values) if answer is self else answer

    def value(self, statement, values=()):
        answer = self._answer(statement)
        if isinstance(answer, Exception):
            raise answer
        return super().value(statement, values) if answer is self else answer


def fitness(database, **answers):
    answering = Answering(database, answers)
    return answering.fitness(answering.rights())


def test_of_a_server_that_can_do_everything(database):
    assert fitness(database).problems == ()


@pytest.mark.parametrize(
    ("name", "problem"), [("read_only", True), ("super_read_only", True), ("innodb_read_only", True), ("x", False)]
)
def test_a_server_that_is_read_only(database, name, problem):
    assert bool(fitness(database, **{"SHOW GLOBAL VARIABLES": [(name, "ON")]}).problems) is problem


def test_a_real_server_that_is_read_only(server, database):
    server.as_root("SET GLOBAL read_only = 1")
    try:
        (problem,) = database.fitness(database.rights()).problems
        assert "read-only" in problem
        user = "may_write"
        server.as_root(f"CREATE USER {user}; GRANT READ ONLY ADMIN ON *.* TO {user}")
        with _as(server, user) as other:
            assert other.fitness(other.rights()).problems == ()
    finally:
        server.as_root("SET GLOBAL read_only = 0; DROP USER IF EXISTS may_write")


def test_a_server_that_changes_times_by_itself(server, database):
    server.as_root("SET GLOBAL explicit_defaults_for_timestamp = 0")
    try:
        (problem,) = database.fitness(database.rights()).problems
    finally:
        server.as_root("SET GLOBAL explicit_defaults_for_timestamp = 1")
    assert "explicit_defaults_for_timestamp is OFF" in problem
    assert "set it to ON" in problem


@pytest.fixture
def look(database, deployment, monkeypatch):
    """The state of the database as the preflight has it, and what it was warned of."""

    def looked():
        warnings = []
        call = call_of(database, monkeypatch, metadata_info, live=deployment.names.live, deployment="demo")
        return metadata_info.act(dataclasses.replace(call, warn=warnings.append)), warnings

    return looked


def test_the_preflight_is_told_what_the_server_can_not_do(server, look):
    assert look()[0]["unfit"] == []
    server.as_root("SET GLOBAL read_only = 1")
    try:
        (problem,) = look()[0]["unfit"]
    finally:
        server.as_root("SET GLOBAL read_only = 0")
    assert "the server is read-only (read_only)" in problem


def test_the_preflight_warns_of_what_it_is_not_shown(database, deployment, memory, look):
    state, warnings = look()
    assert warnings == state["unseen"]
    assert any("PROCESS" in line for line in warnings)

    # Nothing is moved any more.
    reset(database, deployment, memory)
    state, warnings = look()
    assert (state["stage"], warnings) == ("installed", [])
    assert state["unseen"] != []


def _as(server, user):
    return session("127.0.0.1", server.port, user, b"", "the test's server")


@pytest.mark.parametrize(
    "answer", [None, OperatorError("1235: not supported", expected="", untouched="", next_step="")]
)
def test_a_server_without_named_locks(database, answer):
    (problem,) = fitness(database, GET_LOCK=answer).problems

    assert "GET_LOCK" in problem


def test_a_lock_that_somebody_holds_is_no_problem(database):
    assert fitness(database, GET_LOCK=0).problems == ()


def test_of_whom_nothing_is_known(server, database, deployment):
    assert any("PROCESS" in line for line in fitness(database).unseen)
    assert any("Galera" in line for line in fitness(database, **{"SHOW GLOBAL": [("wsrep_on", "ON")]}).unseen)
    condition = conditions.nobody_connected(deployment.names.live, [], database.rights())
    assert condition.verdict == conditions.NOTED
    assert "other users are not shown" in condition.found

    server.as_root("CREATE USER seeing; GRANT PROCESS ON *.* TO seeing")
    with _as(server, "seeing") as other:
        assert fitness(other).unseen == ()
        assert conditions.nobody_connected(deployment.names.live, [], other.rights()).verdict == conditions.HOLDS
    server.as_root("DROP USER seeing")


@pytest.mark.parametrize(
    ("answers", "node"),
    [
        ({"SHOW GLOBAL VARIABLES": [("wsrep_on", "ON")]}, "Galera"),
        ({"SHOW GLOBAL VARIABLES": [("group_replication_group_name", "a-b")]}, "replication group"),
        # RonDB numbers itself, and may make its tables with InnoDB if nobody says otherwise.
        ({"SHOW GLOBAL VARIABLES": [("default_storage_engine", "ndbcluster")]}, "NDB"),
        ({"VERSION()": "22.10.12LTS-cluster"}, "NDB"),
        ({"version_comment": "MySQL Cluster Community Server (GPL)", "VERSION()": "8.0.37"}, "NDB"),
    ],
)
def test_a_server_that_is_one_of_several_lists_its_own_sessions_alone(server, deployment, answers, node):
    """PROCESS changes nothing about that."""
    server.as_root("CREATE USER seeing; GRANT PROCESS ON *.* TO seeing")
    try:
        with _as(server, "seeing") as other:
            answering = Answering(other, answers)
            # Of the server's own rights only what nodes there are is another server's.
            rights = Rights([Grants(frozenset({"PROCESS"}))], other_nodes=answering._other_nodes(answering.server()))
            (line,) = answering.fitness(rights).unseen
            condition = conditions.nobody_connected(deployment.names.live, [], rights)
            assert other.rights().other_nodes is None
    finally:
        server.as_root("DROP USER seeing")
    assert node in line
    assert (condition.verdict, node in condition.found) == (conditions.NOTED, True)


def test_a_user_of_one_of_several_servers_that_sees_its_own_sessions_only(deployment):
    rights = Rights([Grants()], "'a'@'%'", other_nodes="the server is a node")

    condition = conditions.nobody_connected(deployment.names.live, [], rights)

    assert condition.verdict == conditions.NOTED
    assert "lacks the right PROCESS" in condition.found
    assert "the server is a node" in condition.found


def test_the_rights_know_of_other_nodes(database):
    assert "Galera" in Answering(database, {"SHOW GLOBAL VARIABLES": [("wsrep_on", "ON")]}).rights().other_nodes


def test_a_session_waits_for_what_other_nodes_have_written(database):
    assert database.value("SELECT @@SESSION.wsrep_sync_wait") == 7


@pytest.mark.parametrize(("tables", "every"), [(0, True), (33, False)])
def test_the_list_of_keys_of_innodb_says_nothing_of_ndb(server, deployment, tables, every):
    server.as_root("CREATE USER seeing; GRANT PROCESS ON *.* TO seeing")
    try:
        with _as(server, "seeing") as other:
            answering = Answering(other, {"ENGINE LIKE": tables})
            assert answering.neighbours(deployment.names.live, other.rights()).every_key is every
    finally:
        server.as_root("DROP USER seeing")
