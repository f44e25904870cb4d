# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotating signing keys: each step is one write of one Secret, which holds the keys and how far the rotation is.

Rotation with an overlap, in which no token becomes invalid:

1. `publish`: generate the next keys and add their public halves to the trusted set (JWKS). Signers still use the
   current keys. After it, every component that validates tokens is restarted.
2. `activate`: the next keys become the current ones. The public halves of the previous keys stay trusted. After it,
   every component that signs tokens is restarted.
3. `set_retirement`: when the last signer was restarted, store the time at which the last token of the previous keys
   expires.
4. `retire`: after that time, remove the previous keys from the trusted set. After it, components are restarted so that
   they forget them.
5. `settle`: note that all of them were.

Cut-over, for keys that are compromised: `replace` generates new keys and trusts no others, and `settle` ends it. Every
token of the replaced keys is invalid from then on.

Guarantees:

- A step is one write with the version that was read, so it happens completely or not at all, and a Secret that another
  controller has changed in between is read again.
- The state is stored with the keys. A rotation that was interrupted is continued from there, with the keys that it has
  generated already.
- A private key is never used before all validators trust its public half (except in a cut-over), and a public key is
  never removed while a token of it may still be valid.
- The stored lifetimes only grow until the keys that they belong to are gone.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import pair
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
from .jwks import write_jwks
from .states import Found, KeyState, later, text_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


@dataclass
class Change:
    """One write, and the state of the Secret after it.

    `write` holds entries to add or replace (blank ones are only predicted), `remove` entries to remove, `annotations`
    annotations to set, or to remove if the value is None. `created` names the signers whose current key is new,
    `adopted` those whose key got additional derived entries.
    """

    after: KeyState
    write: dict[str, bytes] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    annotations: dict[str, str | None] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    adopted: set[str] = field(default_factory=set)

    @property
    def changed(self) -> bool:
        return bool(self.write or self.remove or self.annotations)

    @property
    def is_a_note(self) -> bool:
        """Whether it only stores how long tokens are valid: nothing breaks if another controller removes that again."""
        return not (self.write or self.remove) and self.annotations.keys() <= {LONGEST_LIFE, PREVIOUS_LIFE}


