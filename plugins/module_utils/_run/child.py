# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ctypes
import json
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError, unforeseen
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import (
    controller_process,
    playbook_process,
    process_is_gone,
)

# An action acts this long at most after its playbook is gone.
TICK_SECONDS = 0.25
# How long one that was killed may take to be gone: it may be in a call of the kernel's.
REAP_SECONDS = 10.0
# By how many thousandths of its memory the machine takes an action for larger than it is, when it has to end a process.
SOONER_ENDED = 100
PR_SET_PDEATHSIG = 1

Result = dict[str, Any]
Warn = Callable[[str], None]


class Child:
    """A process that performs an action, so that whatever its end is, there is a result of it.

    A library may crash its process, and the kernel ends one when memory runs out. Ansible's strategy `free` waits for
    ever for a worker that ended without a result, and `linear` ends the playbook; neither runs a rescue. So a worker
    does nothing but wait for its child, which is the first one that the kernel chooses (oom_score_adj, proc(5)).

    The child has nothing of its parent's: no files, pipes, input or output. It ends with its parent and with the
    playbook, however these end.
    """

    def __init__(self, act: Callable[[Warn], Result], *, may_act: Callable[[], bool] = lambda: True) -> None:
        """Begins `act`, which gets a function for its warnings. The child ends itself when `may_act` says no.

        To be called before this process has a second thread: a fork has only the one that forks, and the locks of all.
        """
        self._playbook = controller_process(playbook_process())
        self._reading, writing = os.pipe()
        # Ends for the child when this process ends, however that may be.
        child_alive, self._alive = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            _be_child(act, may_act, writing, child_alive)
        os.close(writing)
        os.close(child_alive)

    def result(self, warn: Warn, check: Callable[[], None] = lambda: None) -> Result:
        """What `act` returned, or that it failed; its warnings go to `warn`.

        `check` is called every TICK_SECONDS. The child is killed where it raises, and what it raised is raised here.
        Raises SystemExit where the playbook has ended.
        """
        code: int | None = None
        messages = b""
        try:
            while True:
                if multiprocessing.connection.wait([self._reading], TICK_SECONDS):
                    received = os.read(self._reading, 1 << 16)
                    if not received:
                        break
                    messages += received
                if process_is_gone(self._playbook):
                    raise SystemExit(70)
                check()
            code = _reap(self._process)
        finally:
            if code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process, signal.SIGKILL)
                _reap(self._process)
            os.close(self._reading)
            os.close(self._alive)
            result = _read(messages, warn)
        return result if result is not None else _ended(code)


def _be_child(act: Callable[[Warn], Result], may_act: Callable[[], bool], writing: int, alive: int) -> NoReturn:
    """Nothing of the parent's is used or run here: its pipes, its handlers, its frames, the end of its process."""
    try:
        for number in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        # From the terminal; the parent gets it as well, and decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        let_go({writing, alive})
        with contextlib.suppress(AttributeError, OSError):  # Linux only
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _be_ended_first()
        threading.Thread(target=_watch_parent, args=(alive, may_act), daemon=True).start()
        try:
            result = act(lambda text: _write(writing, json.dumps({"warning": str(text)})))
            message = json.dumps({"result": result})
        except BaseException as error:  # noqa: BLE001  nobody else is left to see it
            message = json.dumps({"result": unforeseen(error)})
        _write(writing, message)
    finally:
        os._exit(0)


def _watch_parent(alive: int, may_act: Callable[[], bool]) -> None:
    while not multiprocessing.connection.wait([alive], TICK_SECONDS):
        # A parent that was stopped kills nobody.
        if not may_act():
            break
    os._exit(70)


def _be_ended_first() -> None:
    with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+", encoding="ascii") as stream:
        adjustment = min(1000, int(stream.read()) + SOONER_ENDED)
        stream.seek(0)
        stream.write(str(adjustment))


def let_go(keep: set[int]) -> None:
    """Give up whatever a process that was forked has of its parent's: files, pipes, connections, input and output.

    Objects that own them are still there, and close them some time. So each gets nothing instead; a number that was
    closed would be another's by then.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor not in keep and descriptor != nothing:
            with contextlib.suppress(OSError):  # the one that the list was read from
                os.fstat(descriptor)
                os.dup2(nothing, descriptor)


def _write(writing: int, line: str) -> None:
    rest = memoryview(line.encode() + b"\n")
    while rest:
        rest = rest[os.write(writing, rest) :]


def _read(messages: bytes, warn: Callable[[str], None]) -> Result | None:
    result: Result | None = None
    # The last one may have been cut off.
    for line in messages.split(b"\n")[:-1]:
        message = json.loads(line)
        if "warning" in message:
            warn(message["warning"])
        else:
            result = message["result"]
    return result


def _reap(child: int) -> int | None:
    """The exit code, negative for a signal; None where the process will not go."""
    deadline = time.monotonic() + REAP_SECONDS
    while time.monotonic() < deadline:
        try:
            process, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            return 0
        if process:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


def _ended(code: int | None) -> Result:
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
    error = OperatorError(
        f"the process of this action {how}, without a result",
        expected="its result",
        untouched="what it had not reached",
        next_step="if this machine is short of memory (dmesg says so), give it more; then run the same command again: "
        "it goes on where this stopped",
    )
    return {"failed": True, "msg": str(error), "failure": error.as_result()}
