# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database server that restarts while everything is stopped: a run waits for it, whatever it does at that moment."""

from __future__ import annotations

import contextlib
import socket
from types import SimpleNamespace
from unittest.mock import Mock

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database import connection
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.connection import connected
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.failures import AwayError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql import connect as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.server_wait import (
    NO_WAIT,
    RUN_SECONDS,
    ServerWait,
    wait_of,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import info
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_info
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD, address_of, literal

NO_DATA_NODES = pymysql.OperationalError(157, "no data node is ready")
LOCK = {"name": "airflow-runbook-demo", "holder": "somebody"}


@pytest.fixture
def restarting(server):
    """A wait in which the server is started again when the first try has failed."""
    told = []

    def tell(line):
        told.append(line)
        if len(told) == 1:
            server.start()

    yield SimpleNamespace(wait=ServerWait(60, tell), told=told)
    if not told:
        server.start()


def waiting(server, wait, password=PASSWORD):
    return session("127.0.0.1", server.port, "airflow", password.encode(), "db:3306 as airflow", name="db", wait=wait)


def test_a_server_that_is_down_is_waited_for(server, restarting):
    server.kill()

    with waiting(server, restarting.wait) as database:
        assert database.value("SELECT 1") == 1
    assert "db:3306 as airflow answered 2003" in restarting.told[0]
    assert "waits for it up to 60 s" in restarting.told[0]


def test_a_server_that_restarts_while_a_session_is_idle_is_waited_for(server, restarting):
    """Between two looks at running tasks, say."""
    with waiting(server, restarting.wait) as database:
        server.kill()
        database._used -= 60

        assert database.value("SELECT 1") == 1
    assert restarting.told


def test_a_server_that_goes_away_in_the_middle_of_a_look_is_looked_at_again(
    server, restarting, deployment, monkeypatch
):
    died = []
    inspect = info.inspect

    def dying(*arguments):
        if not died:
            died.append(server.kill())
        return inspect(*arguments)

    names = deployment.names
    with server.session() as unused:
        call = call_of(unused, monkeypatch, metadata_info, live=names.live, run="r", deployment="demo", lock=LOCK)
    call.progress = restarting.wait.tell
    # Not the one session of `call_of`: each look makes its own.
    monkeypatch.setattr(info, "connected", lambda *_given: server.session())
    monkeypatch.setattr(info, "inspect", dying)

    assert metadata_info.act(call)["stage"] == "old"
    assert restarting.told


def test_a_server_without_a_ready_pod_is_waited_for(server, monkeypatch):
    pods = []

    class Network(contextlib.nullcontext):
        def __enter__(self):
            return self

        def address(self, _host, _port):
            if not pods:
                raise OperatorError("Service db has no ready pod", expected="one", untouched="", next_step="")
            return "127.0.0.1", server.port

    monkeypatch.setattr(connection, "Network", Network)

    with connected(None, address_of(server), ServerWait(60, pods.append)) as database:
        assert database.value("SELECT 1") == 1
    assert "Service db has no ready pod" in pods[0]


def test_without_patience_or_time_what_is_away_is_told_at_once(server):
    told = []
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for seconds in (0, 0.1):
        with (
            pytest.raises(AwayError, match="answered 2003"),
            session("127.0.0.1", port, "airflow", b"", "db", wait=ServerWait(seconds, told.append)),
        ):
            pass
    assert told == []


def test_a_password_that_is_refused_is_not_waited_for(server):
    with (
        pytest.raises(OperatorError, match="answered 1045"),
        waiting(server, ServerWait(60, pytest.fail), "another"),
    ):
        pass


def test_components_that_still_hold_all_connections_of_their_user_are_waited_for(server):
    """The server notices a little later than the pods that they are gone."""
    server.as_root(f"CREATE USER few@'%' IDENTIFIED BY {literal(PASSWORD)} WITH MAX_USER_CONNECTIONS 1")
    told = []

    def few(wait=NO_WAIT):
        return session("127.0.0.1", server.port, "few", PASSWORD.encode(), "db", wait=wait)

    with contextlib.ExitStack() as component:
        component.enter_context(few())

        def tell(line):
            told.append(line)
            component.close()

        with few(ServerWait(60, tell)) as database:
            assert database.value("SELECT 1") == 1
    assert "answered 1226" in told[0]


def test_an_sql_node_without_data_nodes_is_waited_for(server, monkeypatch):
    """Its schemas would look empty, and an empty schema is one to install into."""
    told = []

    def check(_connection):
        if not told:
            raise NO_DATA_NODES

    monkeypatch.setattr(subject, "check_data_nodes", check)
    with waiting(server, ServerWait(60, told.append)) as database:
        assert database.value("SELECT 1") == 1
    assert "no data node is ready" in told[0]


def test_an_sql_node_without_data_nodes_is_refused_by_who_has_no_patience(server, monkeypatch):
    monkeypatch.setattr(subject, "check_data_nodes", Mock(side_effect=NO_DATA_NODES))
    with pytest.raises(AwayError) as refused, waiting(server, NO_WAIT):
        pass
    assert "ndb_mgm" in refused.value.next_step
    assert "no statement was sent" in refused.value.untouched


def test_a_run_waits_because_it_has_reached_the_server_before():
    """Whoever calls a module by itself may have mistyped the host."""
    call = SimpleNamespace(params={"lock": LOCK}, progress=print)
    assert wait_of(call) == ServerWait(RUN_SECONDS, print)
    assert wait_of(call, 7).seconds == 7
    call.params["lock"] = None
    assert wait_of(call).seconds == 0
