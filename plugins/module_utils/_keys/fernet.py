# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

# 32 bytes in base64, of either alphabet (https://github.com/fernet/spec).
KEY = re.compile(rb"[A-Za-z0-9+/_-]{43}=")


def keys_of(value: bytes) -> list[bytes]:
    """The decoded keys of Airflow's `[core] fernet_key`: one or several, separated by commas.

    Airflow encrypts with the first and decrypts with all.

    Raises ValueError with a text that follows the value's name and shows nothing of it.
    """
    parts = [part.strip() for part in value.split(b",")]
    for part in parts:
        if not KEY.fullmatch(part):
            raise ValueError(_problem(part))
    # This function reads both alphabets.
    return [base64.urlsafe_b64decode(part) for part in parts]


def _problem(part: bytes) -> str:
    try:
        once_more = base64.b64decode(part, validate=True).strip()
    except binascii.Error:
        once_more = b""
    if once_more and all(KEY.fullmatch(key.strip()) for key in once_more.split(b",")):
        return "is a Fernet key that was encoded in base64 twice"
    return "is not a Fernet key (32 bytes in base64, 44 characters) or several of them, separated by commas"


def opens(key: bytes, token: bytes) -> bool:
    """Whether this key made the token. Only checks the signature and decrypts nothing."""
    try:
        raw = base64.urlsafe_b64decode(token)
    except (binascii.Error, ValueError):
        return False
    signed, signature = raw[:-32], raw[-32:]
    return raw[:1] == b"\x80" and hmac.compare_digest(hmac.new(key[:16], signed, hashlib.sha256).digest(), signature)
