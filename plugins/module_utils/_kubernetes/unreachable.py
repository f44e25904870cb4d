# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from .._common.documents import parse
from .._common.failure import OperatorError
from .._common.redaction import redact

try:
    from kubernetes.client.exceptions import ApiException
    from urllib3 import exceptions as urllib3_errors
    from urllib3.exceptions import HTTPError
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception
    HTTPError = OSError  # type: ignore[misc,assignment]

# Statuses of a server, or of a proxy in front of it, that is unavailable or overloaded.
AWAY = (429, 500, 502, 503, 504)
SSL_REASONS_THAT_LAST = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, from the outside in, as the libraries nest them."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        nested = [getattr(current, "reason", None), current.__cause__, current.__context__, *current.args]
        nested.append(getattr(current, "original_error", None))
        pending += [item for item in nested if isinstance(item, BaseException)]


def no_connection(error: Exception) -> bool:
    """Whether there was no connection, so that the request was not sent."""
    if isinstance(error, ApiException):
        return bool(error.status == 0)
    kinds = (
        urllib3_errors.NewConnectionError,
        urllib3_errors.ConnectTimeoutError,
        urllib3_errors.ProxyError,
        urllib3_errors.SSLError,
        urllib3_errors.LocationValueError,
    )
    return any(isinstance(cause, kinds) for cause in causes(error))


def message_of(error: ApiException) -> str:
    """The API server's message about a rejection; its body may also contain the object."""
    try:
        return str(parse(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def words_of(error: ApiException) -> str:
    """The same in a form that may be shown: a webhook's message may contain values of the object."""
    return redact(message_of(error))


def is_malformed(error: ApiException) -> bool:
    """Whether the API server rejected the object itself. Server-side apply answers unknown fields with 500."""
    unknown_field = error.status == 500 and "failed to create typed patch object" in str(error.body)
    return unknown_field or error.status in (400, 422)


def needs_a_real_request(error: ApiException) -> bool:
    """Whether a webhook that does not support dry runs was involved, so that nothing is known about the object.

    https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#side-effects
    """
    return "does not support dry run" in message_of(error)


def is_passing(error: Exception) -> bool:
    """Whether an error comes from an API server that is unavailable or overloaded, so that the same request may work
    soon."""
    if isinstance(error, ApiException):
        if error.status == 0:
            return _tls(error) is not None
        return error.status in AWAY and not is_malformed(error)
    return isinstance(error, HTTPError)


def unknown_name(error: Exception) -> bool:
    return any(isinstance(cause, socket.gaierror) for cause in causes(error))


def lasts(error: Exception) -> bool:
    """Whether waiting cannot help if the API server was never reached: certificates, addresses, the proxy."""
    if any(isinstance(cause, urllib3_errors.LocationValueError) for cause in causes(error)):
        return True
    refused = _tls(error)
    if refused is not None:
        return any(reason in str(refused) for reason in SSL_REASONS_THAT_LAST)
    proxy = [cause for cause in causes(error) if isinstance(cause, urllib3_errors.ProxyError)]
    # A working proxy may itself report an unavailable server.
    return bool(proxy) and not any(f" {status} " in f"{cause} " for cause in causes(error) for status in AWAY)


def _tls(error: Exception) -> BaseException | None:
    for cause in causes(error):
        if isinstance(cause, (ssl.SSLError, urllib3_errors.SSLError)):
            return next((inner for inner in causes(cause) if isinstance(inner, ssl.SSLError)), cause)
    return None


def reason(error: Exception) -> str:
    """Why there was no answer, in a few words."""
    everything = list(causes(error))
    text = "; ".join(dict.fromkeys(str(cause) for cause in everything))
    innermost = str(everything[-1]) or type(everything[-1]).__name__
    refused = _tls(error)
    if refused is not None:
        return f"TLS: {refused.args[-1] if refused.args else refused}"
    if any(isinstance(cause, urllib3_errors.ProxyError) for cause in everything):
        return f"the proxy: {innermost}"
    if unknown_name(error):
        return "its name does not resolve"
    if any(isinstance(cause, ConnectionRefusedError) for cause in everything) or "Connection refused" in text:
        return "connection refused"
    if any(isinstance(cause, (urllib3_errors.TimeoutError, TimeoutError)) for cause in everything):
        connecting = any(isinstance(cause, urllib3_errors.ConnectTimeoutError) for cause in everything)
        return "no connection in time" if connecting else "no answer in time"
    if isinstance(error, ApiException):
        return str(error.reason).strip()
    return innermost


LOG_IN_AGAIN = (
    "log in again, as for kubectl, until `kubectl auth whoami` works with the same kubeconfig, or replace the token or "
    "the certificate; then run the same command again: it continues where this one stopped"
)


def unauthorized(error: ApiException, trouble: str) -> OperatorError:
    """Credentials that the API server does not accept, or no longer accepts. `trouble`: why there are no others."""
    return OperatorError(
        f"the Kubernetes API server does not accept the credentials, or no longer (401: {words_of(error)})"
        f"{f'; there are no others: {trouble}' if trouble else ''}",
        expected="a token or a client certificate that is valid until the end of the run",
        untouched="everything that this request would have changed, and everything that this action had not reached",
        next_step=LOG_IN_AGAIN,
    )


def unreachable(error: Exception, host: str) -> OperatorError:
    """An API server that did not answer, as a message for the operator."""
    found = reason(error)
    hint = "check the kubeconfig and the network"
    if found.startswith("TLS"):
        hint = "check certificate-authority and server in the kubeconfig, or the options ca_cert and validate_certs"
    elif found.startswith("the proxy"):
        hint = "check HTTPS_PROXY and NO_PROXY, or the options proxy and no_proxy"
    elif "resolve" in found:
        hint = "check the server in the kubeconfig, and the name server of this machine"
    return OperatorError(
        f"the Kubernetes API server {host} does not answer: {found}",
        expected="an answer",
        untouched="everything this action had not reached yet",
        next_step=f"{hint}; then run the same command again: it continues where this one stopped",
    )
