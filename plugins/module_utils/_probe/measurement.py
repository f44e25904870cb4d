# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._common.documents import parse
from .._common.failure import OperatorError
from .samples import LONGEST_REST_SECONDS, Sample, summarise, windows

# A request is given up within its time; its sample is written a little later on a busy machine.
MARGIN_SECONDS = 2.0
MARGIN_INTERVALS = 5
CHECK_SECONDS = 0.05


@dataclass
class Probe:
    """One probe of a measurement: its requests, and how it ended.

    `learnt` has the response of each URL before the change (`answers.Learnt.as_line`). `ended` is when it sent its last
    request, None while it runs or if it was killed.
    """

    id: str
    begun: float
    names: list[str] = field(default_factory=list)
    interval: float = 0.0
    answer_within: float = 0.0
    learnt: dict[str, dict[str, Any]] = field(default_factory=dict)
    failure: dict[str, Any] | None = None
    ended: float | None = None
    because: str | None = None

    @property
    def longest_silence(self) -> float:
        """A working probe writes a sample of each name at least this often, in seconds."""
        return self.answer_within + LONGEST_REST_SECONDS + MARGIN_INTERVALS * self.interval + MARGIN_SECONDS


@dataclass
class Measurement:
    """Everything that probes have written to one file, with the samples sorted by time."""

    samples: list[Sample] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)

    def probe(self, which: str | None) -> Probe | None:
        """The probe of that id, the last one if it is None."""
        found = [probe for probe in self.probes if which in (None, probe.id)]
        return found[-1] if found else None

    def recalled(self, name: str) -> dict[str, Any] | None:
        """What the first probe with such information has learnt about a name."""
        found = (probe.learnt.get(name) for probe in self.probes)
        return next((line for line in found if line and line["known"]), None)

    def seen_since(self, probe: Probe, name: str) -> float | None:
        """When the last request of a name was sent since a probe began, or None."""
        times = [sample.time for sample in self.samples if sample.name == name and sample.time >= probe.begun]
        return max(times, default=None)


class Writer:
    """Appends lines to a measurement's file, from many threads. The file is for its owner only, and has no token."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(descriptor).st_size
        # A truncated line, for example because of a full disk, would corrupt the first line of this probe: its start.
        cut_off = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        self._stream = os.fdopen(descriptor, "a", encoding="utf-8")
        if cut_off:
            self._stream.write("\n")
        self._lock = threading.Lock()
        self._open = True
        self.samples = 0

    def sample(self, sample: Sample) -> None:
        self.line(vars(sample), samples=1)

    def line(self, document: dict[str, Any], *, samples: int = 0) -> None:
        with self._lock:
            if self._open:
                self._stream.write(json.dumps(document) + "\n")
                self._stream.flush()
                self.samples += samples

    def close(self) -> None:
        """Later samples are not written: they were counted as unanswered."""
        with self._lock:
            self._open = False
            self._stream.close()


def begun(probe: Probe) -> dict[str, Any]:
    """The line with which a probe begins."""
    return {"begun": {name: value for name, value in vars(probe).items() if name not in ("ended", "because")}}


def ended(probe: Probe, because: str, sent_last: float) -> dict[str, Any]:
    """The line with which a probe ends."""
    return {"ended": {"id": probe.id, "ended": sent_last, "because": because}}


def read(file: Path) -> Measurement:
    """The content of a file. A line truncated by a kill is skipped."""
    found = Measurement()
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []:
        try:
            document = parse(line)
            if "begun" in document:
                found.probes.append(Probe(**document["begun"]))
            elif "ended" in document:
                probe = found.probe(document["ended"]["id"])
                if probe is not None:
                    probe.ended, probe.because = document["ended"]["ended"], document["ended"]["because"]
            else:
                found.samples.append(Sample(**document))
        except (ValueError, TypeError, KeyError):
            continue
    found.samples.sort(key=lambda sample: sample.time)
    return found


def shortcomings(found: Measurement, which: str | None, now: float | None = None) -> list[str]:
    """What was not measured, in words; empty if the measurement is complete."""
    probe = found.probe(which)
    if probe is None:
        return ["nothing was measured: no probe has started"]
    if probe.failure is not None:
        return [f"nothing was measured: {probe.failure['found']}"]
    until = probe.ended if probe.ended is not None else time.time() if now is None else now
    problems = []
    for name in probe.names:
        last = found.seen_since(probe, name)
        if last is None:
            problems.append(f"{name} was not measured")
        elif until - last > probe.longest_silence:
            problems.append(f"{name} was not measured in the last {until - last:.0f} s")
    if probe.ended is None and not problems:
        problems.append("the end of the probe was not recorded: its last requests may be missing")
    elif probe.because not in (None, "told to stop"):
        problems.append(f"the measurement ended early: {probe.because}")
    for name, line in probe.learnt.items():
        if line["blind"]:
            problems.append(f"{name} {line['blind']}: it does not show whether Airflow was up")
    return problems


def wait_until_begun(file: Path, which: str | None, seconds: float) -> list[str]:
    """Wait until each request of a probe has a response or has timed out; returns their names.

    Raises OperatorError if the probe failed or this takes longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        looked = time.monotonic()
        found = read(file)
        probe = found.probe(which)
        if probe is not None and probe.failure is not None:
            raise OperatorError(**probe.failure)
        names = probe.names if probe is not None else []
        missing = [name for name in names if probe is None or found.seen_since(probe, name) is None]
        if names and not missing:
            return names
        if time.monotonic() > deadline or (probe is not None and probe.ended is not None):
            raise OperatorError(
                f"the measurement did not start within {seconds:.0f} s (missing: {', '.join(missing) or 'all'})",
                expected="each of its requests to be sent before anything is changed",
                untouched="everything",
                next_step=f"read the result of the asynchronous probe, and {file}; then run the same command again",
            )
        _pause(looked)


def end(file: Path, stop_file: Path, which: str | None, spans: list[dict[str, str]]) -> dict[str, Any]:
    """Stop a running probe, and sum up the results of all probes, as the module returns them."""
    probe = read(file).probe(which)
    if probe is not None and probe.ended is None and probe.failure is None:
        stop_file.touch(mode=0o600)
        _wait_for_end(file, probe)
    found = read(file)
    probe = found.probe(which)
    told = probe.ended if probe is not None and probe.because == "told to stop" else time.time()
    urls = summarise(found.samples, ended=told)
    for name, seen in urls.items():
        seen["not_measured"] = probe.learnt.get(name, {}).get("blind") if probe is not None else None
    return {"urls": urls, "problems": shortcomings(found, which), "windows": windows(found.samples, spans)}


def _wait_for_end(file: Path, probe: Probe) -> None:
    """Wait for a probe's last responses. A probe that was silent for too long was killed and has none."""
    deadline = time.monotonic() + probe.longest_silence
    while time.monotonic() < deadline:
        looked = time.monotonic()
        found = read(file)
        now = found.probe(probe.id)
        last = max((sample.answered for sample in found.samples), default=probe.begun)
        if now is None or now.ended is not None or time.time() - last > probe.longest_silence:
            return
        _pause(looked)


def _pause(looked: float) -> None:
    """The file of an hour takes long to read, and reading it all the time would slow down the probe."""
    time.sleep(max(CHECK_SECONDS, 3 * (time.monotonic() - looked)))
