"""rotate.yml in its usual mode, on a deployment of Airflow 3 that people and tasks use meanwhile."""

from __future__ import annotations

import base64
import json
import pathlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from airflow import ROTATE, SECRET, MinuteTask, call, claims_of, log_in
from bed import KUBECONFIG, NAMESPACE, Bed, facts_of, unchanged
from kubernetes import client
from observe import process_list

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.token import SigningKey, mint, signing_key
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.jwk import public_jwk

NOW = ("-e", "airflow_keys_minimum_age=0")
CUT_OVER = ("-e", "airflow_rotation_mode=cutover", "-e", "airflow_cutover_minimum_age=0", "--check")
ARGO_CD = "argocd.argoproj.io/tracking-id"


@dataclass
class Rotation:
    """What the tests know of a rotation that was run: as it was before, and what could be seen of it."""

    before: dict[str, bytes]
    annotations: dict[str, str]
    forger: SigningKey
    claims: dict[str, Any]
    tasks: list[MinuteTask]
    output: str
    processes: set[str] = field(default_factory=set)


def secret_of(bed: Bed) -> Any:
    return bed.cluster.core.read_namespaced_secret(SECRET, NAMESPACE)


def wait_for_phase(bed: Bed, phase: str, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        record = bed.run_record()
        phases = record["phases"] if record and record["playbook"] == "rotate" else []
        if any(entry["name"] == phase and entry["status"] == "running" for entry in phases):
            return
        time.sleep(0.2)
    raise TimeoutError(f"phase {phase} was not reached")


def test_a_rehearsal_changes_nothing_and_names_every_phase(bed: Bed) -> None:
    pods, versions = bed.pods(), bed.versions()
    done = bed.play(ROTATE, *NOW, "--check")
    assert done.returncode == 0, done.stdout[-4000:]
    for words in ("publish", "activate", "restarts airflow-webserver, airflow-scheduler, airflow-dag-processor"):
        assert words in done.stdout, done.stdout[-4000:]
    assert bed.pods() == pods
    assert bed.versions() == versions


@pytest.fixture(scope="module")
def rotation(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Rotation:
    """Published and activated, with a task that runs across each of the two."""
    known = MinuteTask(bed, seconds=5)  # so that its history says that it is a short one
    known.wait_until("ended")
    entries = bed.cluster.secret_entries(SECRET) or {}
    annotations = secret_of(bed).metadata.annotations or {}
    forger = signing_key(entries, "api-server", SECRET)
    claims = claims_of(log_in(bed))
    tasks = [MinuteTask(bed, seconds=60)]
    tasks[0].wait_until("began")

    output = tmp_path_factory.mktemp("rotation") / "output.log"
    seen: set[str] = set()
    running = bed.start(ROTATE, *NOW, "-vvv", output=output)

    def watch() -> None:
        while running.poll() is None:
            seen.update(process_list())
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    wait_for_phase(bed, "activate")
    tasks.append(MinuteTask(bed, seconds=60))
    assert running.wait(900) == 0, output.read_text()[-6000:]
    watcher.join()
    return Rotation(entries, annotations, forger, claims, tasks, output.read_text(errors="replace"), seen)


def nothing_failed(facts: dict[str, Any], rollouts: int) -> None:
    measured = facts["availability"]
    assert set(measured) == {"version", "rest", "session", "task_api", "keep_alive"}
    for name, seen in measured.items():
        assert seen["requests"] > 20, name
        assert (seen["failures"], seen["errors"]) == (0, {}), name
        assert seen["away_seconds"] == 0, name
    begun = min(seen["begun"] for seen in measured.values())
    ended = max(seen["ended"] for seen in measured.values())
    assert begun < facts["windows"][0]["begun"]
    assert ended > facts["windows"][-1]["ended"]
    assert measured["keep_alive"]["reconnects"] <= rollouts


@pytest.mark.parametrize("phase", ["publish", "activate"])
def test_no_request_failed(bed: Bed, rotation: Rotation, phase: str) -> None:
    nothing_failed(facts_of(bed)[phase], rollouts=1)


def test_no_task_was_killed_failed_or_doubled(bed: Bed, rotation: Rotation) -> None:
    facts = facts_of(bed)["activate"]
    assert facts["paused"] == [], "the scheduler's grace is long enough, so nothing had to be paused"
    for task in rotation.tasks:
        task.wait_until("ended")
        assert (len(task.moments("began")), len(task.moments("ended"))) == (1, 1)
        (instance,) = task.instances()
        assert (instance["state"], instance["try_number"]) == ("success", 1)
    (scheduler,) = (window for window in facts["windows"] if window["name"] == "scheduler")
    began, ended = rotation.tasks[1].moments("began")[0], rotation.tasks[1].moments("ended")[0]
    assert time.strftime("%H:%M:%S", time.gmtime(began)) < scheduler["begun"][11:19], "it ran before the restart"
    assert time.strftime("%H:%M:%S", time.gmtime(ended)) > scheduler["begun"][11:19], "it ran during the restart"


def test_both_generations_are_trusted_and_the_new_one_signs(bed: Bed, rotation: Rotation) -> None:
    entries = bed.cluster.secret_entries(SECRET) or {}
    assert entries["api-server.kid"] != rotation.before["api-server.kid"]
    assert entries["internal-shared-secret"] == rotation.before["internal-shared-secret"]
    trusted = [key["kid"] for key in json.loads(entries["jwks.json"])["keys"]]
    assert len(trusted) == 4
    assert rotation.forger.kid in trusted[2:]
    assert call(mint(rotation.forger, rotation.claims, now=time.time(), lifetime_seconds=60)).status_code == 200
    header = json.loads(base64.urlsafe_b64decode(log_in(bed).split(".", 1)[0] + "=="))
    assert header["kid"] == entries["api-server.kid"].decode()


def test_no_secret_leaked(bed: Bed, rotation: Rotation) -> None:
    """Neither keys nor tokens, in the output at -vvv, a process list, a file of the run, an annotation, an event."""
    entries = bed.cluster.secret_entries(SECRET) or {}
    canaries = ["PRIVATE KEY-----", "CANARY-db-", "eyJ", entries["internal-shared-secret"].decode()]
    for name in ("api-server-private.pem", "scheduler-private.pem"):
        canaries += [pem[name].decode().splitlines()[5] for pem in (entries, rotation.before)]
    assert "did not pass its verify_file() method" in rotation.output, "the output is not at -vvv"
    assert any("ansible-playbook" in line for line in rotation.processes)
    places = {"output": rotation.output, "process lists": "\n".join(rotation.processes)}
    record = bed.run_record()
    assert record is not None
    for path in (pathlib.Path(__file__).parents[2] / ".sandbox/runs" / record["id"]).rglob("*"):
        if path.is_file():
            places[str(path)] = path.read_text(encoding="utf-8", errors="replace")
    core = bed.cluster.core
    places["events"] = json.dumps(bed.cluster.plain(core.list_namespaced_event(NAMESPACE)))
    places["config maps"] = json.dumps(bed.cluster.plain(core.list_namespaced_config_map(NAMESPACE)))
    places["pods"] = json.dumps(bed.cluster.plain(core.list_namespaced_pod(NAMESPACE)))
    secrets = bed.cluster.plain(core.list_namespaced_secret(NAMESPACE))["items"]
    places["annotations of secrets"] = json.dumps([secret["metadata"] for secret in secrets])
    assert [(place, canary[:12]) for place, text in places.items() for canary in canaries if canary in text] == []


def test_a_run_before_the_next_step_is_due_changes_nothing(bed: Bed, rotation: Rotation) -> None:
    pods, versions = bed.pods(), bed.versions()
    again = bed.play(ROTATE, *NOW)
    assert again.returncode == 0, again.stdout[-4000:]
    assert unchanged(again.stdout)
    assert "Nothing is due" in again.stdout
    assert bed.pods() == pods
    assert bed.versions() == versions


# What can't end well is refused. All of it in the time that the keys of before are trusted.


@contextmanager
def patched_secret(bed: Bed, body: dict[str, Any], back: dict[str, Any]) -> Iterator[None]:
    bed.cluster.core.patch_namespaced_secret(SECRET, NAMESPACE, body)
    try:
        yield
    finally:
        bed.cluster.core.patch_namespaced_secret(SECRET, NAMESPACE, back)


def refused(bed: Bed, *arguments: str) -> str:
    pods, entries = bed.pods(), bed.cluster.secret_entries(SECRET)
    done = bed.play(ROTATE, *arguments)
    assert done.returncode != 0, done.stdout[-4000:]
    assert "Untouched:" in done.stdout
    assert "Next:" in done.stdout
    assert bed.pods() == pods
    assert bed.cluster.secret_entries(SECRET) == entries
    return done.stdout


def test_a_key_of_somebody_else_is_refused(bed: Bed, rotation: Rotation) -> None:
    document = secret_of(bed).data["jwks.json"]
    foreign = json.loads(base64.b64decode(document))
    foreign["keys"].append(public_jwk(pair.generate().public_key()))
    body = {"data": {"jwks.json": base64.b64encode(json.dumps(foreign).encode()).decode()}}
    with patched_secret(bed, body, {"data": {"jwks.json": document}}):
        assert foreign["keys"][-1]["kid"] in refused(bed)


def test_a_time_that_has_not_come_yet_is_refused(bed: Bed, rotation: Rotation) -> None:
    name = "hopsworks.airflow/key-state-since"
    since = secret_of(bed).metadata.annotations[name]
    body = {"metadata": {"annotations": {name: "2031-01-01T00:00:00Z"}}}
    with patched_secret(bed, body, {"metadata": {"annotations": {name: since}}}):
        assert "2031-01-01" in refused(bed)


def test_a_cut_over_wants_the_name_of_the_deployment(bed: Bed, rotation: Rotation) -> None:
    assert "airflow_confirm" in refused(bed, *CUT_OVER, "-e", "airflow_confirm=another")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"trusted_jwks_url": "https://example.com/jwks.json"}, "https://example.com/jwks.json"),
        ({"clock_skew_seconds": -42.0}, "-42 s"),
        ({"executor": "company.Executor", "tasks_in_scheduler": None}, "and it is unknown where its tasks run"),
    ],
    ids=["keys from a URL", "clock", "executor"],
)
def test_an_unfit_configuration_is_refused(bed: Bed, rotation: Rotation, other: dict[str, Any], said: str) -> None:
    """As airflow_configuration_info would tell of an api-server that is configured so."""
    good = {"trusted_jwks_url": "/run/airflow/jwks.json", "jwt_algorithm": "RS256", "jwt_leeway": 10}
    good |= {"clock_skew_seconds": 0.1, "executor": "LocalExecutor", "tasks_in_scheduler": True}
    assert said in refused(bed, *CUT_OVER, "-e", json.dumps({"airflow_configured": {**good, **other}}))


