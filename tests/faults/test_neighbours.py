# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second Airflow in the same namespace and on the same server runs on while the first one is upgraded and killed."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bed import NAMESPACE, Bed
from promises import PAUSE, UPGRADE, Old, set_aside_completes
from steps import Faults

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.execute import execute

NAME = "etl"
TASK = "p_demo_119__sixty_seconds"
PASSWORD = "CANARY-etl-5127"
# What nobody but its own operators and its own scheduler writes. The scheduler marks DAGs that it has no file for.
KEPT = {
    "dag": "SELECT dag_id, is_paused, owners, fileloc FROM etl.dag ORDER BY dag_id",
    "variable": "SELECT * FROM etl.variable WHERE `key` NOT LIKE 'sixty_seconds%' ORDER BY id",
    "connection": "SELECT * FROM etl.connection ORDER BY id",
    "ab_user": "SELECT id, username, password, active FROM etl.ab_user ORDER BY id",
    "alembic_version": "SELECT * FROM etl.alembic_version",
    "dag_run": "SELECT * FROM etl.dag_run WHERE run_id <> 'etl-1' ORDER BY id",
}
OF_THE_TASK = (
    "SELECT task.state, task.try_number FROM etl.task_instance task"
    " JOIN etl.dag_run run ON run.dag_id = task.dag_id AND run.execution_date = task.execution_date"
    " WHERE run.run_id = 'etl-1'"
)


