# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import os
import time

# Set by the callback plugin `progress` in the ansible-playbook process; modules of local connections inherit it.
PROGRESS_FILE = "HOPSWORKS_AIRFLOW_PROGRESS"


class Progress:
    """Progress lines about long operations, shown by the callback plugin `progress` while a module runs."""

    def __init__(self, source: str) -> None:
        self._path = os.environ.get(PROGRESS_FILE)
        self._source = source

    def __call__(self, message: str) -> None:
        """Report one line, without secrets. Does nothing if the callback plugin is not active."""
        if not self._path:
            return
        line = json.dumps({"time": time.time(), "source": self._source, "message": message}) + "\n"
        # One write in append mode, of any length, so that lines of parallel modules do not mix. It starts with a
        # newline, in case another process was killed in the middle of a line; the reader skips empty lines. A line that
        # cannot be written, for example because the file system is full, must not stop the module.
        with contextlib.suppress(OSError), open(self._path, "ab", buffering=0) as stream:
            stream.write(b"\n" + line.encode())
