# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`ansible-playbook` itself, where its output can't be written or a worker can't be started: no task is left out."""

from __future__ import annotations

import fcntl
import os
import subprocess
import termios
import time

import pytest

from .playing import after, keep, notes, playbook

# A worker is started right after what it is for was written, and the error is that of multiprocessing's flush.
WORDS = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_VERBOSITY": "1"}
# Refuses as many forks as $REFUSED says when task b begins.
REFUSING = """
import os
from ansible.plugins.callback import CallbackBase
from ansible_collections.hopsworks.airflow.plugins.plugin_utils import workers

workers.WAIT_SECONDS, workers.LOOK_AGAIN_SECONDS = 2, 0.1

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "notification", "refusing"

    def v2_runner_on_start(self, host, task):
        if task.get_name() != "b":
            return
        fork, left = os.fork, [int(os.environ["REFUSED"])]

        def refused():
            if left[0]:
                left[0] -= 1
                raise BlockingIOError(11, "Resource temporarily unavailable")
            return fork()

        os.fork = refused
"""
STRATEGIES = pytest.mark.parametrize("strategy", ["ansible.builtin.free", "ansible.builtin.linear"])
FOUR = [keep(name) for name in "abcd"]


def ended(process, server):
    """Its exit code, or "hangs", and what it did."""
    try:
        code = process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        code = "hangs"
        process.kill()
        process.wait()
    return code, notes(server)


def stalled(process, server):
    """Wait until a run does nothing any more."""
    seen, since = [], time.monotonic()
    while not seen or time.monotonic() - since < 4:
        assert process.poll() is None
        if notes(server) != seen:
            seen, since = notes(server), time.monotonic()
        time.sleep(0.1)
    return seen


@STRATEGIES
def test_nobody_reads_it_any_more(tmp_path, server, strategy):
    """As behind `| tee`, when that is killed, or `| less`, when somebody leaves it."""
    process = playbook(tmp_path, server, FOUR, settings=WORDS, strategy=strategy)
    after(server, "b", lambda: (process.stdout.close(), process.stderr.close())).join()
    assert ended(process, server) == (0, ["a", "b", "c", "d"])


@STRATEGIES
def test_whoever_read_it_slowly_has_left(tmp_path, server, strategy):
    """`| less` reads a page, the pipe fills, Ansible waits in a write: then somebody leaves."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    tasks = [keep(f"n{number:02}", talk=1000) for number in range(12)]
    process = playbook(tmp_path, server, tasks, output=writing, settings=WORDS, strategy=strategy)
    os.close(writing)
    assert 0 < len(stalled(process, server)) < len(tasks)
    os.close(reading)
    assert ended(process, server) == (0, [task["name"] for task in tasks])


@STRATEGIES
@pytest.mark.parametrize("both", [True, False])
def test_the_file_system_of_its_log_is_full(tmp_path, server, strategy, both):
    with open("/dev/full", "wb") as full, (tmp_path / "errors").open("wb") as errors:
        process = playbook(
            tmp_path, server, FOUR, output=full, errors=full if both else errors, settings=WORDS, strategy=strategy
        )
        assert ended(process, server) == (0, ["a", "b", "c", "d"])
    told = (tmp_path / "errors").read_text(encoding="utf-8")
    assert ("No space left on device" in told and "continues without it" in told) is not both


def test_another_program_has_made_it_non_blocking(tmp_path, server):
    """As ssh or node does, of the same pipe or terminal; nothing of the output is lost by it."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    tasks = [keep(f"n{number:02}", talk=1000) for number in range(12)]
    process = playbook(tmp_path, server, tasks, output=writing, settings=WORDS, strategy="ansible.builtin.free")
    after(server, "n00", lambda: os.set_blocking(writing, False)).join()
    seen = stalled(process, server)
    os.close(writing)
    with open(reading, encoding="utf-8") as stream:
        output = stream.read()
    assert len(seen) < len(tasks)
    assert ended(process, server) == (0, [task["name"] for task in tasks])
    assert [task["name"] for task in tasks if f"TASK [{task['name']}]" not in output] == []


def test_a_terminal_that_is_not_its_own_is_closed(tmp_path, server):
    reading, writing = os.openpty()
    process = playbook(tmp_path, server, FOUR, output=writing)
    os.close(writing)
    after(server, "b", lambda: os.close(reading)).join()
    assert ended(process, server) == (0, ["a", "b", "c", "d"])


@pytest.mark.parametrize("shell", [False, True])
def test_its_terminal_is_closed(tmp_path, server, shell):
    """A window that is closed, or an ssh connection that is lost: the system sends SIGHUP to all that ran in it."""
    reading, writing = os.openpty()

    def be_its_own():
        os.setsid()
        fcntl.ioctl(writing, termios.TIOCSCTTY, 0)

    prefix = ("bash", "-ic", '"$0" "$@"; true') if shell else ()
    tasks = [keep("a"), keep("b", seconds=2), keep("c")]
    process = playbook(tmp_path, server, tasks, output=writing, settings=WORDS, prefix=prefix, before=be_its_own)
    os.close(writing)
    after(server, "b", lambda: os.close(reading)).join()
    process.wait()
    deadline = time.monotonic() + 30
    while "c" not in notes(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert notes(server) == ["a", "b", "c", "later"]
    # A shell is ended by the signal itself.
    assert shell or process.returncode == 0


@pytest.mark.parametrize("times", [1, 10**6])
@STRATEGIES
def test_a_worker_that_cannot_be_started(tmp_path, server, strategy, times):
    """As where a group of processes may have no more of them; for a moment, or for good."""
    (tmp_path / "callback_plugins").mkdir()
    (tmp_path / "callback_plugins/refusing.py").write_text(REFUSING, encoding="utf-8")
    settings = {**WORDS, "REFUSED": str(times)}
    with (tmp_path / "log").open("wb") as log:
        code, done = ended(playbook(tmp_path, server, FOUR, output=log, settings=settings, strategy=strategy), server)
    if times == 1:
        assert (code, done) == (0, ["a", "b", "c", "d"])
    else:
        assert (code, done) == (1, ["a"])
        told = (tmp_path / "log").read_text(encoding="utf-8")
        assert "no worker could be started" in told
        assert "run the same command again" in told
