# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TextIO


def outlive_output() -> None:
    """From now on, this process continues if its output cannot be written: its reader has ended (`| tee` was killed, `|
    less` was left), its terminal is closed, or the file system of its log is full.

    Ansible ignores some of these errors when it writes itself, but not when it starts a worker: multiprocessing flushes
    the output first, and the error ends the run. Strategy `free` then waits forever for a worker that was never
    started, and `linear` skips the task.
    """
    for stream, other in ((sys.stdout, sys.stderr), (sys.stderr, sys.stdout)):
        # A closed file or an in-memory stream has no descriptor.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            _outlive(stream, stream.fileno(), other.fileno())
    # The signal of a closed terminal; other signals can still end the run. Only the main thread may set it.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _outlive(stream: TextIO, descriptor: int, other: int) -> None:
    """Make writes and flushes of a stream never fail: after the first error, all output is discarded."""
    write, flush = stream.write, stream.flush

    def give_up(error: OSError) -> None:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, descriptor)
        os.close(nothing)
        # The remaining data.
        flush()
        line = f"the output can't be written any more ({error.strerror}): ansible-playbook continues without it\n"
        with contextlib.suppress(OSError):
            os.write(other, line.encode())

    def surely_flush() -> None:
        try:
            # Another program may have changed this for all processes that share the terminal or pipe.
            os.set_blocking(descriptor, True)
            flush()
        except OSError as error:
            give_up(error)

    def surely_write(text: str) -> int:
        try:
            os.set_blocking(descriptor, True)
            return write(text)
        except OSError as error:
            give_up(error)
            return len(text)

    # Only on this object, because Ansible and multiprocessing use sys.stdout and sys.stderr.
    stream.flush, stream.write = surely_flush, surely_write  # type: ignore[method-assign]
