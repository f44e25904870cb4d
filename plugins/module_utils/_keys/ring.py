# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.jwk import fingerprint, public_jwk, thumbprint
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

JWKS = "jwks.json"
SHARED_SECRET = "internal-shared-secret"  # noqa: S105 - the name of an entry
# What a JWK of an RSA key must not have: the private members of RFC 7518, 6.3.2.
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

Origin = Literal["kept", "adopted", "created"]


def private_entry(signer: str) -> str:
    return f"{signer}-private.pem"


def public_entry(signer: str) -> str:
    return f"{signer}-public.pem"


def kid_entry(signer: str) -> str:
    return f"{signer}.kid"


@dataclass(frozen=True)
class Signer:
    """What is known of one signer's key. `kid` and `fingerprint` are None for a key that check mode does not make."""

    origin: Origin
    kid: str | None
    fingerprint: str | None


@dataclass
class Completion:
    """What a Secret's entries lack: `write` holds the entries to add or replace, all others stay as they are.

    `before` and `after` describe the entries for a diff, without any secret.
    """

    signers: dict[str, Signer] = field(default_factory=dict)
    write: dict[str, bytes] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def complete(entries: dict[str, bytes], signers: list[str], *, secret: str, generate: bool) -> Completion:
    """Find out what the Secret's `entries` lack for these signers, and make it.

    Keys that are there stay. What follows from them (public half, kid, JWKS) is derived where it is missing, and must
    agree where it is not. `generate=False` predicts: it stands in for new keys with empty entries.
    `secret` names the Secret in messages. Raises OperatorError for anything that is not understood.
    """
    present = {name: value for name, value in entries.items() if value.strip()}
    result = Completion()
    keys: dict[str, RSAPublicKey] = {}
    for signer in signers:
        private = _private(present, signer, secret)
        if private is None:
            result.signers[signer] = Signer("created", None, None)
            if not generate:
                for entry in (private_entry(signer), public_entry(signer), kid_entry(signer)):
                    result.write[entry] = b""
                continue
            private = pair.generate()
            result.write[private_entry(signer)] = pair.private_pem(private)
        keys[signer] = private.public_key()
        _derive(result, present, signer, keys[signer], secret)
    _refuse_shared_keys(keys, secret)
    _publish(result, present, keys, secret, predicted=len(keys) < len(signers))
    if SHARED_SECRET not in present:
        result.write[SHARED_SECRET] = secrets.token_urlsafe(32).encode() if generate else b""
    _describe(result, present, signers)
    return result


def _describe(result: Completion, present: dict[str, bytes], signers: list[str]) -> None:
    """Before and after of all entries: keys as fingerprints, kids as they are, secrets as digests."""
    texts: dict[str, Callable[[bytes], str]] = {SHARED_SECRET: _digest, JWKS: _kids}
    for signer in signers:
        key = result.signers[signer].fingerprint
        texts[private_entry(signer)] = _always(f"private half of {key}")
        texts[public_entry(signer)] = _always(f"public half of {key}")
        texts[kid_entry(signer)] = _text
    for name, text in texts.items():
        if name in present:
            result.before[name] = text(present[name])
        value = result.write.get(name, present.get(name, b""))
        result.after[name] = text(value) if value else "(made when the run is real)"


def _always(text: str) -> Callable[[bytes], str]:
    return lambda _value: text


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip()


def _digest(value: bytes) -> str:
    return "SHA256:" + hashlib.sha256(value).hexdigest()


def _kids(document: bytes) -> str:
    return "kids " + ", ".join(sorted(str(key.get("kid")) for key in json.loads(document)["keys"]))


def _private(present: dict[str, bytes], signer: str, secret: str) -> RSAPrivateKey | None:
    name = private_entry(signer)
    if name in present:
        return pair.read_private(present[name], f"entry {name} of Secret {secret}")
    left = [entry for entry in (public_entry(signer), kid_entry(signer)) if entry in present]
    if left:
        raise OperatorError(
            f"Secret {secret} has {' and '.join(left)} but no {name}",
            expected="both halves of the key, or none",
            untouched="the whole Secret, and every pod that uses it",
            next_step=f"put {name} back from a backup; if it is lost, remove {' and '.join(left)} and, from {JWKS}, "
            "this key: the next run makes a new pair, and tokens signed with the lost key end",
        )
    return None


