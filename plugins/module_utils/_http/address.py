# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import re
import urllib.parse

from .._common.failure import OperatorError

# RFC 1035; the parts of a name are checked with its encoding.
LONGEST_HOST = 253
HOST = re.compile(rb"[A-Za-z0-9_.-]+")
BLANK = re.compile(r"[\x00-\x20\x7f]")


def problem_of(url: str, *, user: bool = False, base: bool = False) -> str | None:
    """Why an HTTP client cannot request this address, as the end of a sentence; None if it can.

    Python's own parser accepts most addresses that fail later, in each client differently. With `user` it may contain a
    user name; with `base` paths will be appended to it. The text shows nothing of the URL, because a malformed URL may
    have a password anywhere.
    """
    if BLANK.search(url):
        return "has a space, a line break or a control character"
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return "can't be parsed, because of its brackets or the characters of its host"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not parts.hostname or not is_host(parts.hostname):
        return "has no host, or one with an empty part, one of more than 63 characters, or odd characters"
    if "@" in parts.netloc and not user:
        # It would be shown, and would replace a token.
        return "contains a user name"
    if _port_of(parts) == 0:
        return "has a port that is not a number from 1 to 65535"
    if not f"{parts.path}{parts.query}".isascii():
        return "has characters after the host that have to be percent-encoded"
    if base and (parts.query or parts.fragment):
        return "has a query or a fragment"
    return None


def check_address(url: str, option: str, *, base: bool = False) -> None:
    """Raises OperatorError for an address that cannot be requested. `option` describes its source."""
    problem = problem_of(url, base=base)
    if problem is not None:
        raise OperatorError(
            f"{option} cannot be requested: the address {problem}",
            expected="scheme, host and path, like https://hopsworks.example.com/hopsworks-api/airflow",
            untouched="everything; no request was sent",
            next_step=f"correct {option}, and run the same command again",
        )


def is_host(host: str) -> bool:
    """Whether it is an IP address or may be a host name, in letters of any script."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return True
    try:
        name = host.encode("idna")
    except UnicodeError:
        return False
    return len(name) <= LONGEST_HOST and HOST.fullmatch(name) is not None


def _port_of(parts: urllib.parse.SplitResult) -> int | None:
    """The port; None for the default port, 0 if it is invalid."""
    try:
        return parts.port
    except ValueError:
        return 0
