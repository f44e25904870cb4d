# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import uuid

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.progress import Progress
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.access import opened
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import execute
from ansible_collections.hopsworks.airflow.tests.integration.access import bed_cluster

OPTIONS = {
    "url": "https://namenode-external.hopsworks.svc.cluster.local:9870",
    "tls_secret": "hopsfs-operator-tls",
    "workers": 8,
}


@pytest.fixture(scope="session")
def cluster():
    return bed_cluster("hopsworks")


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


@pytest.fixture(scope="session")
def administer(cluster):
    """Runs `hdfs dfsadmin ARGUMENTS` beside the NameNode."""

    def run(*arguments: str) -> None:
        pods = cluster.core.list_namespaced_pod("hopsworks", label_selector="app=namenode").items
        code, errors = execute.execute(
            cluster, pods[0].metadata.name, "namenode", ["/usr/local/bin/hdfs", "dfsadmin", *arguments]
        )
        assert code == 0, errors

    return run
