# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .._common.failure import OperatorError
from . import in_pod, pair
from .entries import JWKS
from .jwk import Jwk, Key, key_bits, thumbprint

# What a JWK of an RSA key must not have: the private members of RFC 7518, 6.3.2.
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def write_jwks(keys: Iterable[Jwk]) -> bytes:
    """A JWK set (RFC 7517, 5) of these keys, in this order."""
    return json.dumps({"keys": list(keys)}, indent=2).encode()


def read_jwks(document: bytes, secret: str) -> dict[str, Jwk]:
    """The keys of a JWK set by their RFC 7638 thumbprint, in the set's order; members may be missing.

    Raises OperatorError for anything but public RSA keys of the right size, each in one form and under its own kid.
    """
    found: dict[str, Jwk] = {}
    problem = ""
    try:
        for key in in_pod.document_of(document)["keys"]:
            own = thumbprint(key["n"], key["e"])
            if found.get(own) == key:
                # An identical duplicate has no effect; the next write removes it.
                continue
            problem = problem or _problem(key, own, found)
            found[own] = key
        for key in found.values() if not problem else ():
            Key.from_jwk(key)
    except (ValueError, TypeError, KeyError, AttributeError):
        problem = "no key set in the form of RFC 7517"
    if problem:
        raise not_ours(problem, secret)
    return found


def not_ours(problem: str, secret: str) -> OperatorError:
    """The error for a JWK set that contains `problem`."""
    return OperatorError(
        f"entry {JWKS} of Secret {secret} holds {problem}",
        expected="the public keys of the signers and no others, each once and under its RFC 7638 thumbprint",
        untouched="the whole Secret, and every pod that uses it",
        next_step=(
            "find out which components trust that key; if none do, remove it from the set, or, if no rotation is in "
            f"progress, remove {JWKS}: the next run derives it"
        ),
    )


def _problem(key: dict[str, Any], own: str, found: dict[str, Jwk]) -> str:
    if key["kty"] != "RSA" or PRIVATE_MEMBERS & key.keys():
        return "a key that is not a public RSA key"
    if key_bits(key) != pair.KEY_BITS:
        return f"an RSA key of {key_bits(key)} bits ({own})"
    if key.get("kid", own) != own:
        return f"the key {own} under another kid ({key['kid']!r})"
    if own in found:
        return f"the key {own} twice, in different forms"
    return ""
