# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

from .._common.failure import OperatorError
from .change import Change, Step
from .entries import RETIRE_AFTER
from .states import MOST_DIGITS, ROTATION_ID, Found, KeyState, State, later, text_of

Wanted = Literal["present", "published", "activated", "retired", "replaced", "steady"]

# The next state of each state; `replaced` may follow any.
FOLLOWS: dict[State, State] = {
    "steady": "published",
    "published": "activated",
    "activated": "retired",
    "retired": "steady",
    "replaced": "steady",
}
# The next step in each state, for messages.
DUE = {
    "steady": "start a rotation: state published with a new id",
    "published": "restart the components that validate tokens, then state activated",
    "activated": "restart the components that sign tokens, then state activated with retire_after; once that time has "
    "passed, state retired",
    "retired": "restart the components that validate tokens, then state steady",
    "replaced": "restart all components, then state steady",
}


@dataclass(frozen=True)
class Request:
    """The request about the Secret. `retire_after`, `token_life` and `minimum_age` are seconds."""

    state: Wanted = "present"
    rotation: str | None = None
    retire_after: int | None = None
    token_life: int | None = None
    minimum_age: int = 0


def due_at(state: KeyState, minimum_age: int) -> datetime.datetime:
    """When the next step of a rotation is due; keys in steady state are due at the age of `minimum_age` seconds."""
    if state.state == "steady":
        return later(state.keys_since, minimum_age)
    return state.retire_after or state.since


def take_step(found: Found, state: KeyState, request: Request, *, generate: bool, started_for: int = 0) -> Change:
    """The write that takes the Secret, whose `state` was read, to the wanted state.

    None if it is already there or, for `published`, if the keys are younger than `minimum_age`. `generate=False`
    predicts: blank entries stand for new keys. `started_for` is as in `Step`. Raises OperatorError for a step that is
    not the next one, or that is not due yet, because a valid token would be rejected.
    """
    _check_request(found, request)
    step = Step(found, state, generate=generate, life=request.token_life, started_for=started_for)
    if request.state == "present":
        return step.complete() if state.state == "steady" else step.stay()
    if not state.current:
        raise _without_keys(found, state)
    if request.state == "replaced":
        return _replace(step, request)
    if request.state == state.state:
        if state.state == "activated" and request.retire_after is not None and state.retire_after is None:
            return step.set_retirement(request.retire_after)
        return step.stay()
    _refuse_out_of_order(found, state, request.state)
    if request.state == "published":
        return _publish(step, request)
    if request.state == "activated":
        if request.retire_after is not None:
            raise _not_yet(found, state, "retire_after only once the signers were restarted in state activated")
        return step.activate()
    if request.state == "retired":
        _refuse_early_retirement(found, state)
        return step.retire()
    return step.settle()


def _check_request(found: Found, request: Request) -> None:
    problem = ""
    if request.rotation is not None and not ROTATION_ID.fullmatch(request.rotation):
        problem = f"the rotation's id {request.rotation!r} is not 1 to 50 letters, digits, dots, dashes and underscores"
    elif request.retire_after is not None and request.retire_after <= 0:
        problem = f"retire_after is {request.retire_after} s, but tokens are valid for longer than that"
    elif request.retire_after is not None and request.state != "activated":
        problem = f"retire_after is given with state {request.state}, but belongs to state activated"
    elif request.token_life is not None and request.token_life <= 0:
        problem = f"token_life is {request.token_life} s"
    elif len(str(max(request.retire_after or 0, request.token_life or 0))) > MOST_DIGITS:
        problem = f"retire_after or token_life has more than {MOST_DIGITS} digits"
    elif request.minimum_age < 0:
        problem = f"minimum_age is {request.minimum_age} s"
    if problem:
        raise OperatorError(
            problem,
            expected="options as the documentation of signing_keys describes them",
            untouched=f"Secret {found.name}, and every pod that uses it",
            next_step="correct the option, and run the same command again",
        )


def _publish(step: Step, request: Request) -> Change:
    found, state = step.found, step.state
    if state.without_key:
        raise _without_keys(found, state)
    if found.read_at < due_at(state, request.minimum_age):
        return step.nothing()
    return step.publish(_new_id(found, state, request))


def _replace(step: Step, request: Request) -> Change:
    found, state = step.found, step.state
    if state.state == "replaced" and request.rotation in (None, state.rotation):
        return step.stay()
    if state.state != "steady" and (request.rotation is None or request.rotation == state.rotation):
        return step.replace(str(state.rotation))
    return step.replace(_new_id(found, state, request))


def _new_id(found: Found, state: KeyState, request: Request) -> str:
    """The id of a new rotation. It identifies restarts, so a used id would restart nothing."""
    if request.rotation is None or request.rotation == state.rotation:
        what = "no id was given" if request.rotation is None else f"rotation {request.rotation} has ended already"
        raise OperatorError(
            f"a new rotation of the keys in Secret {found.name} would start, but {what}",
            expected="a new id for it, such as 20261122t193000",
            untouched=f"Secret {found.name}, and every pod that uses it",
            next_step="set the option rotation",
        )
    return request.rotation


def _without_keys(found: Found, state: KeyState) -> OperatorError:
    return OperatorError(
        f"Secret {found.name} has no key of {', '.join(state.without_key)}, so there is nothing to rotate",
        expected="a key of each signer",
        untouched=f"Secret {found.name}, and every pod that uses it",
        next_step="check namespace and name of the Secret; state present creates missing keys",
    )


def _refuse_out_of_order(found: Found, state: KeyState, wanted: State) -> None:
    if FOLLOWS[state.state] == wanted:
        return
    begun = ["published", "activated", "retired"]
    if state.state in begun and wanted in begun[: begun.index(state.state)]:
        raise _not_yet(found, state, f"a later state than {wanted}: a rotation does not go back")
    before = [one for one in FOLLOWS if FOLLOWS[one] == wanted]
    raise _not_yet(found, state, f"state {' or '.join(before)} before state {wanted}")


def _not_yet(found: Found, state: KeyState, expected: str) -> OperatorError:
    rotation = "no rotation is in progress" if state.state == "steady" else f"rotation {state.rotation} is in progress"
    return OperatorError(
        f"Secret {found.name} is in state {state.state}; {rotation}",
        expected=expected,
        untouched=f"Secret {found.name}, and every pod that uses it",
        next_step=DUE[state.state],
    )


def _refuse_early_retirement(found: Found, state: KeyState) -> None:
    if state.retire_after is None:
        raise _not_yet(found, state, f"annotation {RETIRE_AFTER}: when the last token of the previous keys expires")
    left = state.retire_after - found.read_at
    if left > datetime.timedelta(0):
        raise OperatorError(
            f"the previous keys in Secret {found.name} are still needed, for {left.total_seconds():.0f} s, until "
            f"{text_of(state.retire_after)}: a valid token may still depend on them",
            expected="every token that was signed with them to have expired",
            untouched=f"Secret {found.name}, and every pod that uses it",
            next_step=(
                "run the same command after that time; for a compromised key, state replaced invalidates its tokens now"
            ),
        )
