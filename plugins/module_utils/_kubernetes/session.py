# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from .._common.pauses import LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS
from .impersonation import carried_by
from .retrying_client import Absence
from .unreachable import causes

if TYPE_CHECKING:
    from .cluster import Cluster

try:
    import websocket
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import stream, ws_client
except ImportError:  # reported by the module's own requirement check
    client = None
    stream = None
    ApiException = Exception

HANDSHAKE_SECONDS = 30.0
# The requirements of the session that a thread is opening.
_opening = threading.local()


def open_session(
    cluster: Cluster, call: str, pod: str, namespace: str, *, retry_seconds: float = 0.0, **arguments: Any
) -> Any:
    """An open session (WSClient) of a streaming call to a pod, as bytes, with nothing read yet.

    Opening it has a timeout. If it was certainly not started, it is retried for `retry_seconds`; so is one that a
    server forbids right after it was unavailable. Raises ApiException with the API server's status and message.
    """
    # The client opens it without a timeout and without headers, and offers no way to set them.
    ws_client.WebSocket = _opened
    _opening.headers = carried_by(cluster.api)
    _opening.proxy_user = _proxy_user(cluster.api.configuration)
    deadline: float | None = None
    pause, absence = SHORTEST_PAUSE_SECONDS, Absence()
    while True:
        # A command in a pod may change anything.
        cluster.api.retry_policy.allow()
        identity = cluster.api.use_current()
        # The call replaces methods of its client while it runs.
        core = client.CoreV1Api(cluster.fresh_api())
        # Its frames are read here; `binary`, which the oldest client does not know, is only for its own reader.
        try:
            session = stream(getattr(core, call), pod, namespace, _preload_content=False, **arguments)
        except ApiException as error:
            deadline = time.monotonic() + retry_seconds if deadline is None else deadline
            answered = _as_answered(error)
            if cluster.api.may_ask_as_another(answered, identity):
                continue
            if _was_not_begun(error):
                absence.noted()
            elif not absence.may_be_over(answered, retry_seconds):
                raise answered from None
            if time.monotonic() + pause > deadline:
                raise answered from None
        else:
            session.sock.settimeout(None)
            return session
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _opened(*arguments: Any, **options: Any) -> Any:
    made = websocket.WebSocket(*arguments, **options)
    made.settimeout(HANDSHAKE_SECONDS)
    connect, headers = made.connect, [f"{name}: {value}" for name, value in _opening.headers]
    proxy_user = _opening.proxy_user

    def connect_as(url: str, *, header: list[str], **others: Any) -> None:
        if proxy_user is not None and "http_proxy_auth" in others:
            # The client cuts a password off at its first colon.
            others["http_proxy_auth"] = proxy_user
        connect(url, header=[*header, *headers], **others)

    made.connect = connect_as
    return made


def _proxy_user(configuration: Any) -> tuple[str, str] | None:
    """User name and password for the proxy, as other requests send them."""
    kind, _blank, coded = str((configuration.proxy_headers or {}).get("proxy-authorization")).partition(" ")
    if kind != "Basic":
        return None
    user, _colon, password = base64.b64decode(coded).decode().partition(":")
    return user, password


def _refusal(error: ApiException) -> Any | None:
    kind = websocket.WebSocketBadStatusException
    return next((cause for cause in causes(error) if isinstance(cause, kind)), None)


def _was_not_begun(error: ApiException) -> bool:
    refusal = _refusal(error)
    if refusal is not None:
        return refusal.status_code in (429, 502, 503, 504)
    kinds = (ConnectionRefusedError, socket.gaierror, websocket.WebSocketAddressException)
    return any(isinstance(cause, kinds) for cause in causes(error))


def _as_answered(error: ApiException) -> ApiException:
    """The client reports the status as text, with all headers."""
    refusal = _refusal(error)
    if refusal is None:
        return error
    answered = ApiException(status=refusal.status_code, reason=f"status {refusal.status_code}")
    answered.body = getattr(refusal, "resp_body", None)
    return answered
