# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a record tells of phases that several attempts began: never what a later attempt may have made untrue."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.entries import bounded, told

SNAPSHOT = {"path": "/snapshots/r1", "files": 42}
BACKUP = {"path": "/runs/r1/dump", "bytes": 7}
AWAY = {"availability": {"ui": {"away_seconds": 8.0}}, "set_aside": "airflow_before_r1"}
VERIFIED = {"version": "3.0.6", "dags": 12}


def attempts(*given):
    """Phases of attempts; each is a list of (name, status, facts)."""
    return [
        {"name": name, "status": status, "attempt": number, "facts": facts}
        for number, phases in enumerate(given, 1)
        for name, status, facts in phases
    ]


FIRST = [
    ("snapshot", "done", SNAPSHOT),
    ("backup", "done", BACKUP),
    ("images", "done", {"image": "x"}),
    ("cut_over", "done", AWAY),
    ("verify", "done", VERIFIED),
    ("resume", "failed", {}),
]
LASTS = {"snapshot": SNAPSHOT, "backup": BACKUP, "cut_over": {"set_aside": "airflow_before_r1"}}
FOUND_DONE: list[tuple[str, str, dict[str, str]]] = [("snapshot", "done", {}), ("backup", "done", {})]


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_a_phase_that_was_begun_again_and_those_after_it_tell_only_what_lasts(status):
    again = [*FOUND_DONE, ("images", "done", {"image": "y"}), ("cut_over", status, {})]
    assert told(attempts(FIRST, again)) == {**LASTS, "images": {"image": "y"}}
    assert told(attempts(FIRST, [("snapshot", status, {})])) == LASTS


def test_what_a_later_attempt_finds_done_is_told_again():
    """That one failed before it, at the copy of the DAG files, has changed nothing of it."""
    done = [*FOUND_DONE, ("images", "done", {}), ("cut_over", "done", {}), ("verify", "done", {"dags": 13})]
    phases = attempts(FIRST, [("snapshot", "failed", {})], done)
    expected = {**LASTS, "images": {"image": "x"}, "cut_over": AWAY, "verify": {"version": "3.0.6", "dags": 13}}
    assert told(phases) == expected


def test_what_was_measured_before_a_phase_failed_is_not_told_after_it_ended():
    phases = attempts(FIRST, [*FOUND_DONE, ("cut_over", "failed", {})], [("cut_over", "done", {"availability": {}})])
    assert told(phases)["cut_over"] == {"set_aside": "airflow_before_r1", "availability": {}}


def test_of_a_rotation_nothing_is_told_that_a_later_attempt_began_again():
    first = [("publish", "done", {"signers": {"scheduler": {"kid": "a"}}}), ("activate", "done", {"retire_after": "x"})]
    phases = attempts([*first, ("retire", "failed", {})], [("publish", "failed", {})])
    assert told(phases) == {}


@pytest.mark.parametrize("last", ["failed", "done"])
def test_many_attempts_tell_the_same_when_they_are_cut_off(last):
    """Of three hundred attempts a record keeps the first and the last ones."""
    early = [("cut_over", "done", AWAY), ("verify", "done", VERIFIED)]
    middle = [("cut_over", "done", {**AWAY, "objects": ["x"]}), ("verify", "failed", {})]
    phases = attempts(early, middle, [("cut_over", "failed", {})], *([[("images", "failed", {})]] * 25))
    if last == "done":
        phases += [{"name": "images", "status": "done", "attempt": 29, "facts": {}}]
        phases += [{"name": "cut_over", "status": "done", "attempt": 29, "facts": {}}]
    kept = bounded({"attempts": [{"begun": "x"}] * 29, "phases": phases})
    assert len(kept["attempts"]) == 20
    assert told(kept["phases"])["cut_over"] == told(phases)["cut_over"] == {"set_aside": "airflow_before_r1"}
