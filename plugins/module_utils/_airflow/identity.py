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
# A token is renewed when this share of its life is left, and no later than so many seconds before its end.
LAST_SHARE = 0.2
LONGEST_MARGIN_SECONDS = 60.0
# After a renewal that failed, and twice as long after each further one: the server may be the very thing that is being
# restarted, and a login costs it more than anything else that is asked of it.
RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 8.0

Headers = dict[str, str]


class Identity:
    """Who sends a request: its headers, kept in memory only, and renewed shortly before their token ends.

    Used from many threads. `obtain` returns the headers and the token in them.
    """

    def __init__(self, obtain: Callable[[], tuple[Headers, str]]) -> None:
        self._obtain = obtain
        self._renewing = threading.Lock()
        self.renewals = 0
        self._retry = RETRY_SECONDS
        # On the clock of `time.monotonic`: when the token ends, and when a new one is to be got.
        self._end = self._due = 0.0
        self.headers: Headers = {}
        self._renew()

    @property
    def ended(self) -> bool:
        """Whether its token has ended, by this machine's clock since it was asked for."""
        return time.monotonic() >= self._end

    def renew_if_due(self) -> None:
        """Get a new token if the present one ends soon. Where that fails, the present one stays and it is tried again.

        A second thread doesn't wait for the first.
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
    """Somebody at a browser: a login, then its cookie."""

    def obtain() -> tuple[Headers, str]:
        connection = api()
        token = session_token(connection.sign_in(user, password))
        return session_headers(connection, token), token

    return Identity(obtain)


def task(
    api: Callable[[], AirflowApi], key: Callable[[], SigningKey], task_id: str, claims: dict[str, Any], seconds: float
) -> Identity:
    """A running task: a token of its own, signed with what `key` reads at that time, living for `seconds`."""

    def obtain() -> tuple[Headers, str]:
        answer = api().send("GET", "/api/v2/version")
        token = mint(key(), task_claims(task_id, **claims), now=server_time(answer), lifetime_seconds=seconds)
        return {"Authorization": f"Bearer {token}"}, token

    return Identity(obtain)


def cookies_of(answer: requests.Response) -> list[http.cookies.Morsel[str]]:
    """The cookies of the session that an answer sets: the proxy may add others, and there may be several paths."""
    found: list[http.cookies.Morsel[str]] = []
    for name, header in answer.raw.headers.items():
        if name.lower() == "set-cookie":
            with contextlib.suppress(http.cookies.CookieError):
                jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie(header)
                found.extend(morsel for morsel in jar.values() if morsel.key == COOKIE)
    return found


def session_token(answer: requests.Response) -> str:
    """What the browser holds as cookie after a login: what the answer set, else what the login page's code sets.

    The login page of the SimpleAuthManager writes the token of the answer into the cookie by itself (3.0 to 3.3).
    """
    values = [morsel.value for morsel in cookies_of(answer) if morsel.value]
    return values[0] if values else str(answer.json()["access_token"])


def session_headers(api: AirflowApi, token: str) -> Headers:
    """The headers of a browser's calls: the cookie alone where the server takes it (from 3.1 on), else as 3.0's pages
    do, which read the cookie and send it as bearer too.

    Raises OperatorError where neither is accepted.
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
        next_step="look at the api-server's log; 401, 403 or 500 after new keys mean that jwks.json lacks one",
    )


def server_time(answer: requests.Response) -> float:
    """Seconds since the epoch by the clock of whoever answered, or by this machine's where the answer tells none."""
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
    return time.time()
