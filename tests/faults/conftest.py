# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import random

import pytest
from bed import Bed
from promises import Old
from steps import Faults

# Repeats what chance chose: AIRFLOW_FAULTS_SEED=… make faults
SEED = int(os.environ.setdefault("AIRFLOW_FAULTS_SEED", str(random.SystemRandom().randrange(2**32))))


def pytest_report_header() -> str:
    return f"seed of the random kills: AIRFLOW_FAULTS_SEED={SEED}"


@pytest.fixture(scope="session")
def bed() -> Bed:
    return Bed()


@pytest.fixture(scope="session")
def old(bed: Bed) -> Old:
    return Old(bed)


@pytest.fixture
def faults(bed: Bed, tmp_path: pathlib.Path) -> Faults:
    return Faults(bed, tmp_path)
