# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that accepts connections and says nothing more: it hangs, its node is gone, or nothing is behind a proxy."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import threading

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql import connect as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD
from ansible_collections.hopsworks.airflow.tests.unit.waiting import until

# Only where it never ends.
GIVEN_UP_SECONDS = 60


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(subject, "PROMPT_SECONDS", 0.5)


@pytest.fixture
def silent(server):
    """The port of a proxy that hands on so many answers of the server, and no more."""
    with contextlib.ExitStack() as opened:

        def listen(answers):
            listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))

            def relay():
                client = opened.enter_context(listener.accept()[0])
                behind = opened.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                for _answer in range(answers):
                    client.sendall(behind.recv(65536))
                    behind.sendall(client.recv(65536))

            threading.Thread(target=relay, daemon=True).start()
            return listener.getsockname()[1]

        yield listen


def failure_of(what):
    """How it fails, or that it doesn't end."""
    failures, ended = [], threading.Event()

    def run():
        try:
            what()
        except OperatorError as error:
            failures.append(error)
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    assert ended.wait(GIVEN_UP_SECONDS), "still waits"
    return failures[0].found if failures else ""


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(0, id="no greeting"),
        pytest.param(1, id="no login"),
        # Which statement is the first depends on the library's version.
        pytest.param(2, id="no first answer"),
        pytest.param(3, id="no second answer"),
        pytest.param(6, id="no settings"),
    ],
)
def test_that_does_not_let_in_is_not_waited_for(silent, answers):
    port = silent(answers)

    def connect():
        with session("127.0.0.1", port, "airflow", PASSWORD.encode(), "db:3306 as airflow"):
            pass

    assert "timed out" in failure_of(connect)


def test_a_statement_may_take_its_time(database):
    assert database.value("SELECT SLEEP(2)") == 0


def stop(process):
    """Return when every thread has stopped. A signal is only on its way when kill() returns."""
    os.kill(process, signal.SIGSTOP)
    until(
        lambda: all(
            # Its state follows its name, which is in parentheses.
            task.read_text().rpartition(")")[2].split()[0] == "T"
            for task in pathlib.Path(f"/proc/{process}/task").glob("*/stat")
        )
    )


@pytest.mark.parametrize("kept", [True, False])
def test_that_has_stopped_is_noticed_before_the_next_statement(server, database, kept):
    database._used -= 60
    needed = database.kept("this test") if kept else contextlib.nullcontext()
    stop(server.process)
    try:
        with needed:
            failure = failure_of(lambda: database.value("SELECT 1"))
    finally:
        os.kill(server.process, signal.SIGCONT)

    assert ("needed for this test" if kept else "timed out") in failure


def test_whose_node_is_gone_is_noticed_in_the_middle_of_a_statement(database):
    options = {
        name: database._connection._sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        if hasattr(socket, name)
    }

    assert options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"] == subject.GONE_SECONDS
    assert options["TCP_USER_TIMEOUT"] == subject.GONE_SECONDS * 1000
    assert database._connection._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
