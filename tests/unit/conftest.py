# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

# Of several rooms: a server is started once for all that use it.
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.fixtures import (  # noqa: F401
    bare,
    database,
    deployment,
    dump,
    folding_server,
    mirror,
    pod,
    restoration,
    server,
    tools,
)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """A unit test that reaches for a cluster finds none, on every machine alike."""
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", os.devnull)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("HOPSWORKS_AIRFLOW_PROGRESS", raising=False)
