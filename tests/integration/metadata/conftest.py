# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A namespace and a MariaDB of their own on the bed, so that schemas can be reset, dropped and broken at will."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from kubernetes import client

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.execute import execute
from ansible_collections.hopsworks.airflow.tests.integration.access import KUBECONFIG, ROOT, bed_cluster

NAMESPACE = "lab-metadata"
PASSWORD = "CANARY-db-pä|ss%w&o\"r'd $x{7}"
OLD_SCHEMA = ROOT / "tests/unit/mariadb/data/airflow-1.10.15.sql"
ROWS = """
INSERT INTO alembic_version VALUES ('03afc6b6f902');
INSERT INTO dag (dag_id, is_paused, is_active, fileloc) VALUES ('hello', 0, 1, '/dags/hello.py'), ('rests', 1, 1, '');
INSERT INTO task_instance (task_id, dag_id, execution_date, duration, state, pool, pool_slots) VALUES
 ('say', 'hello', '2026-11-20 00:00:00', 1234567.891, 'success', 'default_pool', 1);
INSERT INTO variable (`key`, val) VALUES ('greeting', 'Grüß Gott');
INSERT INTO log (event, extra) SELECT CONCAT('event ', seq), REPEAT(MD5(seq), 20) FROM seq_1_to_20000;
"""


