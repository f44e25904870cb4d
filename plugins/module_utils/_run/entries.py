# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run record as entries of a ConfigMap: which of it fits, and how it is read again."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

Run = dict[str, Any]
Texts = dict[str, str]

RUN_KEY = "run"
# The whole run, where entry `run` has lists that are cut off. Its bytes are in `binaryData`.
PACKED_KEY = "run.json.gz"
HISTORY_KEY = "history"

# A ConfigMap holds 1 MiB, all of its entries together, and others may have some of them.
PLAIN_BYTES = 200 * 1024
PACKED_BYTES = 500 * 1024
# How much of long lists is kept, until it fits.
LENGTHS = (100_000, 10_000, 1_000, 100, 10, 0)
SHOWN = 20
# The first attempt, and the last ones; a rotation that AWX repeats can have hundreds.
FIRST_ATTEMPTS, LAST_ATTEMPTS = 1, 19
FAILURE_CHARACTERS = 8_000
# What a phase told that stays true when a later attempt fails in it, or before it; all of it, where nothing is named.
LASTING: dict[str, tuple[str, ...]] = {"snapshot": (), "backup": (), "cut_over": ("set_aside",)}


def packed(run: Run) -> tuple[Texts, Texts]:
    """A run as entries of `data` and of `binaryData`."""
    text = json.dumps(run)
    if len(text) <= PLAIN_BYTES:
        return {RUN_KEY: text}, {}
    run = json.loads(text)
    fitting = (content for content in _ever_shorter(run) if len(content) <= PACKED_BYTES)
    return {RUN_KEY: _shown(run)}, {PACKED_KEY: base64.b64encode(next(fitting)).decode()}


def unpacked(data: Texts, binary: Texts) -> Run | None:
    """The run, as a whole where entry `run` was not changed by hand since. Raises ValueError for what can't be read."""
    if RUN_KEY not in data:
        return None
    run = _checked(json.loads(data[RUN_KEY]))
    if PACKED_KEY not in binary:
        return run
    try:
        whole = json.loads(gzip.decompress(base64.b64decode(binary[PACKED_KEY], validate=True)))
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(str(error)) from None
    return _checked(whole) if _shown(whole) == data[RUN_KEY] else run


def history_of(data: Texts) -> list[Run]:
    """Raises ValueError for what can't be read."""
    history = json.loads(data.get(HISTORY_KEY, "[]"))
    if not isinstance(history, list) or not all(_is_summary(run) for run in history):
        raise ValueError("it is no list of runs")
    return history


def _is_summary(run: Any) -> bool:
    attempts = run.get("attempts", []) if isinstance(run, dict) else None
    return isinstance(attempts, list) and all(isinstance(attempt, dict) for attempt in attempts)


def bounded(run: Run) -> Run:
    """A run with its first attempt and its last ones.

    Of the phases of the others those stay that have told something, as `told` puts them together, and of
    what no later attempt has come to, that it was begun.
    """
    attempts = [{**attempt, "number": number_of(run, index)} for index, attempt in enumerate(run.get("attempts", []))]
    if len(attempts) <= FIRST_ATTEMPTS + LAST_ATTEMPTS:
        return run
    kept = [*attempts[:FIRST_ATTEMPTS], *attempts[-LAST_ATTEMPTS:]]
    if "phases" not in run:
        return {**run, "attempts": kept}
    numbers = {attempt["number"] for attempt in kept}
    phases = [phase for phase in run["phases"] if phase.get("attempt") in numbers]
    first = [phase for phase in phases if phase["attempt"] <= kept[0]["number"]]
    later = phases[len(first) :]
    merged: dict[str, Run] = {}
    not_ended: dict[str, Run] = {}
    for phase in run["phases"]:
        name = phase["name"]
        if phase.get("attempt") in numbers:
            continue
        if phase["status"] == "done":
            merged[name] = {**phase, "facts": together(merged.get(name, {}).get("facts", {}), phase["facts"])}
            not_ended.pop(name, None)
        else:
            not_ended[name] = {**phase, "facts": {}}
            if name in merged:
                merged[name] = {**merged[name], "facts": lasting(name, merged[name]["facts"])}
    # A later attempt says the same, unless the first one had ended it.
    known = {phase["name"] for phase in later} - {phase["name"] for phase in first if phase["status"] == "done"}
    begun = [phase for name, phase in not_ended.items() if name not in known]
    return {**run, "attempts": kept, "phases": [*first, *merged.values(), *begun, *later]}