class Neighbour:
    """Made of the old deployment: its scheduler and UI with other names, and a copy of its tables.

    The labels are those that the collection gives, as if it had installed this one too.
    """

    def __init__(self, bed: Bed) -> None:
        self.bed = bed

    def begin(self) -> None:
        self._copy_tables()
        core, apps = self.bed.cluster.core, self.bed.cluster.apps
        plain = self.bed.cluster.plain
        environment = {**core.read_namespaced_config_map("airflow-environment", NAMESPACE).data}
        environment["AIRFLOW__CORE__DAGS_FOLDER"] = "/opt/airflow/dags/demo"
        environment["AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL"] = "5"
        core.create_namespaced_config_map(NAMESPACE, {"metadata": self._named("environment"), "data": environment})
        connection = f"mysql+pymysql://{NAME}:{PASSWORD}@mysql:3306/{NAME}?charset=utf8mb4"
        core.create_namespaced_secret(
            NAMESPACE, {"metadata": self._named("database"), "stringData": {"connection": connection}}
        )
        for component in ("scheduler", "webserver"):
            found = plain(apps.read_namespaced_deployment(f"airflow-{component}", NAMESPACE))
            apps.create_namespaced_deployment(NAMESPACE, self._renamed(found, component))
        self._wait(self.is_ready, 300)

    def end(self) -> None:
        with self.bed.database() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {NAME}")
            cursor.execute(f"DROP USER IF EXISTS '{NAME}'@'%'")
        for component in ("scheduler", "webserver"):
            self.bed.cluster.apps.delete_namespaced_deployment(f"{NAME}-{component}", NAMESPACE)

    def trigger(self) -> None:
        """Begin its task of a minute, and wait until it runs."""
        pod = self.pods()[f"{NAME}-scheduler"]["metadata"]["name"]
        execute(self.bed.cluster, pod, "scheduler", ["airflow", "trigger_dag", TASK, "--run_id", "etl-1"])
        self._wait(lambda: self.task() == [("running", 1)], 120)

    def task(self) -> list[Any]:
        """State and tries of its task."""
        with self.bed.database() as cursor:
            cursor.execute(OF_THE_TASK)
            return list(cursor.fetchall())

    def wait_for_task(self) -> None:
        self._wait(lambda: self.task() != [("running", 1)], 120)

    def is_ready(self) -> bool:
        read = self.bed.cluster.apps.read_namespaced_deployment
        return all(read(f"{NAME}-{part}", NAMESPACE).status.ready_replicas for part in ("scheduler", "webserver"))

    def state(self) -> dict[str, Any]:
        """Its rows, its objects and its pods, as far as they change by somebody's hand alone."""
        found: dict[str, Any] = {}
        with self.bed.database() as cursor:
            for table, query in KEPT.items():
                cursor.execute(query)
                found[table] = list(cursor.fetchall())
        core, apps = self.bed.cluster.core, self.bed.cluster.apps
        found["environment"] = core.read_namespaced_config_map(
            f"{NAME}-environment", NAMESPACE
        ).metadata.resource_version
        found["secret"] = core.read_namespaced_secret(f"{NAME}-database", NAMESPACE).metadata.resource_version
        for component in ("scheduler", "webserver"):
            deployment = apps.read_namespaced_deployment(f"{NAME}-{component}", NAMESPACE)
            found[component] = (
                deployment.metadata.uid,
                deployment.metadata.generation,
                deployment.metadata.annotations,
            )
        for name, pod in self.pods().items():
            restarts = {each["name"]: each["restartCount"] for each in pod["status"]["containerStatuses"]}
            found[f"pod of {name}"] = (pod["metadata"]["uid"], restarts)
        return found

    def pods(self) -> dict[str, Any]:
        """Each pod, by the name of its component."""
        listed = self.bed.cluster.core.list_namespaced_pod(NAMESPACE, label_selector=f"team={NAME}")
        return {pod.metadata.labels["app"]: self.bed.cluster.plain(pod) for pod in listed.items}

    def _copy_tables(self) -> None:
        with self.bed.database() as cursor:
            # Not by a DROP of its own: tests look for such in the server's log.
            cursor.execute(f"CREATE OR REPLACE DATABASE {NAME} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
            cursor.execute(f"CREATE OR REPLACE USER '{NAME}'@'%%' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute(f"GRANT ALL ON {NAME}.* TO '{NAME}'@'%'")
        copy_it = f"set -o pipefail; mariadb-dump --single-transaction airflow | mariadb {NAME}"
        execute(self.bed.cluster, "mysqlds-0", None, ["bash", "-c", copy_it])

    def _named(self, what: str) -> dict[str, Any]:
        labels = {
            "app": f"{NAME}-{what}",
            "team": NAME,
            "app.kubernetes.io/name": "airflow",
            "app.kubernetes.io/instance": NAME,
            "app.kubernetes.io/component": what,
            "app.kubernetes.io/managed-by": "hopsworks.airflow",
        }
        return {"name": f"{NAME}-{what}", "labels": labels}

    def _renamed(self, deployment: dict[str, Any], component: str) -> dict[str, Any]:
        named = self._named(component)
        spec = copy.deepcopy(deployment["spec"])
        spec["selector"] = {"matchLabels": {"app": f"{NAME}-{component}"}}
        spec["template"]["metadata"]["labels"] = named["labels"]
        container = spec["template"]["spec"]["containers"][0]
        container["envFrom"] = [{"configMapRef": {"name": f"{NAME}-environment"}}]
        for variable in container["env"]:
            source = variable["valueFrom"]["secretKeyRef"]
            if source["name"] == "airflow-database":
                source["name"] = f"{NAME}-database"
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": spec}

    @staticmethod
    def _wait(until: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline
            time.sleep(0.5)


@pytest.fixture
def neighbour(bed: Bed, old: Old) -> Iterator[Neighbour]:
    old.deployment()
    made = Neighbour(bed)
    made.begin()
    try:
        yield made
    finally:
        made.end()


def test_an_upgrade_leaves_another_airflow_and_its_running_task_alone(
    bed: Bed, faults: Faults, neighbour: Neighbour
) -> None:
    before = neighbour.state()
    with faults.held(UPGRADE, when="before", pattern=PAUSE) as running:
        neighbour.trigger()
        running.go_on()
        neighbour.wait_for_task()
    assert running.process.returncode == 0, running.text[-6000:]
    assert neighbour.task() == [("success", 1)]
    assert neighbour.state() == before


def test_a_killed_upgrade_and_the_next_run_leave_another_airflow_alone(
    bed: Bed, faults: Faults, neighbour: Neighbour
) -> None:
    history, before = bed.history(), neighbour.state()
    faults.killed(UPGRADE, when="after", pattern=r"^sql RENAME TABLE `airflow`\.")
    set_aside_completes(bed, history)
    assert neighbour.state() == before
