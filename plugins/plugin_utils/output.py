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
    """From now on, this process goes on where its output can't be written: nobody reads it any more (`| tee` that is
    killed, `| less` that is left), its terminal is closed, or the file system of its log is full.

    Ansible passes over some of these errors when it writes itself, but not when it starts a worker: multiprocessing
    flushes the output first. The error is taken for the end of the run. Strategy `free` then waits for ever for a
    worker that was never started, and `linear` leaves the task out.
    """
    for stream, other in ((sys.stdout, sys.stderr), (sys.stderr, sys.stdout)):
        # A file that is closed, or something in memory, has no descriptor.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            _outlive(stream, stream.fileno(), other.fileno())
    # Of a terminal that is closed; whoever wants to end the run has other signals. Only the first thread may set it.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _outlive(stream: TextIO, descriptor: int, other: int) -> None:
    """Have no write and no flush of a stream fail: what can't be written is thrown away from then on."""
    write, flush = stream.write, stream.flush

    def give_up(error: OSError) -> None:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, descriptor)
        os.close(nothing)
        # What is still to be written.
        flush()
        line = f"the output can't be written any more ({error.strerror}): ansible-playbook goes on without it\n"
        with contextlib.suppress(OSError):
            os.write(other, line.encode())

    def surely_flush() -> None:
        try:
            # Another program may have changed that, for all that share the terminal or pipe.
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

    # Of this object alone: Ansible and multiprocessing look it up as sys.stdout and sys.stderr.
    stream.flush, stream.write = surely_flush, surely_write  # type: ignore[method-assign]
