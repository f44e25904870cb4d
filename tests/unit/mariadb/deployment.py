# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ansible_collections.hopsworks.airflow.plugins.module_utils._dags.quiesce import Quiesce
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.database import MySql
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.ownership import Owner
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import Install, Mark, write_record
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PLAN, Schemas
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.swap import Request
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.installation import tool
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import Server, literal

DATA = Path(__file__).parent / "data"

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
        write_record(database, self.names.workspace, self.mark(run=run))

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
                tool("mariadb-dump"),
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


def quiet(line: str) -> None:
    """Progress that nobody listens to."""
    del line
