# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime
from typing import Any

HEALTH = "/api/v2/monitor/health"
# [scheduler] scheduler_heartbeat_sec, job_heartbeat_sec and [triggerer] job_heartbeat_sec, where nobody changed them.
INTERVAL_SECONDS = 5.0
# A busy component may skip some heartbeats.
PATIENCE_INTERVALS = 3
PATIENCE_SECONDS = 45.0


def patience_seconds(interval: float) -> float:
    """How long to wait for a heartbeat of a component that lives, at most."""
    return PATIENCE_SECONDS + PATIENCE_INTERVALS * interval


def heartbeat_of(health: dict[str, Any], name: str) -> datetime | None:
    """The latest heartbeat of a component in an answer of HEALTH, None where it has none (metadatabase, or not yet)."""
    text = (health.get(name) or {}).get(f"latest_{name}_heartbeat")
    return datetime.fromisoformat(text) if text else None


class Pulse:
    """Whether components live: whether their heartbeats move.

    Airflow calls a component healthy for as long as its threshold after its last heartbeat, which is minutes where a
    scheduler may drain. And that heartbeat is told by another machine's clock. So two different ones have to be seen.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self._first: dict[str, datetime] = {}
        self.latest: dict[str, datetime] = {}

    def missing(self, health: dict[str, Any]) -> dict[str, str]:
        """What is missing after another answer of HEALTH, by component and in words; empty once all of them live."""
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
        # An older one is that of another process; whether it moves is not known yet.
        first = min(self._first.get(name, latest), latest)
        self._first[name] = first
        return f"the heartbeat of the {name} does not move (last {latest.isoformat()})" if latest == first else None
