# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .._common.failure import OperatorError
from . import in_pod, pair
from .entries import JWKS, kid_entry, next_entry, private_entry, public_entry
from .jwk import Key

UNTOUCHED = "the whole Secret, and every pod that uses it"


@dataclass
class Ring:
    """The private keys of a Secret and the entries derived from them.

    `current` and `upcoming` hold the keys by signer, without signers that have none. `derived` holds the missing
    entries (public halves and kids) that follow from an existing private key.
    """

    current: dict[str, Key] = field(default_factory=dict)
    upcoming: dict[str, Key] = field(default_factory=dict)
    derived: dict[str, bytes] = field(default_factory=dict)


def read_ring(present: dict[str, bytes], signers: Iterable[str], secret: str) -> Ring:
    """Read the keys of these signers from the entries that are not blank.

    Raises OperatorError for halves that do not belong together, a missing private half, keys of another type or size, a
    kid that is not the thumbprint, and a key that appears twice. `secret` names the Secret in messages.
    """
    ring = Ring()
    for signer in signers:
        name = private_entry(signer)
        if name in present:
            private = pair.read_private(present[name], f"entry {name} of Secret {secret}")
            ring.current[signer] = Key.of(private.public_key())
            _derive(ring, present, signer, pair.public_pem(private.public_key()), secret)
        else:
            _refuse_remains(present, signer, secret)
        name = next_entry(signer)
        if name in present:
            private = pair.read_private(present[name], f"entry {name} of Secret {secret}")
            ring.upcoming[signer] = Key.of(private.public_key())
    _refuse_shared_keys(ring, secret)
    return ring


def _refuse_remains(present: dict[str, bytes], signer: str, secret: str) -> None:
    name = private_entry(signer)
    left = [entry for entry in (public_entry(signer), kid_entry(signer)) if entry in present]
    if left:
        raise OperatorError(
            f"Secret {secret} has {' and '.join(left)} but no {name}",
            expected="both halves of the key, or none",
            untouched=UNTOUCHED,
            next_step=(
                f"restore {name} from a backup; if it is lost, remove {' and '.join(left)} and, from {JWKS}, this key: "
                "the next run creates a new pair, and tokens signed with the lost key become invalid"
            ),
        )


def _derive(ring: Ring, present: dict[str, bytes], signer: str, public_pem: bytes, secret: str) -> None:
    """Public half and kid of one signer: derived if missing, otherwise compared."""
    public, key = public_entry(signer), ring.current[signer]
    if public in present:
        found = Key.of(pair.read_public(present[public], f"entry {public} of Secret {secret}"))
        if found != key:
            raise OperatorError(
                f"{private_entry(signer)} and {public} of Secret {secret} do not belong together ({key.fingerprint} "
                f"and {found.fingerprint})",
                expected="two halves of one key",
                untouched=UNTOUCHED,
                next_step=(
                    f"find out which of them is correct; if it is the private one, remove {public}: the next run "
                    "derives it"
                ),
            )
    else:
        ring.derived[public] = public_pem
    if kid_entry(signer) in present:
        try:
            found_kid = in_pod.kid_of(present[kid_entry(signer)])
            problem = f"is {found_kid!r}" if found_kid != key.kid else ""
        except ValueError as error:
            problem = str(error)
        if problem:
            raise OperatorError(
                f"{kid_entry(signer)} of Secret {secret} {problem}",
                expected=f"the RFC 7638 thumbprint of {private_entry(signer)}, {key.kid}, without a newline",
                untouched=UNTOUCHED,
                next_step=(
                    f"if nothing signs with that kid any more, remove {kid_entry(signer)}: the next run derives it"
                ),
            )
    else:
        ring.derived[kid_entry(signer)] = key.kid.encode()


def _refuse_shared_keys(ring: Ring, secret: str) -> None:
    owners: dict[str, str] = {}
    keys = [(private_entry(signer), key) for signer, key in ring.current.items()]
    keys += [(next_entry(signer), key) for signer, key in ring.upcoming.items()]
    for entry, key in keys:
        other = owners.setdefault(key.fingerprint, entry)
        if other != entry:
            raise OperatorError(
                f"{other} and {entry} of Secret {secret} are the same key ({key.fingerprint})",
                expected="a separate key for each signer and each generation",
                untouched=UNTOUCHED,
                next_step="remove all entries of one of the two signers from the Secret, and its key from "
                f"{JWKS}: the next run creates a separate pair",
            )
