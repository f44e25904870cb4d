# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all measurements share: lines of results, and commands whose time and memory are taken."""

from __future__ import annotations

import contextlib
import json
import operator
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
SAMPLE_SECONDS = 0.5
LONGEST_SECONDS = 7200
LINES_SHOWN = 40

COMPARISONS = {"<": operator.lt, "<=": operator.le}


class MeasurementError(Exception):
    """A measurement that could not be taken, in words for whoever runs it."""


@dataclass(frozen=True)
class Run:
    """What one command took: wall time, and the peak of the resident memory of all its processes together."""

    seconds: float
    peak_mebibytes: float


def say(text: str) -> None:
    """Progress; results alone are on standard output."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def report(
    what: str,
    ours: Sequence[float],
    peer: Sequence[float] | None = None,
    *,
    goal: str | None = None,
    unit: str = "s",
    more: Mapping[str, object] | None = None,
) -> None:
    """One JSON line: the medians of both, their ratio, and whether it is as `goal` (`ratio < NUMBER` or `<=`) says.

    `samples` has the single values, in the order in which they were taken.
    """
    middle = statistics.median(ours)
    other = statistics.median(peer) if peer else None
    ratio = middle / other if other else None
    line: dict[str, object] = {
        "what": what,
        "ours": round(middle, 3),
        "peer": None if other is None else round(other, 3),
        "ratio": None if ratio is None else round(ratio, 3),
        "goal": goal,
        "met": None if goal is None or ratio is None else is_met(goal, ratio),
        "unit": unit,
        **(more or {}),
        "samples": {"ours": rounded(ours), **({"peer": rounded(peer)} if peer else {})},
    }
    print(json.dumps(line), flush=True)


def is_met(goal: str, ratio: float) -> bool:
    found = re.fullmatch(r"ratio (<=?) ([0-9.]+)", goal)
    if found is None:
        raise ValueError(f"{goal!r} is no goal")
    return bool(COMPARISONS[found[1]](ratio, float(found[2])))


def rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 3) for value in values]


def environment(**more: str) -> dict[str, str]:
    """An operator's, with the tools of .venv first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    return {**kept, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", **more}


def output(*command: str) -> str:
    """What a command that takes no time worth measuring says. Raises MeasurementError where it fails."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout
    except FileNotFoundError as error:
        raise MeasurementError(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise MeasurementError(f"{' '.join(command)} failed: {error.stderr.strip()}") from error


def timed(command: Sequence[str], *, memory: bool = False, variables: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end. Raises MeasurementError, with the end of its output, where it fails."""
    with tempfile.TemporaryFile() as log:
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(**(variables or {})),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        with contextlib.ExitStack() as stack:
            watch = stack.enter_context(MemoryWatch(process.pid)) if memory else None
            try:
                code = process.wait(LONGEST_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            seconds = time.monotonic() - begun
        if code != 0:
            log.seek(0)
            end = log.read().decode(errors="replace").splitlines()[-LINES_SHOWN:]
            raise MeasurementError("\n".join([f"{command[0]} ended with {code} after {seconds:.0f} s:", *end]))
    return Run(seconds, watch.peak_kibibytes / 1024 if watch else 0.0)


class MemoryWatch:
    """The peak of the resident memory of a process and its descendants, looked at twice a second.

    Pages that several of them share count for each, so it is what they take at most.
    """

    def __init__(self, process_id: int) -> None:
        self._process_id = process_id
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.peak_kibibytes = 0

    def __enter__(self) -> MemoryWatch:
        self._look()  # where there is no `ps`, say so before the thread can't
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        self.peak_kibibytes = max(self.peak_kibibytes, resident_kibibytes(self._process_id, process_table()))


Processes = dict[int, tuple[int, int]]


def process_table() -> Processes:
    """Of all processes the parent and the resident memory in KiB, by process id."""
    rows = output("ps", "-A", "-o", "pid=,ppid=,rss=").splitlines()
    return {process: (parent, resident) for process, parent, resident in (map(int, row.split()) for row in rows)}


def resident_kibibytes(root: int, processes: Processes) -> int:
    """Of a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for process, (parent, _resident) in processes.items():
        children.setdefault(parent, []).append(process)
    total, left = 0, [root]
    while left:
        process = left.pop()
        total += processes.get(process, (0, 0))[1]
        left += children.get(process, [])
    return total
