# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import Any

from .._common.documents import parse
from .._common.failure import OperatorError
from .._http.address import check_address
from .._http.policy import distrust
from .._http.session import REQUESTS_IMPORT_ERROR, request, session_to
from .wait_budget import WaitBudget, is_from_in_front

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    import requests

__all__ = ["REQUESTS_IMPORT_ERROR", "AirflowApi"]


class AirflowApi:
    """A logged-in client of the REST API of Airflow 3 (https://airflow.apache.org/docs/apache-airflow/3.0.6/stable-rest-api-ref.html).

    `url` is the public address, through the reverse proxy, as users open it. `ca_file` is a bundle to trust instead of
    the system's; without `verify`, any certificate is accepted. `budget` is how long to wait for an Airflow that is
    not reached.
    """

    def __init__(
        self, url: str, ca_file: str | None = None, *, verify: bool = True, budget: WaitBudget | None = None
    ) -> None:
        self._budget = budget or WaitBudget()
        check_address(url, "the public address of Airflow (`url`, airflow_public_url)", base=True)
        self._url = url.rstrip("/")
        self._session = session_to(self._url, ca_file, verify=verify)

    def login(self, user: str, password: str) -> None:
        """Get a token of the SimpleAuthManager and use it from now on. Raises OperatorError if the login is
        rejected."""
        self._session.headers["Authorization"] = f"Bearer {self.sign_in(user, password).json()['access_token']}"

    def sign_in(self, user: str, password: str) -> requests.Response:
        """The response to a login, with `access_token` in its body and possibly a cookie, which is not stored.

        Raises OperatorError for any other response.
        """
        answer = self._request("POST", "/auth/token", {"username": user, "password": password})
        self._session.cookies.clear()
        if answer.status_code not in (200, 201):
            raise self._refused("the login", answer)
        self._document("the login", answer, "access_token")
        return answer

    def send(
        self, method: str, path: str, *, headers: dict[str, str | None] | None = None, body: Any = None
    ) -> requests.Response:
        """The response to one request, whatever it is; `headers` override those of the login, and None removes one."""
        return self._request(method, path, body, headers=headers)

    def get(self, path: str, *, having: str | None = None, **query: Any) -> Any:
        """The decoded response. Raises OperatorError if it is not successful, or has no member `having`."""
        return self._checked("GET", path, None, query, having)

    def make(self, path: str, body: Any, made: str) -> Any:
        """The response to a POST, or the object at `made` if it already exists because the response to an earlier
        attempt was lost."""
        answer = self._request("POST", path, body)
        return self.get(made) if answer.status_code == 409 else self._decoded(f"POST {path}", answer)

    def patch(self, path: str, body: Any) -> Any:
        return self._checked("PATCH", path, body, {})

    def find(self, path: str) -> Any | None:
        """Like `get`, but None if it does not exist."""
        answer = self._request("GET", path)
        return None if answer.status_code == 404 else self._decoded(f"GET {path}", answer)

    def _checked(self, method: str, path: str, body: Any, query: dict[str, Any], having: str | None = None) -> Any:
        return self._decoded(f"{method} {path}", self._request(method, path, body, query), having)

    def _decoded(self, what: str, answer: requests.Response, having: str | None = None) -> Any:
        if not answer.ok:
            raise self._refused(what, answer)
        return self._document(what, answer, having)

    def _document(self, what: str, answer: requests.Response, having: str | None) -> Any:
        """The JSON document of a response. Other servers, such as a maintenance page, may also answer with success."""
        with contextlib.suppress(ValueError):
            document = parse(answer.content)
            if having is None or (isinstance(document, dict) and having in document):
                return document
        raise OperatorError(
            f"{what} at {self._url} was answered by something that is not Airflow 3",
            expected="a JSON document as Airflow 3 writes it",
            untouched="nothing was changed by this check",
            next_step="check the url, which has the path of [api] base_url, and the servers in front of Airflow",
        )

    def _request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str | None] | None = None,
    ) -> requests.Response:
        while True:
            try:
                answer: requests.Response = request(
                    self._session, method, self._url + path, json=body, params=query, headers=headers
                )
            except requests.RequestException as error:
                failure = self._unanswered(f"{method} {path}", error)
                if distrust(error) is not None or not self._budget.wait(failure.found):
                    raise failure from error
                continue
            if not is_from_in_front(answer) or not self._budget.wait(
                f"{method} {path} at {self._url} was answered with {answer.status_code}"
            ):
                return answer

    def _unanswered(self, what: str, error: requests.RequestException) -> OperatorError:
        distrusted = distrust(error)
        if distrusted is not None:
            return OperatorError(
                f"the certificate of {self._url} is not trusted on this machine: {distrusted}",
                expected="a certificate of an authority in the system's store, or in the file that `ca_file` names",
                untouched="nothing was changed by this check",
                next_step=(
                    "set airflow_ca_file (`ca_file`) to a file with the authority's certificate in PEM format, or "
                    "add that to the system's store, then run the same command again"
                ),
            )
        return OperatorError(
            f"{what} at {self._url} got no answer ({type(error).__name__})",
            expected="a response of the api-server through the reverse proxy",
            untouched="nothing was changed by this check",
            next_step="check the proxy and the api-server's pod, then run the same command again",
        )

    def _refused(self, what: str, answer: requests.Response) -> OperatorError:
        return OperatorError(
            f"{what} was answered with {answer.status_code} by {self._url}",
            expected="success",
            untouched="nothing was changed by this check",
            next_step="look at the api-server's log; 401, 403 or 500 after new keys mean that jwks.json lacks one",
        )
