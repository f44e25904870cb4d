# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""A connection to a pod is not idle while the pod works and says nothing: load balancers would end it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import queue
import socket
import struct
import threading
from unittest.mock import Mock

import kubernetes.client
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import frames as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import tunnel
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.execute import execute
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryingClient
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.tunnel import Tunnel

# Of a test that fails; one that passes waits for nothing.
GIVEN_UP_SECONDS = 10
PING, PONG, BINARY = 0x89, b"\x8a\x00", 0x82
PINGS = 2


def frame(channel, data):
    return bytes([BINARY, len(data) + 1, channel]) + data


def received(stream, count):
    found = b""
    while len(found) < count:
        part = stream.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def opcode_received(stream):
    """Of the next frame of a client, which is short and masked."""
    opcode, length = received(stream, 2)
    received(stream, 4 + (length & 0x7F))
    return opcode


def serve(listener, pings):
    """Answers when it has got some pings, and nothing before."""
    stream, _peer = listener.accept()
    with stream, contextlib.suppress(EOFError, OSError):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += received(stream, 1)
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        whole = key.partition(b": ")[2] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(whole, usedforsecurity=False).digest())
        stream.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        forward = b"portforward" in head.split(b"\r\n")[0]
        port = struct.pack("<H", 3306)
        stream.sendall(frame(0, port) + frame(1, port) if forward else b"")
        while len(pings) < PINGS:
            if opcode_received(stream) == PING:
                pings.append(PING)
                stream.sendall(PONG)
        stream.sendall(frame(0, b"answer") if forward else frame(1, b"out") + frame(3, b'{"status": "Success"}'))
        if forward:
            received(stream, 1)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(subject, "PING_SECONDS", 0.05)
    monkeypatch.setattr(tunnel, "PING_SECONDS", 0.05)


@pytest.fixture
def pings():
    return []


@pytest.fixture
def cluster(pings):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, pings), daemon=True).start()
        configuration = kubernetes.client.Configuration()
        configuration.host, configuration.proxy = f"http://127.0.0.1:{listener.getsockname()[1]}", None
        yield Cluster(RetryingClient(configuration), "lab")


def test_a_command_that_is_silent_is_pinged(cluster, pings):
    said = []
    code, _errors = execute(cluster, "web", None, ["sh"], stdout=said.append, timeout_seconds=GIVEN_UP_SECONDS)
    assert (code, said, len(pings)) == (0, [b"out"], PINGS)


def test_a_command_that_is_silent_after_its_input_is_pinged(cluster, pings):
    code, _errors = execute(cluster, "web", None, ["sh"], stdin=[b"in", b"put"], timeout_seconds=GIVEN_UP_SECONDS)
    assert (code, len(pings)) == (0, PINGS)


def test_a_statement_that_is_silent_is_pinged(cluster, pings):
    made = Tunnel(cluster, "lab", "mysql-0", 3306)
    with socket.create_connection(made.address) as connection:
        connection.settimeout(GIVEN_UP_SECONDS)
        connection.sendall(b"SELECT COUNT(*) FROM log")
        assert connection.recv(100) == b"answer"
    assert len(pings) == PINGS
    made.close()


def test_a_frame_does_not_wait_until_the_one_before_it_is_acknowledged(cluster, monkeypatch):
    found = queue.SimpleQueue()
    monkeypatch.setattr(tunnel, "port_forward", lambda *_given: Mock())
    monkeypatch.setattr(
        tunnel, "relay", lambda near, _session: found.put(near.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    )
    made = Tunnel(cluster, "lab", "mysql-0", 3306)
    with socket.create_connection(made.address):
        assert found.get(timeout=GIVEN_UP_SECONDS) == 1
    made.close()
