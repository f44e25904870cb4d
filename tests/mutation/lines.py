# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plugin of pytest that writes down which tests run which lines of $MUTATION_FILE, in the file $MUTATION_LINES.

It holds for each line the tests and the seconds that each took, the quickest first.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

LINES: defaultdict[int, set[str]] = defaultdict(set)
SECONDS: dict[str, float] = {}
FILE = os.environ.get("MUTATION_FILE", "")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    def in_file(frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            LINES[frame.f_lineno].add(item.nodeid)
        return in_file

    def call(frame: FrameType, _event: str, _argument: object) -> Any:
        return in_file if frame.f_code.co_filename.endswith(FILE) else None

    _forget()
    # What runs in threads, too; a fixture of the session counts for the first test that needs it.
    threading.settrace(call)
    sys.settrace(call)
    begun = time.monotonic()
    try:
        return (yield)
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
        SECONDS[item.nodeid] = time.monotonic() - begun


def _forget() -> None:
    """Empty the caches of the file's functions: a later test would not run the lines that an earlier one has run."""
    for module in list(sys.modules.values()):
        if FILE and str(getattr(module, "__file__", "")).endswith(FILE):
            for function in vars(module).values():
                if hasattr(function, "cache_clear"):
                    function.cache_clear()


def pytest_sessionfinish() -> None:
    target = Path(os.environ["MUTATION_LINES"])
    # Most changes are noticed by the first of them.
    found = {line: sorted((SECONDS[test], test) for test in tests) for line, tests in LINES.items()}
    target.write_text(json.dumps(found), encoding="utf-8")
