# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .._common.documents import parse

if TYPE_CHECKING:
    import requests

PAUSE_SECONDS = 1.0
# How often the same reason for a wait is reported.
TELL_SECONDS = 10.0
# Statuses of a server in front of Airflow without a backend.
FROM_IN_FRONT = (502, 503, 504)


class WaitBudget:
    """How long a part of a check waits in total for an Airflow that is not reached yet.

    After an outage, a server in front of Airflow treats it as down for some more seconds. Without any budget, the
    first response counts.
    """

    def __init__(self, seconds: float = 0.0, tell: Callable[[str], None] = lambda _line: None) -> None:
        self._seconds, self._tell = seconds, tell
        self._told = ""
        self._tell_after = 0.0
        self.begin()

    def begin(self) -> None:
        """Gives the next part the full time again."""
        self._until = time.monotonic() + self._seconds

    def wait(self, why: str) -> bool:
        """Whether to retry after a pause."""
        left = self._until - time.monotonic()
        if left <= 0:
            return False
        if why != self._told or time.monotonic() >= self._tell_after:
            self._tell(f"{why}; waiting for Airflow ({left:.0f} s left)")
            self._told, self._tell_after = why, time.monotonic() + TELL_SECONDS
        time.sleep(min(PAUSE_SECONDS, left))
        return True


def is_from_in_front(answer: requests.Response) -> bool:
    """Whether a response comes from a server in front of Airflow. Airflow's own 404 has a `detail`."""
    if answer.status_code == 404:
        with contextlib.suppress(ValueError):
            document = parse(answer.content)
            return not (isinstance(document, dict) and "detail" in document)
        return True
    return answer.status_code in FROM_IN_FRONT
