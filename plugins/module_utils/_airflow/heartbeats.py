# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .._common.failure import OperatorError

HEALTH = "/api/v2/monitor/health"
# [scheduler] scheduler_heartbeat_sec, job_heartbeat_sec and [triggerer] job_heartbeat_sec, by default.
INTERVAL_SECONDS = 5.0
# A busy component may skip some heartbeats.
PATIENCE_INTERVALS = 3
PATIENCE_SECONDS = 45.0
# An older check says little about the current state.
EARLIER_SECONDS = 60.0


def patience_seconds(interval: float) -> float:
    """The maximum time to wait for a heartbeat of a living component."""
    return PATIENCE_SECONDS + PATIENCE_INTERVALS * interval


def heartbeat_of(health: dict[str, Any], name: str) -> datetime | None:
    """The latest heartbeat of a component in a response of HEALTH, None if it has none (metadatabase, or not yet)."""
    text = (health.get(name) or {}).get(f"latest_{name}_heartbeat")
    return datetime.fromisoformat(text) if text else None


def earlier(seen: Mapping[str, Any]) -> dict[str, datetime]:
    """The heartbeats of an earlier check, if it is not too old. Raises OperatorError if they are invalid."""
    if not seen:
        return {}
    try:
        age = (datetime.now(UTC) - datetime.fromisoformat(seen["at"])).total_seconds()
        heartbeats = {name: datetime.fromisoformat(text) for name, text in seen["heartbeats"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OperatorError(
            f"`seen` is not the result of an earlier check ({type(error).__name__})",
            expected="`seen` of the result of preflight, with the times `at` and `heartbeats`",
            untouched="all workloads",
            next_step="pass it on unchanged, or omit it",
        ) from None
    return heartbeats if 0 <= age <= EARLIER_SECONDS else {}


class Pulse:
    """Checks whether components are alive: whether their heartbeats advance.

    Airflow reports a component as healthy for its whole threshold after the last heartbeat, which is minutes if a
    scheduler may drain. And the time of the heartbeat is by another machine's clock. So two different ones are
    required; the first may come from an `earlier` check. This takes one to two intervals, because Airflow writes each
    of them one heartbeat late (`Job.heartbeat` merges the row before it sets the time).
    """

    def __init__(self, names: list[str], earlier: Mapping[str, datetime] | None = None) -> None:
        self.names = names
        self._first = dict(earlier or {})
        self.latest: dict[str, datetime] = {}

    def missing(self, health: dict[str, Any]) -> dict[str, str]:
        """What is missing after another response of HEALTH, by component and in words; empty once all of them are
        alive."""
        found = {name: self._missing(name, health) for name in self.names}
        return {name: text for name, text in found.items() if text is not None}

    def _missing(self, name: str, health: dict[str, Any]) -> str | None:
        status = (health.get(name) or {}).get("status")
        if status != "healthy":
            return f"the {name} is {status} by its heartbeat" if name != "metadatabase" else f"the {name} is {status}"
        if name == "metadatabase":
            return None
        latest = heartbeat_of(health, name)
        if latest is None:
            return f"the {name} has no heartbeat"
        self.latest[name] = latest
        # An older one comes from another process; whether it advances is not known yet.
        first = min(self._first.get(name, latest), latest)
        self._first[name] = first
        return f"the heartbeat of the {name} does not advance (last {latest.isoformat()})" if latest == first else None
