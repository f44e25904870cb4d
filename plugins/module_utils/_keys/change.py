# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

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
    """One write, and what the Secret says after it.

    `write` holds entries to add or replace (blank ones stand for what is only predicted), `remove` entries to take
    out, `annotations` those to set, or to take out where the value is None. `created` names the signers whose current
    key is new, `adopted` those to whose key something that follows from it was added.
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
        """Whether it says no more than how long tokens live: nothing breaks where somebody takes that away again."""
        return not (self.write or self.remove) and self.annotations.keys() <= {LONGEST_LIFE, PREVIOUS_LIFE}


class Step:
    """Puts together the one write that leads from a state of a Secret to another. Whether it may is not asked here.

    `generate=False` predicts: no key is made, blank entries stand for it. `life` is how long, in seconds, a token that
    is signed today can be valid, where that is known. `started_for` is the latest generation that pods wait for: those
    of a Secret that was deleted since, maybe.
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
        """The same state, and tokens that may live longer than was written down."""
        state = self.state
        if self._life is None:
            return self.nothing()
        previous = state.previous_life
        if state.state == "activated" and state.retire_after is None:
            # Signers that were not restarted yet still sign with the keys before.
            previous = _longest(previous, self._life)
        after = dataclasses.replace(
            state, longest_life=_longest(state.longest_life, self._life), previous_life=previous
        )
        return self._done(after) if after != state else self.nothing()

    def complete(self) -> Change:
        """Whatever is missing in a steady Secret: made, or derived from its keys."""
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
        """Keys of the next generation, trusted by all from now on and used by none yet."""
        after = self.complete().after
        upcoming = self._make(self.state.signers, lambda signer, key: self._put(next_entry(signer), key))
        self._change.write[JWKS] = self._jwks(self.state.current, upcoming)
        return self._enter(dataclasses.replace(after, state="published", rotation=rotation, upcoming=upcoming))

    def activate(self) -> Change:
        """The next generation becomes the current one; of the old one only the public keys stay."""
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
                # What the new keys sign lives as long as is configured now; what those before signed, may have been
                # made to live longer.
                longest_life=self._life or state.longest_life,
                previous_life=_longest(state.longest_life, self._life),
                replaced=(),
            )
        )

    def set_retirement(self, seconds: int) -> Change:
        """The signers were restarted: from now on no token of the previous keys comes into being.

        `seconds` is how long tokens live today; those of before may have been made for longer.
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
        """New keys at once, and no others trusted."""
        # Of a cut-over that was not finished, pods may still accept what it has ended.
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
        """A new key for each signer, put where `put` puts it; None in a prediction."""
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
        """All keys, those of the first generation first, each generation in the order of the signers."""
        keys = [generation[signer] for generation in generations for signer in self.state.signers]
        return b"" if None in keys else write_jwks(key.jwk for key in keys if key is not None)

    def _enter(self, after: KeyState) -> Change:
        """A state begins now, with its annotations in the same write."""
        now, annotations = self.found.read_at, self._change.annotations
        annotations.update({STATE: after.state, SINCE: text_of(now)})
        if after.rotation != self.state.rotation:
            annotations[ROTATION] = after.rotation
        if after.keys_since != self.state.keys_since:
            annotations[KEYS_SINCE] = text_of(after.keys_since)
        if after.replaced != self.state.replaced:
            annotations[REPLACED] = " ".join(after.replaced) or None
        if RETIRE_AFTER in self.found.annotations:
            # Left over, it would retire the keys of the next rotation too early.
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
