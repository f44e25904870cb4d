# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""However the process of an action ends, its parent has a result, and nothing of the action is left."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import resource
import signal
import socket
import threading
import time
from unittest.mock import Mock

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._run import child as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.child import Child, let_go
from ansible_collections.hopsworks.airflow.tests.unit.waiting import has_ended, until


def perform(act, warn=None):
    return Child(act).result(warn or (lambda _text: None))


def test_a_result_of_any_size_and_its_warnings_come_back():
    said = []

    def act(warn):
        warn("mind the gap — ünïcode")
        return {"lines": ["x" * 1000] * 3000}

    assert len(perform(act, said.append)["lines"]) == 3000
    assert said == ["mind the gap — ünïcode"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_action_that_is_killed_by_others_fails_in_words(no_children, number):
    result = perform(lambda _warn: os.kill(os.getpid(), number))
    assert result["failed"]
    assert f"killed by signal {int(number)}" in result["failure"]["found"]
    assert "run the same command again" in result["failure"]["next_step"]
    assert no_children()


def test_a_slip_in_an_action_is_told_with_its_place():
    def act(_warn):
        raise RuntimeError("a slip")

    result = perform(act)
    assert result["msg"] == "RuntimeError: a slip"
    assert "test_child.py" in result["exception"]


def test_a_result_that_is_none_is_told():
    assert "not JSON serializable" in perform(lambda _warn: {"x": object()})["msg"]


def test_warnings_of_several_threads_do_not_mix():
    said = []

    def act(warn):
        threads = [threading.Thread(target=warn, args=(letter * 200_000,)) for letter in "abcdefgh"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"done": True}

    assert perform(act, said.append) == {"done": True}
    assert sorted(said) == [letter * 200_000 for letter in "abcdefgh"]


def test_a_thread_that_cannot_be_started_is_told(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
    assert perform(lambda _warn: {})["msg"] == "RuntimeError: can't start new thread"


def test_too_many_open_files_are_told():
    # In a process of its own, where no other thread and no garbage collection closes any.
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            gc.disable()
            # Whatever the tests before have left open.
            writing = os.dup2(writing, 3)
            os.closerange(4, 64)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            taken = []
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            # For the two pipes.
            for descriptor in taken[-4:]:
                os.close(descriptor)
            os.write(writing, perform(lambda _warn: {})["msg"].encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(process, 0)
    assert "Too many open files" in os.read(reading, 1000).decode()
    os.close(reading)


def test_where_nobody_waits_for_children_it_is_said_that_the_end_is_not_known():
    """The system reaps them for whoever was started so; an exit code of 0 would be made up."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        result = perform(lambda _warn: os.kill(os.getpid(), signal.SIGKILL))
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert "for an unknown reason" in result["failure"]["found"]


def test_a_process_that_a_library_has_forked_holds_nobody_up(tmp_path):
    returned, note = tmp_path / "returned", tmp_path / "note"

    def act(_warn):
        if os.fork() == 0:
            until(returned.exists)
            note.touch()
            os._exit(0)
        return {"done": True}

    assert perform(act) == {"done": True}
    returned.touch()
    until(note.exists)


def test_a_fork_that_fails_leaves_no_pipe_open(monkeypatch):
    monkeypatch.setattr(subject.os, "fork", Mock(side_effect=BlockingIOError))
    before = os.listdir("/dev/fd")
    with pytest.raises(BlockingIOError):
        Child(lambda _warn: {})
    assert len(os.listdir("/dev/fd")) == len(before)


def test_the_action_has_nothing_of_its_parent(capfd, tmp_path):
    """A pipe that it kept open would never end for whoever reads it; what it printed would be taken for the result."""
    reading, writing = os.pipe()
    told = tmp_path / "told"
    done = []

    def close():
        os.close(writing)
        done.append(os.read(reading, 1))
        os.close(reading)
        told.touch()

    threading.Timer(0.3, close).start()

    def act(_warn):
        print("noise", flush=True)
        os.write(2, b"noise")
        until(told.exists)
        return {"input": os.read(0, 1).decode(), "process": os.getpid()}

    result = perform(act)
    assert done == [b""]
    assert result["input"] == ""
    assert result["process"] != os.getpid()
    assert capfd.readouterr() == ("", "")


def test_what_is_given_up_is_closed_later_without_harm():
    """Of objects that own descriptors of the parent: their end must not close what got the number since."""
    reading, writing = os.pipe()
    inherited = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        try:
            let_go({writing})
            mine = socket.create_server(("127.0.0.1", 0))
            inherited.close()
            os.write(writing, str(mine.getsockname()[1]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    assert os.read(reading, 100).isdigit()
    os.close(reading)
    inherited.close()


def test_the_action_ends_with_its_playbook(no_children, monkeypatch, tmp_path):
    note = tmp_path / "note"
    monkeypatch.setattr(subject, "process_is_gone", lambda _process: note.exists())

    def act(_warn):
        note.touch()
        time.sleep(600)
        return {}

    with pytest.raises(SystemExit):
        perform(act)
    assert note.exists()
    assert no_children()


def test_the_action_ends_with_its_parent(tmp_path):
    """Whoever waits for it may be killed, too: no clean-up of its runs then."""
    note = tmp_path / "note"

    def act(_warn):
        note.write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(600)
        return {}

    parent = os.fork()
    if parent == 0:
        try:
            perform(act)
        finally:
            os._exit(0)
    until(lambda: note.exists() and note.read_text(encoding="utf-8"))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    until(lambda: has_ended(note.read_text(encoding="utf-8")))


def test_the_action_ends_itself_when_it_may_act_no_more(no_children, monkeypatch):
    monkeypatch.setattr(subject, "TICK_SECONDS", 0.05)
    result = Child(lambda _warn: time.sleep(600) or {}, may_act=lambda: False).result(pytest.fail)
    assert "has stopped itself, because this run's lock was not confirmed" in result["failure"]["found"]
    assert no_children()


def test_a_reason_is_asked_for_once_more_when_the_action_has_ended_without_a_result():
    """The child of a parent that was stopped ends itself when its lock is not confirmed: the parent knows the words."""

    action = Child(lambda _warn: os._exit(subject.ENDED_ITSELF))

    def check():
        if has_ended(action._process):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        action.result(pytest.fail, check)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_whoever_is_interrupted_kills_the_action(no_children, monkeypatch, error):
    monkeypatch.setattr(subject, "TICK_SECONDS", 0.05)

    def interrupted():
        raise error

    with pytest.raises(error):
        Child(lambda _warn: time.sleep(600) or {}).result(pytest.fail, interrupted)
    assert no_children()


@pytest.mark.skipif(not pathlib.Path("/proc/self/oom_score_adj").exists(), reason="no Linux")
def test_short_of_memory_the_kernel_ends_the_action_before_its_parent():
    def score():
        return int(pathlib.Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))

    here = score()
    assert perform(lambda _warn: {"score": score()})["score"] == min(1000, here + subject.SOONER_ENDED)
    assert score() == here
