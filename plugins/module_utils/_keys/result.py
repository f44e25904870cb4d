# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from typing import Any

from .change import Change
from .entries import (
    GENERATION,
    JWKS,
    KEYS_SINCE,
    LONGEST_LIFE,
    PREVIOUS_LIFE,
    REPLACED,
    RETIRE_AFTER,
    ROTATION,
    SHARED_SECRET,
    SINCE,
    STATE,
    kid_entry,
    next_entry,
    private_entry,
    public_entry,
)
from .jwk import Key
from .rotation import due_at
from .states import Found, KeyState, text_of

PREDICTED = "(created when not in check mode)"


def state_result(found: Found, state: KeyState, minimum_age: int) -> dict[str, Any]:
    """A state as modules return it: kids, fingerprints and times only."""
    due = due_at(state, minimum_age)
    return {
        "state": state.state,
        "rotation": state.rotation,
        "generation": state.generation,
        "signers": {signer: _signer(state, signer) for signer in state.signers},
        "age_seconds": int((found.read_at - state.keys_since).total_seconds()),
        "since": text_of(state.since),
        "keys_since": text_of(state.keys_since),
        "retire_after": text_of(state.retire_after) if state.retire_after is not None else None,
        "longest_token_life": state.longest_life,
        "replaced": list(state.replaced),
        "due": found.read_at >= due,
        "due_at": text_of(due),
    }


def change_result(found: Found, before: KeyState, change: Change, minimum_age: int) -> dict[str, Any]:
    """The result of one step: the state after it, what was written, and a diff without secrets."""
    result = state_result(found, change.after, minimum_age)
    for signer, entry in result["signers"].items():
        created, adopted = signer in change.created, signer in change.adopted
        entry["origin"] = "created" if created else "adopted" if adopted else "kept"
    trusted = change.after.trusted
    entries = {name: value for name, value in {**found.entries, **change.write}.items() if name not in change.remove}
    return {
        **result,
        "changed": change.changed,
        "written_entries": sorted(change.write),
        "removed_entries": sorted(change.remove),
        "invalidated": [kid for kid in before.trusted if kid not in trusted],
        "diff": {
            "before_header": f"Secret {found.name}",
            "after_header": f"Secret {found.name}",
            "before": _shown(before, found.present, found.annotations, ""),
            "after": _shown(change.after, entries, {**found.annotations, **change.annotations}, PREDICTED),
        },
    }


def _signer(state: KeyState, signer: str) -> dict[str, str | None]:
    current, upcoming, previous = state.current.get(signer), state.upcoming.get(signer), state.previous.get(signer)
    result = {
        "kid": current.kid if current is not None else None,
        "fingerprint": current.fingerprint if current is not None else None,
    }
    if upcoming is not None:
        result["next"] = upcoming.kid
    if previous is not None:
        result["previous"] = previous.kid
    return result


def _shown(
    state: KeyState, entries: dict[str, bytes], annotations: dict[str, str | None] | dict[str, str], blank: str
) -> dict[str, str]:
    """The collection's entries and annotations as text: keys as fingerprints, kids and times unchanged, secrets as
    digests."""
    shown: dict[str, str] = {}

    def show(name: str, text: str) -> None:
        if name in entries:
            shown[name] = text if entries[name] else blank

    for signer in state.signers:
        current, upcoming = state.current.get(signer), state.upcoming.get(signer)
        show(private_entry(signer), f"private half of {_fingerprint(current)}")
        show(public_entry(signer), f"public half of {_fingerprint(current)}")
        show(kid_entry(signer), _text(entries.get(kid_entry(signer), b"")))
        show(next_entry(signer), f"private half of {_fingerprint(upcoming)}")
    show(JWKS, _kids(entries.get(JWKS, b"")))
    show(GENERATION, _text(entries.get(GENERATION, b"")))
    show(SHARED_SECRET, "SHA256:" + hashlib.sha256(entries.get(SHARED_SECRET, b"")).hexdigest())
    for name in (STATE, ROTATION, SINCE, KEYS_SINCE, RETIRE_AFTER, LONGEST_LIFE, PREVIOUS_LIFE, REPLACED):
        text = annotations.get(name)
        if text is not None:
            shown[name] = text
    return shown


def _fingerprint(key: Key | None) -> str:
    return key.fingerprint if key is not None else "another key"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip()


def _kids(document: bytes) -> str:
    return "kids " + ", ".join(str(key.get("kid")) for key in json.loads(document.strip() or '{"keys": []}')["keys"])
