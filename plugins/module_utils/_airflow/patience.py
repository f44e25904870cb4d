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
# How often the same reason for a wait is told.
TELL_SECONDS = 10.0
# Of whoever stands in front and has, or knows, nobody to ask.
FROM_IN_FRONT = (502, 503, 504)


class Patience:
    """How long a part of a look waits, all its requests together, for an Airflow that is not reached yet.

    After an outage whoever stands in front of Airflow takes it for dead for some seconds more. Without any patience the
    first answer counts.
    """

    def __init__(self, seconds: float = 0.0, tell: Callable[[str], None] = lambda _line: None) -> None:
        self._seconds, self._tell = seconds, tell
        self._told = ""
        self._tell_after = 0.0
        self.begin()

    def begin(self) -> None:
        """The next part has all of the time again."""
        self._until = time.monotonic() + self._seconds

    def wait(self, why: str) -> bool:
        """Whether to ask once more, after a pause."""
        left = self._until - time.monotonic()
        if left <= 0:
            return False
        if why != self._told or time.monotonic() >= self._tell_after:
            self._tell(f"{why}; waits for Airflow ({left:.0f} s left)")
            self._told, self._tell_after = why, time.monotonic() + TELL_SECONDS
        time.sleep(min(PAUSE_SECONDS, left))
        return True


def is_from_in_front(answer: requests.Response) -> bool:
    """Whether an answer is of whoever stands in front, and Airflow was not reached. Its own 404 says a `detail`."""
    if answer.status_code == 404:
        with contextlib.suppress(ValueError):
            document = parse(answer.content)
            return not (isinstance(document, dict) and "detail" in document)
        return True
    return answer.status_code in FROM_IN_FRONT
