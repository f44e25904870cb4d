# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair


@pytest.fixture(scope="module")
def quick_keys():
    """Keys of 1024 bits, made once, for tests to which the size means nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair, "KEY_BITS", 1024)
        pool = itertools.cycle([pair.generate() for _index in range(40)])
        patch.setattr(pair, "generate_several", lambda count: [next(pool) for _index in range(count)])
        yield
