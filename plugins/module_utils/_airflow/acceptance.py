# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .._common.documents import parse
from .._common.failure import OperatorError
from .._keys.entries import JWKS, check_signers, next_entry
from .identity import server_time
from .rest import AirflowApi
from .token import SigningKey, mint, signing_key, task_claims, with_unknown_kid, with_wrong_signature

# Long enough for one request. Airflow 3.0 logs the complete task token that it rejects.
LIFETIME_SECONDS = 60
ATTEMPTS = 3
RETRY_SECONDS = 1.0
# How often the pods are listed until all of them have been asked.
MOST_ROUNDS = 10


@dataclass(frozen=True)
class Question:
    """The keys to check, by signer; the kids that a pod must accept; and the tokens' claims."""

    keys: dict[str, SigningKey]
    expected: frozenset[str]
    audience: str
    issuer: str | None = None


@dataclass
class Answer:
    """The kids that one pod accepts and refuses. `forged` has its responses to tokens that must never be accepted."""

    pod: str
    version: str = ""
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    forged: dict[str, int] = field(default_factory=dict)


def keys_in(entries: dict[str, bytes], signers: Iterable[str], secret: str) -> dict[str, SigningKey]:
    """The private keys of these signers, and as `<signer>-next` their next ones where published.

    Other entries of the Secret are ignored. Raises OperatorError if a key is missing or invalid.
    """
    names = tuple(signers)
    check_signers(names, secret)
    upcoming = [f"{signer}-next" for signer in names if entries.get(next_entry(signer), b"").strip()]
    return {name: signing_key(entries, name, secret) for name in sorted([*names, *upcoming])}


