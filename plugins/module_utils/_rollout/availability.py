# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import itertools
import json
import os
import ssl
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import controller_process, process_is_gone

# Without a sample for longer than this, and than a few intervals, nobody was looking.
LONGEST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_INTERVALS = 5
MOST_THREADS = 200
CONDITIONS_CHECK_SECONDS = 0.2


@dataclass(frozen=True)
class Sample:
    """One request: when it was sent (seconds since the epoch), how long its answer took, and what came of it.

    `status` is the HTTP status, or None where there was no answer; then `error` names why.
    """

    time: float
    name: str
    status: int | None
    seconds: float
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """An answer of the application: servers and proxies that have lost it answer 500 or more, or not at all."""
        return self.status is not None and self.status < 500


class Prober:
    """Sends requests at a fixed rate, each on a new connection, whether or not earlier ones have been answered.

    So a slow answer does not hide that others fail meanwhile. Each answer is a JSON line in `file`.
    """

    def __init__(
        self,
        urls: dict[str, str],
        file: Path,
        *,
        interval_seconds: float,
        timeout_seconds: float,
        ca_file: str | None = None,
        verify: bool = True,
    ) -> None:
        self._urls, self._interval, self._timeout = urls, interval_seconds, timeout_seconds
        for name, url in urls.items():
            _checked_url(name, url)
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise OperatorError(
                f"{ca_file} holds no certificates that can be read ({type(error).__name__})",
                expected="certificates in PEM form",
                untouched="everything; nothing was requested",
                next_step="correct `ca_file`",
            ) from None
        if not verify:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        self._lock = threading.Lock()
        self._stream = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")
        self.requests = 0

    def run(self, stop_file: Path | None, *, seconds: float, process_id: int | None) -> str:
        """Probe until `stop_file` exists, the time is over, or the process has ended. Returns which, as words."""
        begun = time.monotonic()
        process = controller_process(process_id) if process_id else None
        threads = min(MOST_THREADS, int(len(self._urls) * (self._timeout / self._interval + 1)) + 1)
        looked = 0.0
        position = 0
        with self._stream, ThreadPoolExecutor(threads) as pool:
            while True:
                now = time.monotonic()
                if now - begun >= seconds:
                    return "time is over"
                if now - looked >= CONDITIONS_CHECK_SECONDS:
                    looked = now
                    if stop_file is not None and stop_file.exists():
                        return "told to stop"
                    if process is not None and process_is_gone(process):
                        return "its playbook has ended"
                for name, url in self._urls.items():
                    pool.submit(self._probe, name, url)
                position += 1
                # From the beginning, so that the rate does not drift; what was missed is not made up for.
                due = begun + position * self._interval
                if due < time.monotonic():
                    position = int((time.monotonic() - begun) / self._interval) + 1
                    due = begun + position * self._interval
                time.sleep(max(0.0, due - time.monotonic()))

    def _probe(self, name: str, url: str) -> None:
        sent, begun = time.time(), time.monotonic()
        status = error = None
        try:
            status = self._request(url)
        except (OSError, http.client.HTTPException) as failure:
            error = type(failure).__name__
        sample = Sample(round(sent, 4), name, status, round(time.monotonic() - begun, 4), error)
        with self._lock:
            self._stream.write(json.dumps(vars(sample)) + "\n")
            self._stream.flush()
            self.requests += 1

    def _request(self, url: str) -> int:
        parts = urllib.parse.urlsplit(url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=self._timeout, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._timeout)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", target, headers={"Connection": "close", "User-Agent": "hopsworks.airflow"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


def _checked_url(name: str, url: str) -> None:
    problem = "no http or https URL"
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0):
            return
    except ValueError as error:
        problem = str(error)
    raise OperatorError(
        f"URL {name} cannot be requested: {problem}",
        expected="scheme, host and path, like https://hopsworks.example.com/hopsworks-api/airflow/",
        untouched="everything; nothing was requested",
        next_step="correct `urls`",
    )


def read(file: Path) -> list[Sample]:
    """The samples of a file in the order of their times. A line cut off by a kill is left out."""
    samples = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            samples.append(Sample(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return sorted(samples, key=lambda sample: sample.time)


def summarise(samples: list[Sample]) -> dict[str, dict[str, Any]]:
    """For each name: requests, failures, and how long it was away.

    Away is the time from the last success before a failure to the next success, by the times at which requests were
    sent: the longest that it can have been. Where nobody looked for a while (between two attempts of a run), the time
    counts as away if it was so both before and after, else it counts as not observed.
    Away at the beginning or the end of all samples counts from the first or to the last of them.
    """
    names = dict.fromkeys(sample.name for sample in samples)
    return {name: _summary([sample for sample in samples if sample.name == name]) for name in names}


def _summary(samples: list[Sample]) -> dict[str, Any]:
    absences, unobserved = _absences(samples)
    longest = max(absences, key=lambda absence: absence[1] - absence[0], default=None)
    latencies = sorted(sample.seconds for sample in samples if sample.succeeded)
    errors: dict[str, int] = {}
    for sample in samples:
        if not sample.succeeded:
            reason = sample.error or f"HTTP {sample.status}"
            errors[reason] = errors.get(reason, 0) + 1
    return {
        "requests": len(samples),
        "failures": sum(errors.values()),
        "errors": errors,
        "begun": _iso(samples[0].time),
        "ended": _iso(samples[-1].time),
        "away_seconds": round(sum(end - begin for begin, end in absences), 2),
        "longest_gap_seconds": round(longest[1] - longest[0], 2) if longest else 0.0,
        "absences": [
            {"begun": _iso(begin), "ended": _iso(end), "seconds": round(end - begin, 2)} for begin, end in absences
        ],
        "unobserved_seconds": round(unobserved, 2),
        "latency_seconds": {
            "median": _quantile(latencies, 0.5),
            "p99": _quantile(latencies, 0.99),
            "longest": latencies[-1] if latencies else None,
        },
    }


def _absences(samples: list[Sample]) -> tuple[list[tuple[float, float]], float]:
    absences: list[tuple[float, float]] = []
    unobserved = 0.0
    away_since: float | None = None if samples[0].succeeded else samples[0].time
    pairs = list(itertools.pairwise(samples))
    pauses = sorted(after.time - before.time for before, after in pairs)
    usual = pauses[len(pauses) // 2] if pauses else 0.0
    longest_pause = max(LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_INTERVALS * usual)
    for before, sample in pairs:
        pause = sample.time - before.time
        if pause > longest_pause and (before.succeeded or sample.succeeded):
            unobserved += pause
            if away_since is not None:
                absences.append((away_since, before.time))
            away_since = None if sample.succeeded else sample.time
        elif sample.succeeded and away_since is not None:
            absences.append((away_since, sample.time))
            away_since = None
        elif not sample.succeeded and away_since is None:
            away_since = before.time
    if away_since is not None:
        absences.append((away_since, samples[-1].time))
    return absences, unobserved


def _quantile(values: list[float], share: float) -> float | None:
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"
