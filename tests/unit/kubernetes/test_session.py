# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Commands in pods and connections to them, until they are begun."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import execute as execution
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import session as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.connection import connect
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.execute import execute
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import (
    RETRY_SECONDS,
    RetryPolicy,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.tunnel import port_forward
from ansible_collections.hopsworks.airflow.tests.unit.api_server import Clock


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(subject, "time", made)
    return made


def test_a_command_that_was_not_begun_is_asked_for_again_and_a_refusal_told_as_any_other(server):
    server.faults = [503, 429, 502]
    with pytest.raises(ApiException) as refusal:
        execute(server.cluster(), "web", None, ["true"])
    assert len(server.requests) == 4
    assert refusal.value.status == 404
    assert json.loads(refusal.value.body)["message"] == "NotFound"


@pytest.mark.parametrize(
    ("faults", "requests"), [([503, 403, 401], 4), ([403], 1), ([401], 1)], ids=["just back", "forbidden", "unknown"]
)
def test_a_server_that_is_just_back_may_not_know_the_roles_yet(server, faults, requests):
    server.faults = list(faults)
    with pytest.raises(ApiException) as refusal:
        execute(server.cluster(), "web", None, ["true"])
    assert len(server.requests) == requests
    assert refusal.value.status == (404 if requests > 1 else faults[0])


def test_patience_for_a_command_has_an_end(server, clock):
    server.away = 503
    with pytest.raises(ApiException, match="503"):
        execute(server.cluster(), "web", None, ["true"])
    assert RETRY_SECONDS - 6 < clock.now <= RETRY_SECONDS


def test_a_command_that_may_have_been_begun_is_not(server):
    server.faults = ["lose"]
    with pytest.raises(ApiException):
        execute(server.cluster(), "web", None, ["true"])
    assert len(server.requests) == 1


def test_a_connection_to_a_pod_is_asked_for_once(server):
    """Whoever connects through the tunnel sees a closed connection, and asks again by itself."""
    server.faults = [503]
    with pytest.raises(ApiException, match="503"):
        port_forward(server.cluster(), "lab", "web", 8080)
    assert len(server.requests) == 1


@pytest.mark.parametrize("ask", [lambda cluster: execute(cluster, "web", None, ["true"]), None])
def test_a_server_that_hangs_is_given_up(server, monkeypatch, ask):
    monkeypatch.setattr(subject, "HANDSHAKE_SECONDS", 0.3)
    server.away = "hang"
    with pytest.raises(ApiException, match="timed out"):
        (ask or (lambda cluster: port_forward(cluster, "lab", "web", 8080)))(server.cluster())


@pytest.mark.parametrize(
    ("seconds", "found", "advice"),
    [
        (0, "`true` in pod web was still running after 0 s", "`timeout`"),
        (60, "ended before `true` did", "proxy timeouts"),
    ],
)
def test_a_command_whose_time_is_over_is_not_taken_for_a_lost_connection(server, monkeypatch, seconds, found, advice):
    def lost(*_given):
        raise OSError

    monkeypatch.setattr(execution, "open_session", lambda *_given, **_options: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(execution, "readable", lost)
    with pytest.raises(OperatorError, match=found) as raised:
        execute(server.cluster(), "web", None, ["true"], timeout_seconds=seconds)
    assert advice in raised.value.next_step


@pytest.mark.parametrize(
    "ask", [lambda c: execute(c, "web", None, ["true"]), lambda c: port_forward(c, "lab", "web", 1)]
)
def test_nothing_is_begun_where_nothing_may_be_changed_any_more(server, ask):
    """As for any other request that changes something: the lock may be another run's after a machine has slept."""

    def lost():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        ask(server.cluster(RetryPolicy(allow=lost)))
    assert server.requests == []


@pytest.fixture
def proxy():
    """Takes one request, keeps it, and refuses it."""
    listener, requests = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        connection, _peer = listener.accept()
        requests.append(connection.recv(65536).decode())
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1], requests
    listener.close()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("password", ["canary", "a:b:c", "", "has\u0142o:"])
def test_a_proxy_gets_the_same_password_for_a_command_as_for_any_other_request(proxy, password):
    port, requests = proxy
    given = {"proxy_basic_auth": f"u:{password}"}
    options = {"host": "http://api.example:6443", "api_key": "x", "proxy": f"http://127.0.0.1:{port}"}
    cluster = Cluster(connect({**options, "proxy_headers": given}, RetryPolicy()), "lab")
    with pytest.raises(ApiException):
        execute(cluster, "web", None, ["true"])
    sent = base64.b64decode(re.search("(?i)proxy-authorization: Basic (.*)\r\n", requests[0])[1]).decode()
    # Without a password the client sends no colon.
    assert sent == f"u:{password}" if password else sent.rstrip(":") == "u"
