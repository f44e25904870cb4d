# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import client
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.client import WebHdfs
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.store import Store
from ansible_collections.hopsworks.airflow.tests.unit.api_server import Clock
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.fake import NAME_NODE, FakeHopsfs


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    time = Clock()
    monkeypatch.setattr(client, "time", time)
    return time


@pytest.fixture
def said():
    """Lines of progress."""
    return []


@pytest.fixture
def hopsfs():
    return FakeHopsfs()


@pytest.fixture
def hdfs(hopsfs, said):
    return WebHdfs(NAME_NODE, hopsfs, said.append)


@pytest.fixture
def store(hdfs):
    return Store(hdfs, "/airflow-snapshots")


@pytest.fixture
def folders(hopsfs):
    for name in ("a.py", "b.py", "sub/c.py"):
        hopsfs.put(f"/Projects/demo/Airflow/{name}", "FILE", "0644", b"x" * 100)
    return hopsfs
