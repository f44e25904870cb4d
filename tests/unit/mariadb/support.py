# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.progress import Progress
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags.quiesce import Quiesce
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.address import Address
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.database import MySql
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.tls import Tls
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.memory import Memory, Remembered
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.ownership import Owner
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.plan import Plan
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import Install, Mark, write_mark
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PLAN, Schemas
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.back import Restore
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.examination import Request
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset

DATA = Path(__file__).parent / "data"
PASSWORD = "CANARY-db-pä|ss%w&o\"r'd $x{7}"
OLD_REVISION, NEW_REVISION = "03afc6b6f902", "fe199e1abd77"
NAMESPACE = "hopsworks"
RUN, UNDO_RUN = "20261122t030000", "20261123t090000"

# Rows such as an old deployment has: NULLs, binary, FLOAT with more digits than a dump keeps, awkward text.
ROWS = """
INSERT INTO alembic_version VALUES ('03afc6b6f902');
INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, last_scheduler_run, fileloc, owners) VALUES
 ('p_demo_1__hello', 0, 0, 1, '2026-11-21 03:00:00.123456', '/dags/hello.py', 'demo'),
 ('p_demo_1__sleeping', 1, 0, 1, NULL, '/dags/sleeping.py', 'demo'),
 ('p_demo_1__gone', 0, 0, 0, NULL, '/dags/gone.py', 'dämo');
INSERT INTO dag_tag VALUES ('nightly', 'p_demo_1__hello');
INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger, conf) VALUES
 ('p_demo_1__hello', '2026-11-20 00:00:00', 'success', 'scheduled__1', 0, x'80049500ff'),
 ('p_demo_1__hello', '2026-11-21 00:00:00', 'failed', 'scheduled__2', 0, NULL);
INSERT INTO task_instance (task_id, dag_id, execution_date, duration, state, try_number, pool, pool_slots) VALUES
 ('say', 'p_demo_1__hello', '2026-11-20 00:00:00', 0.123456789, 'success', 1, 'default_pool', 1),
 ('say', 'p_demo_1__hello', '2026-11-21 00:00:00', 1234567.891, 'failed', 2, 'default_pool', 1);
INSERT INTO variable (`key`, val, is_encrypted) VALUES ('greeting', 'Grüß Gott \\\\ ''quoted'' "twice"', 0);
INSERT INTO connection (conn_id, conn_type, password) VALUES ('store', 'http', 'gAAAA');
INSERT INTO slot_pool (pool, slots, description) VALUES ('default_pool', 128, 'Default pool'), ('narrow', 2, '');
INSERT INTO log (dttm, dag_id, event, owner) SELECT '2026-11-21', 'p_demo_1__hello', CONCAT('event ', seq), 'demo'
 FROM seq_1_to_300;
"""


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
                _tool("mariadb-install-db"),
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
                _tool("mariadbd"),
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
                _tool("mariadb"),
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


class RememberingMemory:
    """The ConfigMap's entry, kept here."""

    config_map = "airflow-runbook"

    def __init__(self) -> None:
        self.remembered: Remembered | None = None

    def read(self) -> Remembered | None:
        return self.remembered

    def write(self, remembered: Remembered) -> None:
        self.remembered = remembered


