# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import (
    Deployment,
    RememberingMirror,
    Server,
    install_mariadb,
)

ROOM_BYTES = 1 << 30
_numbers = itertools.count(1)


@contextlib.contextmanager
def running(tmp_path_factory, *options):
    # In memory where there is room: thousands of small files are written and synchronised here.
    memory = Path("/dev/shm")
    room = shutil.disk_usage(memory).free if memory.is_dir() else 0
    base = memory if room > ROOM_BYTES else tmp_path_factory.mktemp("mariadb")
    with tempfile.TemporaryDirectory(dir=base, prefix="mariadb-") as folder:
        install_mariadb()
        made = Server(Path(folder), options)
        made.create()
        yield made
        made.stop()


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
def mirror():
    return RememberingMirror()


@pytest.fixture
def bare(server):
    """A deployment whose schemas do not exist yet."""
    return Deployment(server, f"airflow_t{next(_numbers)}")


@pytest.fixture
def deployment(bare, database):
    """An old deployment with a complete new schema beside it."""
    bare.make_old()
    bare.make_new(database)
    return bare
