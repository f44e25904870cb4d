# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from .._common.failure import OperatorError
from . import in_pod
from .entries import (
    GENERATION,
    JWKS,
    KEYS_SINCE,
    LONGEST_LIFE,
    PREVIOUS_LIFE,
    REPLACED,
    RETIRE_AFTER,
    ROTATION,
    SINCE,
    STATE,
    check_signers,
    next_entry,
    private_entry,
)
from .jwk import Jwk, Key
from .jwks import not_ours, read_jwks
from .ring import UNTOUCHED, Ring, read_ring

if TYPE_CHECKING:
    from .._kubernetes.secret import StoredSecret

State = Literal["steady", "published", "activated", "retired", "replaced"]
# A rotation's id is part of run ids, and so of annotations.
ROTATION_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,48}[A-Za-z0-9])?")
# The Date header has whole seconds, and the clocks of one control plane may differ a little.
SKEW_TOLERANCE = datetime.timedelta(seconds=10)
# A stored number has to be readable again, and a larger one can only be a mistake.
MOST_DIGITS = 15


@dataclass(frozen=True)
class Found:
    """A Secret as the API server returned it: `created` and `read_at` are times by the server's clock."""

    name: str
    entries: dict[str, bytes]
    annotations: dict[str, str]
    created: datetime.datetime
    read_at: datetime.datetime

    @classmethod
    def of(cls, secret: StoredSecret) -> Found:
        """What was read. A Secret that does not exist is treated as an empty one created now."""
        now = secret.read_at
        return cls(secret.name, secret.entries, secret.annotations, secret.created or now, now)

    @property
    def present(self) -> dict[str, bytes]:
        """The entries that are not blank."""
        return {name: value for name, value in self.entries.items() if value.strip()}


@dataclass(frozen=True)
class KeyState:
    """The validated content of a keys Secret.

    `current` is the key that a signer signs with when its pod starts now, `upcoming` the one of the next generation,
    `previous` the one of the previous generation; each by signer. None stands for a predicted key that does not exist
    yet. `published` is the JWKS by kid, as it was found. `derived` holds the missing entries that follow from keys.
    `generation` is 0 if the Secret has none yet. `longest_life` is the longest lifetime in seconds of tokens signed
    with the current keys, `previous_life` that of the previous keys; None if it is not stored. `replaced` are the kids
    that became invalid in the cut-over that created the current keys, if there was one.
    """

    state: State
    rotation: str | None
    generation: int
    since: datetime.datetime
    keys_since: datetime.datetime
    retire_after: datetime.datetime | None
    signers: tuple[str, ...]
    current: dict[str, Key | None]
    upcoming: dict[str, Key | None]
    previous: dict[str, Key]
    published: dict[str, Jwk]
    derived: dict[str, bytes]
    longest_life: int | None = None
    previous_life: int | None = None
    replaced: tuple[str, ...] = ()

    @property
    def trusted(self) -> list[str]:
        """The kids of all existing keys whose tokens are accepted."""
        keys = [*self.current.values(), *self.upcoming.values(), *self.previous.values()]
        return [key.kid for key in keys if key is not None]

    @property
    def without_key(self) -> list[str]:
        """Signers that have no key."""
        return [signer for signer in self.signers if signer not in self.current]


