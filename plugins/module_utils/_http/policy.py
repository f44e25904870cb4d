# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import ipaddress
import os
import re
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._common.failure import OperatorError
from .address import problem_of

# The common policy of all HTTP clients of the collection: how a host is reached, which certificates TLS trusts, and
# which credentials are sent. None of them reads ~/.netrc, whose entries would replace a token.
USER_AGENT = "hopsworks.airflow"
# Names that only resolve inside a cluster.
CLUSTER_DOMAINS = (".svc", ".cluster.local")


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy. Its user and password are not in its `repr`."""

    host: str
    port: int
    url: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers for the proxy itself: the credentials, if its URL contains any."""
        parts = urllib.parse.urlsplit(self.url)
        if parts.username is None:
            return {}
        user = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        return {"Proxy-Authorization": "Basic " + base64.b64encode(user.encode()).decode("ascii")}

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def proxy_for(url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy for a URL, None if it is reached directly.

    Loopback addresses, and so every tunnel to a pod, and names of the cluster are always reached directly. For
    everything else, `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` apply, or the same variables in upper case
    if these are not set. Raises OperatorError if it is not an HTTP proxy.
    """
    environment = os.environ if environment is None else environment
    parts = urllib.parse.urlsplit(url)
    if _always_direct((parts.hostname or "").rstrip(".")) or excepted(url, _setting(environment, "no_proxy") or ""):
        return None
    text = _setting(environment, f"{parts.scheme}_proxy")
    if text is None:
        text = _setting(environment, "all_proxy")
    return _proxy(text.strip()) if text and text.strip() else None


def excepted(url: str, exceptions: str) -> bool:
    """Whether a list such as `no_proxy` excludes a URL from the proxy."""
    parts = urllib.parse.urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)
    entries = (entry.lower().rstrip(".") for entry in exceptions.replace(",", " ").split())
    return any(_covers(entry, host, port) for entry in entries)


def is_loopback(host: str) -> bool:
    """Whether it is this machine itself."""
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback)


_CERTIFICATE = re.compile(rb"-----BEGIN ((?:X509 )?CERTIFICATE)-----.+?-----END \1-----", re.DOTALL)


def certificates_in(bundle: bytes) -> str:
    """The certificates of a PEM file, without any text around them, as OpenSSL reads a file.

    Bundles may have comments in any encoding, and only ASCII is accepted as text. Raises ValueError if there are none.
    """
    found = [match[0].decode("ascii") for match in _CERTIFICATE.finditer(bundle)]
    if not found:
        raise ValueError("no certificate in PEM format")
    return "\n".join(found)


def tls_context(ca_file: str | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """The certificates that TLS trusts: those of `ca_file`, otherwise the system's.

    The system's trust store is the one that OpenSSL uses, including `SSL_CERT_FILE` and `SSL_CERT_DIR`; variables of
    other programs (`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`) are ignored. If the system has none at all, those of the
    package certifi are used. Raises OperatorError for a file without certificates.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise OperatorError(
            f"{ca_file} contains no readable certificates ({type(error).__name__})",
            expected="certificates in PEM format",
            untouched="everything; no request was sent",
            next_step="correct `ca_file` (airflow_ca_file)",
        ) from None
    # Since 3.13, Python rejects authorities that do not fully comply with RFC 5280, as many companies' own ones.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not ca_file and not _system_trusts_anybody(context):
        _trust_certifi(context)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def causes_of(error: BaseException) -> list[BaseException]:
    """An exception and all of its causes; clients wrap errors several times."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and current not in seen:
            seen.append(current)
            waiting += [getattr(current, "reason", None), current.__cause__, current.__context__, *current.args]
    return seen


def distrust(error: BaseException) -> str | None:
    """Why TLS did not trust the server's certificate; None if something else failed."""
    for cause in causes_of(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message)
    return None


def _always_direct(host: str) -> bool:
    return is_loopback(host) or host.endswith(CLUSTER_DOMAINS)


def _setting(environment: Mapping[str, str], name: str) -> str | None:
    return environment.get(name, environment.get(name.upper()))


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether an entry of `no_proxy` matches this host: `*`, an address, a network, or a name with its subdomains."""
    if entry == "*":
        return True
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, _colon, only = entry.rpartition(":") if entry.rpartition(":")[2].isdecimal() else (entry, "", "")
    if only and int(only) != port:
        return False
    name = name.strip("[]").removeprefix("*").removeprefix(".")
    return host == name or (bool(name) and host.endswith(f".{name}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _proxy(text: str) -> Proxy:
    url = text if "://" in text else f"http://{text}"
    problem = problem_of(url, user=True)
    parts = urllib.parse.urlsplit(url if problem is None else "")
    if parts.scheme != "http" or not parts.hostname:
        raise OperatorError(
            f"the proxy in the environment is not an HTTP proxy: its address {problem or 'begins with https://'}",
            expected="http_proxy and https_proxy like http://proxy.example.com:3128",
            untouched="everything; no request was sent",
            next_step="correct the variable, or add the host of the URL to no_proxy",
        )
    return Proxy(parts.hostname, parts.port or 80, url)


def _system_trusts_anybody(context: ssl.SSLContext) -> bool:
    paths = ssl.get_default_verify_paths()
    # A folder of certificates is only read when needed, so the context does not know them yet.
    return context.cert_store_stats()["x509_ca"] > 0 or bool(paths.capath and os.listdir(paths.capath))


def _trust_certifi(context: ssl.SSLContext) -> None:
    try:
        import certifi
    except ImportError:
        return
    context.load_verify_locations(certifi.where())
