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
from dataclasses import dataclass
from typing import Any, NoReturn

from .._common.failure import OperatorError, unforeseen
from .._common.processes import controller_process, playbook_process, process_is_gone

# The longest time that an action continues after its playbook has ended.
TICK_SECONDS = 0.25
# How long a killed process may take to end: it may be in a system call.
REAP_SECONDS = 10.0
# By how many thousandths of the machine's memory an action's memory is overrated when the kernel has to kill a process.
SOONER_ENDED = 100
PR_SET_PDEATHSIG = 1
# Exit code of a child whose playbook or parent has ended, or that must not act any more.
ENDED_ITSELF = 70


@dataclass(frozen=True)
class End:
    """A process has ended with this exit code: negative for a signal, None if unknown."""

    code: int | None


Result = dict[str, Any]
Warn = Callable[[str], None]


class Child:
    """A child process that performs an action, so that there is a result however the child ends.

    A library may crash its process, and the kernel kills one when memory runs out. If a worker ends without a result,
    Ansible's strategy `free` waits forever and `linear` ends the playbook; neither runs a rescue. So the worker only
    waits for its child, which is the first process that the kernel kills (oom_score_adj, proc(5)).

    The child inherits nothing from its parent: no files, pipes, input or output. It ends when its parent or the
    playbook ends, however that happens.
    """

    def __init__(self, act: Callable[[Warn], Result], *, may_act: Callable[[], bool] = lambda: True) -> None:
        """Starts `act`, which gets a function for its warnings. The child exits when `may_act` returns false.

        Call it before this process has a second thread: a fork only has the forking thread, but the locks of all
        threads.
        """
        self._playbook = controller_process(playbook_process())
        self._reading, writing = os.pipe()
        # The child sees the end of this pipe when this process ends in any way.
        child_alive, self._alive = os.pipe()
        try:
            self._process = os.fork()
        except OSError:
            for descriptor in (self._reading, writing, child_alive, self._alive):
                os.close(descriptor)
            raise
        if self._process == 0:
            _be_child(act, may_act, writing, child_alive)
        os.close(writing)
        os.close(child_alive)

    def result(self, warn: Warn, check: Callable[[], None] = lambda: None) -> Result:
        """The result of `act` or its failure; warnings go to `warn`.

        Calls `check` every TICK_SECONDS. If that raises an exception, kills the child and raises the exception here.
        Raises SystemExit if the playbook has ended.
        """
        messages = bytearray()
        end: End | None = None
        try:
            while True:
                if multiprocessing.connection.wait([self._reading], 0 if end else TICK_SECONDS):
                    received = os.read(self._reading, 1 << 16)
                    if not received:
                        break
                    messages += received
                elif end:
                    # A process that a library has forked may hold the pipe for longer.
                    break
                else:
                    end = _look(self._process)
                if process_is_gone(self._playbook):
                    raise SystemExit(ENDED_ITSELF)
                check()
            end = end or _reap(self._process)
        finally:
            if end is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process, signal.SIGKILL)
                _reap(self._process)
            os.close(self._reading)
            os.close(self._alive)
            result = _read(bytes(messages), warn)
        if result is None:
            # The check may know why: a child also exits if its parent was stopped.
            check()
            return _ended(end)
        return result


def _be_child(act: Callable[[Warn], Result], may_act: Callable[[], bool], writing: int, alive: int) -> NoReturn:
    """Uses and runs nothing of the parent here: no pipes, handlers, frames or exit functions."""
    code, speaking = 1, threading.Lock()

    def say(message: Result) -> None:
        line = json.dumps(message)
        with speaking:
            _write(writing, line)

    try:
        try:
            _leave(writing, alive)
            threading.Thread(target=_watch_parent, args=(alive, may_act), daemon=True).start()
            say({"result": act(lambda text: say({"warning": str(text)}))})
        except BaseException as error:  # noqa: BLE001  no other code would see it
            say({"result": unforeseen(error)})
        code = 0
    finally:
        os._exit(code)


def _leave(writing: int, alive: int) -> None:
    """Give up everything of the parent except these two pipes."""
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    # From the terminal; the parent receives it as well, and decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    let_go({writing, alive})
    with contextlib.suppress(AttributeError, OSError):  # Linux only
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _be_ended_first()


def _watch_parent(alive: int, may_act: Callable[[], bool]) -> None:
    while not multiprocessing.connection.wait([alive], TICK_SECONDS):
        # A stopped parent cannot kill its child.
        if not may_act():
            break
    os._exit(ENDED_ITSELF)


def _be_ended_first() -> None:
    with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+", encoding="ascii") as stream:
        adjustment = min(1000, int(stream.read()) + SOONER_ENDED)
        stream.seek(0)
        stream.write(str(adjustment))


def let_go(keep: set[int]) -> None:
    """Give up everything that a forked process has inherited: files, pipes, connections, input and output.

    The objects that own them still exist and close them at some time. So each file number is redirected to nothing; if
    it was closed, another file could have the number by then.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor not in keep and descriptor != nothing:
            with contextlib.suppress(OSError):  # the file that the list was read from
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


def _look(child: int) -> End | None:
    """How a child ended; None while it runs."""
    try:
        process, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        # The process that started the playbook ignores SIGCHLD, so the exit code is not available.
        return End(None)
    return End(os.waitstatus_to_exitcode(status)) if process else None


def _reap(child: int) -> End | None:
    """The same for a child that is about to end; None if it does not end."""
    deadline = time.monotonic() + REAP_SECONDS
    while time.monotonic() < deadline:
        if end := _look(child):
            return end
        time.sleep(0.001)
    return None


def _ended(end: End | None) -> Result:
    code = end.code if end else None
    if code is None:
        how = "has ended for an unknown reason"
    elif code < 0:
        how = f"was killed by signal {-code},"
    elif code == ENDED_ITSELF:
        how = "has stopped itself, because this run's lock was not confirmed or its playbook had ended,"
    else:
        how = f"ended with exit code {code},"
    error = OperatorError(
        f"the process of this action {how} without a result",
        expected="its result",
        untouched="everything that it had not reached",
        next_step=(
            "if this machine is short of memory (see dmesg), give it more; then run the same command again: it "
            "continues where this one stopped"
        ),
    )
    return {"failed": True, "msg": str(error), "failure": error.as_result()}
