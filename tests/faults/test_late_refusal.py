"""Found out only when the old workloads are down: the old deployment serves again, and the upgrade can be run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
from bed import Bed
from promises import UPGRADE, Old, nothing_leaked

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.network import Network


@contextmanager
def a_forgotten_component(bed: Bed) -> Iterator[None]:
    """A session of the user that components have; those of others can't be seen without the right PROCESS."""
    password = (bed.cluster.secret_entries("mysql-users-secrets") or {})["airflow"]
    with Network(bed.cluster) as network:
        host, port = network.address("mysql", 3306)
        with pymysql.connect(host=host, port=port, user="airflow", password=password, database="airflow"):
            yield


def test_a_stranger_on_the_database_brings_the_old_deployment_back(bed: Bed, old: Old) -> None:
    history = old.deployment()
    with a_forgotten_component(bed):
        refused = bed.play(UPGRADE)
    assert refused.returncode != 0
    assert "airflow@" in refused.stdout, "the message names who is on the database"
    assert "The old workloads run again, and the paused DAGs are unpaused." in refused.stdout
    nothing_leaked(bed, refused.stdout)
    record = bed.run_record()
    assert record is not None
    assert record["status"] == "failed"
    # The next test goes on with this run.
    old.still_serves(history)