def read_state(found: Found, signers: Iterable[str]) -> KeyState:
    """Validate a Secret. Raises OperatorError with the exact problem if it is invalid.

    A Secret without annotations is `steady` and may lack entries that follow from its private keys. In every other
    state, this collection wrote the entries, so none may be missing.
    """
    signers = tuple(signers)
    check_signers(signers, found.name)
    state = _state(found)
    ring = read_ring(found.present, signers, found.name)
    published = read_jwks(found.present[JWKS], found.name) if JWKS in found.present else {}
    if state == "steady":
        _check_no_upcoming(found, ring, state)
        _check_published(found, ring, published)
    else:
        _check_whole(found, ring, signers)
        if state == "published":
            _check_upcoming(found, ring, signers)
        else:
            _check_no_upcoming(found, ring, state)
        _check_published(found, ring, published, previous=len(signers) if state == "activated" else 0)
        _check_complete(found, ring, published)
    known = _kids(ring)
    previous = [Key.from_jwk(jwk) for kid, jwk in published.items() if kid not in known]
    since = _time(found, SINCE)
    if state != "steady" and since is None:
        raise _contradiction(found, f"is in state {state} but has no annotation {SINCE}", "the time of the state")
    rotation = _rotation(found)
    if state != "steady" and rotation is None:
        raise _contradiction(found, f"is in state {state} but has no annotation {ROTATION}", "the id of the rotation")
    return KeyState(
        state=state,
        rotation=rotation,
        generation=_generation(found),
        since=since or found.created,
        keys_since=_time(found, KEYS_SINCE) or found.created,
        retire_after=_time(found, RETIRE_AFTER, may_come=True) if state == "activated" else None,
        signers=signers,
        current=dict(ring.current),
        upcoming=dict(ring.upcoming),
        # The set lists each generation in the order of the signers.
        previous=dict(zip(signers, previous, strict=False)),
        published=published,
        derived=ring.derived,
        longest_life=_seconds(found, LONGEST_LIFE),
        previous_life=_seconds(found, PREVIOUS_LIFE),
        # Only for display.
        replaced=tuple(found.annotations.get(REPLACED, "").split()),
    )


