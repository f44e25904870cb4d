# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl
import time
import traceback
from typing import Any

from .policy import USER_AGENT, proxy_for, tls_context

REQUESTS_IMPORT_ERROR: str | None = None
try:
    import requests
    from requests.adapters import HTTPAdapter
except ImportError:  # reported by the module's own requirement check
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
    HTTPAdapter = object  # type: ignore[assignment,misc]

# Seconds: to connect, and between two bytes of an answer.
TIMEOUT = (10, 30)
# Limits of a complete response.
LONGEST_SECONDS = 120.0
LARGEST_BYTES = 32 << 20
BLOCK_BYTES = 1 << 16


class TrustingAdapter(HTTPAdapter):
    """Makes TLS trust only the certificates of a context. requests would add the authorities of its own package."""

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        self._context = context
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, ssl_context=self._context)

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Does nothing: the context decides."""


def bare_session() -> Any:
    """A `requests.Session` that ignores the environment: no proxy, no authorities, no ~/.netrc."""
    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = USER_AGENT
    return session


def session_to(url: str, ca_file: str | None = None, *, verify: bool = True) -> Any:
    """A `requests.Session` for one server, with the proxy and the authorities of the policy.

    Raises OperatorError for a `ca_file` without certificates, and for a proxy that is not an HTTP proxy.
    """
    session = bare_session()
    proxy = proxy_for(url)
    if proxy is not None:
        session.proxies = {"http": proxy.url, "https": proxy.url}
    if url.lower().startswith("https:"):
        session.mount("https://", TrustingAdapter(tls_context(ca_file, verify=verify)))
    session.verify = verify
    return session


def request(session: Any, method: str, url: str, **options: Any) -> Any:
    """The complete response to one request. Redirects are not followed, because they may lead anywhere.

    Also raises `requests.RequestException` for a response that is larger than LARGEST_BYTES or takes longer than
    LONGEST_SECONDS.
    """
    begun = time.monotonic()
    with session.request(method, url, **options, timeout=TIMEOUT, allow_redirects=False, stream=True) as answer:
        content = bytearray()
        for block in answer.iter_content(BLOCK_BYTES):
            content += block
            if len(content) > LARGEST_BYTES:
                raise requests.exceptions.ContentDecodingError(f"more than {LARGEST_BYTES} bytes")
            if time.monotonic() - begun > LONGEST_SECONDS:
                raise requests.exceptions.ReadTimeout(f"not read within {LONGEST_SECONDS:.0f} s")
        answer._content = bytes(content)
    return answer
