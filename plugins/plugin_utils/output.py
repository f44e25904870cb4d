# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import select
import threading

OUTPUTS = (1, 2)


def outlive_readers() -> None:
    """From now on, `ansible-playbook` goes on where whoever reads its output has ended (`| tee`, `| less`, a terminal).

    Ansible passes over a pipe that is closed when it writes, but not when it starts a worker: multiprocessing flushes
    the output first, and the error is taken for the end of the run. Strategy `free` waits for ever for a worker that
    was never started. Of a terminal that is gone Ansible dies. So the output is thrown away as soon as nobody can read
    it any more.
    """
    if multiprocessing.parent_process() is None:
        threading.Thread(target=_watch, name="readers of the output", daemon=True).start()


def _watch() -> None:
    poll = select.poll()
    left = set(OUTPUTS)
    for descriptor in OUTPUTS:
        # Errors and the end of the other side are always told.
        poll.register(descriptor, 0)
    while left:
        for descriptor, _event in poll.poll():
            poll.unregister(descriptor)
            left.discard(descriptor)
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, descriptor)
            os.close(nothing)
