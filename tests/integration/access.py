# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bed's cluster as an action reaches it; `KUBECONFIG` or the bed's own kubeconfig says which cluster that is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.connection import connect
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryPolicy

ROOT = Path(__file__).resolve().parents[2]
KUBECONFIG = os.environ.get("KUBECONFIG", str(ROOT / ".sandbox/kubeconfig"))


def bed_cluster(namespace: str) -> Cluster:
    """Fails the test where there is no bed: it is not skipped unseen."""
    if not Path(KUBECONFIG).exists():
        pytest.fail("there is no bed: run `ansible-playbook sandbox/create.yml` first", pytrace=False)
    return Cluster(connect({"kubeconfig": KUBECONFIG}, RetryPolicy()), namespace)
