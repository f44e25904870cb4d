# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from .._http.address import check_address
from .._http.policy import USER_AGENT, proxy_for
from .answers import Answer, Judge
from .samples import LONGEST_REST_SECONDS, Sample

# More than any requested page; a longer response is something else and is not read.
LARGEST_BYTES = 4 << 20
BLOCK_BYTES = 1 << 16
# The error of a request whose identity has expired.
TOO_LATE = "not sent: the token had expired, and there was no new one"

# A failure that took so long comes from an overloaded server: it works on the request long after the client has given
# up. Under a constant load, Airflow 3.0's api-server never recovers: its threads wait for database connections, and the
# holders of connections wait for a thread. So the next request waits, twice as long each time, until one succeeds.
SLOW_SECONDS = 0.5


class Identity(Protocol):
    """The identity of a request: `_airflow.identity.Identity`, or anything with a token that may expire."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of each request."""

    @property
    def renewals(self) -> int:
        """How often the token was replaced."""

    @property
    def ended(self) -> bool:
        """Whether the token has expired, so that a client would not send it."""

    def renew_if_due(self) -> None:
        """Replace a token that expires soon; must not raise an exception."""


@dataclass(frozen=True)
class Target:
    """A request (GET) and the check of its responses.

    With `keep_alive` all requests go over one connection, one after the other.
    """

    name: str
    url: str
    judge: Judge
    identity: Identity | None = None
    keep_alive: bool = False


class Requester:
    """Sends the requests of one target, and returns a sample for each."""

    def __init__(self, target: Target, *, timeout_seconds: float, context: ssl.SSLContext) -> None:
        check_address(target.url, f"the URL of {target.name} (`url`, `urls` or `requests`)")
        self.target = target
        self._timeout, self._context = timeout_seconds, context
        self._proxy = proxy_for(target.url)
        self._kept: http.client.HTTPConnection | None = None
        self._renewals = 0
        self._counting = threading.Lock()
        self._rest = self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether to send nothing to its server for now."""
        return time.monotonic() < self._rests_until

    def probe(self) -> Sample:
        """One request. With `keep_alive`, do not call it from two threads at a time."""
        sample = self._probe()
        with self._counting:
            if sample.good:
                self._rest = self._rests_until = 0.0
            elif sample.seconds >= SLOW_SECONDS:
                self._rest = min(max(2 * self._rest, SLOW_SECONDS), LONGEST_REST_SECONDS)
                self._rests_until = time.monotonic() + self._rest
        return sample

    def _probe(self) -> Sample:
        identity = self.target.identity
        sent, begun = time.time(), time.monotonic()
        if identity is not None and identity.ended:
            # A client would not send it. The server would be busy rejecting it, and log a traceback for each.
            return Sample(round(sent, 4), self.target.name, None, 0.0, TOO_LATE)
        status = error = None
        renewed = reconnected = False
        try:
            headers = {"User-Agent": USER_AGENT}
            if identity is not None:
                headers.update(identity.headers)
                with self._counting:
                    renewed, self._renewals = identity.renewals > self._renewals, identity.renewals
            if self.target.keep_alive:
                answer, reconnected = self._over_kept_connection(headers)
            else:
                answer = self._single(headers)
            status, error = answer.status, self.target.judge.reason(answer)
        except (OSError, http.client.HTTPException) as failure:
            error = type(failure).__name__
        return Sample(
            round(sent, 4),
            self.target.name,
            status,
            round(time.monotonic() - begun, 4),
            error,
            status is not None and error is None,
            reconnected,
            renewed,
        )

    def look(self) -> Answer | None:
        """The response to one anonymous request that is not counted, or None."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._single({"User-Agent": USER_AGENT})
        return None

    def close(self) -> None:
        """Close the keep-alive connection, if there is one."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _single(self, headers: dict[str, str]) -> Answer:
        with contextlib.closing(self._connection()) as connection:
            return self._answer(connection, {**headers, "Connection": "close"})

    def _over_kept_connection(self, headers: dict[str, str]) -> tuple[Answer, bool]:
        """The response, and whether the connection had to be reopened.

        A server may close an idle connection at any time (RFC 9112, 9.6): a client sends an idempotent request again,
        once. This does not apply to a connection that was never used.
        """
        reconnected = self._kept is not None
        if self._kept is not None:
            try:
                # An announced end (`Connection: close` in the previous response) has removed its socket.
                if self._kept.sock is not None:
                    return self._answer(self._kept, headers), False
            except TimeoutError:
                self.close()
                raise
            except (OSError, http.client.HTTPException):
                pass
            self.close()
        connection = self._connection()
        try:
            answer = self._answer(connection, headers)
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        self._kept = connection
        return answer, reconnected

    def _connection(self) -> http.client.HTTPConnection:
        parts, proxy = urllib.parse.urlsplit(self.target.url), self._proxy
        host, port = (proxy.host, proxy.port) if proxy is not None else (parts.hostname or "", parts.port)
        if parts.scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        if proxy is not None:
            connection.set_tunnel(parts.hostname or "", parts.port or 443, headers=proxy.headers)
        return connection

    def _answer(self, connection: http.client.HTTPConnection, headers: dict[str, str]) -> Answer:
        """Raises TimeoutError if the response is not complete in time, however slowly it arrives."""
        deadline = time.monotonic() + self._timeout
        parts = urllib.parse.urlsplit(self.target.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self._proxy is not None and parts.scheme == "http":
            path, headers = f"http://{parts.netloc}{path}", {**headers, **self._proxy.headers}
        connection.request("GET", path, headers=headers)
        socket = connection.sock
        answer = connection.getresponse()
        content = bytearray()
        while block := answer.read1(BLOCK_BYTES):
            content += block
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if len(content) > LARGEST_BYTES:
                raise http.client.HTTPException("too long")
            with contextlib.suppress(OSError):  # closed with the last byte
                socket.settimeout(left)
        if answer.length:
            raise http.client.IncompleteRead(bytes(content), answer.length)
        # Read completely, because otherwise a keep-alive connection could not be reused.
        answer.close()
        if connection.sock is not None:
            connection.sock.settimeout(self._timeout)
        media_type = (answer.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        return Answer(answer.status, answer.headers.get("Location"), media_type, bytes(content))