def told(phases: list[Run]) -> dict[str, Run]:
    """What is known of each phase, by its name, after all attempts.

    A phase that a later attempt found done already has nothing to tell then: what an earlier one told is kept. One that
    a later attempt began and did not end may have changed anything: of it, that is no longer known but what lasts. What
    comes after it is not told until an attempt has found that done again.
    """
    known: dict[str, Run] = {}
    unsure: set[str] = set()
    order = list(dict.fromkeys(phase["name"] for phase in phases))
    for phase in phases:
        name = phase["name"]
        if phase["status"] == "done":
            known[name] = together(known.get(name, {}), phase["facts"])
            unsure.discard(name)
        else:
            known[name] = lasting(name, known.get(name, {}))
            unsure.update(order[order.index(name) :])
    kept = {name: lasting(name, facts) if name in unsure else facts for name, facts in known.items()}
    return {name: facts for name, facts in kept.items() if facts or name not in unsure}


def lasting(name: str, facts: Run) -> Run:
    """Of what a phase told, what stays true."""
    if name not in LASTING:
        return {}
    return {key: value for key, value in facts.items() if key in (LASTING[name] or facts)}


def number_of(run: Run, index: int) -> int:
    """The number of an attempt; records of earlier versions have all of them, and say none."""
    number: int = run["attempts"][index].get("number", index % len(run["attempts"]) + 1)
    return number


def together(facts: Run, later: Run) -> Run:
    """What is known of a phase after a later attempt, which may have found it done and have nothing to tell."""
    told = {name: value for name, value in later.items() if value not in (None, [], {}, "")}
    return {**later, **facts, **told}


def _shown(run: Run) -> str:
    """A run for people: that it goes on, and what it found, without the rest of long lists."""
    for length in (SHOWN, 0):
        text = json.dumps(_cut(run, length))
        if len(text) <= PLAIN_BYTES:
            return text
    return json.dumps({**run, "phases": [{**phase, "facts": {}, "failure": ""} for phase in run["phases"]]})


def _ever_shorter(run: Run) -> Iterator[bytes]:
    yield gzip.compress(json.dumps(run).encode(), mtime=0)
    for length in LENGTHS:
        yield gzip.compress(json.dumps(_cut(run, length)).encode(), mtime=0)
    yield gzip.compress(_shown(run).encode(), mtime=0)


def _cut(run: Run, length: int) -> Run:
    return {**run, "phases": [{**phase, "facts": _shortened(phase["facts"], length)} for phase in run["phases"]]}


def _shortened(value: Any, length: int) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item, length) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item, length) for item in value[:length]]
    return value


def _checked(run: Any) -> Run:
    """Raises ValueError for what is no run; the rest of the collection relies on these parts of it."""
    if not isinstance(run, dict):
        raise ValueError("it is no run")
    for name in ("id", "playbook", "deployment", "status"):
        if not isinstance(run.get(name), str):
            raise ValueError(f"it has no {name}")
    for name, parts in (("attempts", ("begun",)), ("phases", ("name", "status", "facts"))):
        items = run.get(name)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ValueError(f"it has no {name}")
        if lacking := [part for part in parts for item in items if part not in item]:
            raise ValueError(f"one of its {name} has no {lacking[0]}")
    if not run["attempts"]:
        raise ValueError("it has no attempts")
    if not all(isinstance(phase["facts"], dict) for phase in run["phases"]):
        raise ValueError("the facts of a phase are none")
    return run
