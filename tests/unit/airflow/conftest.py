# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.token import SigningKey
from ansible_collections.hopsworks.airflow.tests.unit.airflow.fake import FakeAirflow


@pytest.fixture(scope="session")
def keys():
    """Three keys; small ones, since their size is none of this subject."""
    return [SigningKey(f"kid-{n}", rsa.generate_private_key(public_exponent=65537, key_size=2048)) for n in range(3)]


@pytest.fixture(params=["3.0", "3.3"])
def airflow(request, keys):
    running = FakeAirflow(keys[0], request.param)
    yield running
    running.close()