@pytest.mark.parametrize(
    ("mark", "value", "said"),
    [
        (ARGO_CD, "airflow", f"airflow-scheduler belongs to Argo CD ({ARGO_CD})"),
        ("reloader.stakater.com/auto", "true", f"kubectl annotate secret {SECRET} reloader.stakater.com/ignore=true"),
    ],
    ids=["Argo CD", "Reloader"],
)
def test_a_workload_that_others_change_is_refused(
    bed: Bed, rotation: Rotation, mark: str, value: str, said: str
) -> None:
    apps = bed.cluster.apps
    apps.patch_namespaced_deployment("airflow-scheduler", NAMESPACE, {"metadata": {"annotations": {mark: value}}})
    try:
        assert said in refused(bed, *CUT_OVER)
    finally:
        apps.patch_namespaced_deployment("airflow-scheduler", NAMESPACE, {"metadata": {"annotations": {mark: None}}})


def test_a_secret_that_argo_cd_would_put_back_is_refused(bed: Bed, rotation: Rotation) -> None:
    marked, back = ({"metadata": {"annotations": {ARGO_CD: value}}} for value in ("airflow", None))
    with patched_secret(bed, marked, back):
        assert f"Secret {SECRET} belongs to Argo CD" in refused(bed, *CUT_OVER)


