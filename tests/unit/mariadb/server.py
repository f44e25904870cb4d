# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymysql

from ansible_collections.hopsworks.airflow.plugins.module_utils._database.address import Address
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.database import MySql
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.installation import tool

PASSWORD = "CANARY-db-pä|ss%w&o\"r'd $x{7}"


class Server:
    """A MariaDB server of its own for the tests, in a directory of its own, on loopback."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder, self._options = folder, options
        self.log = folder / "general.log"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])

    def create(self) -> None:
        # Two servers that begin at the same time would remove each other's temporary files.
        (self.folder / "tmp").mkdir()
        subprocess.run(
            [
                tool("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                *self._options,
            ],
            check=True,
            capture_output=True,
            env={**os.environ, "TMPDIR": str(self.folder / "tmp")},
        )
        self.start()
        self.as_root(f"CREATE USER airflow@'%' IDENTIFIED BY {literal(PASSWORD)}")
        self.as_root("GRANT ALL ON `airflow%`.* TO airflow@'%'")

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                tool("mariadbd"),
                "--no-defaults",
                "--user=root",
                f"--datadir={self.folder / 'data'}",
                f"--socket={self.folder / 'socket'}",
                f"--pid-file={self.folder / 'pid'}",
                f"--tmpdir={self.folder / 'tmp'}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--general-log=1",
                f"--general-log-file={self.log}",
                f"--log-error={self.folder / 'error.log'}",
                "--open-files-limit=4096",
                "--innodb-buffer-pool-size=64M",
                # Speed: nothing here has to survive a machine that loses its power.
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-doublewrite=0",
                "--sync-frm=0",
                *self._options,
            ]
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "error.log").read_text()[-2000:])

    @property
    def process(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def as_root(self, statements: str, schema: str | None = None) -> str:
        ran = subprocess.run(
            [
                tool("mariadb"),
                "--no-defaults",
                f"--socket={self.folder / 'socket'}",
                "--user=root",
                "--batch",
                "--skip-column-names",
                *([schema] if schema else []),
            ],
            input=statements,
            check=False,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def session(self) -> contextlib.AbstractContextManager[MySql]:
        return session("127.0.0.1", self.port, "airflow", PASSWORD.encode(), "the test's server")

    def connect(self, schema: str) -> pymysql.Connection[Any]:
        """A session with a default schema, as a component of Airflow or a tool has it."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="airflow", password=PASSWORD.encode(), database=schema
        )

    def logged(self, text: str) -> int:
        """How many statements in the server's log contain a text."""
        self.as_root("FLUSH GENERAL LOGS")
        return self.log.read_text(encoding="utf-8", errors="replace").upper().count(text.upper())


def address_of(server: Server, password: str = PASSWORD) -> Address:
    return Address("127.0.0.1", server.port, "airflow", "airflow", password.encode())


def literal(text: str) -> str:
    """A text as a statement has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
