# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run record as entries of a ConfigMap: reduces it until it fits, and reads it again."""

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
# The complete run, if lists in the entry `run` are truncated. Its bytes are in `binaryData`.
PACKED_KEY = "run.json.gz"
HISTORY_KEY = "history"

# A ConfigMap holds 1 MiB in total, and others may have entries in it.
PLAIN_BYTES = 200 * 1024
PACKED_BYTES = 500 * 1024
# How many elements of long lists are kept, reduced until it fits.
LENGTHS = (100_000, 10_000, 1_000, 100, 10, 0)
SHOWN = 20
# The first attempt, and the last ones; a rotation that AWX repeats can have hundreds.
FIRST_ATTEMPTS, LAST_ATTEMPTS = 1, 19
FAILURE_CHARACTERS = 8_000
# The facts of a phase that remain true if a later attempt fails in it or before it; all of them, if nothing is listed.
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
    """The run, complete unless the entry `run` was changed by hand since. Raises ValueError if it cannot be read."""
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
    """Raises ValueError if it cannot be read."""
    history = json.loads(data.get(HISTORY_KEY, "[]"))
    if not isinstance(history, list) or not all(_is_summary(run) for run in history):
        raise ValueError("it is not a list of runs")
    return history


def _is_summary(run: Any) -> bool:
    attempts = run.get("attempts", []) if isinstance(run, dict) else None
    return isinstance(attempts, list) and all(isinstance(attempt, dict) for attempt in attempts)


def bounded(run: Run) -> Run:
    """A run with its first attempt and its last ones.

    Of the other attempts' phases it keeps those with facts, as `told` combines them, and those that were started but
    that no later attempt has reached.
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
    # A later attempt has the same facts, unless the first one had completed it.
    known = {phase["name"] for phase in later} - {phase["name"] for phase in first if phase["status"] == "done"}
    begun = [phase for name, phase in not_ended.items() if name not in known]
    return {**run, "attempts": kept, "phases": [*first, *merged.values(), *begun, *later]}


def told(phases: list[Run]) -> dict[str, Run]:
    """The facts of each phase, by its name, after all attempts.

    If a later attempt found a phase already complete, it has no facts of its own, so those of the earlier attempt are
    kept. If a later attempt started a phase and did not complete it, anything may have changed, so only lasting facts
    are kept. The facts of later phases are omitted until an attempt has found them complete again.
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
    """The facts of a phase that remain true."""
    if name not in LASTING:
        return {}
    return {key: value for key, value in facts.items() if key in (LASTING[name] or facts)}


def number_of(run: Run, index: int) -> int:
    """The number of an attempt. Records of earlier versions have all attempts without numbers."""
    number: int = run["attempts"][index].get("number", index % len(run["attempts"]) + 1)
    return number


def together(facts: Run, later: Run) -> Run:
    """The facts of a phase after a later attempt, which may have found it complete and have no facts."""
    told = {name: value for name, value in later.items() if value not in (None, [], {}, "")}
    return {**later, **facts, **told}


def _shown(run: Run) -> str:
    """A run for readers, with truncated lists."""
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
    """Raises ValueError if it is not a run. The rest of the collection relies on these parts."""
    if not isinstance(run, dict):
        raise ValueError("it is not a run")
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
        raise ValueError("the facts of a phase are not a mapping")
    return run
