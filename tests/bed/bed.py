"""The bed as tests see it: its API server, its database, its HDFS, and the commands that an operator types."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import yaml
from kubernetes import client, config

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.execute import execute
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.network import Network
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryingClient

ROOT = pathlib.Path(__file__).parents[2]
KUBECONFIG = ROOT / ".sandbox" / "kubeconfig"
INVENTORY = ROOT / "sandbox" / "inventory.yml"
TOOLS = pathlib.Path(sys.executable).parent
NAMESPACE = "hopsworks"

# Written by the tests before an upgrade, read by those after it.
BEFORE = ROOT / ".sandbox" / "before-upgrade.json"

# What an Airflow 1.10 knows and nothing changes while it is quiet; `is_paused` is all of `dag` that operators see.
HISTORY = {
    "dag_run": "SELECT * FROM {schema}.dag_run ORDER BY id",
    "task_instance": "SELECT * FROM {schema}.task_instance ORDER BY dag_id, task_id, execution_date",
    "xcom": "SELECT * FROM {schema}.xcom ORDER BY id",
    "variable": "SELECT * FROM {schema}.variable ORDER BY id",
    "connection": "SELECT * FROM {schema}.connection ORDER BY id",
    "slot_pool": "SELECT * FROM {schema}.slot_pool ORDER BY id",
    "dag": "SELECT dag_id, is_paused, is_active, owners, fileloc FROM {schema}.dag ORDER BY dag_id",
    "ab_user": "SELECT * FROM {schema}.ab_user ORDER BY id",
    "alembic_version": "SELECT * FROM {schema}.alembic_version",
}


class Bed:
    def __init__(self) -> None:
        if not KUBECONFIG.exists():
            raise FileNotFoundError("there is no bed: run `ansible-playbook sandbox/create.yml` first")
        config.load_kube_config(str(KUBECONFIG))
        self.cluster = Cluster(RetryingClient(client.Configuration.get_default_copy()), NAMESPACE)

    # What operators type

    def command(self, *arguments: str) -> list[str]:
        return [str(TOOLS / "ansible-playbook"), "-i", str(INVENTORY), *arguments]

    def environment(self) -> dict[str, str]:
        """An operator's: without what molecule sets for the playbooks that it runs itself."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
        return {**kept, "PATH": f"{TOOLS}:{os.environ['PATH']}"}

    def play(self, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection, or of the sandbox, to its end; the output is both streams together."""
        return subprocess.run(
            self.command(str(ROOT / playbook), *arguments),
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def start(self, playbook: str, *arguments: str, output: pathlib.Path) -> subprocess.Popen[bytes]:
        with output.open("wb") as stream:
            return subprocess.Popen(
                self.command(str(ROOT / playbook), *arguments),
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def reset(self, state: str) -> None:
        done = self.play("sandbox/reset.yml", "-e", f"bed_state={state}")
        assert done.returncode == 0, done.stdout[-4000:]

    # The database

    @contextmanager
    def database(self) -> Iterator[pymysql.cursors.Cursor]:
        password = (self.cluster.secret_entries("mysql-users-secrets") or {})["root"]
        with Network(self.cluster) as network:
            host, port = network.address("mysql", 3306)
            connection = pymysql.connect(host=host, port=port, user="root", password=password, autocommit=True)
            with connection, connection.cursor() as cursor:
                yield cursor

    def schemas(self) -> list[str]:
        with self.database() as cursor:
            cursor.execute("SHOW DATABASES LIKE 'airflow%'")
            return [row[0] for row in cursor.fetchall()]

    def tables(self, schema: str) -> list[str]:
        with self.database() as cursor:
            cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (schema,))
            return sorted(row[0] for row in cursor.fetchall())

    def history(self, schema: str = "airflow") -> dict[str, list[Any]]:
        with self.database() as cursor:
            rows = {}
            for table, query in HISTORY.items():
                cursor.execute(query.format(schema=f"`{schema}`"))
                rows[table] = list(cursor.fetchall())
            return rows

    def checksums(self) -> dict[str, int]:
        """CHECKSUM TABLE of every table in every schema of Airflow."""
        sums = {}
        with self.database() as cursor:
            cursor.execute(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE 'airflow%%'"
            )
            for schema, table in cursor.fetchall():
                cursor.execute(f"CHECKSUM TABLE `{schema}`.`{table}`")
                sums[f"{schema}.{table}"] = next(iter(cursor.fetchall()))[1]
        return sums

    def let_drop(self) -> None:
        """The rights that `airflow_reset_method: drop` wants beside the others, until the next reset."""
        with self.database() as cursor:
            cursor.execute("GRANT EXECUTE, EVENT, TRIGGER, LOCK TABLES ON airflow.* TO 'airflow'@'%'")

    def dropped_databases(self) -> list[str]:
        """Statements in the server's general log that drop a database."""
        found: list[bytes] = []
        execute(
            self.cluster,
            "mysqlds-0",
            None,
            ["sh", "-c", "grep -aiE 'Query[[:space:]]+drop +(database|schema)' /var/lib/mysql/general.log || true"],
            stdout=found.append,
        )
        return b"".join(found).decode("utf-8", "replace").splitlines()

    # The cluster

    def versions(self) -> dict[str, str]:
        """resourceVersion of every object of the namespace that is not written by the cluster itself all the time."""
        versions = {}
        for path in (
            "api/v1/namespaces/{}/configmaps",
            "api/v1/namespaces/{}/secrets",
            "api/v1/namespaces/{}/services",
            "api/v1/namespaces/{}/serviceaccounts",
            "api/v1/namespaces/{}/pods",
            "apis/apps/v1/namespaces/{}/deployments",
            "apis/apps/v1/namespaces/{}/replicasets",
            "apis/apps/v1/namespaces/{}/statefulsets",
            "apis/batch/v1/namespaces/{}/jobs",
            "apis/policy/v1/namespaces/{}/poddisruptionbudgets",
            "apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
            "apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
            "apis/coordination.k8s.io/v1/namespaces/{}/leases",
        ):
            for item in self.get("/" + path.format(NAMESPACE))["items"]:
                metadata = item["metadata"]
                versions[f"{path.rsplit('/', 1)[1]}/{metadata['name']}"] = metadata["resourceVersion"]
        return versions

    def get(self, path: str) -> Any:
        return self.cluster.api.call_api(
            path, "GET", auth_settings=["BearerToken"], response_type="object", _return_http_data_only=True
        )

    def run_record(self) -> dict[str, Any] | None:
        found = self.cluster.find(self.cluster.core.read_namespaced_config_map, "airflow-runbook-sandbox")
        return json.loads(found.data["run"]) if found is not None and "run" in (found.data or {}) else None

    def pods(self) -> dict[str, str]:
        """Name and start of each pod of Airflow's."""
        listed = self.cluster.core.list_namespaced_pod(NAMESPACE, label_selector="app")
        return {
            pod.metadata.name: str(pod.metadata.creation_timestamp)
            for pod in listed.items
            if pod.metadata.labels["app"].startswith("airflow-")
        }

    # HDFS

    def dag_files(self) -> list[str]:
        """Path, owner, group, permission, length, time, ACL, attributes and MD5 of everything in the DAG folders."""
        lines: list[bytes] = []
        commands = (
            "-stat '%Y %F %a %u %g %b %n' '/Projects/*/Airflow' '/Projects/*/Airflow/*'",
            "-getfacl -R /Projects",
            "-getfattr -R -d /Projects",
            "-cat '/Projects/*/Airflow/*.py' | md5sum",
        )
        script = "; ".join(f"hdfs dfs {command}" for command in commands)
        self.hdfs(script, lines.append)
        return b"".join(lines).decode("utf-8", "replace").splitlines()

    def hdfs(self, script: str, stdout: Callable[[bytes], object] | None = None) -> None:
        pods = self.cluster.core.list_namespaced_pod(NAMESPACE, label_selector="app=namenode").items
        pod = next(pod.metadata.name for pod in pods if pod.metadata.deletion_timestamp is None)
        execute(self.cluster, pod, "namenode", ["sh", "-c", script], stdout=stdout)

    # All of it

    def fingerprint(self) -> dict[str, Any]:
        """What a command that changes nothing leaves as it was."""
        return {
            "objects": self.versions(),
            "files": hashlib.sha256("\n".join(self.dag_files()).encode()).hexdigest(),
            "schemas": self.schemas(),
        }


def unchanged(output: str) -> bool:
    """Whether a run has changed nothing in the deployment. The recap has a line for this machine, too."""
    return re.search(r"^sandbox +: ok=\d+ +changed=0 ", output, re.MULTILINE) is not None


def facts_of(bed: Bed) -> dict[str, dict[str, Any]]:
    """What each phase of the last run, which is done, has told."""
    record = bed.run_record()
    assert record is not None
    assert record["status"] == "done"
    return {phase["name"]: phase["facts"] for phase in record["phases"] if phase["status"] == "done"}


def expected() -> dict[str, Any]:
    """What the old deployment remembers; `dags` has all of them, `many_dags` none any more."""
    known = yaml.safe_load((ROOT / "sandbox" / "old" / "expected.yml").read_text(encoding="utf-8"))
    for dag_id, dag in known.pop("many_dags").items():
        for number in range(1, dag["dags"] + 1):
            name = {"file": dag["file"].replace("NUMBER", f"{number:03d}"), "runs": {}}
            known["dags"][dag_id.replace("NUMBER", f"{number:03d}")] = {**dag, **name}
    return dict(known)
