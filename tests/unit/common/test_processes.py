# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes are named, and which of them this machine knows to have ended."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.processes import (
    controller_process,
    process_is_gone,
)
from ansible_collections.hopsworks.airflow.tests.unit.waiting import until

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nonsense",
        "another-machine/boot/1/1",
        f"{socket.gethostname()}/boot-without-proc",
        f"{socket.gethostname()}/-/{os.getpid()}/1",
        f"{socket.gethostname()}/boot/not-a-number/1",
        f"{socket.gethostname()}/boot/²/1",
    ],
    # The same names in every process that collects tests.
    ids=["empty", "nonsense", "another machine", "no process", "unknown boot", "not a number", "digit"],
)
def test_what_cannot_be_told_from_here_is_taken_to_live(name):
    assert not process_is_gone(name)


def test_a_number_that_another_process_has_by_now_is_not_the_one():
    host, boot, number, start = controller_process(os.getpid()).split("/")
    assert process_is_gone(f"{host}/{boot}/{number}/{int(start) - 1}")


@pytest.mark.parametrize("elsewhere", ["another-boot.pid:[4026531836]", "{boot}.pid:[1]"])
def test_of_another_boot_or_another_container_nobody_can_tell(elsewhere):
    """Machines, and containers on one machine, may have the same name."""
    host, boot, number, start = controller_process(os.getpid()).split("/")
    there = elsewhere.format(boot=boot.split(".")[0])
    assert not process_is_gone(f"{host}/{there}/{number}/{int(start) - 1}")


def test_a_worker_whose_playbook_has_ended_already_knows_it(tmp_path):
    """Killed between the fork of a worker and its first look: the worker is somebody else's child by then."""
    answer = tmp_path / "answer"
    program = f"""
import multiprocessing, os, signal, time
from ansible_collections.hopsworks.airflow.plugins.module_utils._common import processes

def work(parent):
    alive = processes.process_is_gone(processes.controller_process(processes.playbook_process()))
    os.kill(parent, signal.SIGKILL)
    while os.getppid() == parent:
        time.sleep(0.02)
    gone = processes.process_is_gone(processes.controller_process(processes.playbook_process()))
    with open({str(answer) + ".new"!r}, "w") as stream:
        stream.write(f"{{processes.playbook_process() == parent}} {{alive}} {{gone}}")
    os.rename({str(answer) + ".new"!r}, {str(answer)!r})

multiprocessing.get_context("fork").Process(target=work, args=(os.getpid(),)).start()
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as process:
        assert process.wait(60) == -signal.SIGKILL
    until(answer.exists)
    assert answer.read_text(encoding="utf-8") == "True False True"


def test_a_playbook_that_nobody_has_waited_for_yet_is_gone():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        name = controller_process(process.pid)
        assert not process_is_gone(name)
        process.kill()
        status = pathlib.Path(f"/proc/{process.pid}/status")
        until(lambda: "State:\tZ" in status.read_text(encoding="utf-8"))
        assert process_is_gone(name)


def test_a_process_stays_itself_whatever_memory_it_takes():
    name = controller_process(os.getpid())
    memory = bytearray(64 << 20)
    assert controller_process(os.getpid()) == name
    del memory


def test_a_process_that_had_ended_when_it_was_named_is_gone():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(60)
    name = controller_process(process.pid)
    assert name.endswith("/-")
    assert process_is_gone(name)


def test_a_container_of_another_name_on_this_machine_is_not_judged():
    _host, boot, number, start = controller_process(os.getpid()).split("/")
    assert not process_is_gone(f"another-container/{boot}/{number}/{int(start) - 1}")


def test_the_playbook_is_the_outermost_of_its_ancestors(tmp_path):
    """A worker is a fork of it and has its name, and between a worker and its action there may be other programs."""
    asks = tmp_path / "asks.py"
    asks.write_text(
        "from ansible_collections.hopsworks.airflow.plugins.module_utils._common.processes import playbook_process\n"
        "print(playbook_process())\n"
    )
    between = f"import subprocess, sys; subprocess.run([sys.executable, {str(asks)!r}], check=True)"
    playbook = tmp_path / "ansible-playbook"
    playbook.write_text(
        "import os, subprocess, sys\n"
        "if 'worker' not in sys.argv:\n"
        "    print(os.getpid(), flush=True)\n"
        "    subprocess.run([sys.executable, __file__, 'worker'], check=True)\n"
        "else:\n"
        f"    subprocess.run([sys.executable, '-c', {between!r}], check=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}

    told = subprocess.run(
        [sys.executable, str(playbook)], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    outermost, found = told.stdout.split()
    assert found == outermost
