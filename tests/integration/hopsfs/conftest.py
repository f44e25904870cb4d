# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import pathlib
import uuid

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.access import opened
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.progress import Progress

CHECKOUT = pathlib.Path(__file__).parents[3]
OPTIONS = {
    "url": "https://namenode-external.hopsworks.svc.cluster.local:9870",
    "tls_secret": "hopsfs-operator-tls",
    "workers": 8,
}


@pytest.fixture(scope="session")
def cluster():
    """The bed's cluster; without a bed the test fails rather than being skipped unseen."""
    from kubernetes import config

    kubeconfig = CHECKOUT / ".sandbox" / "kubeconfig"
    if not kubeconfig.exists():
        pytest.fail("there is no bed: run `ansible-playbook sandbox/create.yml` first", pytrace=False)
    return Cluster(config.new_client_from_config(str(kubeconfig)), "hopsworks")


@pytest.fixture(scope="session")
def hdfs(cluster):
    with opened(cluster, OPTIONS, Progress("test")) as client:
        yield client


@pytest.fixture
def laboratory(hdfs):
    """A directory of its own for one test, with mode 0755 as `/` has, and deleted afterwards."""
    path = f"/laboratory-{uuid.uuid4().hex[:8]}"
    hdfs.mkdirs(path, "755")
    with contextlib.ExitStack() as stack:
        stack.callback(hdfs.delete, path)
        yield path