def text_of(moment: datetime.datetime) -> str:
    """RFC 3339, UTC, whole seconds."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def later(moment: datetime.datetime, seconds: int) -> datetime.datetime:
    """A number of seconds after a time, but at most the latest time that can be written: very large numbers mean
    "never"."""
    try:
        return moment + datetime.timedelta(seconds=seconds)
    except OverflowError:
        return datetime.datetime.max.replace(microsecond=0, tzinfo=datetime.UTC)


def _state(found: Found) -> State:
    value = found.annotations.get(STATE, "steady")
    for state in get_args(State):
        if value == state:
            known: State = state
            return known
    raise OperatorError(
        f"annotation {STATE} of Secret {found.name} is {value!r}",
        expected=f"one of {', '.join(get_args(State))}, or no such annotation",
        untouched=UNTOUCHED,
        next_step="use the version of the collection that wrote it; if none did, remove the annotation",
    )


def _rotation(found: Found) -> str | None:
    rotation = found.annotations.get(ROTATION)
    if rotation is not None and not ROTATION_ID.fullmatch(rotation):
        raise OperatorError(
            f"annotation {ROTATION} of Secret {found.name} is {rotation!r}",
            expected="up to 50 letters, digits, dots, dashes and underscores",
            untouched=UNTOUCHED,
            next_step="find out what changed it, and restore the id of the rotation (the run record has it)",
        )
    return rotation


def _generation(found: Found) -> int:
    try:
        return in_pod.generation_of(found.present.get(GENERATION, b"0"))
    except ValueError as problem:
        raise OperatorError(
            f"entry {GENERATION} of Secret {found.name} {problem}",
            expected="a decimal integer",
            untouched=UNTOUCHED,
            next_step=(
                "set it to a number that is larger than the annotation hopsworks.airflow/keys-generation in any pod "
                "template of the deployment"
            ),
        ) from None


def _seconds(found: Found, annotation: str) -> int | None:
    text = found.annotations.get(annotation)
    if text is None:
        return None
    if not re.fullmatch(rf"[0-9]{{1,{MOST_DIGITS}}}", text):
        raise OperatorError(
            f"annotation {annotation} of Secret {found.name} is {text!r}",
            expected="a number of seconds",
            untouched=UNTOUCHED,
            next_step="set it to the longest lifetime of tokens signed with these keys",
        )
    return int(text)


def _time(found: Found, annotation: str, *, may_come: bool = False) -> datetime.datetime | None:
    text = found.annotations.get(annotation)
    if text is None:
        return None
    moment: datetime.datetime | None = None
    with contextlib.suppress(ValueError):
        moment = datetime.datetime.fromisoformat(text)
    if moment is None or moment.tzinfo is None:
        raise OperatorError(
            f"annotation {annotation} of Secret {found.name} is {text!r}",
            expected="a time such as 2026-11-22T19:30:00Z",
            untouched=UNTOUCHED,
            next_step="find out what changed it, and restore the time (the run record has it)",
        )
    ahead = moment - found.read_at
    if not may_come and ahead > SKEW_TOLERANCE:
        raise OperatorError(
            f"annotation {annotation} of Secret {found.name} says {text}, {ahead.total_seconds():.0f} s after the API "
            f"server's clock ({text_of(found.read_at)})",
            expected="a time in the past, so the clock of an API server is, or was, wrong",
            untouched=UNTOUCHED,
            next_step=(
                "correct the clocks of the control plane and run the same command again; if the annotation is wrong, "
                "correct the time there"
            ),
        )
    return moment


def _kids(ring: Ring) -> dict[str, str]:
    """The kids of all keys whose private half exists, and the entry of each."""
    return {
        **{key.kid: private_entry(signer) for signer, key in ring.current.items()},
        **{key.kid: next_entry(signer) for signer, key in ring.upcoming.items()},
    }


def _check_whole(found: Found, ring: Ring, signers: tuple[str, ...]) -> None:
    missing = [private_entry(signer) for signer in signers if signer not in ring.current]
    missing += [*ring.derived, *(name for name in (JWKS, GENERATION) if name not in found.present)]
    if missing:
        raise _contradiction(
            found, f"is in state {found.annotations[STATE]} but lacks {', '.join(missing)}", "all entries of that state"
        )


def _check_upcoming(found: Found, ring: Ring, signers: tuple[str, ...]) -> None:
    missing = [next_entry(signer) for signer in signers if signer not in ring.upcoming]
    if missing:
        raise _contradiction(
            found, f"is in state published but lacks {', '.join(missing)}", "the next key of every signer"
        )


def _check_no_upcoming(found: Found, ring: Ring, state: State) -> None:
    if ring.upcoming:
        entries = ", ".join(next_entry(signer) for signer in ring.upcoming)
        raise _contradiction(found, f"is in state {state} but has {entries}", "next keys in state published only")


def _check_published(found: Found, ring: Ring, published: dict[str, Jwk], *, previous: int = 0) -> None:
    """Checks that the JWKS has no unknown keys and the correct number of previous keys."""
    others = [kid for kid in published if kid not in _kids(ring)]
    if previous and len(others) > previous:
        raise not_ours(
            f"keys of more than two generations: besides the current ones {', '.join(others)}, for {previous} signers",
            found.name,
        )
    if len(others) < previous:
        raise _contradiction(
            found,
            f"is in state activated but {JWKS} has {len(others)} previous keys",
            f"one for each signer, {previous}",
        )
    if others and not previous:
        raise not_ours(f"a key of none of the signers ({', '.join(others)})", found.name)


def _check_complete(found: Found, ring: Ring, published: dict[str, Jwk]) -> None:
    """Checks that during a rotation the JWKS has every key with all members, as this collection writes it."""
    missing = [f"{kid} ({entry})" for kid, entry in _kids(ring).items() if kid not in published]
    if missing:
        raise _contradiction(
            found, f"is in state {found.annotations[STATE]} but {JWKS} lacks {', '.join(missing)}", "every key of it"
        )
    cut = [kid for kid, jwk in published.items() if Key.from_jwk(jwk).jwk != jwk]
    if cut:
        raise _contradiction(
            found,
            f"has other members than kty, use, alg, kid, n, e in {JWKS}, or other values, for {', '.join(cut)}",
            "the key as this collection publishes it",
        )


def _contradiction(found: Found, problem: str, expected: str) -> OperatorError:
    return OperatorError(
        f"Secret {found.name} {problem}",
        expected=expected,
        untouched=UNTOUCHED,
        next_step=(
            f"restore its content from a backup or by hand. Or abandon the rotation: remove annotation {STATE}, entry "
            f"{JWKS} and every entry {next_entry('*')}; the next run then takes over the current keys, and tokens of "
            "all others become invalid. If a signer has no key at all, upgrade.yml or install.yml creates one"
        ),
    )