def _derive(result: Completion, present: dict[str, bytes], signer: str, key: RSAPublicKey, secret: str) -> None:
    """Public half and kid of one signer: derived where missing, compared where not."""
    public, kid = public_entry(signer), public_jwk(key)["kid"]
    created = private_entry(signer) in result.write
    if public in present:
        found = pair.read_public(present[public], f"entry {public} of Secret {secret}")
        if found.public_numbers() != key.public_numbers():
            raise OperatorError(
                f"{private_entry(signer)} and {public} of Secret {secret} are not of one pair "
                f"({fingerprint(key)} and {fingerprint(found)})",
                expected="two halves of one key",
                untouched="the whole Secret, and every pod that uses it",
                next_step=f"find out which of them is right; if it is the private one, remove {public}: the next run "
                "derives it",
            )
    else:
        result.write[public] = pair.public_pem(key)
    if kid_entry(signer) in present:
        found_kid = present[kid_entry(signer)].decode("utf-8", "replace").strip()
        if found_kid != kid:
            raise OperatorError(
                f"{kid_entry(signer)} of Secret {secret} is {found_kid!r}",
                expected=f"the RFC 7638 thumbprint of {private_entry(signer)}, {kid}",
                untouched="the whole Secret, and every pod that uses it",
                next_step=f"if nothing signs under that kid any more, remove {kid_entry(signer)}: the next run "
                "derives it",
            )
    else:
        result.write[kid_entry(signer)] = kid.encode()
    adopted = public in result.write or kid_entry(signer) in result.write
    result.signers[signer] = Signer("created" if created else "adopted" if adopted else "kept", kid, fingerprint(key))


def _refuse_shared_keys(keys: dict[str, RSAPublicKey], secret: str) -> None:
    owners: dict[str, str] = {}
    for signer, key in keys.items():
        other = owners.setdefault(fingerprint(key), signer)
        if other != signer:
            raise OperatorError(
                f"{other} and {signer} have the same key in Secret {secret} ({fingerprint(key)})",
                expected="a key of its own for each signer",
                untouched="the whole Secret, and every pod that uses it",
                next_step=f"remove the entries of {signer} from the Secret: the next run makes a pair of its own",
            )


def _publish(
    result: Completion, present: dict[str, bytes], keys: dict[str, RSAPublicKey], secret: str, *, predicted: bool
) -> None:
    """The JWKS with exactly these keys: derived where it is missing or lacks some, refused where it has others."""
    wanted = [public_jwk(key) for key in keys.values()]
    found: list[dict[str, Any]] = []
    if JWKS in present:
        found = _published(present[JWKS], {jwk["kid"] for jwk in wanted}, secret)
        if not predicted and _by_kid(found) == _by_kid(wanted):
            return
    result.write[JWKS] = b"" if predicted else json.dumps({"keys": wanted}, indent=2).encode()
    for signer, key in keys.items():
        state = result.signers[signer]
        if state.origin == "kept" and _by_kid(found).get(str(state.kid)) != public_jwk(key):
            result.signers[signer] = Signer("adopted", state.kid, state.fingerprint)


def _published(document: bytes, known: set[str], secret: str) -> list[dict[str, Any]]:
    """The keys in a JWKS. Raises OperatorError unless each is one of the signers' own, under its own kid."""
    where = f"entry {JWKS} of Secret {secret}"
    problem = ""
    try:
        keys = json.loads(document)["keys"]
        for key in keys:
            own = thumbprint(key["n"], key["e"])
            if key["kty"] != "RSA" or PRIVATE_MEMBERS & key.keys():
                problem = "a key that is not a public RSA key"
            elif own not in known:
                problem = f"a key of none of the signers ({own})"
            elif key.get("kid", own) != own:
                problem = f"the key {own} under another kid ({key['kid']!r})"
    except (ValueError, TypeError, KeyError, AttributeError):
        problem = "no key set in the form of RFC 7517"
    if problem:
        raise OperatorError(
            f"{where} holds {problem}",
            expected="the public keys of the signers and no others, each under its RFC 7638 thumbprint",
            untouched="the whole Secret, and every pod that uses it",
            next_step=f"find out who trusts that key; if nobody does any more, remove {JWKS}: the next run derives it",
        )
    return list(keys)


def _by_kid(keys: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(key.get("kid")): key for key in keys}