def published_kids(entries: dict[str, bytes], secret: str) -> frozenset[str]:
    """The kids in the Secret's `jwks.json`, which every validator started since must trust."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return frozenset(str(key["kid"]) for key in parse(entries[JWKS])["keys"])
    raise OperatorError(
        f"Secret {secret} has no entry {JWKS} with the kids of its keys",
        expected="a key set in the format of RFC 7517",
        untouched="everything; no token was made",
        next_step="complete it with hopsworks.airflow.signing_keys, or set `expected`",
    )


def question(
    entries: dict[str, bytes],
    secret: str,
    *,
    signers: Iterable[str],
    expected: list[str] | None,
    audience: str,
    issuer: str | None,
) -> Question:
    """What to check, from the entries of a Secret. The private halves of `expected` kids must be in it.

    By default, they are those in `jwks.json` that have a private half, which the previous keys of a rotation no longer
    have.
    """
    keys = keys_in(entries, signers, secret)
    if expected is None:
        return Question(keys, published_kids(entries, secret), audience, issuer)
    missing = sorted(set(expected) - {key.kid for key in keys.values()})
    if missing:
        raise OperatorError(
            f"Secret {secret} has no private key of kid {', '.join(missing)}",
            expected="the private half of each key to check, to sign a token with",
            untouched="everything; no token was made",
            next_step=f"choose the `expected` kids from {_listed({key.kid for key in keys.values()})}",
        )
    return Question(keys, frozenset(expected), audience, issuer)


def ask(api: AirflowApi, pod: str, asked: Question) -> Answer:
    """Ask one api-server pod, by calls of the Execution API that read nothing.

    Uses a task token, which both signers can sign and which grants no user rights. Raises OperatorError if the pod
    answers anything other than 200 (accepted), 401 or 403 (refused).
    """
    version = _patiently(lambda: api.send("GET", "/api/v2/version"))
    if version.status_code != 200:
        raise _no_airflow(pod, version.status_code, "200 to the request for the version")
    try:
        answer = Answer(pod, str(parse(version.content)["version"]))
    except (ValueError, KeyError, TypeError):
        raise _no_airflow(pod, version.status_code, "a JSON document with its version") from None
    task = str(uuid.uuid4())
    claims = task_claims(task, asked.audience, asked.issuer)
    tokens = {
        signer: mint(key, claims, now=server_time(version), lifetime_seconds=LIFETIME_SECONDS)
        for signer, key in asked.keys.items()
    }
    for signer, token in tokens.items():
        status = _status(api, pod, task, token)
        kid = asked.keys[signer].kid
        (answer.accepted if status == 200 else answer.refused).append(kid)
    trusted = next((tokens[s] for s, key in asked.keys.items() if key.kid in answer.accepted), None)
    if trusted is not None:
        forged = {"unknown_kid": with_unknown_kid(trusted), "wrong_signature": with_wrong_signature(trusted)}
        answer.forged = {name: _status(api, pod, task, token) for name, token in forged.items()}
    return answer


def ask_each(serving: Callable[[], list[str]], ask_one: Callable[[str], Answer]) -> list[Answer]:
    """The result of each pod that serves now. `serving` lists them, and is called again because pods come and go.

    Raises OperatorError if a serving pod cannot be asked, and if the pods change faster than they answer.
    """
    answers: dict[str, Answer] = {}
    for _round in range(MOST_ROUNDS):
        names = serving()
        missing = [name for name in names if name not in answers]
        if not missing:
            return [answers[name] for name in names]
        for name in missing:
            try:
                answers[name] = ask_one(name)
            except OperatorError:
                time.sleep(RETRY_SECONDS)
                if name in serving():
                    raise
    raise OperatorError(
        f"the pods of the api-server changed each time they were listed, {MOST_ROUNDS} times",
        expected="pods that run long enough to be asked",
        untouched="the keys and all pods; this only reads",
        next_step="find out why its pods are replaced (kubectl get pods, events), then run the same command again",
    )


def check(answers: list[Answer], asked: Question) -> None:
    """Raises OperatorError unless every pod accepts exactly the expected kids and no forged tokens."""
    owners = {key.kid: signer for signer, key in asked.keys.items()}
    problems = []
    for answer in answers:
        problems += [
            f"{answer.pod} refuses tokens of {owners[kid]} (kid {kid})"
            for kid in answer.refused
            if kid in asked.expected
        ]
        problems += [
            f"{answer.pod} accepts tokens of {owners[kid]} (kid {kid})"
            for kid in answer.accepted
            if kid not in asked.expected
        ]
        problems += [
            f"{answer.pod} accepts a forged token ({name.replace('_', ' ')})"
            for name, status in answer.forged.items()
            if status == 200
        ]
    if problems:
        raise OperatorError(
            "; ".join(problems),
            expected=f"every pod to accept {_listed(asked.expected & owners.keys())} and nothing else",
            untouched="the keys and all pods; this only reads",
            next_step="restart the api-server, whose pods read the keys when they start, and run the same command "
            "again; the state of the keys does not change until they are trusted",
        )


def _status(api: AirflowApi, pod: str, task: str, token: str) -> int:
    path = f"/execution/task-reschedules/{task}/start_date"
    answer = _patiently(lambda: api.send("GET", path, headers={"Authorization": f"Bearer {token}"}))
    status = int(answer.status_code)
    if status not in (200, 401, 403):
        raise _no_airflow(pod, status, "200 for a token that it accepts, 401 or 403 for another")
    return status


def _no_airflow(pod: str, status: int, expected: str) -> OperatorError:
    return OperatorError(
        f"{pod} answered {status}",
        expected=expected,
        untouched="the keys and all pods; this only reads",
        next_step="check `port` and `path` (the path of [api] base_url), and the api-server's log",
    )


def _patiently(request: Any) -> Any:
    """The response to a request that changes nothing; a tunnel to a pod may break while it is opened."""
    for _attempt in range(ATTEMPTS - 1):
        with contextlib.suppress(OperatorError):
            return request()
        time.sleep(RETRY_SECONDS)
    return request()


def _listed(kids: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(kids)) or "none"