class Step:
    """Builds the single write that takes a Secret from one state to another. It does not check whether the step is
    allowed.

    `generate=False` predicts: no keys are generated, and blank entries stand for them. `life` is how long a token that
    is signed now can be valid, in seconds, if known. `started_for` is the latest generation that pods wait for,
    possibly of a Secret that was deleted since.
    """

    def __init__(
        self, found: Found, state: KeyState, *, generate: bool, life: int | None = None, started_for: int = 0
    ) -> None:
        self.found, self.state, self._generate, self._life = found, state, generate, life
        self._started_for = started_for
        self._change = Change(after=state)

    def nothing(self) -> Change:
        return self._change

    def stay(self) -> Change:
        """The same state, but tokens may be valid for longer than stored."""
        state = self.state
        if self._life is None:
            return self.nothing()
        previous = state.previous_life
        if state.state == "activated" and state.retire_after is None:
            # Signers that were not restarted yet still sign with the previous keys.
            previous = _longest(previous, self._life)
        after = dataclasses.replace(
            state, longest_life=_longest(state.longest_life, self._life), previous_life=previous
        )
        return self._done(after) if after != state else self.nothing()

    def complete(self) -> Change:
        """Creates everything that is missing in a steady Secret, or derives it from its keys."""
        change, state = self._change, self.state
        made = self._make(state.without_key, self._sign_with)
        current = {signer: made.get(signer, state.current.get(signer)) for signer in state.signers}
        change.created = set(made)
        change.write.update(state.derived)
        self._share_secret()
        expected = {key.kid: key.jwk for key in current.values() if key is not None}
        if made or state.published != expected:
            change.write[JWKS] = self._jwks(current)
        for signer, key in state.current.items():
            unpublished = key is not None and state.published.get(key.kid) != key.jwk
            if unpublished or {public_entry(signer), kid_entry(signer)} & change.write.keys():
                change.adopted.add(signer)
        longest = _longest(state.longest_life, self._life)
        return self._done(dataclasses.replace(state, current=current, derived={}, longest_life=longest))

    def publish(self, rotation: str) -> Change:
        """Adds keys of the next generation, which all components trust from now on and none uses yet."""
        after = self.complete().after
        upcoming = self._make(self.state.signers, lambda signer, key: self._put(next_entry(signer), key))
        self._change.write[JWKS] = self._jwks(self.state.current, upcoming)
        return self._enter(dataclasses.replace(after, state="published", rotation=rotation, upcoming=upcoming))

    def activate(self) -> Change:
        """Makes the next generation the current one. Of the old one, only the public keys remain."""
        state, write = self.state, self._change.write
        previous = {signer: key for signer, key in state.current.items() if key is not None}
        for signer, key in state.upcoming.items():
            if key is not None:
                write[private_entry(signer)] = self.found.entries[next_entry(signer)]
                write[public_entry(signer)] = pair.public_pem(key.public_key)
                write[kid_entry(signer)] = key.kid.encode()
                self._change.remove.append(next_entry(signer))
        write[JWKS] = self._jwks(state.upcoming, previous)
        return self._enter(
            dataclasses.replace(
                state,
                state="activated",
                current=state.upcoming,
                upcoming={},
                previous=previous,
                keys_since=self.found.read_at,
                # Tokens of the new keys are valid for as long as configured now. Those of the previous keys may be
                # valid for longer.
                longest_life=self._life or state.longest_life,
                previous_life=_longest(state.longest_life, self._life),
                replaced=(),
            )
        )

    def set_retirement(self, seconds: int) -> Change:
        """All signers were restarted: from now on, no token is signed with the previous keys.

        `seconds` is how long tokens are valid now; older ones may be valid for longer.
        """
        seconds, state = max(seconds, self.state.previous_life or 0), self.state
        retire_after = later(self.found.read_at, seconds)
        self._change.annotations[RETIRE_AFTER] = text_of(retire_after)
        longest = _longest(state.longest_life, self._life)
        return self._done(dataclasses.replace(state, retire_after=retire_after, longest_life=longest))

    def retire(self) -> Change:
        self._change.write[JWKS] = self._jwks(self.state.current)
        longest = _longest(self.state.longest_life, self._life)
        after = dataclasses.replace(self.state, state="retired", previous={}, longest_life=longest, previous_life=None)
        return self._enter(after)

    def replace(self, rotation: str) -> Change:
        """Creates new keys at once and trusts no others."""
        # After an unfinished cut-over, pods may still accept the replaced keys.
        ended = self.state.replaced if self.state.state == "replaced" else ()
        self._change.remove += [next_entry(signer) for signer in self.state.upcoming]
        self._share_secret()
        current = self._make(self.state.signers, self._sign_with)
        self._change.created = set(current)
        self._change.write[JWKS] = self._jwks(current)
        return self._enter(
            dataclasses.replace(
                self.state,
                state="replaced",
                rotation=rotation,
                current=current,
                upcoming={},
                previous={},
                derived={},
                keys_since=self.found.read_at,
                longest_life=self._life,
                previous_life=None,
                replaced=(*ended, *self.state.trusted),
            )
        )

    def settle(self) -> Change:
        longest = _longest(self.state.longest_life, self._life)
        return self._enter(dataclasses.replace(self.state, state="steady", longest_life=longest))

    def _make(self, signers: Sequence[str], put: Callable[[str, RSAPrivateKey | None], None]) -> dict[str, Key | None]:
        """A new key for each signer, stored by `put`; None in a prediction."""
        made: list[RSAPrivateKey | None] = [None] * len(signers)
        if self._generate:
            made = [*pair.generate_several(len(signers))]
        keys: dict[str, Key | None] = {}
        for signer, key in zip(signers, made, strict=True):
            put(signer, key)
            keys[signer] = Key.of(key.public_key()) if key is not None else None
        return keys

    def _put(self, entry: str, key: RSAPrivateKey | None) -> None:
        self._change.write[entry] = pair.private_pem(key) if key is not None else b""

    def _sign_with(self, signer: str, key: RSAPrivateKey | None) -> None:
        self._put(private_entry(signer), key)
        public = key.public_key() if key is not None else None
        self._change.write[public_entry(signer)] = pair.public_pem(public) if public is not None else b""
        self._change.write[kid_entry(signer)] = Key.of(public).kid.encode() if public is not None else b""

    def _share_secret(self) -> None:
        if SHARED_SECRET not in self.found.present:
            self._change.write[SHARED_SECRET] = secrets.token_urlsafe(32).encode() if self._generate else b""

    def _jwks(self, *generations: Mapping[str, Key | None]) -> bytes:
        """All keys by generation, each generation in the order of the signers."""
        keys = [generation[signer] for generation in generations for signer in self.state.signers]
        return b"" if None in keys else write_jwks(key.jwk for key in keys if key is not None)

    def _enter(self, after: KeyState) -> Change:
        """Starts a state, with its annotations in the same write."""
        now, annotations = self.found.read_at, self._change.annotations
        annotations.update({STATE: after.state, SINCE: text_of(now)})
        if after.rotation != self.state.rotation:
            annotations[ROTATION] = after.rotation
        if after.keys_since != self.state.keys_since:
            annotations[KEYS_SINCE] = text_of(after.keys_since)
        if after.replaced != self.state.replaced:
            annotations[REPLACED] = " ".join(after.replaced) or None
        if RETIRE_AFTER in self.found.annotations:
            # If it remained, the keys of the next rotation would be retired too early.
            annotations[RETIRE_AFTER] = None
        return self._done(dataclasses.replace(after, since=now, retire_after=None))

    def _done(self, after: KeyState) -> Change:
        change, generation = self._change, self.state.generation
        for name, seconds in ((LONGEST_LIFE, after.longest_life), (PREVIOUS_LIFE, after.previous_life)):
            text = str(seconds) if seconds is not None else None
            if text != self.found.annotations.get(name):
                change.annotations[name] = text
        seen_by_pods = {JWKS, *map(private_entry, self.state.signers), *map(kid_entry, self.state.signers)}
        if generation == 0 or seen_by_pods & change.write.keys():
            generation = max(generation, self._started_for) + 1
            change.write[GENERATION] = str(generation).encode()
        change.after = dataclasses.replace(after, generation=generation)
        return change


def _longest(*seconds: int | None) -> int | None:
    return max((each for each in seconds if each is not None), default=None)
