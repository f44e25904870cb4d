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
    """From now on, a worker that can't be started is tried again for WAIT_SECONDS, and then ends the playbook.

    Ansible takes an OSError at the start of a worker for the end of the run: strategy `free` waits for ever for it, and
    `linear` leaves its task out and ends with success. The machine may be short of memory or processes for a moment.
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
                        f"no worker can be started ({error.strerror}) for {WAIT_SECONDS} s. Expected memory and "
                        "processes for one more. Tasks that were not reached did nothing. Give this machine more of "
                        "both, then run the same command again: it goes on where this stopped"
                    ) from error
                time.sleep(LOOK_AGAIN_SECONDS)

    # Ansible has no other place for it.
    WorkerProcess.start = surely
