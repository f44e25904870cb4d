# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One session at a time moves tables, and one whose machine is gone holds nobody up for long."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql import exclusive
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session_settings import EVERYWHERE
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.server_wait import RUN_SECONDS
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import INSTALL
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_info
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD
from ansible_collections.hopsworks.airflow.tests.unit.waiting import until

SCHEMA = "airflow_alone"
# Only where it never comes.
GIVEN_UP_SECONDS = 60
COMMAND = "SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = %s"


class Relay:
    """Between a session and its server; the session's machine can lose its power."""

    def __init__(self, port):
        self._port, self._powered = port, True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def lose_power(self):
        """The server is told nothing: neither FIN nor RST."""
        self._powered = False

    def end(self):
        for each in self._sockets:
            # Closing alone doesn't wake a thread that waits.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self):
        client, _address = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._port))
        self._sockets += [client, server]
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one, other):
        with contextlib.suppress(OSError):
            while self._powered and (data := one.recv(65536)):
                if self._powered:
                    other.sendall(data)


@pytest.fixture
def relay(server):
    made = Relay(server.port)
    yield made
    made.end()


@pytest.fixture
def holder(server):
    with server.session() as made, made.move_lock(SCHEMA, 1):
        yield made


def refused(database):
    with pytest.raises(OperatorError) as caught, database.move_lock(SCHEMA, 0):
        pass
    return caught.value


def test_a_machine_that_lost_its_power_holds_nobody_up(server, database, relay, monkeypatch):
    """With a direct connection, as of a job in the cluster: through a tunnel the API server's node would notice."""
    monkeypatch.setattr(exclusive, "IDLE_ALONE_SECONDS", 1)
    with (
        session("127.0.0.1", relay.port, "airflow", PASSWORD.encode(), "the relay") as gone,
        gone.move_lock(SCHEMA, 1),
    ):
        relay.lose_power()
        with database.move_lock(SCHEMA, GIVEN_UP_SECONDS):
            pass
        relay.end()


def test_the_server_may_end_an_idle_session_only_while_it_holds_the_lock(database):
    with database.move_lock(SCHEMA, 1):
        assert database.value("SELECT @@wait_timeout") == exclusive.IDLE_ALONE_SECONDS
    assert str(database.value("SELECT @@wait_timeout")) == EVERYWHERE["wait_timeout"]


def test_who_holds_the_lock_is_named_with_what_ends_it(database, holder):
    number, host = holder.rows("SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()")[0]
    # The server answers a statement before it shows the session as idle.
    until(lambda: database.value(COMMAND, [number]) == "Sleep")
    error = refused(database)
    assert f"session {number} of airflow@{host}" in error.found
    assert f"within {exclusive.IDLE_ALONE_SECONDS} s" in error.next_step
    assert f"KILL {number}" in error.next_step


def test_a_statement_that_is_still_carried_out_is_not_to_be_killed(server, database, holder):
    """Servers that rename table by table would leave some here and some there."""
    number = holder.value("SELECT CONNECTION_ID()")

    def work():
        with contextlib.suppress(OperatorError):
            holder.value(f"SELECT SLEEP({GIVEN_UP_SECONDS})")

    busy = threading.Thread(target=work)
    busy.start()
    until(lambda: database.value(COMMAND, [number]) == "Query")
    error = refused(database)
    server.as_root(f"KILL QUERY {number}")
    busy.join()
    assert "KILL" not in error.next_step
    assert "has been executing a statement" in error.found


def test_who_is_not_shown_is_not_named(database, holder, monkeypatch):
    del holder
    monkeypatch.setattr(database, "session_with", lambda *_given: None)
    assert "another session of this collection still works on schema" in refused(database).found


def test_a_statement_of_an_action_that_is_gone_is_waited_for_before_the_way_back(
    server, database, deployment, monkeypatch
):
    """Until a server has dropped the first table, or renamed all, it shows them as they were."""
    live, told = deployment.names.live, []

    def carry_out(line):
        told.append(line)
        server.as_root(f"CREATE TABLE {live}.{INSTALL} (run INT PRIMARY KEY)")
        killed.close()

    killed = contextlib.ExitStack()
    with killed:
        killed.enter_context(killed.enter_context(server.session()).move_lock(live, 1))
        call = call_of(database, monkeypatch, metadata_info, live=live, run="r", deployment="demo", lock={"name": "x"})
        call.progress = carry_out

        assert metadata_info.act(call)["moved"]
    assert told == [f"another session still works on schema {live}; waiting up to {RUN_SECONDS} s for its end"]


def test_whoever_only_looks_waits_for_nobody(server, database, deployment, monkeypatch):
    with server.session() as other, other.move_lock(deployment.names.live, 1):
        call = call_of(database, monkeypatch, metadata_info, live=deployment.names.live, run="r", deployment="demo")
        assert metadata_info.act(call)["stage"] == "old"


def test_a_statement_that_does_not_end_is_told(database, holder):
    with pytest.raises(OperatorError, match=f"session {holder.value('SELECT CONNECTION_ID()')} of airflow"):
        database.wait_until_nobody_moves(SCHEMA, 0, pytest.fail)


def test_a_server_without_named_locks_is_not_waited_for(database, monkeypatch):
    monkeypatch.setattr(database, "rows", lambda *_given: database.execute("SELECT no_such_function()"))
    database.wait_until_nobody_moves(SCHEMA, 0, pytest.fail)
