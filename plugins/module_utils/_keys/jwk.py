# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import json
import traceback
from typing import TYPE_CHECKING

CRYPTOGRAPHY_IMPORT_ERROR: str | None = None
try:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:  # reported by the module's own requirement check
    CRYPTOGRAPHY_IMPORT_ERROR = traceback.format_exc()

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

# Airflow 3.0 signs with RS512 and verifies with RS256 where nothing names the algorithm; every JWK names it.
ALGORITHM = "RS256"


def thumbprint(modulus: str, exponent: str) -> str:
    """The RFC 7638 thumbprint of an RSA key, whose base64url members `n` and `e` are given."""
    canonical = json.dumps({"e": exponent, "kty": "RSA", "n": modulus}, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def public_jwk(key: RSAPublicKey) -> dict[str, str]:
    """A public key as JWK for signatures (RFC 7517), its `kid` being the RFC 7638 thumbprint."""
    numbers = key.public_numbers()
    modulus, exponent = _unsigned(numbers.n), _unsigned(numbers.e)
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": ALGORITHM,
        "kid": thumbprint(modulus, exponent),
        "n": modulus,
        "e": exponent,
    }


def fingerprint(key: RSAPublicKey) -> str:
    """`SHA256:` and the hexadecimal digest of the DER-encoded public key (SubjectPublicKeyInfo).

    The same as `openssl pkey -pubin -outform DER | sha256sum`.
    """
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + hashlib.sha256(der).hexdigest()


def _unsigned(number: int) -> str:
    # RFC 7518, 2: big endian, no leading zero bytes.
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
