# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .frames import PING_SECONDS, ClosedError, Pings, read_frame, readable
from .session import open_session

if TYPE_CHECKING:
    from .cluster import Cluster

try:
    from kubernetes.client.exceptions import ApiException
    from websocket import WebSocketException
except ImportError:  # reported by the module's own requirement check
    ApiException = WebSocketException = Exception

DATA_CHANNEL = 0


class Tunnel:
    """A listener on 127.0.0.1. Each of its connections is a separate port-forward to one pod's port.

    `find` returns the pod (and its port) to continue with when that one is gone.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        pod: str,
        port: int,
        *,
        find: Callable[[], tuple[str, int] | None] | None = None,
    ) -> None:
        self._cluster, self._namespace, self._pod, self._port = cluster, namespace, pod, port
        self._find = find
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with (
            contextlib.closing(near),
            contextlib.suppress(ApiException, OperatorError, ClosedError, OSError, WebSocketException),
        ):
            # Otherwise the second of two frames waits until the peer has acknowledged the first, which takes 40 ms.
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # If any of these ends it, the peer sees a closed connection and reports that itself.
            session = self._forward()
            try:
                relay(near, session)
            finally:
                session.close()

    def _forward(self) -> Any:
        try:
            return port_forward(self._cluster, self._namespace, self._pod, self._port)
        except ApiException:
            target = self._find() if self._find else None
            if target is None or target == (self._pod, self._port):
                raise
            self._pod, self._port = target[0], target[1]
            return port_forward(self._cluster, self._namespace, self._pod, self._port)


def port_forward(cluster: Cluster, namespace: str, pod: str, port: int) -> Any:
    """An open session (WSClient) to one port of a pod: channel 0 carries data, channel 1 errors."""
    return open_session(cluster, "connect_get_namespaced_pod_portforward", pod, namespace, ports=str(port))


def relay(near: socket.socket, session: Any) -> None:
    """Copy bytes both ways until either side closes.

    The first frame of each channel names the port, in two bytes
    (https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/cri/streaming/portforward/websocket.go).
    """
    near.setblocking(True)
    opened: set[int] = set()
    pings = Pings(session)
    while True:
        sources = readable(session, [near], PING_SECONDS)
        if not sources:
            pings.send_due()
        for source in sources:
            if source is near:
                data = near.recv(65536)
                if not data:
                    return
                session.write_channel(DATA_CHANNEL, data)
                continue
            frame = read_frame(session)
            if frame is None:
                continue
            channel, data = frame
            if channel not in opened:
                opened.add(channel)
            elif channel == DATA_CHANNEL:
                near.sendall(data)
            elif data:
                return
