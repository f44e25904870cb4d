# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from ansible_collections.hopsworks.airflow.tests.unit.mariadb.installation import install_mariadb
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import Server

ROOM_BYTES = 1 << 30


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
        try:
            yield made
        finally:
            made.stop()
