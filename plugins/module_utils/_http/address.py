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
    """Why this is no address that an HTTP client can request, as the end of a sentence; None where it is one.

    Python's own parser accepts most of what fails later, in each client in a way of its own. With `user` there may be
    a user name in it; with `base` paths are going to be put behind it. Nothing of the URL is in the words, as a
    password may be anywhere in a URL that is wrong.
    """
    if BLANK.search(url):
        return "has a space, a line break or a control character"
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return "can't be taken apart, for its brackets or the characters of its host"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not parts.hostname or not is_host(parts.hostname):
        return "has no host, or one with an empty part, one of more than 63 characters, or odd characters"
    if "@" in parts.netloc and not user:
        # It would be shown, and take the place of a token.
        return "has a user in it"
    if _port_of(parts) == 0:
        return "has a port that is no number from 1 to 65535"
    if not f"{parts.path}{parts.query}".isascii():
        return "has characters behind the host that have to be percent-encoded"
    if base and (parts.query or parts.fragment):
        return "has a query or a fragment"
    return None


def check_address(url: str, option: str, *, base: bool = False) -> None:
    """Raises OperatorError for what can't be requested. `option` names it in words."""
    problem = problem_of(url, base=base)
    if problem is not None:
        raise OperatorError(
            f"{option} cannot be requested: the address {problem}",
            expected="scheme, host and path, like https://hopsworks.example.com/hopsworks-api/airflow",
            untouched="everything; no request was sent",
            next_step=f"correct {option}, and run the same command again",
        )


def is_host(host: str) -> bool:
    """Whether it is an IP address, or may be the name of a host, in letters of any script."""
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
    """The port, None where it is the usual one, 0 where it is none."""
    try:
        return parts.port
    except ValueError:
        return 0