def test_keys_that_can_only_be_read_are_refused(bed: Bed, rotation: Rotation) -> None:
    """A copy: the kubelet never looks again at an immutable Secret that a pod has mounted."""
    secret = secret_of(bed)
    metadata = {"name": "read-only", "annotations": secret.metadata.annotations}
    copy = {"metadata": metadata, "data": secret.data, "immutable": True}
    bed.cluster.core.create_namespaced_secret(NAMESPACE, copy)
    try:
        assert "Secret read-only is immutable" in refused(bed, *CUT_OVER, "-e", "airflow_keys_secret=read-only")
    finally:
        bed.cluster.core.delete_namespaced_secret("read-only", NAMESPACE)


def test_somebody_without_the_rights_is_refused(bed: Bed, rotation: Rotation, tmp_path: pathlib.Path) -> None:
    """May read everything, and change nothing."""
    core, rbac = bed.cluster.core, client.RbacAuthorizationV1Api(bed.cluster.api)
    names = {"metadata": {"name": "reader"}}
    core.create_namespaced_service_account(NAMESPACE, names)
    rbac.create_namespaced_role(
        NAMESPACE, {**names, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]}
    )
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}
    rbac.create_namespaced_role_binding(NAMESPACE, {**names, "roleRef": role, "subjects": [subject]})
    try:
        token = core.create_namespaced_service_account_token("reader", NAMESPACE, {"spec": {}}).status.token
        theirs = yaml.safe_load(KUBECONFIG.read_text(encoding="utf-8"))
        theirs["users"][0]["user"] = {"token": token}
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(theirs), encoding="utf-8")
        said = refused(bed, *CUT_OVER, "-e", f"airflow_kubeconfig={kubeconfig}")
        assert f"get and patch on Secret {SECRET}" in said or f"patch on Secret {SECRET}" in said
        assert token not in said
    finally:
        rbac.delete_namespaced_role_binding("reader", NAMESPACE)
        rbac.delete_namespaced_role("reader", NAMESPACE)
        core.delete_namespaced_service_account("reader", NAMESPACE)


