# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .identity import COOKIE, cookies_of, session_headers, session_token
from .rest import AirflowApi
from .token import with_unknown_kid, with_wrong_signature

if TYPE_CHECKING:
    import requests

OK = "ok"
CALL = "/api/v2/dags?limit=1"
INVALIDATE = "/auth/internal/invalidate"
REFUSED = (401, 403)
# Airflow 3.0 raises a KeyError for an unknown kid: no access, but with another status.
REFUSED_UNKNOWN_KID = (*REFUSED, 500)


class Contracts:
    """What Hopsworks and its users rely on, checked from outside through the proxy.

    `results` has "ok" for each contract that holds, otherwise a text: those in `failed` are broken, the others do not
    apply. `answers` has the HTTP statuses.
    """

    def __init__(self, api: Callable[[], AirflowApi]) -> None:
        self._api = api
        self.results: dict[str, str] = {}
        self.answers: dict[str, int] = {}
        self.failed: list[str] = []

    def check_login(self, user: str, password: str, cookie_path: str) -> None:
        """Checks login, its cookie's path, a call as a client and as a browser, and the rejection of wrong tokens."""
        try:
            answer = self._api().sign_in(user, password)
        except OperatorError as error:
            self._note("login", error.found)
            return
        token = str(answer.json()["access_token"])
        self._saw("login", answer, (200, 201))
        self._check_cookie_path(answer, cookie_path)
        self._saw("call", self._call(token), (200,))
        if self.results["call"] == OK:
            # Made from a token that is rejected anyway, these would prove nothing.
            self._saw("wrong_signature", self._call(with_wrong_signature(token)), REFUSED)
            self._saw("unknown_kid", self._call(with_unknown_kid(token)), REFUSED_UNKNOWN_KID)
        try:
            session_headers(self._api(), session_token(answer))
            self._note("session", OK)
        except OperatorError as error:
            self._note("session", error.found)

    def check_invalidation(self, user: str, shared_secret: str) -> None:
        """Checks that the backend, and no one else, can evict a user's cached membership.

        The membership is read again at the next login; no session ends.
        """
        self._saw("invalidate", self._evict(user, shared_secret), (200, 204))
        # It contains nothing of the secret, because the server that rejects it may log it.
        self._saw("invalidate_wrong_bearer", self._evict(user, secrets.token_urlsafe(32)), REFUSED)

    def raise_if_broken(self) -> None:
        """Raises OperatorError with each broken contract and the reason."""
        if self.failed:
            raise OperatorError(
                "; ".join(f"{name}: {self.results[name]}" for name in self.failed),
                expected="every contract to hold",
                untouched="nothing was changed by this check",
                next_step=(
                    "check the api-server's log; 401, 403 or 500 after new keys mean that jwks.json lacks one. Fix "
                    "the cause and run the same command again"
                ),
                evidence=tuple(f"{name}: {text}" for name, text in self.results.items() if name not in self.failed),
            )

    def _check_cookie_path(self, answer: requests.Response, expected: str) -> None:
        set_by_login = [morsel["path"] or "(none)" for morsel in cookies_of(answer) if morsel.value]
        if set_by_login:
            wrong = sorted({path for path in set_by_login if not _same_path(path, expected)})
            self._note("cookie_path", f"the cookie's path is {', '.join(wrong)}, not {expected}" if wrong else OK)
            return
        # From 3.1 on, the server deletes an invalid cookie, so its path is visible without a valid one.
        bad = self._api().send("GET", CALL, headers={"Cookie": f"{COOKIE}=none"})
        taken_back = [morsel["path"] for morsel in cookies_of(bad)]
        if any(_same_path(path, expected) for path in taken_back):
            self._note("cookie_path", OK)
        elif taken_back:
            self._note("cookie_path", f"the cookie's path is {', '.join(taken_back)}, not {expected}")
        else:
            self._note("cookie_path", "not applicable: this login sets no cookie, only its page does", broken=False)

    def _call(self, token: str) -> requests.Response:
        return self._api().send("GET", CALL, headers={"Authorization": f"Bearer {token}"})

    def _evict(self, user: str, bearer: str) -> requests.Response:
        headers: dict[str, str | None] = {"Authorization": f"Bearer {bearer}"}
        return self._api().send("POST", INVALIDATE, headers=headers, body={"username": user})

    def _saw(self, name: str, answer: requests.Response, expected: tuple[int, ...]) -> None:
        status = int(answer.status_code)
        self.answers[name] = status
        wanted = " or ".join(str(each) for each in expected)
        self._note(name, OK if status in expected else f"answered with {status}, not {wanted}")

    def _note(self, name: str, text: str, *, broken: bool = True) -> None:
        self.results[name] = text
        if text != OK and broken:
            self.failed.append(name)

    def note_metrics(self, missing: dict[str, str]) -> None:
        """The contract that metrics arrive; `missing` has the missing ones by workload."""
        self._note("metrics", "; ".join(f"{name}: {text}" for name, text in missing.items()) or OK)


def _same_path(found: Any, expected: str) -> bool:
    return str(found).rstrip("/") == expected.rstrip("/")
