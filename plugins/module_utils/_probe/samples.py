# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import itertools
import time
from dataclasses import dataclass
from typing import Any

from .._common.failure import OperatorError

# A gap without samples that is longer than this, and than a few intervals, was not measured.
LONGEST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_INTERVALS = 5
# After a failure, a probe may pause for this long.
LONGEST_REST_SECONDS = 8.0
# Single failures are listed as far as a picture can show them.
MOST_TIMES = 200


@dataclass(frozen=True)
class Sample:
    """One request: when it was sent (seconds since the epoch), how long its response took, and its result.

    `status` is the HTTP status, or None if there was no response. `good` says whether the application sent the expected
    response, and `error` why not. `reconnected`: a keep-alive connection had been closed, and this is the second
    attempt. `renewed`: the first request with a new token.
    """

    time: float
    name: str
    status: int | None
    seconds: float
    error: str | None = None
    good: bool = False
    reconnected: bool = False
    renewed: bool = False

    @property
    def answered(self) -> float:
        """When the response arrived, or the request was given up."""
        return self.time + self.seconds


def summarise(
    samples: list[Sample], *, begun: float | None = None, ended: float | None = None
) -> dict[str, dict[str, Any]]:
    """For each name: requests, failures, and how long it was unavailable.

    Unavailable is the time from the last success before a failure to the next success, by the times at which requests
    were sent, so it is an upper bound. If there was no measurement for a while (between two attempts of a run), the
    time counts as unavailable if that was so both before and after, otherwise as unobserved. Time with a request in
    progress is observed: a server that hangs is unavailable. At the start or the end of all samples, the time counts
    from the first or to the last of them. With `begun` and `ended`, the time from and to these without a sample counts
    as unobserved.
    """
    names = dict.fromkeys(sample.name for sample in samples)
    return {name: _summary([s for s in samples if s.name == name], begun, ended) for name in names}


def windows(samples: list[Sample], given: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The results in each window {name, begun, ended}, as from `summarise`, in `names`.

    Times are in ISO 8601 with a time zone. A gap counts from the last success within the window. `measured` says
    whether each of the names was measured for the whole window. Raises OperatorError for an invalid time.
    """
    result = []
    names = {sample.name for sample in samples}
    # Measured until the last response, and a little longer because the next request may be due.
    last = max((sample.answered for sample in samples), default=0.0) + LONGEST_PAUSE_SECONDS
    for window in given:
        begun, ended = _seconds(window["begun"]), _seconds(window["ended"])
        seen = summarise(
            [sample for sample in samples if begun <= sample.time <= ended], begun=begun, ended=min(ended, last)
        )
        measured = seen.keys() >= names and ended <= last and not any(s["unobserved_seconds"] for s in seen.values())
        result.append({**window, "measured": bool(seen) and measured, "names": seen})
    return result


def _seconds(text: str) -> float:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise OperatorError(
            f"{text!r} is not a time",
            expected="a time in ISO 8601 with a time zone, like 2026-11-22T03:10:02Z",
            untouched="the measurement",
            next_step="correct `windows`",
        )
    return moment.timestamp()


def _summary(samples: list[Sample], begun: float | None, ended: float | None) -> dict[str, Any]:
    absences, unobserved = _absences(samples, begun, ended)
    longest = max(absences, key=lambda absence: absence[1] - absence[0], default=None)
    latencies = sorted(sample.seconds for sample in samples if sample.good)
    failed = [sample for sample in samples if not sample.good]
    reconnected = [sample for sample in samples if sample.reconnected]
    errors: dict[str, int] = {}
    for sample in failed:
        reason = sample.error or "unknown"
        errors[reason] = errors.get(reason, 0) + 1
    return {
        "requests": len(samples),
        "failures": len(failed),
        "errors": errors,
        "failed_at": [_iso(sample.time) for sample in failed[:MOST_TIMES]],
        "reconnects": len(reconnected),
        "reconnected_at": [_iso(sample.time) for sample in reconnected[:MOST_TIMES]],
        "renewals": sum(sample.renewed for sample in samples),
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
            "p95": _quantile(latencies, 0.95),
            "p99": _quantile(latencies, 0.99),
            "longest": latencies[-1] if latencies else None,
        },
    }


def _absences(
    samples: list[Sample], begun: float | None, ended: float | None
) -> tuple[list[tuple[float, float]], float]:
    absences: list[tuple[float, float]] = []
    unobserved = 0.0
    away_since: float | None = None if samples[0].good else samples[0].time
    pairs = list(itertools.pairwise(samples))
    pauses = sorted(after.time - before.time for before, after in pairs)
    usual = pauses[len(pauses) // 2] if pauses else 0.0
    longest_pause = max(LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_INTERVALS * usual)
    # The latest time at which a request was waiting for its response.
    observed = samples[0].answered
    for before, sample in pairs:
        observed = max(observed, before.answered)
        pause = sample.time - observed
        rest = 0.0 if before.good else LONGEST_REST_SECONDS
        if pause > longest_pause + rest and (before.good or sample.good):
            unobserved += pause
            if away_since is not None:
                absences.append((away_since, observed))
            away_since = None if sample.good else sample.time
        elif sample.good and away_since is not None:
            absences.append((away_since, sample.time))
            away_since = None
        elif not sample.good and away_since is None:
            away_since = before.time
    observed = max(observed, samples[-1].answered)
    if away_since is not None:
        absences.append((away_since, observed))
    rest = 0.0 if samples[-1].good else LONGEST_REST_SECONDS
    edges = [
        samples[0].time - begun if begun is not None else 0.0,
        ended - observed - rest if ended is not None else 0.0,
    ]
    unobserved += sum(edge for edge in edges if edge > longest_pause)
    return absences, unobserved


def _quantile(values: list[float], share: float) -> float | None:
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"