@pytest.fixture
def components() -> list[dict[str, Any]]:
    """The usual ones, in their order."""
    defaults = pathlib.Path(__file__).parents[2] / "roles/deployment/defaults/main.yml"
    found: list[dict[str, Any]] = yaml.safe_load(defaults.read_text(encoding="utf-8"))["airflow_components"]
    return found


def test_another_order_is_refused(bed: Bed, rotation: Rotation, components: list[dict[str, Any]]) -> None:
    given = json.dumps({"airflow_components": components[::-1]})
    said = refused(bed, *CUT_OVER, "-e", given)
    assert "api-server, scheduler, dag-processor" in said


def test_a_component_that_is_not_there_is_refused(
    bed: Bed, rotation: Rotation, components: list[dict[str, Any]]
) -> None:
    triggerer = {**components[2], "name": "triggerer", "workload": "airflow-triggerer", "command": ["triggerer"]}
    given = json.dumps({"airflow_components": [*components, triggerer]})
    assert "airflow-triggerer" in refused(bed, *CUT_OVER, "-e", given)


# The end of the rotation


@pytest.fixture(scope="module")
def retired(bed: Bed, rotation: Rotation) -> Rotation:
    done = bed.play(ROTATE, *NOW, "-e", "airflow_rotation_wait=true")
    assert done.returncode == 0, done.stdout[-6000:]
    return rotation


def test_no_request_failed_when_the_old_keys_were_retired(bed: Bed, retired: Rotation) -> None:
    nothing_failed(facts_of(bed)["retire"], rollouts=1)


def test_a_token_of_the_old_key_is_refused(bed: Bed, retired: Rotation) -> None:
    forged = mint(retired.forger, retired.claims, now=time.time(), lifetime_seconds=60)
    assert call(forged).status_code in (401, 403, 500)  # 3.0 answers 500 for a kid that it doesn't know
    assert call(log_in(bed)).status_code == 200


def test_nothing_has_grown(bed: Bed, retired: Rotation) -> None:
    secret, entries = secret_of(bed), bed.cluster.secret_entries(SECRET) or {}
    assert set(entries) == set(retired.before)
    assert len(json.loads(entries["jwks.json"])["keys"]) == 2
    assert int(entries["generation"]) == int(retired.before["generation"]) + 3
    assert secret.metadata.annotations["hopsworks.airflow/key-state"] == "steady"
    names = ("key-state", "key-state-since", "key-rotation", "keys-since", "longest-token-life")
    known = {f"hopsworks.airflow/{name}" for name in names}
    assert set(secret.metadata.annotations) <= known | set(retired.annotations)
    for workload in ("airflow-webserver", "airflow-scheduler", "airflow-dag-processor"):
        live = bed.cluster.apps.read_namespaced_deployment(workload, NAMESPACE)
        sets = bed.cluster.apps.list_namespaced_replica_set(NAMESPACE, label_selector=f"app={workload}").items
        assert len(sets) <= live.spec.revision_history_limit + 1


def test_running_it_again_changes_nothing_and_restarts_nothing(bed: Bed, retired: Rotation) -> None:
    pods, versions = bed.pods(), bed.versions()
    again = bed.play(ROTATE)
    assert again.returncode == 0, again.stdout[-4000:]
    assert unchanged(again.stdout)
    assert bed.pods() == pods
    assert bed.versions() == versions
