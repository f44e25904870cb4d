"""Found out only when the old workloads are down: the old deployment serves again, and the upgrade can be run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
from bed import NAMESPACE, Bed, expected
from promises import nothing_leaked, old_deployment

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.network import Network


@contextmanager
def a_forgotten_component(bed: Bed) -> Iterator[None]:
    """A session of the user that components have; those of others can't be seen without the right PROCESS."""
    password = (bed.cluster.secret_entries("mysql-users-secrets") or {})["airflow"]
    with Network(bed.cluster) as network:
        host, port = network.address("mysql", 3306)
        with pymysql.connect(host=host, port=port, user="airflow", password=password, database="airflow"):
            yield


def test_a_stranger_on_the_database_brings_the_old_deployment_back(bed: Bed) -> None:
    history = old_deployment(bed)
    with a_forgotten_component(bed):
        refused = bed.play("playbooks/upgrade.yml")
    assert refused.returncode != 0
    assert "airflow@" in refused.stdout, "the message names who is on the database"
    assert "The workloads of before are started, and what was paused is unpaused." in refused.stdout
    nothing_leaked(bed, refused.stdout)
    for name in ("airflow-webserver", "airflow-scheduler"):
        live = bed.cluster.plain(bed.cluster.apps.read_namespaced_deployment(name, NAMESPACE))
        assert live["status"]["readyReplicas"] == 1
        assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "bed/airflow:1.10.15"
    assert bed.history() == history
    paused = {row[0]: bool(row[1]) for row in bed.history()["dag"]}
    assert all(paused[dag_id] == dag["paused"] for dag_id, dag in expected()["dags"].items())
    record = bed.run_record()
    assert record is not None
    assert record["status"] == "failed"
    assert bed.cluster.coordination.list_namespaced_lease(NAMESPACE).items == []

    again = bed.play("playbooks/upgrade.yml")
    assert again.returncode == 0, again.stdout[-6000:]
    assert bed.dropped_databases() == []
