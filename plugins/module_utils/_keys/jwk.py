# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import json
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

CRYPTOGRAPHY_IMPORT_ERROR: str | None = None
try:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:  # reported by the module's own requirement check
    CRYPTOGRAPHY_IMPORT_ERROR = traceback.format_exc()

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

# Airflow 3.0 signs with RS512 and verifies with RS256 if no algorithm is set, so every JWK sets it.
ALGORITHM = "RS256"

Jwk = dict[str, str]


@dataclass(frozen=True)
class Key:
    """A public key: as JWK with all its members, and the fingerprint of its DER form."""

    jwk: Jwk
    fingerprint: str

    @classmethod
    def of(cls, key: RSAPublicKey) -> Key:
        return cls(public_jwk(key), fingerprint(key))

    @classmethod
    def from_jwk(cls, jwk: Jwk) -> Key:
        """From a JWK that may lack `kid`, `use` and `alg`. Raises ValueError if its members are not an RSA key."""
        return cls.of(_public_key(jwk))

    @property
    def kid(self) -> str:
        return self.jwk["kid"]

    @property
    def public_key(self) -> RSAPublicKey:
        return _public_key(self.jwk)


def thumbprint(modulus: str, exponent: str) -> str:
    """The RFC 7638 thumbprint of an RSA key, whose base64url members `n` and `e` are given."""
    canonical = json.dumps({"e": exponent, "kty": "RSA", "n": modulus}, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def public_jwk(key: RSAPublicKey) -> Jwk:
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


def _public_key(jwk: Jwk) -> RSAPublicKey:
    return rsa.RSAPublicNumbers(e=_number(jwk["e"]), n=_number(jwk["n"])).public_key()


def key_bits(jwk: Jwk) -> int:
    """The size of an RSA key. Raises ValueError for a modulus that is not base64url."""
    return _number(jwk["n"]).bit_length()


def _unsigned(number: int) -> str:
    # RFC 7518, 2: big endian, no leading zero bytes.
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
