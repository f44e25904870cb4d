# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An upgrade is killed at steps that chance chooses, reads among them. AIRFLOW_FAULTS_SEED repeats a choice.

Chance chooses a kind of step, then one of that kind: of all steps together, four out of five copy a DAG file.
"""

from __future__ import annotations

import os
import pathlib
import random
import re

import pytest
from bed import Bed
from promises import UPGRADE, old_deployment, set_aside_completes
from steps import Faults

SEED = int(os.environ["AIRFLOW_FAULTS_SEED"])  # conftest.py chooses one
UPGRADES = 2
# Of each upgrade.
KILLS = 10
KINDS = {
    "a look at the cluster": r"^http GET /apis?/",
    "a change of the cluster": r"^http (?!GET)\S+ /apis?/",
    "a look at HopsFS": r"^http GET /webhdfs/",
    "a change of HopsFS": r"^http (?!GET)\S+ /webhdfs/",
    "a look at the database": r"^sql (SELECT|SHOW) ",
    "a change of the database": r"^sql (?!SELECT|SHOW|SET|ROLLBACK)",
    "a request to Airflow": r"^http \S+ /hopsworks-api/",
    "a session in a pod": r"^exec ",
    "a file gets its name": r"^file ",
}


@pytest.fixture(scope="module")
def number_of_steps(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How many steps of each kind an upgrade takes that nothing happens to."""
    old_deployment(bed)
    recorded = Faults(bed, pathlib.Path(tmp_path_factory.mktemp("recorded"))).recorded(UPGRADE)
    assert recorded.process.returncode == 0, recorded.text[-4000:]
    numbers = {kind: sum(bool(re.search(KINDS[kind], step)) for step in recorded.steps) for kind in KINDS}
    assert all(numbers.values()), numbers
    return numbers


@pytest.mark.parametrize("upgrade", range(UPGRADES))
def test_an_upgrade_completes_however_often_it_is_killed_at_any_step(
    bed: Bed, faults: Faults, number_of_steps: dict[str, int], upgrade: int
) -> None:
    chance = random.Random(SEED + upgrade)  # noqa: S311  places, not secrets
    history = old_deployment(bed)
    kills = 0
    while kills < KILLS:
        kind = chance.choice(list(KINDS))
        nth = chance.randrange(1, number_of_steps[kind] + 1)
        print(f"seed {SEED}, upgrade {upgrade}: {kind}, number {nth} of about {number_of_steps[kind]}")
        killed = faults.killed_if_reached(UPGRADE, when="before", pattern=KINDS[kind], nth=nth)
        if killed.process.returncode == 0:
            # It had less left to do than that, and is finished: the rest of the kills hit another upgrade.
            print("finished before")
            set_aside_completes(bed, history)
            history = old_deployment(bed)
        else:
            print(f"killed before: {killed.hit()}")
            kills += 1
    set_aside_completes(bed, history)
