# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import os

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._database import client as tools_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.client import Tools
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dumping import (
    dump_path,
    make_dump,
    read_content,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import read_manifest
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.restoring import Restoration
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, Deployment, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.pod import LocalPod
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.running import running
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import address_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import RememberingMemory

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    """A unit test that reaches for a cluster finds none, on every machine alike."""
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", os.devnull)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("HOPSWORKS_AIRFLOW_PROGRESS", raising=False)


@pytest.fixture
def api_server():
    made = ApiServer()
    yield made
    made.stop()


# Of several rooms: a server is started once for all that use it.
@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with running(tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="session")
def folding_server(tmp_path_factory):
    """A server that takes every name of a schema and a table in lower case."""
    with running(tmp_path_factory, "--lower-case-table-names=1") as made:
        yield made


@pytest.fixture
def database(server):
    with server.session() as connected:
        yield connected


@pytest.fixture
def memory():
    return RememberingMemory()


@pytest.fixture
def bare(server):
    """A deployment whose schemas do not exist yet."""
    made = Deployment(server, f"airflow_t{next(_numbers)}")
    yield made
    # The server looks through all tables that it has for much of what it is asked.
    made.remove()


@pytest.fixture
def deployment(bare, database):
    """An old deployment with a complete new schema beside it."""
    bare.make_old()
    bare.make_new(database)
    return bare


@pytest.fixture
def pod(monkeypatch):
    local = LocalPod()
    monkeypatch.setattr(tools_module, "execute", local.execute)
    return local


@pytest.fixture
def tools(server, pod):
    return Tools(None, "mysqlds-0", None, address_of(server), 60)


@pytest.fixture
def dump(database, deployment, tools, tmp_path):
    path = dump_path(str(tmp_path / "private"), deployment.names.live, RUN)
    before = read_content(database, deployment.names.live, quiet)
    make_dump(database, tools, deployment.names.live, RUN, path, before, quiet)
    return path


@pytest.fixture
def restoration(database, bare, dump):
    return Restoration(database, f"{bare.names.live}_rehearsal", bare.owner(), dump, read_manifest(dump), quiet)
