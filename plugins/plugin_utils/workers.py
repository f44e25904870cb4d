# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from ansible.errors import AnsibleError
from ansible.executor.process.worker import WorkerProcess

WAIT_SECONDS = 300
LOOK_AGAIN_SECONDS = 1


def start_surely() -> None:
    """From now on, if a worker cannot be started, this is retried for WAIT_SECONDS and then ends the playbook.

    An OSError at the start of a worker ends Ansible's run: strategy `free` waits forever for the worker, and `linear`
    skips its task and ends with success. But the machine may only be short of memory or processes for a moment.
    """
    start = WorkerProcess.start

    def surely(self: WorkerProcess) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                start(self)
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise AnsibleError(
                        f"no worker could be started for {WAIT_SECONDS} s ({error.strerror}). Expected: memory and "
                        "processes for one more. Tasks that were not reached did nothing. Give this machine more of "
                        "both, then run the same command again: it continues where this one stopped"
                    ) from error
                time.sleep(LOOK_AGAIN_SECONDS)

    # Ansible has no other hook for it.
    WorkerProcess.start = surely
