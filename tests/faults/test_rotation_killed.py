"""ansible-playbook is killed at named steps of a rotation, and another machine goes on.

Whatever the step, no valid token is ever refused in overlap, there are never two generations of new keys, and the
run of the other machine finishes.
"""

from __future__ import annotations

import collections
import json
import pathlib
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from airflow import ROTATE, SECRET, call, log_in
from bed import INVENTORY, NAMESPACE, ROOT, TOOLS, Bed, unchanged
from promises import PAUSE
from steps import Faults

NOW = ("-e", "airflow_keys_minimum_age=0")
WAIT = ("-e", "airflow_rotation_wait=true")
CUT_OVER = (
    "-e",
    "airflow_rotation_mode=cutover",
    "-e",
    "airflow_confirm=sandbox",
    "-e",
    "airflow_cutover_minimum_age=0",
)
KEYS_WRITTEN = r"^http PATCH \S+/secrets/hopsworks-airflow-keys$"


def restarted(workload: str) -> str:
    return rf"^http PATCH \S+/deployments/{workload}$"


Step = tuple[str, str]
# Before or after which step it is killed: at the first of that kind, in a run that goes on where the last was killed.
OVERLAP: dict[str, Step] = {
    "new keys are published": ("before", KEYS_WRITTEN),
    "new keys were published": ("after", KEYS_WRITTEN),
    "the api-server restarts to trust them": ("after", restarted("airflow-webserver")),
    "new keys are made the current ones": ("before", KEYS_WRITTEN),
    "new keys were made the current ones": ("after", KEYS_WRITTEN),
    "the api-server restarts to sign with them": ("after", restarted("airflow-webserver")),
    "the scheduler restarts to sign with them": ("before", restarted("airflow-scheduler")),
    "the scheduler signs with them": ("after", restarted("airflow-scheduler")),
    "the end of the old keys is written down": ("before", KEYS_WRITTEN),
    "the end of the old keys was written down": ("after", KEYS_WRITTEN),
}
RETIREMENT: dict[str, Step] = {
    "the old keys are retired": ("before", KEYS_WRITTEN),
    "the old keys were retired": ("after", KEYS_WRITTEN),
    "the api-server restarts without them": ("after", restarted("airflow-webserver")),
}
CUT_OVER_STEPS: dict[str, Step] = {
    "all keys are replaced": ("before", KEYS_WRITTEN),
    "all keys were replaced": ("after", KEYS_WRITTEN),
    "the api-server restarts": ("after", restarted("airflow-webserver")),
    "the scheduler restarts": ("after", restarted("airflow-scheduler")),
    "the state becomes steady": ("before", KEYS_WRITTEN),
}
# A token of the bed lives for 150 s.
RENEWAL_SECONDS = 100


