# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads public RSA keys in PEM form, one after the other, and writes a JWKS (RFC 7517) with their thumbprints as kid.

What an operator writes who rotates by hand: neither `openssl` nor `community.crypto` knows JWKS. Each key is a line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

END = "-----END PUBLIC KEY-----"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(pem: str) -> dict[str, str]:
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    numbers = key.public_numbers()
    modulus = base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"))
    exponent = base64url(numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big"))
    thumbprint = json.dumps({"e": exponent, "kty": "RSA", "n": modulus}, separators=(",", ":"))
    kid = base64url(hashlib.sha256(thumbprint.encode()).digest())
    return {"kid": kid, "kty": "RSA", "use": "sig", "alg": "RS256", "n": modulus, "e": exponent}


keys = [jwk(part + END) for part in sys.stdin.read().split(END) if part.strip()]
print('{"keys": [\n' + ",\n".join(json.dumps(key) for key in keys) + "\n]}")
