# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One session at a time moves tables, and one whose machine is gone holds nobody up for long."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import move
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.move import alone
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.session_settings import EVERYWHERE
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import PASSWORD
from ansible_collections.hopsworks.airflow.tests.unit.waiting import until

SCHEMA = "airflow_alone"
# Only where it never comes.
GIVEN_UP_SECONDS = 60


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
    with server.session() as made, alone(made, SCHEMA, 1):
        yield made


def refused(database):
    with pytest.raises(OperatorError) as caught, alone(database, SCHEMA, 0):
        pass
    return caught.value


def test_a_machine_that_lost_its_power_holds_nobody_up(server, database, relay, monkeypatch):
    """With a direct connection, as of a job in the cluster: through a tunnel the API server's node would notice."""
    monkeypatch.setattr(move, "IDLE_ALONE_SECONDS", 1)
    with (
        session("127.0.0.1", relay.port, "airflow", PASSWORD.encode(), "the relay") as gone,
        alone(gone, SCHEMA, 1),
    ):
        relay.lose_power()
        with alone(database, SCHEMA, GIVEN_UP_SECONDS):
            pass
        relay.end()


def test_the_server_may_end_an_idle_session_only_while_it_holds_the_lock(database):
    with alone(database, SCHEMA, 1):
        assert database.value("SELECT @@wait_timeout") == move.IDLE_ALONE_SECONDS
    assert str(database.value("SELECT @@wait_timeout")) == EVERYWHERE["wait_timeout"]


def test_who_holds_the_lock_is_named_with_what_ends_it(database, holder):
    number, host = holder.rows("SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()")[0]
    error = refused(database)
    assert f"session {number} of airflow@{host}" in error.found
    assert f"within {move.IDLE_ALONE_SECONDS} s" in error.next_step
    assert f"KILL {number}" in error.next_step


def test_a_statement_that_is_still_carried_out_is_not_to_be_killed(server, database, holder):
    """Servers that rename table by table would leave some here and some there."""
    number = holder.value("SELECT CONNECTION_ID()")

    def work():
        with contextlib.suppress(OperatorError):
            holder.value(f"SELECT SLEEP({GIVEN_UP_SECONDS})")

    busy = threading.Thread(target=work)
    busy.start()
    state = "SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = %s"
    until(lambda: database.value(state, [number]) == "Query")
    error = refused(database)
    server.as_root(f"KILL QUERY {number}")
    busy.join()
    assert "KILL" not in error.next_step
    assert "carries out a statement" in error.found


def test_who_is_not_shown_is_not_named(database, holder, monkeypatch):
    del holder
    monkeypatch.setattr(move, "session_with", lambda *_given: None)
    assert "another session of this collection still works on schema" in refused(database).found
