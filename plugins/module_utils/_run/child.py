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

# An action acts this long at most after its playbook is gone.
TICK_SECONDS = 0.25
# How long one that was killed may take to be gone: it may be in a call of the kernel's.
REAP_SECONDS = 10.0
# By how many thousandths of its memory the machine takes an action for larger than it is, when it has to end a process.
SOONER_ENDED = 100
PR_SET_PDEATHSIG = 1
# The exit code of a child whose playbook or parent has ended, or that may act no more.
ENDED_ITSELF = 70


@dataclass(frozen=True)
class End:
    """That a process has ended, and its exit code: negative for a signal, None where it isn't known."""

    code: int | None


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
        """What `act` returned, or that it failed; its warnings go to `warn`.

        `check` is called every TICK_SECONDS. The child is killed where it raises, and what it raised is raised here.
        Raises SystemExit where the playbook has ended.
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
                    # Somebody whom a library has forked may hold the pipe for longer.
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
            # It may know why: a child ends itself, too, where its parent was stopped.
            check()
            return _ended(end)
        return result


def _be_child(act: Callable[[Warn], Result], may_act: Callable[[], bool], writing: int, alive: int) -> NoReturn:
    """Nothing of the parent's is used or run here: its pipes, its handlers, its frames, the end of its process."""
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
        except BaseException as error:  # noqa: BLE001  nobody else is left to see it
            say({"result": unforeseen(error)})
        code = 0
    finally:
        os._exit(code)


def _leave(writing: int, alive: int) -> None:
    """Have nothing of the parent's any more but these two pipes."""
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    # From the terminal; the parent gets it as well, and decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    let_go({writing, alive})
    with contextlib.suppress(AttributeError, OSError):  # Linux only
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _be_ended_first()


def _watch_parent(alive: int, may_act: Callable[[], bool]) -> None:
    while not multiprocessing.connection.wait([alive], TICK_SECONDS):
        # A parent that was stopped kills nobody.
        if not may_act():
            break
    os._exit(ENDED_ITSELF)


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


def _look(child: int) -> End | None:
    """The end of a child; None while it runs."""
    try:
        process, status = os.waitpid(child, os.WNOHANG)
    except ChildProcessError:
        # Who started the playbook has told the system that nobody waits for children (SIGCHLD).
        return End(None)
    return End(os.waitstatus_to_exitcode(status)) if process else None


def _reap(child: int) -> End | None:
    """The same, when it is about to end; None where it will not go."""
    deadline = time.monotonic() + REAP_SECONDS
    while time.monotonic() < deadline:
        if end := _look(child):
            return end
        time.sleep(0.01)
    return None


def _ended(end: End | None) -> Result:
    code = end.code if end else None
    if code is None:
        how = "has ended, nobody knows how,"
    elif code < 0:
        how = f"was killed by signal {-code},"
    elif code == ENDED_ITSELF:
        how = "has ended itself, because this run's lock was not confirmed or its playbook was gone,"
    else:
        how = f"ended with exit code {code},"
    error = OperatorError(
        f"the process of this action {how} without a result",
        expected="its result",
        untouched="what it had not reached",
        next_step="if this machine is short of memory (dmesg says so), give it more; then run the same command again: "
        "it goes on where this stopped",
    )
    return {"failed": True, "msg": str(error), "failure": error.as_result()}
