# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._common.documents import parse
from .._common.failure import OperatorError
from .._keys import pair
from .._keys.entries import kid_entry, private_entry
from .._keys.jwk import ALGORITHM, public_jwk

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# [execution_api] jwt_audience of all lines from 3.0 to 3.3.
TASK_AUDIENCE = "urn:airflow.apache.org:task"


@dataclass(frozen=True, repr=False)
class SigningKey:
    """A private key and the kid of its tokens. The key is not in its `repr`."""

    kid: str
    private: RSAPrivateKey


def signing_key(entries: dict[str, bytes], signer: str, secret: str) -> SigningKey:
    """The key that a signer signs with if its pod starts now. `signer` as in the Secret: `api-server`,
    `api-server-next`.

    Raises OperatorError if the private half is missing in the Secret or invalid.
    """
    name = private_entry(signer)
    if not entries.get(name, b"").strip():
        raise OperatorError(
            f"Secret {secret} has no entry {name}",
            expected="the private key of that signer",
            untouched="everything; no token was made",
            next_step="use signers whose keys are in the Secret, or complete it with hopsworks.airflow.signing_keys",
        )
    private = pair.read_private(entries[name], f"entry {name} of Secret {secret}")
    kid = entries.get(kid_entry(signer), b"").decode("utf-8", "replace").strip()
    return SigningKey(kid or public_jwk(private.public_key())["kid"], private)


def mint(key: SigningKey, claims: dict[str, Any], *, now: float, lifetime_seconds: float) -> str:
    """A JWT (RFC 7519) with these claims, signed with RS256 (RFC 7518, 3.3).

    `now` is in seconds since the epoch, by the validator's clock: Airflow allows a difference of 10 s.
    """
    issued = int(now)
    payload = {
        **claims,
        "jti": uuid.uuid4().hex,
        "iat": issued,
        "nbf": issued,
        "exp": int(now + lifetime_seconds),
    }
    signed = f"{_encoded({'alg': ALGORITHM, 'kid': key.kid, 'typ': 'JWT'})}.{_encoded(payload)}"
    signature = key.private.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_base64url(signature)}"


def task_claims(task: str, audience: str = TASK_AUDIENCE, issuer: str | None = None) -> dict[str, Any]:
    """The claims of a task's token for the Execution API: `task` is the UUID of a task instance.

    Everything that 3.0 to 3.3 require; `iss` only if `[api_auth] jwt_issuer` is set.
    """
    return {"sub": task, "aud": audience, **({"iss": issuer} if issuer else {})}


def claims_of(token: str) -> dict[str, Any]:
    """The unverified claims of a JWT. Raises ValueError if it is not one."""
    claims = _part(token, 1)
    if not isinstance(claims, dict):
        raise ValueError("not a JSON object")
    return claims


def with_unknown_kid(token: str) -> str:
    """The same token with an unpublished kid: every validator with a JWKS must reject it."""
    _header, payload, signature = token.split(".")
    return f"{_encoded({**_part(token, 0), 'kid': uuid.uuid4().hex})}.{payload}.{signature}"


def with_wrong_signature(token: str) -> str:
    """The same token with an invalid signature: every validator must reject it."""
    signed, _dot, signature = token.rpartition(".")
    data = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    data[len(data) // 2] ^= 1
    return f"{signed}.{_base64url(bytes(data))}"


def _part(token: str, position: int) -> Any:
    text = token.split(".")[position : position + 1]
    if not text:
        raise ValueError("not a JWT")
    return parse(base64.urlsafe_b64decode(text[0] + "=" * (-len(text[0]) % 4)))


def _encoded(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
