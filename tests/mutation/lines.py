# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plugin of pytest that writes down which tests run which lines of $MUTATION_FILES, in the file $MUTATION_LINES.

It holds for each file and line the tests and the seconds that each took, the quickest first.
"""

from __future__ import annotations

import functools
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

FILES = tuple(os.environ.get("MUTATION_FILES", "").split())
LINES: dict[str, defaultdict[int, set[str]]] = {file: defaultdict(set) for file in FILES}
SECONDS: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    def call(frame: FrameType, _event: str, _argument: object) -> Any:
        file = _one_of_them(frame.f_code.co_filename)
        if file is None:
            return None
        lines = LINES[file]

        def in_file(frame: FrameType, event: str, _argument: object) -> Any:
            if event == "line":
                lines[frame.f_lineno].add(item.nodeid)
            return in_file

        return in_file

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


@functools.cache
def _one_of_them(path: str) -> str | None:
    return next((file for file in FILES if path.endswith(file)), None)


def _forget() -> None:
    """Empty the caches of the files' functions: a later test would not run the lines that an earlier one has run."""
    for module in list(sys.modules.values()):
        if _one_of_them(str(getattr(module, "__file__", ""))):
            for function in vars(module).values():
                if hasattr(function, "cache_clear"):
                    function.cache_clear()


def pytest_sessionfinish() -> None:
    target = Path(os.environ["MUTATION_LINES"])
    # Most changes are noticed by the first of them.
    found = {
        file: {line: sorted((SECONDS[test], test) for test in tests) for line, tests in lines.items()}
        for file, lines in LINES.items()
    }
    target.write_text(json.dumps(found), encoding="utf-8")