class Laboratory:
    """The MariaDB in its pod, and modules run against it as Ansible runs them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.pod = "mysqlds"
        self.host = "mysql"
        self.transcript = ""

    def sql(self, statements: str, schema: str = "mysql") -> str:
        """As root, through the socket in the pod."""
        data = statements.encode()
        received: list[bytes] = []
        command = f"head -c {len(data)} | mariadb -N -B --default-character-set=utf8mb4 {schema}"
        code, errors = execute(
            self.cluster, self.pod, None, ["/bin/sh", "-c", command], stdin=[data], stdout=received.append
        )
        assert code == 0, errors
        return b"".join(received).decode()

    def shell(self, command: str) -> str:
        received: list[bytes] = []
        execute(self.cluster, self.pod, None, ["/bin/sh", "-c", command], stdout=received.append)
        return b"".join(received).decode(errors="replace")

    def logged(self, text: str) -> int:
        return int(self.shell(f"grep -aic '{text}' /var/lib/mysql/general.log"))

    def make_old(self, schema: str) -> None:
        # What a careful administrator gives: the documented rights on these schemas, and on no others.
        rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, REFERENCES"
        for pattern in ("", "_beside", "_rehearsal", "_restored", "_before_%", "_undone_%"):
            name = f"{schema}{pattern}".replace("_", "\\_")
            self.sql(f"GRANT {rights} ON `{name}`.* TO airflow@'%'")
        self.sql(f"CREATE DATABASE {schema} CHARACTER SET latin1")
        self.sql(OLD_SCHEMA.read_text() + "SET time_zone = '+00:00';" + ROWS, schema)

    def content(self, schema: str) -> dict[str, str]:
        tables = self.sql(f"SHOW TABLES FROM {schema}").split()
        ours = [table for table in tables if not table.startswith("hopsworks_airflow_")]
        lines = self.sql("".join(f"CHECKSUM TABLE {schema}.`{table}`;" for table in ours)).splitlines() if ours else []
        return dict(line.removeprefix(f"{schema}.").split("\t") for line in lines)

    def arguments(self, live: str, **more: object) -> dict[str, object]:
        secret = {"name": "mysql-users-secrets", "key": "airflow"}
        database = {"host": self.host, "name": live, "user": "airflow", "password_secret": secret}
        return {"namespace": NAMESPACE, "kubeconfig": KUBECONFIG, "database": database, **more}

    def command(self, module: str, arguments: dict[str, object], *flags: str) -> list[str]:
        variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        return [
            sys.executable, "-m", "ansible", "adhoc", "-i", "localhost,", "localhost", "-e", json.dumps(variables),
            "-m", f"hopsworks.airflow.{module}", "-a", json.dumps(arguments),
            *flags,
        ]  # fmt: skip

    def run(self, module: str, arguments: dict[str, object], *flags: str) -> Any:
        """Run a module; its result. Everything that was shown is kept for the search for secrets."""
        done = subprocess.run(
            self.command(module, arguments, "-vvv", *flags),
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        self.transcript += done.stdout + done.stderr
        decoder = json.JSONDecoder()
        try:
            # Lines of progress and of -vvv stand before and after it.
            document, _end = decoder.raw_decode(done.stdout, done.stdout.index('{\n    "custom_stats"'))
            return document["plays"][0]["tasks"][0]["hosts"]["localhost"]
        except (ValueError, LookupError):
            pytest.fail(done.stdout + done.stderr)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}

    def jobs(self) -> list[str]:
        return [job.metadata.name for job in self.cluster.batch.list_namespaced_job(NAMESPACE).items]


class OutsideLaboratory(Laboratory):
    """The same with a MariaDB outside the cluster: a container beside the node, without a Service or a pod."""

    def __init__(self, cluster: Cluster, container: str) -> None:
        super().__init__(cluster)
        self.container = container
        networks = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container))
        self.host = networks["kind"]["IPAddress"]

    def sql(self, statements: str, schema: str = "mysql") -> str:
        command = ("mariadb", "-N", "-B", "--default-character-set=utf8mb4", schema)
        return docker("exec", "--interactive", self.container, *command, statements=statements)


def docker(*arguments: str, statements: str = "") -> str:
    done = subprocess.run(["docker", *arguments], input=statements, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def outside(laboratory):
    environment = {**os.environ, "MYSQL_PASSWORD": PASSWORD, "MYSQL_ROOT_PASSWORD": "root"}
    passed = ("--env", "MYSQL_PASSWORD", "--env", "MYSQL_ROOT_PASSWORD")
    command = ("docker", "run", "--detach", "--rm", "--network", "kind", *passed, "bed/mariadb:10.11")
    container = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    try:
        found = OutsideLaboratory(laboratory.cluster, container)
        deadline = time.monotonic() + 120
        while True:
            try:
                if found.sql("SELECT 1 FROM mysql.user WHERE user = 'airflow'"):
                    break
            except AssertionError:
                assert time.monotonic() < deadline
            time.sleep(0.5)
        yield found
    finally:
        docker("rm", "--force", container)


@pytest.fixture(scope="session")
def laboratory():
    cluster = bed_cluster(NAMESPACE)
    core = cluster.core
    make_namespace(core)
    core.create_namespaced_secret(
        NAMESPACE,
        {"metadata": {"name": "mysql-users-secrets"}, "stringData": {"airflow": PASSWORD, "root": "root"}},
    )
    core.create_namespaced_service(
        NAMESPACE,
        {"metadata": {"name": "mysql"}, "spec": {"selector": {"app": "mysqlds"}, "ports": [{"port": 3306}]}},
    )
    core.create_namespaced_pod(NAMESPACE, database_pod())
    deadline = time.monotonic() + 120
    while not ready(core.read_namespaced_pod("mysqlds", NAMESPACE)):
        assert time.monotonic() < deadline, core.read_namespaced_pod("mysqlds", NAMESPACE).status
        time.sleep(0.5)
    yield Laboratory(cluster)
    core.delete_namespace(NAMESPACE)


def make_namespace(core):
    for _attempt in range(120):
        try:
            core.create_namespace({"metadata": {"name": NAMESPACE}})
            break
        except client.ApiException as error:
            if error.status != 409:
                raise
            # Left by a run that was killed, or still ending.
            core.delete_namespace(NAMESPACE)
            time.sleep(1)
    while not core.list_namespaced_service_account(NAMESPACE, field_selector="metadata.name=default").items:
        time.sleep(0.1)


def database_pod():
    def secret(name, key):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": "mysql-users-secrets", "key": key}}}

    probe = ["mariadb", "-e", "select 1 from mysql.user where user = 'airflow'"]
    container = {
        "name": "mariadb",
        "image": "bed/mariadb:10.11",
        "imagePullPolicy": "IfNotPresent",
        "env": [secret("MYSQL_PASSWORD", "airflow"), secret("MYSQL_ROOT_PASSWORD", "root")],
        "ports": [{"containerPort": 3306}],
        "readinessProbe": {"exec": {"command": probe}, "periodSeconds": 1, "timeoutSeconds": 5},
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/mysql"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 1,
    }
    return {"metadata": {"name": "mysqlds", "labels": {"app": "mysqlds"}}, "spec": spec}


def ready(pod):
    return any(entry.type == "Ready" and entry.status == "True" for entry in pod.status.conditions or [])


@pytest.fixture
def old(laboratory, request):
    """Name of a schema with an old Airflow in it, of this test alone."""
    schema = "airflow_" + "".join(part[0] for part in request.node.name.split("_")) + f"{time.time_ns() % 10**6}"
    laboratory.make_old(schema)
    return schema
