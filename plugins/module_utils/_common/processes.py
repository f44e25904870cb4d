# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket


def controller_process(process_id: int) -> str:
    """Identifies a process as `host/boot id.process namespace/process id/start time`, as far as the system provides
    them.

    Two containers may share the host name and the boot id, and each may have a process with the same id.
    """
    boot = start = "-"
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = f"{stream.read().strip()}.{os.readlink('/proc/self/ns/pid')}"
    with (
        contextlib.suppress(OSError, IndexError),
        open(f"/proc/{process_id}/stat", encoding="utf-8", errors="replace") as stream,
    ):
        # Fields 3 and 22 of proc(5); the second field may hold spaces, so count from its closing parenthesis.
        fields = stream.read().rpartition(")")[2].split()
        # A zombie process no longer acts.
        start = "-" if fields[0] == "Z" else fields[19]
    return f"{socket.gethostname()}/{boot}/{process_id}/{start}"


def playbook_process() -> int:
    """The `ansible-playbook` that this process works for: its outermost ancestor of that name, else the parent.

    An Ansible worker knows its parent even if that has ended and another process has adopted the worker.
    """
    forked_by = multiprocessing.parent_process()
    found = process = (forked_by.pid if forked_by is not None else None) or os.getppid()
    with contextlib.suppress(OSError, ValueError, IndexError):
        while process > 1:
            with open(f"/proc/{process}/cmdline", "rb") as stream:
                command = [os.path.basename(word) for word in stream.read().split(b"\0")[:2]]
            if b"ansible-playbook" in command:
                found = process
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as parent:
                process = int(parent.read().rpartition(")")[2].split()[1])
    return found


def process_is_gone(process: str) -> bool:
    """True only if this machine can determine that the process identified by `controller_process` has ended."""
    host, _slash, rest = process.partition("/")
    boot, _slash, rest = rest.partition("/")
    process_id = rest.partition("/")[0]
    if host != socket.gethostname() or not process_id.isdecimal() or not os.path.isdir("/proc/self"):
        return False
    here = controller_process(int(process_id))
    # For another boot or namespace this is unknown: machines may share a name.
    if boot in ("-", "") or here.split("/")[1] != boot:
        return False
    # Without a start time, it had already ended when it was identified.
    return here != process or process.endswith("/-")
