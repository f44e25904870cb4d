"""On a bed that upgrade.yml has taken to Airflow 3."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import json
import pathlib
import re
import stat
import time
from typing import Any

import pymysql
import pytest
import requests
from airflow import URL
from bed import BEFORE, NAMESPACE, ROOT, Bed, expected, facts_of, unchanged

CANARIES = ("CANARY-db-", "CANARY-connection-7391", "CANARY-variable-2846", "PRIVATE KEY-----")
OBSERVED = ROOT / ".sandbox" / "observed" / "1"

KEYS = {
    "airflow-webserver": {"api-server-private.pem"},
    "airflow-scheduler": {"scheduler-private.pem"},
    "airflow-dag-processor": set(),
}


@pytest.fixture(scope="module")
def facts(bed: Bed) -> dict[str, dict[str, Any]]:
    return facts_of(bed)


@pytest.mark.parametrize("workload", sorted(KEYS))
def test_each_component_has_exactly_its_keys(bed: Bed, workload: str) -> None:
    deployment = bed.cluster.plain(bed.cluster.apps.read_namespaced_deployment(workload, NAMESPACE))
    assert deployment["status"]["readyReplicas"] == 1
    pod = deployment["spec"]["template"]["spec"]
    mounted = {
        item["path"]
        for volume in pod["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        for item in source.get("secret", {}).get("items", [])
    }
    assert {name for name in mounted if name.endswith("-private.pem")} == KEYS[workload]
    # No other way to a key: no whole Secret as a volume, none in the environment.
    assert [
        volume
        for volume in pod["volumes"]
        if volume.get("secret", {}).get("secretName", "").startswith("hopsworks-airflow")
    ] == []
    assert "hopsworks-airflow-keys" not in json.dumps([container.get("env", []) for container in pod["containers"]])


def test_pods_run_under_an_arbitrary_uid_with_group_zero(bed: Bed) -> None:
    for pod in bed.cluster.core.list_namespaced_pod(NAMESPACE, label_selector="app.kubernetes.io/name=airflow").items:
        assert pod.spec.security_context.run_as_user == 1000680000
        assert pod.spec.security_context.run_as_group == 0


def test_a_dag_ran_to_success_on_the_new_airflow(facts: dict[str, dict[str, Any]]) -> None:
    assert facts["verify"]["version"] == "3.0.6"
    assert facts["verify"]["canary"]["state"] == "success"


def test_files_that_cannot_be_imported_are_reported(facts: dict[str, dict[str, Any]]) -> None:
    old_only = {dag_id for dag_id, dag in expected()["dags"].items() if not dag["parses_on_airflow_3"]}
    assert set(facts["resume"]["broken"]) == old_only


def test_what_ran_before_runs_again_and_what_was_paused_stays_paused(bed: Bed) -> None:
    with bed.database() as cursor:
        cursor.execute("SELECT dag_id, is_paused FROM airflow.dag")
        now = {dag_id: bool(paused) for dag_id, paused in cursor.fetchall()}
    for dag_id, dag in expected()["dags"].items():
        if dag["parses_on_airflow_3"]:
            assert now[dag_id] == dag["paused"], dag_id


def test_the_dag_files_are_as_they_were(bed: Bed) -> None:
    assert bed.dag_files() == json.loads(BEFORE.read_text(encoding="utf-8"))["files"]


def test_the_old_tables_stand_beside_row_by_row(bed: Bed, facts: dict[str, dict[str, Any]]) -> None:
    history = json.loads(json.dumps(bed.history(str(facts["cut_over"]["set_aside"])), default=str))
    assert history == json.loads(BEFORE.read_text(encoding="utf-8"))["history"]


def test_no_database_was_dropped(bed: Bed) -> None:
    assert bed.dropped_databases() == []


def test_the_dump_restores_into_a_scratch_schema(bed: Bed, facts: dict[str, dict[str, Any]]) -> None:
    dump = pathlib.Path(str(facts["backup"]["path"]))
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    assert stat.S_IMODE(dump.parent.stat().st_mode) == 0o700
    with gzip.open(dump, "rt", encoding="utf-8", errors="replace") as stream:
        tables = set(re.findall(r"CREATE TABLE `(\w+)`", stream.read()))
    assert set(bed.tables(str(facts["cut_over"]["set_aside"]))) >= tables
    assert {"dag_run", "variable", "connection", "task_instance"} <= tables


def test_the_proxy_serves_people_who_log_in(bed: Bed) -> None:
    base = "http://127.0.0.1:31280/hopsworks-api/airflow"
    password = json.loads((bed.cluster.secret_entries("airflow-runtime") or {})["passwords.json"])["admin"]
    assert requests.get(f"{base}/api/v2/dags", timeout=30).status_code == 401
    token = requests.post(f"{base}/auth/token", json={"username": "admin", "password": password}, timeout=30).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert requests.get(f"{base}/api/v2/dags", headers=headers, timeout=30).json()["total_entries"] >= 5
    assert '<div id="root"' in requests.get(f"{base}/", timeout=30).text


def test_metrics_arrive(bed: Bed) -> None:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.tunnel import Tunnel

    pods = bed.cluster.core.list_namespaced_pod(NAMESPACE, label_selector="app=airflow-scheduler").items
    tunnel = Tunnel(bed.cluster, NAMESPACE, pods[0].metadata.name, 9102)
    try:
        host, port = tunnel.address
        assert "airflow_scheduler_heartbeat" in requests.get(f"http://{host}:{port}/metrics", timeout=30).text
    finally:
        tunnel.close()


def test_the_way_people_were_without_a_ui_is_measured(facts: dict[str, dict[str, Any]]) -> None:
    measured = facts["cut_over"]["availability"]["ui"]
    assert measured["requests"] > 50
    assert measured["away_seconds"] > 0, "an upgrade without any outage was not measured but missed"
    print(f"the UI was away for {measured['away_seconds']} s, goal 30 s")


def test_no_secret_leaked(bed: Bed, facts: dict[str, dict[str, Any]]) -> None:
    """Not in the output at -vvv, a process list, a file beside the dump, an event, an annotation, a ConfigMap."""
    output = (OBSERVED / "output.log").read_text(encoding="utf-8", errors="replace")
    assert "PLAY RECAP" in output
    assert "did not pass its verify_file() method" in output, "the output is not at -vvv"
    processes = (OBSERVED / "processes.txt").read_text(encoding="utf-8")
    assert "ansible-playbook" in processes
    places = {"output": output, "process lists": processes}
    dump = pathlib.Path(str(facts["backup"]["path"]))
    for path in dump.parent.rglob("*"):
        if path.is_file() and path != dump:
            places[str(path)] = path.read_text(encoding="utf-8", errors="replace")
    core = bed.cluster.core
    places["events"] = json.dumps(bed.cluster.plain(core.list_namespaced_event(NAMESPACE)))
    places["config maps"] = json.dumps(
        bed.cluster.plain(core.list_namespaced_config_map(NAMESPACE)), ensure_ascii=False
    )
    places["pods"] = json.dumps(bed.cluster.plain(core.list_namespaced_pod(NAMESPACE)), ensure_ascii=False)
    secrets = bed.cluster.plain(core.list_namespaced_secret(NAMESPACE))["items"]
    places["annotations of secrets"] = json.dumps([secret["metadata"] for secret in secrets], ensure_ascii=False)
    found = [(place, canary) for place, text in places.items() for canary in CANARIES if canary in text]
    assert found == []
    with gzip.open(dump, "rt", encoding="utf-8", errors="replace") as stream:
        assert "slot_pool" in stream.read(), "the dump that may hold secrets is the real one"


def test_a_database_that_takes_no_other_connections_than_encrypted_ones_serves_on(bed: Bed) -> None:
    """From here on for all tests that follow. Sessions that are idle begin again."""
    with bed.database() as cursor:
        cursor.execute("ALTER USER 'airflow'@'%' REQUIRE SSL")
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE user = 'airflow' AND command = 'Sleep' AND time > 0"
        )
        for (session,) in cursor.fetchall():
            with contextlib.suppress(pymysql.MySQLError):  # it may have ended by itself
                cursor.execute("KILL %s", (session,))
    begun = datetime.datetime.now(datetime.UTC)
    deadline = time.monotonic() + 120
    while not beats_since(begun):
        assert time.monotonic() < deadline
        time.sleep(1)


def beats_since(begun: datetime.datetime) -> bool:
    """Whether scheduler and dag-processor have written a heartbeat since then, and the database answers."""
    health = requests.get(f"{URL}/api/v2/monitor/health", timeout=10).json()
    beats = [
        health["scheduler"]["latest_scheduler_heartbeat"],
        health["dag_processor"]["latest_dag_processor_heartbeat"],
    ]
    return health["metadatabase"]["status"] == "healthy" and all(
        beat is not None and datetime.datetime.fromisoformat(beat) > begun for beat in beats
    )


def test_running_it_again_changes_nothing_and_restarts_nothing(bed: Bed) -> None:
    pods, versions = bed.pods(), bed.versions()
    again = bed.play("playbooks/upgrade.yml")
    assert again.returncode == 0, again.stdout[-4000:]
    assert unchanged(again.stdout)
    assert bed.pods() == pods
    assert bed.versions() == versions


def test_an_image_for_another_schema_is_refused_and_changes_nothing(bed: Bed) -> None:
    def found() -> list[Any]:
        # The pod that was asked may not be gone yet.
        versions = {name: version for name, version in bed.versions().items() if not name.startswith("pods/")}
        return [bed.pods(), versions, bed.schemas(), *map(bed.tables, bed.schemas()), revision_of(bed)]

    before = found()
    refused = bed.play("playbooks/upgrade.yml", "-e", "airflow_image=bed/airflow:3.3.2")
    assert refused.returncode != 0
    assert "bed/airflow:3.3.2 (Airflow 3.3.2) is made for revision" in refused.stdout, refused.stdout[-4000:]
    assert "bed/airflow:3.0.6" in refused.stdout.split("Next: ")[1]
    assert found() == before


def revision_of(bed: Bed) -> Any:
    with bed.database() as cursor:
        cursor.execute("SELECT version_num FROM airflow.alembic_version")
        return cursor.fetchall()