class Witness:
    """Somebody who works with a token all the time, and sees every key that is ever trusted."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.calls = 0
        self.refusals: list[int] = []
        self.trusted: set[str] = set()

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        token, since = log_in(self._bed), time.monotonic()
        while not self._ended.wait(0.2):
            entries = self._bed.cluster.secret_entries(SECRET) or {}
            self.trusted |= {key["kid"] for key in json.loads(entries["jwks.json"])["keys"]}
            try:
                if time.monotonic() - since > RENEWAL_SECONDS:
                    token, since = log_in(self._bed), time.monotonic()
                status = call(token).status_code
            except requests.RequestException:
                continue  # whether requests are answered at all is measured elsewhere; here none may be refused
            self.calls += 1
            if status in (401, 403, 500):
                self.refusals.append(status)


@dataclass
class Size:
    """What a deployment keeps of its rotations."""

    entries: set[str]
    annotations: set[str]
    trusted: int
    generation: int
    replica_sets: dict[str, int]


def size_of(bed: Bed) -> Size:
    secret = bed.cluster.core.read_namespaced_secret(SECRET, NAMESPACE)
    entries = bed.cluster.secret_entries(SECRET) or {}
    sets = bed.cluster.apps.list_namespaced_replica_set(NAMESPACE).items
    return Size(
        set(entries),
        set(secret.metadata.annotations),
        len(json.loads(entries["jwks.json"])["keys"]),
        int(entries["generation"]),
        collections.Counter(item.metadata.owner_references[0].name for item in sets),
    )


@pytest.fixture(scope="module", autouse=True)
def airflow3(bed: Bed) -> Size:
    """Airflow 3, rotated once."""
    bed.reset("empty")
    for command in (["playbooks/install.yml"], [ROTATE, *CUT_OVER]):
        done = bed.play(*command)
        assert done.returncode == 0, done.stdout[-6000:]
    return size_of(bed)


@pytest.fixture
def steady(bed: Bed) -> Iterator[set[str]]:
    """Keys in use and nothing under way, whatever the test before has left; their ids."""
    if (bed.cluster.core.read_namespaced_secret(SECRET, NAMESPACE).metadata.annotations or {}).get(
        "hopsworks.airflow/key-state", "steady"
    ) != "steady":
        done = bed.play(ROTATE, *CUT_OVER)
        assert done.returncode == 0, done.stdout[-6000:]
    entries = bed.cluster.secret_entries(SECRET) or {}
    yield {key["kid"] for key in json.loads(entries["jwks.json"])["keys"]}
    assert bed.cluster.coordination.list_namespaced_lease(NAMESPACE).items == []


@pytest.fixture
def elsewhere(tmp_path: pathlib.Path) -> pathlib.Path:
    """A fresh checkout."""
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path / "airflow"], check=True)
    return tmp_path / "airflow"


def killed_at_each(faults: Faults, steps: dict[str, Step], *arguments: str) -> None:
    """The same command again and again, and each time it is killed one step later."""
    for name, (when, pattern) in steps.items():
        print(f"killed: {name}")
        faults.killed(ROTATE, *arguments, when=when, pattern=pattern)


def continued(bed: Bed, elsewhere: pathlib.Path, *arguments: str) -> str:
    """The same command on a machine of another name, which knows nothing of the first but the cluster."""
    command = [
        *("unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"),
        *(str(TOOLS / "ansible-playbook"), "-i", str(INVENTORY), str(elsewhere / ROTATE), *arguments),
        *("-e", f"airflow_run_directory={elsewhere}/runs"),
    ]
    environment = {**bed.environment(), "ANSIBLE_CONFIG": str(elsewhere / "ansible.cfg")}
    deadline = time.monotonic() + 180
    while True:
        done = subprocess.run(
            command,
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode == 0 or "is working on this deployment" not in done.stdout or time.monotonic() > deadline:
            break
        time.sleep(5)  # from another machine nobody can tell that the first is dead, until its lock has expired
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def state_of(bed: Bed) -> str:
    annotations = bed.cluster.core.read_namespaced_secret(SECRET, NAMESPACE).metadata.annotations
    return str(annotations["hopsworks.airflow/key-state"])


def is_activated(bed: Bed, witness: Witness, steady: set[str]) -> None:
    assert state_of(bed) == "activated"
    assert witness.calls > 20
    assert witness.refusals == []
    assert len(witness.trusted - steady) == 2, "one new key for each signer, and no second generation"
    assert unchanged(bed.play(ROTATE, *NOW).stdout)


def test_an_overlap_that_is_killed_at_every_step_is_finished_by_another_machine(
    bed: Bed, faults: Faults, elsewhere: pathlib.Path, steady: set[str]
) -> None:
    with Witness(bed) as witness:
        killed_at_each(faults, OVERLAP, *NOW)
        continued(bed, elsewhere, *NOW)
    is_activated(bed, witness, steady)


@pytest.mark.parametrize(
    ("when", "pattern", "nth"),
    [("after", KEYS_WRITTEN, 1), ("after", KEYS_WRITTEN, 2), ("before", restarted("airflow-scheduler"), 1)],
    ids=["published", "current", "half restarted"],
)
def test_another_machine_finishes_an_overlap(
    bed: Bed, faults: Faults, elsewhere: pathlib.Path, steady: set[str], when: str, pattern: str, nth: int
) -> None:
    with Witness(bed) as witness:
        faults.killed(ROTATE, *NOW, when=when, pattern=pattern, nth=nth)
        continued(bed, elsewhere, *NOW)
    is_activated(bed, witness, steady)


def test_a_retirement_that_is_killed_at_every_step_is_finished_by_another_machine(
    bed: Bed, faults: Faults, elsewhere: pathlib.Path, steady: set[str]
) -> None:
    with Witness(bed) as witness:
        first = bed.play(ROTATE, *NOW)
        assert first.returncode == 0, first.stdout[-6000:]
        time.sleep(165)  # tokens of the test cluster live for 150 s, and clocks may differ by 10
        killed_at_each(faults, RETIREMENT, *NOW)
        continued(bed, elsewhere, *WAIT)
    assert state_of(bed) == "steady"
    assert witness.refusals == []
    assert len(witness.trusted - steady) == 2
    assert unchanged(bed.play(ROTATE).stdout)


def test_a_cut_over_that_is_killed_at_every_step_is_finished_by_another_machine(
    bed: Bed, faults: Faults, elsewhere: pathlib.Path, steady: set[str]
) -> None:
    killed_at_each(faults, CUT_OVER_STEPS, *CUT_OVER)
    continued(bed, elsewhere, *CUT_OVER)
    assert state_of(bed) == "steady"
    entries = bed.cluster.secret_entries(SECRET) or {}
    assert not {key["kid"] for key in json.loads(entries["jwks.json"])["keys"]} & steady
    assert call(log_in(bed)).status_code == 200


def unpaused(bed: Bed) -> set[str]:
    with bed.database() as cursor:
        cursor.execute("SELECT dag_id FROM airflow.dag WHERE is_paused = 0")
        return {dag_id for (dag_id,) in cursor.fetchall()}


def test_a_cut_over_unpauses_what_a_killed_overlap_has_paused(bed: Bed, faults: Faults, steady: set[str]) -> None:
    with bed.database() as cursor:
        cursor.execute("UPDATE airflow.dag SET is_paused = 0 WHERE dag_id LIKE 'p_demo%'")
        # DAGs are paused only where a task may outlast the grace of the scheduler's pod.
        cursor.execute(
            "UPDATE airflow.task_instance SET duration = 36000 WHERE end_date > UTC_TIMESTAMP() - INTERVAL 1 DAY"
            " AND dag_id IN (SELECT dag_id FROM airflow.dag WHERE is_paused = 0)"
        )
        assert cursor.rowcount, "no task has ended that belongs to an unpaused DAG"
    before = unpaused(bed)
    assert len(before) > 2
    faults.killed(ROTATE, *NOW, when="after", pattern=PAUSE)
    assert unpaused(bed) == set()
    status = bed.play("playbooks/status.yml")
    assert f"the next run that finishes will unpause: {len(before)} DAGs" in status.stdout, status.stdout[-3000:]
    done = bed.play(ROTATE, *CUT_OVER)
    assert done.returncode == 0, done.stdout[-6000:]
    assert state_of(bed) == "steady"
    assert unpaused(bed) == before


def test_all_these_rotations_have_left_one_generation_and_nothing_that_grows(
    bed: Bed, airflow3: Size, steady: set[str]
) -> None:
    now = size_of(bed)
    assert now.generation - airflow3.generation >= 5, "there were none"
    assert (now.entries, now.annotations, now.trusted) == (airflow3.entries, airflow3.annotations, 2)
    history = {
        item.metadata.name: item.spec.revision_history_limit
        for item in bed.cluster.apps.list_namespaced_deployment(NAMESPACE).items
    }
    for name, sets in now.replica_sets.items():
        assert sets <= history[name] + 1, name
    assert any(sets == history[name] + 1 for name, sets in now.replica_sets.items()), "the limit was never reached"
