# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: notification
short_description: Shows the progress of long tasks while they run
description:
  - Modules of this collection report lines while they work (copied files, starting pods, running tasks). This callback
    shows them immediately, in addition to the standard output callback in use.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
requirements:
  - Listed in C(callbacks_enabled), as in the collection's own C(ansible.cfg).
"""

import contextlib
import json
import os
import tempfile
import threading

from ansible.plugins.callback import CallbackBase

from ..module_utils._common.progress import PROGRESS_FILE

INTERVAL_SECONDS = 0.5
# Lines of a program's log can be very long.
LONGEST = 140


class CallbackModule(CallbackBase):
    """Follows a file that modules of local connections append to; they get its name from the environment."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "hopsworks.airflow.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def v2_playbook_on_start(self, playbook: object) -> None:
        del playbook
        descriptor, self._path = tempfile.mkstemp(prefix="airflow-progress-")
        self._stream = os.fdopen(descriptor, "rb")
        self._unfinished = b""
        os.environ[PROGRESS_FILE] = self._path
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def v2_playbook_on_stats(self, stats: object) -> None:
        del stats
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._stream.close()
            os.unlink(self._path)

    def _follow(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            self._show_new_lines()
        self._show_new_lines()

    def _show_new_lines(self) -> None:
        # The last line may be incomplete: a long line takes several writes, and a killed writer does not finish it.
        *lines, self._unfinished = (self._unfinished + self._stream.read()).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                message = json.loads(line)["message"][:LONGEST]
                self._display.display(f"    … {message}", color="dark gray")
