# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An upgrade is killed at steps that chance chooses, reads among them. AIRFLOW_FAULTS_SEED repeats a choice."""

from __future__ import annotations

import os
import pathlib
import random

import pytest
from bed import Bed
from promises import UPGRADE, set_aside_completes
from steps import Faults

SEED = int(os.environ["AIRFLOW_FAULTS_SEED"])  # conftest.py chooses one
KILLS = 20


@pytest.fixture(scope="module")
def number_of_steps(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many steps an upgrade takes that nothing happens to."""
    bed.reset("old")
    recorded = Faults(bed, pathlib.Path(tmp_path_factory.mktemp("recorded"))).recorded(UPGRADE)
    assert recorded.process.returncode == 0, recorded.text[-4000:]
    return len(recorded.steps)


@pytest.mark.parametrize("kill", range(KILLS))
def test_an_upgrade_completes_after_a_kill_at_any_step(
    bed: Bed, faults: Faults, number_of_steps: int, kill: int
) -> None:
    number = random.Random(SEED + kill).randrange(1, number_of_steps + 1)  # noqa: S311  a place, not a secret
    print(f"seed {SEED}, kill {kill}: step {number} of about {number_of_steps}")
    bed.reset("old")
    history = bed.history()
    killed = faults.killed_at(UPGRADE, number=number)
    print(f"killed before: {killed.hit() if killed.process.returncode else 'nothing, it took fewer steps'}")
    set_aside_completes(bed, history)
