"""On a bed with the old deployment: a rehearsal changes nothing, and what can't end well is refused before it begins.

Every test here leaves the bed as it found it, and proves that.
"""

from __future__ import annotations

import base64
import datetime
import json
import pathlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bed import BEFORE, NAMESPACE, Bed
from kubernetes import client

UPGRADE = "playbooks/upgrade.yml"


@pytest.fixture
def untouched(bed: Bed) -> Iterator[None]:
    before = bed.fingerprint()
    history = bed.history()
    yield
    assert bed.fingerprint() == before
    assert bed.history() == history


@pytest.fixture(scope="module", autouse=True)
def remember(bed: Bed) -> None:
    """What the upgrade must keep, for the tests that come after it."""
    before = {"files": bed.dag_files(), "history": bed.history()}
    BEFORE.write_text(json.dumps(before, default=str), encoding="utf-8")


def wait_until_ready(bed: Bed, name: str, generation: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        live = bed.cluster.apps.read_namespaced_deployment(name, NAMESPACE)
        pods = bed.cluster.core.list_namespaced_pod(NAMESPACE, label_selector=f"app={name}").items
        if live.status.observed_generation >= generation and live.status.available_replicas == 1 and len(pods) == 1:
            return
        time.sleep(1)
    raise TimeoutError(f"{name} did not get ready again")


def refused(bed: Bed, *arguments: str, playbook: str = UPGRADE) -> str:
    """The message of a run that must be refused, in all of its four parts."""
    done = bed.play(playbook, *arguments)
    assert done.returncode != 0, done.stdout[-4000:]
    for part in ("Found:", "Expected:", "Untouched:", "Next:"):
        assert part in done.stdout, done.stdout[-4000:]
    return done.stdout


def quiet(checksums: dict[str, int]) -> dict[str, int]:
    """Without the tables that the old scheduler writes to all the time."""
    busy = (".job", ".log", ".dag", ".serialized_dag", ".import_error")
    return {table: checksum for table, checksum in checksums.items() if not table.endswith(busy)}


@contextmanager
def sql(bed: Bed, there: str, back: str) -> Iterator[None]:
    with bed.database() as cursor:
        cursor.execute(there)
    try:
        yield
    finally:
        with bed.database() as cursor:
            # Whoever looks in the general log for a DROP DATABASE of the upgrade mustn't find the test's own.
            cursor.execute("SET SESSION sql_log_off = 1")
            cursor.execute(back)


@pytest.mark.usefixtures("untouched")
def test_a_rehearsal_changes_nothing_and_names_every_phase(bed: Bed) -> None:
    checksums = bed.checksums()
    files = bed.dag_files()
    done = bed.play(UPGRADE, "--check")
    assert done.returncode == 0, done.stdout[-4000:]
    for phase in ("snapshot", "backup", "keys", "images", "schema", "cut_over", "verify", "resume"):
        assert f"\n        {phase}" in done.stdout, f"{phase} is not in the plan:\n{done.stdout[-4000:]}"
    assert bed.dag_files() == files
    assert quiet(bed.checksums()) == quiet(checksums)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("typed", ["", "another", "AIRFLOW"])
def test_a_wrong_confirmation_is_refused(bed: Bed, typed: str) -> None:
    assert "airflow_confirm" in refused(bed, "-e", json.dumps({"airflow_confirm": typed}))


@pytest.mark.usefixtures("untouched")
def test_an_unreachable_database_is_refused(bed: Bed) -> None:
    assert "mysql" in refused(bed, "-e", "airflow_database_port=3307")


def test_an_unknown_revision_is_refused(bed: Bed) -> None:
    with sql(
        bed,
        "UPDATE airflow.alembic_version SET version_num = 'feedfacecafe'",
        "UPDATE airflow.alembic_version SET version_num = '03afc6b6f902'",
    ):
        assert "feedfacecafe" in refused(bed)


def test_somebody_elses_table_is_refused(bed: Bed) -> None:
    with sql(bed, "CREATE TABLE airflow.orders (id INT)", "DROP TABLE airflow.orders"):
        assert "orders" in refused(bed)


def test_a_database_that_is_not_airflows_is_refused(bed: Bed) -> None:
    with sql(bed, "CREATE DATABASE airflow_shop", "DROP DATABASE airflow_shop"):
        with bed.database() as cursor:
            cursor.execute("CREATE TABLE airflow_shop.customers (id INT)")
            # Without any right on it, the user would not see that it is there.
            cursor.execute("GRANT SELECT ON airflow_shop.* TO 'airflow'@'%'")
        assert "customers" in refused(bed, "-e", "airflow_database_name=airflow_shop")


@pytest.mark.usefixtures("untouched")
def test_install_refuses_a_database_with_something_in_it(bed: Bed) -> None:
    assert "upgrade.yml" in refused(bed, playbook="playbooks/install.yml")


@pytest.mark.usefixtures("untouched")
def test_missing_rights_are_named(bed: Bed, tmp_path: pathlib.Path) -> None:
    """With the pods' own service account, which may do nothing, all missing verbs are listed."""
    token = bed.cluster.core.create_namespaced_service_account_token(
        "default", NAMESPACE, client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[]))
    )
    host = bed.cluster.api.configuration.host
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "limited",
        "clusters": [{"name": "c", "cluster": {"server": host, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "u", "user": {"token": token.status.token}}],
        "contexts": [{"name": "limited", "context": {"cluster": "c", "user": "u"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig), encoding="utf-8")
    message = refused(bed, "-e", f"airflow_kubeconfig={path}")
    assert "secrets" in message
    assert "get" in message


@pytest.mark.usefixtures("untouched")
def test_a_second_run_at_the_same_time_is_refused(bed: Bed) -> None:
    lease = client.V1Lease(
        metadata=client.V1ObjectMeta(name="airflow-runbook-sandbox"),
        spec=client.V1LeaseSpec(
            holder_identity="carol@elsewhere 20261122t010203",
            lease_duration_seconds=60,
            renew_time=datetime.datetime.now(datetime.UTC),
        ),
    )
    bed.cluster.coordination.create_namespaced_lease(NAMESPACE, lease)
    try:
        assert "carol@elsewhere" in refused(bed)
    finally:
        bed.cluster.coordination.delete_namespaced_lease("airflow-runbook-sandbox", NAMESPACE)


@pytest.mark.usefixtures("untouched")
def test_a_fernet_key_that_opens_nothing_is_refused(bed: Bed) -> None:
    core, name = bed.cluster.core, "airflow-fernet-of-another"
    key = base64.urlsafe_b64encode(bytes(range(32))).decode()
    core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": name}, "stringData": {"fernet_key": key}})
    source = {"airflow_fernet_key_from": {"from_secret": {"name": name, "key": "fernet_key"}}}
    try:
        said = refused(bed, "-e", json.dumps(source))
    finally:
        core.delete_namespaced_secret(name, NAMESPACE)
    assert "correct airflow_fernet_key_from" in said
    assert key not in said


@pytest.mark.usefixtures("untouched")
def test_a_limit_range_that_the_new_pods_exceed_is_refused(bed: Bed) -> None:
    core, name = bed.cluster.core, "small"
    spec = {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]}
    core.create_namespaced_limit_range(NAMESPACE, {"metadata": {"name": name}, "spec": spec})
    try:
        assert "maximum memory usage per Container is 64Mi" in refused(bed)
    finally:
        core.delete_namespaced_limit_range(name, NAMESPACE)


def test_an_unhealthy_starting_point_is_refused(bed: Bed) -> None:
    """A webserver that can't start is no point to start from: its image does not exist."""
    apps = bed.cluster.apps
    before = apps.read_namespaced_deployment("airflow-webserver", NAMESPACE)
    container = before.spec.template.spec.containers[0].name
    template = {"spec": {"containers": [{"name": container, "image": "bed/none:1"}]}}
    broken = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}, "template": template}}
    apps.patch_namespaced_deployment("airflow-webserver", NAMESPACE, broken)
    try:
        assert "airflow-webserver" in refused(bed)
    finally:
        live = apps.read_namespaced_deployment("airflow-webserver", NAMESPACE)
        before.metadata.resource_version = live.metadata.resource_version
        restored = apps.replace_namespaced_deployment("airflow-webserver", NAMESPACE, before)
        wait_until_ready(bed, "airflow-webserver", restored.metadata.generation)


@pytest.mark.usefixtures("untouched")
def test_no_room_for_the_snapshot_is_refused(bed: Bed) -> None:
    bed.hdfs(
        "hdfs dfs -mkdir -p /airflow-snapshots; hdfs dfs -chmod 700 /airflow-snapshots; "
        "hdfs dfsadmin -setSpaceQuota 1m /airflow-snapshots"
    )
    try:
        assert "/airflow-snapshots" in refused(bed)
    finally:
        bed.hdfs("hdfs dfs -rm -r -f -skipTrash /airflow-snapshots")
