from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "bed"))

from bed import Bed


@pytest.fixture(scope="session")
def bed() -> Bed:
    return Bed()
