"""ansible-playbook is killed in each phase of an upgrade, and the same command is run again.

Whatever the moment, the old tables are whole in the one place or the other, no database is dropped that was not to be,
and the second run completes and leaves nothing of the first behind.
"""

from __future__ import annotations

import pathlib
import subprocess
import time

import pytest
from bed import Bed

# A phase, and how far into it the kill comes, in seconds. The cut-over is what must not break: it is hit most often.
MOMENTS = [
    ("snapshot", 0.0),
    ("snapshot", 2.0),
    ("backup", 1.0),
    ("keys", 0.5),
    ("images", 0.5),
    ("schema", 4.0),
    ("cut_over", 1.0),
    ("cut_over", 5.0),
    ("cut_over", 9.0),
    ("cut_over", 13.0),
    ("cut_over", 20.0),
    ("verify", 2.0),
    ("resume", 0.2),
]


def wait_for_phase(bed: Bed, phase: str, running: subprocess.Popen[bytes], output: pathlib.Path) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        record = bed.run_record()
        if record and any(entry["name"] == phase and entry["status"] == "running" for entry in record["phases"]):
            return
        assert running.poll() is None, f"ended before {phase}:\n{output.read_text()[-4000:]}"
        time.sleep(0.1)
    raise TimeoutError(f"{phase} was not reached:\n{output.read_text()[-4000:]}")


def whole_in_one_place(bed: Bed, history: dict[str, list[object]]) -> str:
    """The schema that has the old tables with all their rows; a move that is half done counts as none."""
    for schema in bed.schemas():
        of_the_old = schema == "airflow" or schema.startswith("airflow_before_")
        if of_the_old and set(history) <= set(bed.tables(schema)) and bed.history(schema) == history:
            return schema
    return "half moved"


@pytest.mark.parametrize(("phase", "seconds"), MOMENTS, ids=[f"{phase}+{seconds}s" for phase, seconds in MOMENTS])
def test_set_aside_completes_after_a_kill(bed: Bed, tmp_path: pathlib.Path, phase: str, seconds: float) -> None:
    bed.reset("old")
    history = bed.history()
    output = tmp_path / "killed.log"
    running = bed.start("playbooks/upgrade.yml", output=output)
    wait_for_phase(bed, phase, running, output)
    time.sleep(seconds)
    running.kill()
    running.wait()
    assert bed.dropped_databases() == []

    again = bed.play("playbooks/upgrade.yml")
    assert again.returncode == 0, again.stdout[-6000:]
    record = bed.run_record()
    assert record is not None
    assert record["status"] == "done"
    set_aside = [schema for schema in bed.schemas() if schema.startswith("airflow_before_")]
    assert len(set_aside) == 1, set_aside
    assert whole_in_one_place(bed, history) == set_aside[0]
    assert bed.history(set_aside[0]) == history
    assert bed.dropped_databases() == []
    nothing_is_left_behind(bed)


@pytest.mark.parametrize("seconds", [3.0, 9.0, 13.0, 16.0, 20.0])
def test_drop_happens_once_after_a_kill(bed: Bed, tmp_path: pathlib.Path, seconds: float) -> None:
    bed.reset("old")
    output = tmp_path / "killed.log"
    running = bed.start("playbooks/upgrade.yml", "-e", "airflow_reset_method=drop", output=output)
    wait_for_phase(bed, "cut_over", running, output)
    time.sleep(seconds)
    running.kill()
    running.wait()
    assert len(bed.dropped_databases()) <= 1

    again = bed.play("playbooks/upgrade.yml", "-e", "airflow_reset_method=drop")
    assert again.returncode == 0, again.stdout[-6000:]
    assert len(bed.dropped_databases()) == 1
    nothing_is_left_behind(bed)


def nothing_is_left_behind(bed: Bed) -> None:
    assert bed.cluster.batch.list_namespaced_job("hopsworks").items == []
    assert bed.cluster.coordination.list_namespaced_lease("hopsworks").items == []
    quiet = bed.play("playbooks/upgrade.yml")
    assert quiet.returncode == 0, quiet.stdout[-4000:]
    assert "changed=0" in quiet.stdout
