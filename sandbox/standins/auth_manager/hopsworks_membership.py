# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who belongs to which project of Hopsworks, as the stand-in for its auth manager knows it. Standard library only."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Memberships:
    """Reads memberships from a file and remembers each user's for `seconds`, unless told to forget.

    The file maps a user's name to ``{"is_admin": bool, "projects": {"<project id>": "<role>"}}``.
    """

    def __init__(self, file: Path, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._seconds, self._clock = file, seconds, clock
        self._remembered: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def claims(self, user: str) -> dict[str, Any]:
        """What a token of this user says besides the name. A user whom the file doesn't name is in no project."""
        with self._lock:
            remembered = self._fresh(user)
            if remembered is None:
                remembered = self._read(user)
                self._remembered[user] = (self._clock() + self._seconds, remembered)
            return dict(remembered)

    def evict(self, user: str) -> bool:
        """Forget a user's membership, so that the next login reads it again. Returns whether one was remembered."""
        with self._lock:
            fresh = self._fresh(user) is not None
            self._remembered.pop(user, None)
            return fresh

    def _fresh(self, user: str) -> dict[str, Any] | None:
        until, claims = self._remembered.get(user, (0.0, None))
        return claims if claims is not None and self._clock() < until else None

    def _read(self, user: str) -> dict[str, Any]:
        entry = json.loads(self._file.read_text(encoding="utf-8")).get(user, {})
        projects = {str(identifier): str(role) for identifier, role in entry.get("projects", {}).items()}
        return {
            "project_ids": sorted(int(identifier) for identifier in projects),
            "project_roles": projects,
            "is_admin": bool(entry.get("is_admin", False)),
        }


def is_bearer_of(header: str | None, secret: bytes) -> bool:
    """Whether an Authorization header carries this secret; takes as long for a wrong one as for the right one."""
    scheme, _, token = (header or "").partition(" ")
    same = hmac.compare_digest(token.strip().encode("utf-8", "surrogateescape"), secret)
    return same and scheme.lower() == "bearer" and bool(secret)
