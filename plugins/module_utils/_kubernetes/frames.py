# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import select
import time
from collections.abc import Iterable
from typing import Any

try:
    from websocket import ABNF
except ImportError:  # reported by the module's own requirement check
    ABNF = None


# As kubectl does, because load balancers close idle connections, some after 20 s.
PING_SECONDS = 5.0


class ClosedError(Exception):
    """The other side ended the connection in an orderly way."""


def readable(session: Any, others: Iterable[Any], seconds: float) -> list[Any]:
    """Which of `session` (a WSClient) and `others` (sockets) can be read within `seconds`.

    The client's own update() and PortForward rely on the system for this, but bytes may wait in the TLS layer, where
    the system does not see them, and then the last frames never arrive.
    """
    connection = session.sock.sock
    others = list(others)
    if hasattr(connection, "pending") and connection.pending():
        return [session, *select.select(others, [], [], 0)[0]]
    ready = select.select([connection, *others], [], [], seconds)[0]
    return [session if entry is connection else entry for entry in ready]


def read_frame(session: Any) -> tuple[int, bytes] | None:
    """The channel and the bytes of the next frame, or None if it has no data. Raises ClosedError at the end."""
    opcode, frame = session.sock.recv_data_frame(True)
    if opcode == ABNF.OPCODE_CLOSE:
        raise ClosedError
    if opcode not in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) or not frame.data:
        return None
    return frame.data[0], frame.data[1:]


class Pings:
    """Keeps a connection from being idle while there is nothing else to send."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._due = time.monotonic() + PING_SECONDS

    def send_due(self) -> None:
        """Sends only while nothing can be read, so that the last data of the other side is not lost."""
        if time.monotonic() >= self._due:
            self._session.sock.ping()
            self._due = time.monotonic() + PING_SECONDS
