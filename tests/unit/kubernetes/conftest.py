# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import retrying_client
from ansible_collections.hopsworks.airflow.tests.unit.api_server import Clock

VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "KUBECONFIG", "K8S_AUTH_KUBECONFIG")


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Nothing of this machine says how to reach an API server, and waiting takes no time."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(retrying_client, "time", Clock())


@pytest.fixture
def server(api_server):
    return api_server
