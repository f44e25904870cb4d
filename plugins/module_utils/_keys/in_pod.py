# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a pod reads the entries of its Secrets.

The same file is in the pods, next to launch.py, and here, so that values that would prevent a pod from starting are
rejected before anything changes. So it only uses the standard library, and runs with the Python of any Airflow 3 image.
Each function raises ValueError with a text that follows the entry's name and shows no secret.
"""

from __future__ import annotations

import json
import re
from typing import Any


def generation_of(value: bytes) -> int:
    """The number that increases with every change that pods have to see."""
    if not re.fullmatch(rb"\s*[0-9]{1,15}\s*", value):
        raise ValueError("is not a number")
    return int(value)


def kid_of(value: bytes) -> str:
    """The id that a signer puts into its tokens, exactly: an additional character, even a newline, makes it another
    id."""
    if not re.fullmatch(rb"[A-Za-z0-9_-]{1,128}", value):
        raise ValueError(f"is not just a key id: {len(value)} bytes, and not all of them letters, digits, - and _")
    return value.decode("ascii")


def document_of(value: bytes) -> Any:
    """A JSON document, as Airflow reads it: UTF-8 without a byte order mark.

    Python's parser also accepts bytes in other encodings and with that mark.
    """
    try:
        return json.loads(value.decode("utf-8"))
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def kids_of(document: bytes) -> list[str]:
    """The kids of the keys in a JWK set."""
    try:
        return [str(key["kid"]) for key in document_of(document)["keys"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("is not a set of keys that each have a kid (RFC 7517)") from None


def text_of(value: bytes) -> str:
    """A value for one line of airflow.cfg."""
    try:
        text = value.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("is not a text in UTF-8") from None
    if not text.strip():
        raise ValueError("is empty")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("has a line break or another control character")
    return text


def users_of(document: bytes) -> dict[str, str]:
    """The users in the password file of Airflow's SimpleAuthManager, which generates passwords for all others.

    Without users that cannot log in: their password must be a text that is not empty.
    """
    try:
        users = document_of(document)
    except ValueError:
        users = None
    if not isinstance(users, dict):
        raise ValueError("is not a JSON object of user names and passwords")
    return {user: password for user, password in users.items() if isinstance(password, str) and password}
