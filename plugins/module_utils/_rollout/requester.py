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

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.samples import Sample
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError


class Identity(Protocol):
    """Who sends a request: `_health.identity.Identity`, or anything with a token that may end."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What each request carries."""

    @property
    def renewals(self) -> int:
        """How often the token was replaced by a new one."""

    def renew_if_due(self) -> None:
        """Replace a token that ends soon; must not raise."""


@dataclass(frozen=True)
class Target:
    """What is requested (GET). `statuses` are the expected ones; none given: any answer of the application (below 500).

    With `keep_alive` all requests go over one connection, one after the other.
    """

    name: str
    url: str
    statuses: frozenset[int] = frozenset()
    identity: Identity | None = None
    keep_alive: bool = False


class Requester:
    """Sends the requests of one target, and says what came of each."""

    def __init__(self, target: Target, *, timeout_seconds: float, context: ssl.SSLContext) -> None:
        check_url(target.name, target.url)
        self.target = target
        self._timeout, self._context = timeout_seconds, context
        self._kept: http.client.HTTPConnection | None = None
        self._renewals = 0
        self._counting = threading.Lock()

    def probe(self) -> Sample:
        """One request. With `keep_alive` not to be called from two threads at a time."""
        identity = self.target.identity
        sent, begun = time.time(), time.monotonic()
        status = error = None
        renewed = reconnected = False
        try:
            headers = {"User-Agent": "hopsworks.airflow"}
            if identity is not None:
                headers.update(identity.headers)
                with self._counting:
                    renewed, self._renewals = identity.renewals > self._renewals, identity.renewals
            if self.target.keep_alive:
                status, reconnected = self._over_kept_connection(headers)
            else:
                with contextlib.closing(self._connection()) as connection:
                    status = self._answer(connection, {**headers, "Connection": "close"})
        except (OSError, http.client.HTTPException) as failure:
            error = type(failure).__name__
        return Sample(
            round(sent, 4),
            self.target.name,
            status,
            round(time.monotonic() - begun, 4),
            error,
            status in self.target.statuses if self.target.statuses else None,
            reconnected,
            renewed,
        )

    def close(self) -> None:
        """End the kept connection, if there is one."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _over_kept_connection(self, headers: dict[str, str]) -> tuple[int, bool]:
        """The status, and whether the connection had to be made anew.

        A server may close an idle connection at any time (RFC 9112, 9.6): a client sends an idempotent request again,
        once. A connection that was never used is no such case.
        """
        if self._kept is not None:
            try:
                # An announced end (`Connection: close` in the answer before) left it without a socket.
                if self._kept.sock is not None:
                    return self._answer(self._kept, headers), False
            except TimeoutError:
                self.close()
                raise
            except (OSError, http.client.HTTPException):
                pass
            self.close()
            reconnected = True
        else:
            reconnected = False
        connection = self._connection()
        try:
            status = self._answer(connection, headers)
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        self._kept = connection
        return status, reconnected

    def _connection(self) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(self.target.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=self._timeout, context=self._context
            )
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._timeout)

    def _answer(self, connection: http.client.HTTPConnection, headers: dict[str, str]) -> int:
        parts = urllib.parse.urlsplit(self.target.url)
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def check_url(name: str, url: str) -> None:
    """Raises OperatorError for what can't be requested."""
    problem = "no http or https URL"
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0):
            return
    except ValueError as error:
        problem = str(error)
    raise OperatorError(
        f"URL {name} cannot be requested: {problem}",
        expected="scheme, host and path, like https://hopsworks.example.com/hopsworks-api/airflow/",
        untouched="everything; nothing was requested",
        next_step="correct `url`, `urls` or `requests`",
    )
