# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""`ansible-playbook` itself, with an action that loses its lock, its server or its worker."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import Lock
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer

ROOT = pathlib.Path(__file__).resolve().parents[3]
LEASE = "/apis/coordination.k8s.io/v1/namespaces/lab/leases/airflow-runbook"
NOTES = "/api/v1/namespaces/lab/configmaps"
PLUGIN = """
import os, signal, time
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import keeper
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import Action
from ansible_collections.hopsworks.airflow.plugins.plugin_utils.in_process import InProcess

keeper.DURATION_SECONDS, keeper.MARGIN_SECONDS, keeper.RENEWAL_SECONDS, keeper.RENEWAL_TIMEOUT = 4, 1, 0.2, (1, 1)

def note(call, name):
    call.cluster.core.create_namespaced_config_map("lab", {"metadata": {"name": name}})

def act(call):
    call.warn("mind the gap")
    call.progress("it has begun")
    if not call.check_mode:
        print("noise")
    note(call, call.params["note"])
    victim = {"action": os.getpid(), "keeper": os.getppid()}.get(call.params["crash"])
    if victim:
        os.kill(victim, signal.SIGSEGV)
    time.sleep(call.params["seconds"])
    if call.params["seconds"]:
        note(call, "later")
    return {"process": os.getpid(), "token": call.params["api_key"]}

class ActionModule(InProcess):
    ACTION = Action(
        act,
        {
            "note": {"type": "str", "required": True},
            "seconds": {"type": "int", "default": 0},
            "crash": {"type": "str"},
        },
    )
"""
# What each task returned, as one JSON object a line.
CALLBACK = """
import json
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "stdout", "results"

    def v2_runner_on_ok(self, result, failed=False, **_more):
        task, returned = (getattr(result, f"_{what}", None) or getattr(result, what) for what in ("task", "result"))
        told = {"task": task.get_name(), "result": {**returned, "failed": failed}}
        print(json.dumps(told, default=str), flush=True)

    def v2_runner_on_failed(self, result, **_more):
        self.v2_runner_on_ok(result, failed=True)
"""


@pytest.fixture
def server():
    made = ApiServer()
    Lock(made.cluster(), "airflow-runbook").acquire("alice", "another-machine/boot/1/1")
    yield made
    made.stop()


def notes(server):
    return sorted(path.rpartition("/")[2] for path in server.objects if path.startswith(NOTES))


def playbook(tmp_path, server, tasks, *, output=subprocess.PIPE, **more):
    (tmp_path / "action_plugins").mkdir()
    (tmp_path / "action_plugins/keep.py").write_text(PLUGIN, encoding="utf-8")
    (tmp_path / "callback_plugins").mkdir()
    (tmp_path / "callback_plugins/results.py").write_text(CALLBACK, encoding="utf-8")
    lock = {"namespace": "lab", "host": server.host, "api_key": "canary"}
    lock |= {"lock": {"name": "airflow-runbook", "holder": "alice"}}
    variables = {"ansible_python_interpreter": sys.executable, "lock": lock}
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks, **more}
    (tmp_path / "playbook.yml").write_text(json.dumps([play]), encoding="utf-8")
    settings = {
        "ANSIBLE_STDOUT_CALLBACK": "results",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
    }
    return subprocess.Popen(
        [
            str(pathlib.Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "localhost,",
            "-c",
            "local",
            "playbook.yml",
        ],
        cwd=tmp_path,
        env={**os.environ, **settings},
        stdout=output,
        stderr=output,
        text=True,
    )


def keep(note, **arguments):
    return {"name": note, "keep": "{{ lock | combine(given) }}", "vars": {"given": {"note": note, **arguments}}}


def results(process):
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    assert "canary" not in output + errors
    assert "noise" not in output
    told = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {each["task"]: each["result"] for each in told}


def after(server, note, change):
    def watch():
        deadline = time.monotonic() + 60
        while note not in notes(server) and time.monotonic() < deadline:
            time.sleep(0.02)
        change()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_an_action_with_the_lock_ends_as_any_other(tmp_path, server):
    found = results(playbook(tmp_path, server, [keep("one"), {**keep("two"), "check_mode": True}]))
    assert "mind the gap" in found["one"]["warnings"]
    assert not found["one"]["failed"]
    assert notes(server) == ["one", "two"]


def test_the_rescue_runs_when_the_lock_is_lost(tmp_path, server):
    def taken_over():
        with server.lock:
            lease = server.objects[LEASE]
            server.store(LEASE, {**lease, "spec": {**lease["spec"], "holderIdentity": "bob"}}, {})

    after(server, "begun", taken_over)
    rescue = {"name": "rescue", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.failure.found }}"}}
    block = {"block": [keep("begun", seconds=600)], "rescue": [rescue]}
    found = results(playbook(tmp_path, server, [block]))
    assert found["begun"]["failed"]
    assert "bob works on this deployment" in found["rescue"]["msg"]
    assert "mind the gap" in found["begun"]["warnings"]
    assert notes(server) == ["begun"]


def test_the_way_back_waits_for_a_server_that_was_away_for_longer_than_the_lock_lasts(tmp_path, server):
    def away():
        server.away = "refuse"
        threading.Timer(8, lambda: setattr(server, "away", None)).start()

    after(server, "begun", away)
    block = {"block": [keep("begun", seconds=600)], "rescue": [keep("put-back")]}
    found = results(playbook(tmp_path, server, [block]))
    assert "has not confirmed this run's lock" in found["begun"]["failure"]["found"]
    assert not found["put-back"]["failed"]
    assert notes(server) == ["begun", "put-back"]


@pytest.mark.parametrize(("victim", "check_mode"), [("action", False), ("action", True), ("keeper", False)])
def test_the_rescue_runs_when_a_process_crashes(tmp_path, server, victim, check_mode):
    """Strategy `free`, as of the playbooks, would wait for ever for a worker that crashed."""
    crashing = {**keep("begun", crash=victim, seconds=600), "check_mode": check_mode}
    rescue = {"name": "rescue", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.failure.found }}"}}
    block = {"block": [crashing], "rescue": [rescue]}
    found = results(playbook(tmp_path, server, [block, keep("afterwards")], strategy="ansible.builtin.free"))
    assert found["rescue"]["msg"].startswith(f"the process of this action was killed by signal {int(signal.SIGSEGV)}")
    assert not found["afterwards"]["failed"]
    assert notes(server) == ["afterwards", "begun"]


def test_a_run_whose_output_nobody_reads_any_more_goes_on(tmp_path, server):
    """As behind `| tee`, when that is killed, or `| less`, when somebody leaves it."""
    process = playbook(tmp_path, server, [keep(name) for name in "abcd"], strategy="ansible.builtin.free")
    after(server, "b", lambda: (process.stdout.close(), process.stderr.close())).join()
    assert process.wait(timeout=120) == 0
    assert notes(server) == ["a", "b", "c", "d"]


def test_a_run_whose_terminal_is_gone_goes_on(tmp_path, server):
    reading, writing = os.openpty()
    process = playbook(tmp_path, server, [keep(name) for name in "abcd"], output=writing)
    os.close(writing)
    after(server, "b", lambda: os.close(reading)).join()
    assert process.wait(timeout=120) == 0
    assert notes(server) == ["a", "b", "c", "d"]


def test_nothing_acts_after_its_playbook_was_killed(tmp_path, server):
    process = playbook(tmp_path, server, [keep("begun", seconds=3)])
    after(server, "begun", process.kill).join()
    process.communicate()
    # Longer than it sleeps: what was not killed would write by then.
    time.sleep(4)
    assert notes(server) == ["begun"]
