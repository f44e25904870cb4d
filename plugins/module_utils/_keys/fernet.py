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
    """The keys, decoded, of what Airflow has as `[core] fernet_key`: one, or several with commas between them, of
    which it encrypts with the first and decrypts with all.

    Raises ValueError, in words that follow the value's name and show nothing of it.
    """
    parts = [part.strip() for part in value.split(b",")]
    for part in parts:
        if not KEY.fullmatch(part):
            raise ValueError(_problem(part))
    # Which reads both alphabets.
    return [base64.urlsafe_b64decode(part) for part in parts]


def _problem(part: bytes) -> str:
    try:
        once_more = base64.b64decode(part, validate=True).strip()
    except binascii.Error:
        once_more = b""
    if once_more and all(KEY.fullmatch(key.strip()) for key in once_more.split(b",")):
        return "is a Fernet key that was encoded in base64 once more"
    return "is no Fernet key (32 bytes in base64, 44 characters), nor several with commas between them"


def opens(key: bytes, token: bytes) -> bool:
    """Whether this is the key that made the token. Only its signature is looked at, nothing is decrypted."""
    try:
        raw = base64.urlsafe_b64decode(token)
    except (binascii.Error, ValueError):
        return False
    signed, signature = raw[:-32], raw[-32:]
    return raw[:1] == b"\x80" and hmac.compare_digest(hmac.new(key[:16], signed, hashlib.sha256).digest(), signature)
