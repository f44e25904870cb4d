# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A test that waits for something fails when it doesn't come: one that waits for ever holds up all the others."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable

GIVEN_UP_SECONDS = 120


def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; AssertionError where it doesn't after two minutes."""
    deadline = time.monotonic() + GIVEN_UP_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not after {GIVEN_UP_SECONDS} s"
        time.sleep(0.02)


def has_ended(number: int | str) -> bool:
    """Whether the process has ended, waited for or not."""
    try:
        return pathlib.Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
