# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import ssl
import threading
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from .._common.failure import OperatorError
from .._http.address import is_host
from .._http.policy import causes_of, certificates_in
from .._http.session import REQUESTS_IMPORT_ERROR, TrustingAdapter, bare_session
from .._kubernetes.network import Network
from .failure import HopsfsError

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    import requests

__all__ = ["REQUESTS_IMPORT_ERROR", "open_session", "send", "tls_context", "unreachable"]

# Seconds: to connect, and between two bytes of a response.
TIMEOUT = (10, 120)
TLS_ENTRIES = ("tls.crt", "tls.key", "ca.crt")


def tls_context(entries: dict[str, bytes], secret: str) -> ssl.SSLContext:
    """Mutual TLS from the PEM entries `tls.crt`, `tls.key` and `ca.crt` of a Secret; only `ca.crt` is trusted.

    The private key never reaches a disk: OpenSSL reads it through a pipe. Raises OperatorError if an entry is missing
    or unreadable.
    """
    missing = [name for name in TLS_ENTRIES if not entries.get(name)]
    problem = f"lacks {', '.join(missing)}" if missing else ""
    if not problem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=certificates_in(entries["ca.crt"]))
            certificate, key = _pipe(entries["tls.crt"]), _pipe(entries["tls.key"])
            try:
                # Without a password callback OpenSSL would ask the terminal for an encrypted key's.
                context.load_cert_chain(f"/dev/fd/{certificate}", f"/dev/fd/{key}", password="")
            finally:
                os.close(certificate)
                os.close(key)
        except (OSError, ValueError) as error:
            problem = f"contains no usable certificate, key and authority ({type(error).__name__})"
        else:
            return context
    raise OperatorError(
        f"Secret {secret} {problem}",
        expected="PEM entries tls.crt, tls.key (not encrypted, belonging together) and ca.crt",
        untouched="everything; nothing was sent to HopsFS",
        next_step=f"kubectl describe secret {secret}; put the client certificate of a HopsFS superuser there",
    )


def _pipe(content: bytes) -> int:
    """The reading end of a pipe that yields `content`; written by a thread, as it may exceed the pipe's buffer."""
    reading, writing = os.pipe()

    def write() -> None:
        # A reader that gives up early reports this itself.
        try:
            with os.fdopen(writing, "wb") as stream:
                stream.write(content)
        except OSError:
            return

    threading.Thread(target=write, daemon=True).start()
    return reading


class ServiceAdapter(TrustingAdapter):
    """HTTPS to names of cluster services: the TCP connection may lead through a tunnel on 127.0.0.1, while TLS
    verifies the server's certificate against the name in the URL."""

    def __init__(self, network: Network, context: ssl.SSLContext, connections: int) -> None:
        self._network = network
        # A copy keeps a download and an upload open at the same time.
        super().__init__(context, pool_connections=8, pool_maxsize=2 * connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # Large blocks: a body is sent in pieces of this size.
        super().init_poolmanager(*args, **kwargs, blocksize=1 << 17)

    def get_connection_with_tls_context(self, request: Any, *_args: Any, **_kwargs: Any) -> Any:
        host, port = host_and_port(request.url)
        near_host, near_port = self._network.address(host, port)
        return self.poolmanager.connection_from_host(
            near_host, near_port, scheme="https", pool_kwargs={"server_hostname": host}
        )


def host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 443


def redirect(url: str, location: str) -> SplitResult | None:
    """The target of a redirect, None if it is not a valid address."""
    with contextlib.suppress(ValueError):
        target = urlsplit(urljoin(url, location))
        if target.port != 0 and is_host(target.hostname or ""):
            return target
    return None


def open_session(network: Network, context: ssl.SSLContext, connections: int) -> Any:
    """A `requests.Session` with keep-alive for `connections` threads, blind to the environment's proxies and CAs."""
    session = bare_session()
    session.mount("https://", ServiceAdapter(network, context, connections))
    # Plain HTTP would carry no identity; requests refuses a scheme without an adapter.
    del session.adapters["http://"]
    return session


def send(session: Any, method: str, url: str, *, body: Any = None, stream: bool = False) -> Any:
    """One request, redirects not followed. Raises HopsfsError without the URL's query, which may hold values."""
    host, port = host_and_port(url)
    # RFC 9112, 3.2: as in the URL, and so with the brackets of an IPv6 address.
    headers = {"Host": f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "Accept-Encoding": "identity"}
    if body is not None:
        headers["Content-Type"] = "application/octet-stream"
    try:
        return session.request(
            method, url, data=body, headers=headers, stream=stream, allow_redirects=False, timeout=TIMEOUT
        )
    except requests.RequestException as error:
        raise unreachable(error, host, port) from None
    except OperatorError as error:
        # A Service without a ready pod: it may be restarting.
        raise HopsfsError(error.found, expected=error.expected, next_step=error.next_step, temporary=True) from None


def unreachable(error: BaseException, host: str, port: int) -> HopsfsError:
    """A connection that failed, by its innermost cause; the outer messages quote the whole URL."""
    chain = causes_of(error)
    tls = next((cause for cause in chain if isinstance(cause, ssl.SSLError)), None)
    if tls is not None and (isinstance(tls, ssl.SSLCertVerificationError) or "ALERT" in (tls.reason or "")):
        detail = getattr(tls, "verify_message", "") or tls.reason
        return HopsfsError(
            f"{host}:{port} and this client do not trust each other: {detail}",
            expected=f"a server certificate for {host} signed by ca.crt, and a client certificate that it accepts",
            next_step="check the entries ca.crt and tls.crt of the Secret named by tls_secret (openssl x509 -text)",
        )
    # The exceptions of requests are OSErrors too, with the URL for their words.
    foreign = [cause for cause in chain if not isinstance(cause, requests.RequestException)]
    system = next((cause for cause in foreign if isinstance(cause, OSError) and cause.strerror), None)
    detail = system.strerror if isinstance(system, OSError) else type(chain[-1]).__name__
    return HopsfsError(
        f"{host}:{port} does not answer ({detail})",
        expected="WebHDFS over HTTPS",
        next_step="check that HopsFS is up and reachable, then run the same command again",
        temporary=True,
    )
