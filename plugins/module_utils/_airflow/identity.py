# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import email.utils
import http.cookies
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .rest import AirflowApi
from .token import SigningKey, claims_of, mint, task_claims

if TYPE_CHECKING:
    import requests

COOKIE = "_token"
# A token is renewed when this share of its lifetime is left, at the latest this many seconds before it expires.
LAST_SHARE = 0.2
LONGEST_MARGIN_SECONDS = 60.0
# The wait after a failed renewal, doubled after each further one: the server may be restarting, and a login costs it
# more than any other request.
RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 8.0

Headers = dict[str, str]


class Identity:
    """The identity of a request: its headers, only kept in memory, and renewed shortly before their token expires.

    Used from many threads. `obtain` returns the headers and the token in them.
    """

    def __init__(self, obtain: Callable[[], tuple[Headers, str]]) -> None:
        self._obtain = obtain
        self._renewing = threading.Lock()
        self.renewals = 0
        self._retry = RETRY_SECONDS
        # By `time.monotonic`: when the token expires, and when to get a new one.
        self._end = self._due = 0.0
        self.headers: Headers = {}
        self._renew()

    @property
    def ended(self) -> bool:
        """Whether its token has expired, by this machine's clock since it was requested."""
        return time.monotonic() >= self._end

    def renew_if_due(self) -> None:
        """Get a new token if the current one expires soon. If that fails, the current one is kept and it is retried.

        A second thread does not wait for the first.
        """
        if time.monotonic() < self._due or not self._renewing.acquire(blocking=False):
            return
        try:
            self._renew()
            self.renewals += 1
            self._retry = RETRY_SECONDS
        except Exception:  # noqa: BLE001 - requests then fail as they would for anybody, and are counted
            self._due = time.monotonic() + self._retry
            self._retry = min(2 * self._retry, LONGEST_RETRY_SECONDS)
        finally:
            self._renewing.release()

    def _renew(self) -> None:
        asked = time.monotonic()
        headers, token = self._obtain()
        claims = claims_of(token)
        life = float(claims["exp"]) - float(claims.get("iat", claims["exp"]))
        self.headers, self._end = headers, asked + life
        self._due = self._end - min(LONGEST_MARGIN_SECONDS, life * LAST_SHARE)


def client(api: Callable[[], AirflowApi], user: str, password: str) -> Identity:
    """A client of the REST API: a login, then its token as bearer."""

    def obtain() -> tuple[Headers, str]:
        token = str(api().sign_in(user, password).json()["access_token"])
        return {"Authorization": f"Bearer {token}"}, token

    return Identity(obtain)


def browser(api: Callable[[], AirflowApi], user: str, password: str) -> Identity:
    """A browser: a login, then its cookie."""

    def obtain() -> tuple[Headers, str]:
        connection = api()
        token = session_token(connection.sign_in(user, password))
        return session_headers(connection, token), token

    return Identity(obtain)


def task(
    api: Callable[[], AirflowApi], key: Callable[[], SigningKey], task_id: str, claims: dict[str, Any], seconds: float
) -> Identity:
    """A running task: its own token, signed with the key that `key` reads at that time, valid for `seconds`."""

    def obtain() -> tuple[Headers, str]:
        answer = api().send("GET", "/api/v2/version")
        token = mint(key(), task_claims(task_id, **claims), now=server_time(answer), lifetime_seconds=seconds)
        return {"Authorization": f"Bearer {token}"}, token

    return Identity(obtain)


def cookies_of(answer: requests.Response) -> list[http.cookies.Morsel[str]]:
    """The session cookies that a response sets: the proxy may add others, and there may be several paths."""
    found: list[http.cookies.Morsel[str]] = []
    for name, header in answer.raw.headers.items():
        if name.lower() == "set-cookie":
            with contextlib.suppress(http.cookies.CookieError):
                jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie(header)
                found.extend(morsel for morsel in jar.values() if morsel.key == COOKIE)
    return found


def session_token(answer: requests.Response) -> str:
    """The browser's cookie after a login: the one that the response set, or else the one that the login page's code
    sets.

    The login page of the SimpleAuthManager itself writes the token of the response to the cookie (3.0 to 3.3).
    """
    values = [morsel.value for morsel in cookies_of(answer) if morsel.value]
    return values[0] if values else str(answer.json()["access_token"])


def session_headers(api: AirflowApi, token: str) -> Headers:
    """The headers of a browser's calls: only the cookie if the server accepts it (from 3.1 on), otherwise as in 3.0's
    pages, which read the cookie and also send it as bearer.

    Raises OperatorError if neither is accepted.
    """
    cookie = {"Cookie": f"{COOKIE}={token}"}
    status = None
    for headers in (cookie, {**cookie, "Authorization": f"Bearer {token}"}):
        answer = api.send("GET", "/api/v2/dags?limit=1", headers={"Authorization": None, **headers})
        status = answer.status_code
        if status == 200:
            return headers
    raise OperatorError(
        f"a call with the cookie of a new session was answered with {status}",
        expected="200",
        untouched="nothing was changed by this check",
        next_step="check the api-server's log; 401, 403 or 500 after new keys mean that jwks.json lacks one",
    )


def server_time(answer: requests.Response) -> float:
    """Seconds since the epoch by the server's clock, or by this machine's if the response has no time."""
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
    return time.time()
