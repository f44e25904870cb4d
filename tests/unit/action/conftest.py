# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import Lock


@pytest.fixture
def server(api_server):
    Lock(api_server.cluster(), "airflow-runbook").acquire("alice", "another-machine/boot/1/1")
    return api_server