class Deployment:
    """Schemas of one deployment on the server: an old live one and, beside it, a complete new one."""

    def __init__(self, server: Server, live: str) -> None:
        self.server, self.names = server, Schemas(live, f"{live}_beside")
        self.name = "demo"

    def make_old(self) -> None:
        self.make_empty()
        self.fill_old()

    def fill_old(self) -> None:
        # A dump ends with statements that restore the session's settings; the rows need none of them.
        self.server.as_root((DATA / "airflow-1.10.15.sql").read_text(), self.names.live)
        self.server.as_root(f"SET time_zone='+00:00';{ROWS}", self.names.live)

    def make_empty(self) -> None:
        self.server.as_root(f"CREATE DATABASE {quoted(self.names.live)} CHARACTER SET latin1")

    def make_new(self, database: MySql, *, run: str = RUN) -> None:
        schema = self.names.workspace
        self.server.as_root(
            f"CREATE DATABASE IF NOT EXISTS {quoted(schema)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
        )
        self.mark_new(database, run=run)
        self.server.as_root((DATA / "airflow-3.0.6.sql").read_text(), schema)
        self.server.as_root(f"INSERT INTO alembic_version VALUES ('{NEW_REVISION}')", schema)

    def remove(self) -> None:
        """Whatever is there of it, but for what has another name."""
        own = [name for name in self.schemas() if name == self.names.live or name.startswith(f"{self.names.live}_")]
        self.server.as_root(
            "SET foreign_key_checks = 0, lock_wait_timeout = 30;"
            + "".join(f"DROP DATABASE {quoted(name)};" for name in sorted(own))
        )

    def mark_new(self, database: MySql, *, run: str = RUN) -> None:
        write_mark(database, self.names.workspace, self.mark(run=run))

    def mark(self, **changes: str) -> Mark:
        """That of a complete new schema."""
        values = {
            "purpose": "migration",
            "deployment": self.name,
            "namespace": NAMESPACE,
            "live": self.names.live,
            "run": RUN,
            "state": "complete",
            "image": "bed/airflow:3.0.6",
            "revision": NEW_REVISION,
            "created_at": "2026-11-22T03:00:00Z",
            **changes,
        }
        return Mark(**values)

    def install(self, **changes: str) -> Install:
        """The sentinel of a finished reset."""
        values = {
            "deployment": self.name,
            "namespace": NAMESPACE,
            "live": self.names.live,
            "run": RUN,
            "installed_at": "2026-11-22T03:00:00Z",
            "image": "bed/airflow:3.0.6",
            "revision": NEW_REVISION,
            "method": "set_aside",
            "set_aside": "",
            "dump": "",
            **changes,
        }
        return Install(**values)

    def owner(self, run: str = RUN) -> Owner:
        return Owner(self.name, NAMESPACE, self.names.live, run)

    def quiesce(self, database: MySql, *, installed: bool = False, run: str = RUN) -> Quiesce:
        return Quiesce(database, self.names, self.owner(run), quiet, installed=installed)

    def request(self, **changes: object) -> Request:
        values = {
            "names": self.names,
            "namespace": NAMESPACE,
            "deployment": self.name,
            "run": RUN,
            "confirm": self.name,
            "user": "airflow",
            "session_timeout_seconds": 0.2,
            **changes,
        }
        return Request(**values)  # type: ignore[arg-type]

    def tables(self, schema: str) -> set[str]:
        return set(
            self.server.as_root(
                f"SELECT table_name FROM information_schema.tables WHERE table_schema = {literal(schema)}"
            ).split()
        )

    def schemas(self) -> set[str]:
        return {name for name in self.server.as_root("SHOW DATABASES").split() if name.startswith(self.names.live)}

    def content(self, database: MySql, schema: str) -> dict[str, str]:
        """A sum over the rows of each of Airflow's tables, wherever they are."""
        found = database.checksums(schema, sorted(self.tables(schema) - {PLAN}), quiet)
        return {table: content.sum for table, content in found.items()}

    def everything(self, database: MySql) -> dict[str, dict[str, str]]:
        """All tables of all schemas of this deployment, with their sums."""
        return {
            schema: {
                table: content.sum
                for table, content in database.checksums(schema, sorted(self.tables(schema)), quiet).items()
            }
            for schema in sorted(self.schemas())
        }

    def definition(self, schema: str) -> str:
        """Definitions of all Airflow's tables and all their rows, as the dump tool writes them.

        But for the next number to be given: a server that opens a table again counts on from the highest there is.
        """
        text = subprocess.run(
            [
                _tool("mariadb-dump"),
                "--no-defaults",
                f"--socket={self.server.folder / 'socket'}",
                "--user=root",
                "--skip-comments",
                "--hex-blob",
                "--order-by-primary",
                f"--ignore-table={schema}.{PLAN}",
                schema,
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return re.sub(r" AUTO_INCREMENT=\d+", "", text)

    def rehearsed(self, database: MySql, schema: str, run: str = RUN) -> dict[str, object]:
        """What a rehearsal returns for the rows that are there now."""
        found = database.fingerprints(schema, sorted(self.tables(schema)), quiet)
        tables = {table: {"rows": content.rows, "sum": content.sum} for table, content in found.items()}
        return {"database": self.names.live, "run": run, "tables": tables}


def call_of(database: MySql, monkeypatch: pytest.MonkeyPatch, module: ModuleType, **params: object) -> Call:
    """What an action gets; it finds this session where it would connect to the server of a deployment."""

    @contextlib.contextmanager
    def connected(_cluster: object, _address: object, _patience: object = None) -> Iterator[MySql]:
        yield database

    warnings: list[str] = []
    check_mode = bool(params.pop("check_mode", False))
    name = params.pop("live")
    monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr(module, "read_address", lambda *_given: SimpleNamespace(name=name, user="airflow", tls=Tls()))
    defaults = {option: entry.get("default") for option, entry in module.ACTION.argument_spec.items()}
    cluster = SimpleNamespace(namespace=params.pop("namespace", NAMESPACE))
    return Call({**defaults, **params}, check_mode, cast(Cluster, cluster), cast(Progress, quiet), warnings.append)


class LocalPod:
    """Runs what would be executed in a pod on this machine, and keeps what its process list would have shown."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    environment: Mapping[str, str] = {}

    def execute(
        self,
        cluster: object,
        pod: str,
        container: str | None,
        command: list[str],
        *,
        stdin: Iterable[bytes] = (),
        stdout: Callable[[bytes], object] | None = None,
        timeout_seconds: float = 0,
    ) -> tuple[int, str]:
        self.commands.append(command)
        script, arguments = command[2], command[3:]
        # Every process that the script starts is shown with its arguments.
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.environment},
        )
        output, errors = process.communicate(b"".join(stdin))
        if stdout is not None and output:
            stdout(output)
        return process.returncode, errors.decode()


def address_of(server: Server, password: str = PASSWORD) -> Address:
    return Address("127.0.0.1", server.port, "airflow", "airflow", password.encode())


def literal(text: str) -> str:
    """A text as a statement has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def quiet(line: str) -> None:
    """Progress that nobody listens to."""
    del line


def reset(database: MySql, deployment: Deployment, memory: RememberingMemory, **changes: object) -> dict[str, Any]:
    return Reset(database, deployment.request(**changes), cast(Memory, memory), quiet).carry_out()


def restore(database: MySql, deployment: Deployment, memory: RememberingMemory, **changes: object) -> dict[str, Any]:
    request = deployment.request(run=UNDO_RUN, **changes)
    return Restore(database, request, cast(Memory, memory), quiet).carry_out()


def set_state(database: MySql, plan: Plan, state: str) -> None:
    database.execute(
        f"UPDATE {quoted(plan.schema, PLAN)} SET detail = JSON_SET(detail, '$.state', '{state}') WHERE position = 0"
    )


class ClientDiedError(Exception):
    """The tests' stand-in for SIGKILL."""


class DyingDatabase(MySql):
    """A session whose client dies before it sends one more statement that changes something.

    That is the one `after` so many others, or the first that begins with `before`.
    """

    def __init__(self, database: MySql, after: int = -1, before: str = "") -> None:
        super().__init__(database._connection, database._where)
        self._left, self._before = after, before

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        if self._left == 0 or (self._before and statement.startswith(self._before)):
            raise ClientDiedError(statement)
        self._left -= 1
        return super().execute(statement, values)


def install_mariadb() -> None:
    """Make sure that the server and its tools are there, or say what to install: these tests are never skipped."""
    if all(_found(name) for name in ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump")):
        return
    install(["mariadb-server-core", "mariadb-client"])


def install(packages: list[str]) -> None:
    """Install Debian's packages, as root, or say which ones are missing."""
    if os.geteuid() != 0 or _found("apt-get") is None:
        raise AssertionError(f"install {' and '.join(packages)} (as Debian 12 has them) to run these tests")
    # Workers of one test run may come here at the same time.
    wait = ["-o", "DPkg::Lock::Timeout=300", "-qq"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", *wait, "update"], check=False, env=environment)
    subprocess.run(
        ["apt-get", *wait, "install", "--no-install-recommends", "-y", *packages], check=True, env=environment
    )


def plugins(folder: Path) -> Path:
    """Where the server's plugins are. Debian has them in another package, whose installation would start a server."""
    installed = Path("/usr/lib/mysql/plugin")
    if (installed / "auth_ed25519.so").exists():
        return installed
    if _found("apt-get") is None:
        raise AssertionError("install mariadb-server (as Debian 12 has it) to run these tests")
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    subprocess.run([*apt, "update"], check=False)
    subprocess.run([*apt, "download", "mariadb-server"], cwd=folder, check=True)
    (package,) = folder.glob("mariadb-server_*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    return folder / installed.relative_to("/")


def _found(name: str) -> str | None:
    # mariadbd stands in /usr/sbin, which is not on every PATH.
    return shutil.which(name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin")


def _tool(name: str) -> str:
    found = _found(name)
    if found is None:
        raise AssertionError(f"{name} is missing")
    return found
