# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair

READ_PRIVATE = functools.lru_cache(maxsize=None)(pair.read_private)


@pytest.fixture(autouse=True)
def each_key_is_read_once(monkeypatch):
    """Reading one of 4096 bits takes 0.3 s, its primes are tested."""
    monkeypatch.setattr(pair, "read_private", READ_PRIVATE)
