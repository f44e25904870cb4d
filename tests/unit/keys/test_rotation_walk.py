# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens in between, rotating the keys refuses no valid token; and the walk would see it if it did."""

from __future__ import annotations

import itertools
import json
import random

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.hopsworks.airflow.tests.unit.keys.deployment import (
    LEEWAY,
    LIFE,
    MINIMUM_AGE,
    ORDER,
    VALIDATORS,
    GenerationNotTold,
    OneValidatorNotRestarted,
    RefusedError,
    RetirementBeforeTheLastToken,
    RetirementCountedFromBeforeTheRestart,
    Site,
    SiteWithOutage,
    ValidatorsNotRestarted,
    cut_over,
    rotate,
    to_the_end,
)
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import SIGNERS, KilledError

pytestmark = pytest.mark.usefixtures("quick_keys")

# Mostly the run goes on; a number says which pod, which copy of the Secret, or how long.
MOVES = (*["go"] * 12, *["wait"] * 4, "die", "die", "roll", "kill", "kill before write", "kill after write")
walks = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 1000)), min_size=40, max_size=120)
# The same walks on every machine, and nothing kept between them.
walking = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=50,
    phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


class Walk:
    """A site, the run that is at work there, and what disturbs both."""

    def __init__(self, site, *runs):
        self.site, self._runs, self._ids, self._run = site, runs, itertools.count(), None

    def move(self, move, number):
        site = self.site
        if move == "wait":
            site.server.pass_time(number if number % 5 else MINIMUM_AGE)
        elif move == "die":
            site.die(ORDER[number % len(ORDER)], number // len(ORDER))
        elif move == "roll":
            site.roll(ORDER[number % len(ORDER)], number // len(ORDER))
        elif move == "kill":
            self._run = None
        elif move == "kill before write":
            site.server.at_write = self._killed
        elif move == "kill after write":
            site.server.after_write = self._killed
        else:
            self._go(number)
        site.work()
        site.check_secret()

    def finish(self):
        """Whoever comes next finishes what was begun, also from another machine."""
        self.move("kill", 0)
        self.site.server.at_write = self.site.server.after_write = lambda: None
        for _run in range(4):
            self.site.server.pass_time(LIFE + LEEWAY)
            self.move("go", 0)
            while self._run is not None:
                self.move("go", 0)

    def _killed(self):
        self.site.server.at_write = self.site.server.after_write = lambda: None
        raise KilledError

    def _go(self, number):
        self._run = self._run or self._runs[number % len(self._runs)](self.site, f"r{next(self._ids)}")
        try:
            next(self._run)
        except (StopIteration, KilledError):
            self._run = None


def check_end(site):
    state = site.server.info()
    assert (state["problem"], state["state"]) == (None, "steady")
    kids = {signer: key["kid"] for signer, key in state["signers"].items()}
    for name in VALIDATORS:
        assert [pod.trusted for pod in site.workloads[name].pods] == [set(kids.values())]
    for name in SIGNERS:
        assert [pod.kid for pod in site.workloads[name].pods] == [kids[name]]


@walking
@given(walks)
def test_no_valid_token_is_ever_refused(moves):
    walk = Walk(Site(), rotate)
    for move in moves:
        walk.move(*move)
    walk.finish()
    check_end(walk.site)


@pytest.mark.parametrize(
    "flawed",
    [
        ValidatorsNotRestarted,
        OneValidatorNotRestarted,
        GenerationNotTold,
        RetirementBeforeTheLastToken,
        RetirementCountedFromBeforeTheRestart,
    ],
)
def test_a_flaw_is_seen(flawed):
    def is_seen(moves):
        walk = Walk(flawed(), rotate)
        try:
            for move in moves:
                walk.move(*move)
        except RefusedError:
            return True
        return False

    # Fails where no such walk is found.
    hypothesis.find(
        walks,
        is_seen,
        settings=settings(walking, max_examples=1000, phases=[hypothesis.Phase.generate]),
        random=random.Random(1),  # noqa: S311 - the same walks each time
    )


@walking
@given(walks)
def test_a_cut_over_is_finished_with_the_keys_that_it_made_whatever_it_interrupts(moves):
    walk, made, version = Walk(SiteWithOutage(), rotate, cut_over), {}, None
    for move in moves:
        walk.move(*move)
        if version == walk.site.server.version:
            continue
        version, state = walk.site.server.version, walk.site.server.info()
        assert state["problem"] is None
        if state["state"] == "replaced":
            kids = [signer["kid"] for signer in state["signers"].values()]
            assert made.setdefault(state["rotation"], kids) == kids
    walk.finish()
    check_end(walk.site)


def test_ten_rotations_leave_what_one_leaves():
    site, seen, sizes = Site(), [], []
    for index in range(10):
        site.server.pass_time(MINIMUM_AGE)
        for _run in range(2):
            to_the_end(rotate(site, f"r{index}"))
            site.server.pass_time(LIFE + LEEWAY)
        entries, annotations = site.server.entries, site.server.annotations
        check_end(site)
        assert site.server.info()["rotation"] == f"r{index}"
        assert len(json.loads(entries["jwks.json"])["keys"]) == len(SIGNERS)
        seen.append((set(entries), set(annotations)))
        sizes.append(sum(map(len, entries.values())))
    assert all(names == seen[0] for names in seen)
    # The encoding of a private key differs by some bytes from key to key.
    assert max(sizes) - min(sizes) < 64
