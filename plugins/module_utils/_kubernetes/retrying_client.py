# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from .._common.pauses import LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS
from .current_credentials import Credentials, Identity, version_of_certificate
from .stored import contains
from .unreachable import is_passing, lasts, no_connection, unknown_name

try:
    from kubernetes.client import ApiClient
    from kubernetes.client.exceptions import ApiException
    from kubernetes.client.rest import RESTClientObject
    from urllib3.exceptions import HTTPError
except ImportError:  # reported by the module's own requirement check
    ApiClient = object
    RESTClientObject = None
    ApiException = Exception
    HTTPError = OSError  # type: ignore[misc,assignment]

# How long an API server may be unavailable (a restart, a new leader) before an action gives up.
RETRY_SECONDS = 60.0
# To connect, and between two bytes of a response.
REQUEST_TIMEOUT = (10, 60)
# How long a name may be unknown if the server has never answered: it may be mistyped.
NAME_SECONDS = 5.0


class Absence:
    """How long an API server has been unavailable, and whether it has just restarted: it may forbid everything until it
    has read the roles, which can take seconds.
    """

    def __init__(self) -> None:
        self._away_since: float | None = None
        self._back_since: float | None = None

    @property
    def seconds(self) -> float:
        """Since the first request that failed; 0 while the server answers."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    def noted(self) -> None:
        """A request has failed because the server is unavailable."""
        self._away_since = time.monotonic() if self._away_since is None else self._away_since
        self._back_since = None

    def ended(self) -> None:
        self._away_since = self._back_since = None

    def explains(self, error: Exception, seconds: float) -> bool:
        """Whether an error comes from an unavailable server, which is recorded, or from one that has just restarted."""
        if is_passing(error):
            self.noted()
            return True
        return self.may_be_over(error, seconds)

    def may_be_over(self, error: Exception, seconds: float) -> bool:
        """Whether a rejection may be caused by the restart; for `seconds` after the first one, however long the server
        was unavailable."""
        status = error.status if isinstance(error, ApiException) else None
        if self._away_since is None or status not in (401, 403):
            return False
        now = time.monotonic()
        self._back_since = now if self._back_since is None else self._back_since
        return now <= self._back_since + seconds


@dataclass
class RetryPolicy:
    """How a client waits for its API server: shared by all requests and threads of that client.

    `reached` says that the server has answered before, possibly to an earlier action of the run, so any failure may be
    temporary. Otherwise a rejected certificate or a name that does not resolve is reported at once.
    """

    seconds: float = RETRY_SECONDS
    timeout: tuple[int, int] = REQUEST_TIMEOUT
    reached: bool = False
    # Called before each request that changes something; raises an exception if no more changes are allowed.
    allow: Callable[[], None] = lambda: None
    _absence: Absence = field(default_factory=Absence)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of_a_holder(cls) -> RetryPolicy:
        """For callers that have had the right to the first request: a server that rejects it is treated as just
        restarted."""
        made = cls(reached=True)
        made._absence.noted()
        return made

    def answered(self) -> None:
        with self._lock:
            self.reached = True
            self._absence.ended()

    def may_pass(self, error: Exception, failing_since: float, pause: float) -> bool:
        """Whether to wait for `pause` and retry a request that has been failing since `failing_since`."""
        with self._lock:
            if self._absence.may_be_over(error, self.seconds - pause):
                return True
            if not is_passing(error):
                if isinstance(error, ApiException) and error.status:
                    self.reached = True
                    self._absence.ended()
                return False
            self._absence.noted()
            limit = self.seconds
            if not self.reached and lasts(error):
                limit = 0.0
            elif not self.reached and unknown_name(error):
                limit = min(NAME_SECONDS, limit)
            # The server may answer other requests and fail this one, so both count.
            return max(time.monotonic() - failing_since, self._absence.seconds) + pause <= limit


class RetryingClient(ApiClient):  # type: ignore[misc]  # the package has no types
    """The only client of the API server: each request has a timeout, and is repeated while the server is unavailable.

    Reads are repeated, and so are writes whose repetition is harmless: if the response to the first one was lost, the
    second gets a conflict, and then the stored object is compared with the written one. Streams (a watch, a log) are
    requested once. The wait between attempts increases, or is as long as the server says.

    With `credentials`, each request uses their current value, otherwise the configuration's.
    """

    def __init__(
        self, configuration: Any, retry_policy: RetryPolicy | None = None, credentials: Credentials | None = None
    ) -> None:
        super().__init__(configuration)
        self.retry_policy = retry_policy or RetryPolicy()
        self.credentials = credentials
        # Of the kubeconfig, if the client uses one.
        self.context: str | None = None
        self._certificate = version_of_certificate(configuration)

    def use_current(self) -> Identity | None:
        """Use the current credentials and return them."""
        identity = self.credentials.current() if self.credentials is not None else None
        if identity is not None:
            identity.configure(self.configuration)
        certificate = version_of_certificate(self.configuration)
        if certificate != self._certificate:
            # A connection keeps its client certificate.
            self.rest_client = RESTClientObject(self.configuration)
            self._certificate = certificate
        return identity

    def may_ask_as_another(self, error: Exception, identity: Identity | None) -> bool:
        """Whether credentials were rejected and there are new ones."""
        if self.credentials is None or identity is None:
            return False
        return isinstance(error, ApiException) and error.status == 401 and self.credentials.others_than(identity)

    def another(self, retry_policy: RetryPolicy | None = None) -> RetryingClient:
        """A client with the same configuration and headers, but separate connections."""
        made = RetryingClient(self.configuration, retry_policy or self.retry_policy, self.credentials)
        made.default_headers.update(self.default_headers)
        return made

    def call_api(
        self,
        resource_path: str,
        method: str,
        path_params: Any = None,
        query_params: Any = None,
        header_params: Any = None,
        **others: Any,
    ) -> Any:
        others["_request_timeout"] = others.get("_request_timeout") or self.retry_policy.timeout

        identity: Identity | None = None

        def send() -> Any:
            nonlocal identity
            # It modifies its argument.
            query, headers = list(query_params or []), dict(header_params or {})
            if changes:
                self.retry_policy.allow()
            identity = self.use_current()
            return super(RetryingClient, self).call_api(resource_path, method, path_params, query, headers, **others)

        asked = _Asked(resource_path, method, path_params, query_params or [], header_params or {}, others.get("body"))
        changes = asked.changes
        if others.get("_preload_content") is False or others.get("async_req"):
            return send()
        failing_since: float | None = None
        pause, maybe_done = SHORTEST_PAUSE_SECONDS, False
        while True:
            try:
                answer = send()
            except (ApiException, HTTPError) as error:
                if maybe_done and isinstance(error, ApiException) and error.status in (404, 409):
                    done = self._done_before(asked, error)
                    if done is not None:
                        return self._as_asked(*done, others)
                if self.may_ask_as_another(error, identity):
                    continue
                failing_since = failing_since or time.monotonic()
                wait = max(pause, _retry_after(error))
                maybe_done = maybe_done or not _was_not_begun(error)
                if not self.retry_policy.may_pass(error, failing_since, wait) or (maybe_done and not asked.repeatable):
                    raise
            else:
                self.retry_policy.answered()
                return answer
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _done_before(self, asked: _Asked, refusal: ApiException) -> tuple[Any, Any] | None:
        """The object that an earlier attempt wrote, and the headers, if its response was lost; None if it wrote
        nothing."""
        deleted: tuple[Any, Any] = ({"kind": "Status", "apiVersion": "v1", "status": "Success"}, {})
        if asked.method == "DELETE" and refusal.status == 404:
            return deleted
        if refusal.status != 409:
            return None
        body = self.sanitize_for_serialization(asked.body) or {}
        path = asked.path
        if asked.method == "POST":
            path += f"/{body['metadata']['name']}"
        try:
            found, _status, headers = self.call_api(
                path,
                "GET",
                asked.path_params,
                header_params={"Accept": "application/json"},
                response_type="object",
                auth_settings=["BearerToken"],
            )
        except ApiException as error:
            if error.status == 404 and asked.method == "DELETE":
                return deleted
            if error.status == 404:
                return None
            raise
        if asked.method == "DELETE":
            wanted = (body.get("preconditions") or {}).get("uid")
            gone = found["metadata"].get("deletionTimestamp") or wanted not in (None, found["metadata"]["uid"])
            return deleted if gone else None
        return (found, headers) if contains(found, body, whole=asked.method == "PUT") else None

    def _as_asked(self, found: Any, headers: Any, others: dict[str, Any]) -> Any:
        """Returns it as the response to the request itself."""
        kind = others.get("response_type")
        answer = self.deserialize(SimpleNamespace(data=json.dumps(found)), kind) if kind else None
        return answer if others.get("_return_http_data_only") else (answer, 200, headers)


@dataclass
class _Asked:
    """The parts of a request that matter for repeating it."""

    path: str
    method: str
    path_params: Any
    query: Any
    headers: dict[str, str]
    body: Any

    @property
    def changes(self) -> bool:
        """Whether it stores anything: a dry run and a review of rights do not."""
        pairs = self.query.items() if isinstance(self.query, dict) else self.query
        return not (
            self.method in ("GET", "HEAD", "OPTIONS")
            or any(name == "dryRun" for name, _value in pairs)
            or (self.method == "POST" and self.path.endswith("reviews"))
        )

    @property
    def repeatable(self) -> bool:
        """Whether it can be sent again if the first one may have been carried out."""
        if not self.changes or self.method in ("PUT", "DELETE"):
            return True
        if self.method == "PATCH":
            # A list is a JSON patch, which may append to a list twice; the others describe the desired state.
            return not isinstance(self.body, list)
        # For a subresource, or an object whose name the server generates, this is unknown.
        if "/{name}/" in self.path:
            return False
        return bool(_name(self.body))


def _name(body: Any) -> str | None:
    metadata = body.get("metadata") if isinstance(body, dict) else getattr(body, "metadata", None)
    name = metadata.get("name") if isinstance(metadata, dict) else getattr(metadata, "name", None)
    return str(name) if name else None


def _was_not_begun(error: Exception) -> bool:
    """Whether the server has not carried out the request."""
    if isinstance(error, ApiException) and error.status in (401, 403, 429):
        return True
    return no_connection(error)


def _retry_after(error: Exception) -> float:
    if isinstance(error, ApiException) and error.headers is not None:
        with contextlib.suppress(TypeError, ValueError):
            return float(error.headers.get("Retry-After"))
    return 0.0
