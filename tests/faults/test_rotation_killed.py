"""ansible-playbook is killed after and within every phase of a rotation, and another machine goes on.

Whatever the moment, no valid token is ever refused in overlap, there are never two generations of new keys, and the
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
from bed import INVENTORY, NAMESPACE, ROOT, TOOLS, Bed

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
# A phase, and how far into it the kill comes, in seconds: before its write, after it, and in each of its restarts.
MOMENTS = [
    ("publish", 0.2),
    ("publish", 6.0),
    ("publish", 14.0),
    ("activate", 0.2),
    ("activate", 8.0),
    ("activate", 16.0),
    ("activate", 30.0),
]
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


def killed(bed: Bed, phase: str, seconds: float, *arguments: str, output: pathlib.Path) -> None:
    before = bed.run_record()
    running = bed.start(ROTATE, *arguments, output=output)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        record = bed.run_record()
        if record and record != before and record["status"] == "running":
            now = record["phases"][-1] if record["phases"] else {}
            if now.get("name") == phase and now["status"] == "running":
                break
        assert running.poll() is None, f"ended before {phase}:\n{output.read_text()[-4000:]}"
        time.sleep(0.1)
    time.sleep(seconds)
    running.kill()
    running.wait()


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
        if done.returncode == 0 or "works on this deployment" not in done.stdout or time.monotonic() > deadline:
            break
        time.sleep(5)  # from another machine nobody can tell that the first is dead, until its lock has expired
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def state_of(bed: Bed) -> str:
    annotations = bed.cluster.core.read_namespaced_secret(SECRET, NAMESPACE).metadata.annotations
    return str(annotations["hopsworks.airflow/key-state"])


@pytest.mark.parametrize(("phase", "seconds"), MOMENTS, ids=[f"{phase}+{seconds}s" for phase, seconds in MOMENTS])
def test_another_machine_finishes_the_overlap(
    bed: Bed, tmp_path: pathlib.Path, elsewhere: pathlib.Path, steady: set[str], phase: str, seconds: float
) -> None:
    with Witness(bed) as witness:
        killed(bed, phase, seconds, *NOW, output=tmp_path / "killed.log")
        continued(bed, elsewhere, *NOW)
    assert state_of(bed) == "activated"
    assert witness.calls > 20
    assert witness.refusals == []
    assert len(witness.trusted - steady) == 2, "one new key for each signer, and no second generation"
    assert "changed=0" in bed.play(ROTATE, *NOW).stdout


@pytest.mark.parametrize("seconds", [0.2, 4.0, 14.0])
def test_another_machine_finishes_the_retirement(
    bed: Bed, tmp_path: pathlib.Path, elsewhere: pathlib.Path, steady: set[str], seconds: float
) -> None:
    with Witness(bed) as witness:
        first = bed.play(ROTATE, *NOW)
        assert first.returncode == 0, first.stdout[-6000:]
        time.sleep(165)  # tokens of the bed live for 150 s, and clocks may differ by 10
        killed(bed, "retire", seconds, *NOW, output=tmp_path / "killed.log")
        continued(bed, elsewhere, *WAIT)
    assert state_of(bed) == "steady"
    assert witness.refusals == []
    assert len(witness.trusted - steady) == 2
    assert "changed=0" in bed.play(ROTATE).stdout


@pytest.mark.parametrize("seconds", [0.2, 4.0, 10.0, 25.0])
def test_another_machine_finishes_the_cut_over(
    bed: Bed, tmp_path: pathlib.Path, elsewhere: pathlib.Path, steady: set[str], seconds: float
) -> None:
    killed(bed, "replace_keys", seconds, *CUT_OVER, output=tmp_path / "killed.log")
    continued(bed, elsewhere, *CUT_OVER)
    assert state_of(bed) == "steady"
    entries = bed.cluster.secret_entries(SECRET) or {}
    assert not {key["kid"] for key in json.loads(entries["jwks.json"])["keys"]} & steady
    assert call(log_in(bed)).status_code == 200


def test_all_these_rotations_have_left_one_generation_and_nothing_that_grows(
    bed: Bed, airflow3: Size, steady: set[str]
) -> None:
    now = size_of(bed)
    assert now.generation - airflow3.generation >= len(MOMENTS), "there were none"
    assert (now.entries, now.annotations, now.trusted) == (airflow3.entries, airflow3.annotations, 2)
    history = {
        item.metadata.name: item.spec.revision_history_limit
        for item in bed.cluster.apps.list_namespaced_deployment(NAMESPACE).items
    }
    for name, sets in now.replica_sets.items():
        assert sets <= history[name] + 1, name
    assert any(sets == history[name] + 1 for name, sets in now.replica_sets.items()), "the limit was never reached"
