"""Found out only when the old workloads are down: the old deployment serves again, and the upgrade can be run."""

from __future__ import annotations

from bed import NAMESPACE, Bed, expected


def test_a_stranger_on_the_database_brings_the_old_deployment_back(bed: Bed) -> None:
    bed.reset("old")
    history = bed.history()
    with bed.database() as stranger:
        stranger.execute("USE airflow")
        stranger.execute("SELECT 1")
        refused = bed.play("playbooks/upgrade.yml")
    assert refused.returncode != 0
    assert "root" in refused.stdout, "the message names who is on the database"
    assert "The old deployment serves again" in refused.stdout
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
