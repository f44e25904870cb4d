from __future__ import annotations

import pytest
from bed import Bed


@pytest.fixture(scope="session")
def bed() -> Bed:
    return Bed()
