# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

import json
import multiprocessing
import os
import time
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.callback import progress as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.progress import PROGRESS_FILE, Progress


@pytest.fixture
def callback(monkeypatch):
    monkeypatch.setenv(PROGRESS_FILE, "")
    monkeypatch.setattr(subject, "INTERVAL_SECONDS", 0.005)
    made = subject.CallbackModule()
    shown = []
    made._display = SimpleNamespace(display=lambda text, **_style: shown.append(text))
    made.shown = shown
    made.v2_playbook_on_start(None)
    yield made
    made.v2_playbook_on_stats(None)


def test_lines_are_shown_with_their_beginning(callback):
    say = Progress("test")
    for length in (10, 9_000, 200_000):
        say("x" * length)
    say("the last")
    callback.v2_playbook_on_stats(None)
    longest = "    … " + "x" * subject.LONGEST
    assert callback.shown == ["    … " + "x" * 10, longest, longest, "    … the last"]
    callback.v2_playbook_on_start(None)


def test_a_line_that_is_written_in_turns_is_shown_once(callback):
    line = json.dumps({"message": "é" * 5000}).encode() + b"\n"
    with open(os.environ[PROGRESS_FILE], "ab", buffering=0) as stream:
        for start in range(0, len(line), 1000):
            stream.write(line[start : start + 1000])
            # The thread of the callback reads in between.
            time.sleep(0.01)
    callback.v2_playbook_on_stats(None)
    assert callback.shown == ["    … " + "é" * subject.LONGEST]
    callback.v2_playbook_on_start(None)


def test_half_a_line_of_a_process_that_was_killed_costs_no_other(callback):
    with open(os.environ[PROGRESS_FILE], "ab") as stream:
        stream.write(b'{"message": "cut o')
    Progress("test")("the next")
    callback.v2_playbook_on_stats(None)
    assert callback.shown == ["    … the next"]
    callback.v2_playbook_on_start(None)


def test_lines_of_several_processes_do_not_mix(callback):
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=lambda: [Progress("test")("y" * 20_000) for _line in range(20)]) for _one in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    callback.v2_playbook_on_stats(None)
    assert callback.shown == ["    … " + "y" * subject.LONGEST] * 80
    callback.v2_playbook_on_start(None)


def test_a_line_that_can_not_be_written_ends_nothing(monkeypatch):
    """The file system of the callback's file is full: by a dump, say, in the middle of a way back."""
    monkeypatch.setenv(PROGRESS_FILE, "/dev/full")
    Progress("workloads")("airflow-scheduler: stopping")
