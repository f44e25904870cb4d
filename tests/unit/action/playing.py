# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Helpers for tests that run `ansible-playbook` itself, with an action that holds a lock of a fake API server."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
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
    return {"process": os.getpid(), "token": call.params["api_key"], "talk": "x" * call.params["talk"]}

class ActionModule(InProcess):
    ACTION = Action(
        act,
        {
            "note": {"type": "str", "required": True},
            "seconds": {"type": "int", "default": 0},
            "crash": {"type": "str"},
            "talk": {"type": "int", "default": 0},
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


def notes(server):
    return sorted(path.rpartition("/")[2] for path in server.objects if path.startswith(NOTES))


def playbook(
    tmp_path, server, tasks, *, output=subprocess.PIPE, errors=None, settings=None, prefix=(), before=None, **more
):
    """`ansible-playbook` with these tasks; its errors go where its output goes. `more` is for the play."""
    (tmp_path / "action_plugins").mkdir()
    (tmp_path / "action_plugins/keep.py").write_text(PLUGIN, encoding="utf-8")
    (tmp_path / "callback_plugins").mkdir(exist_ok=True)
    (tmp_path / "callback_plugins/results.py").write_text(CALLBACK, encoding="utf-8")
    lock = {"namespace": "lab", "host": server.host, "api_key": "canary"}
    lock |= {"lock": {"name": "airflow-runbook", "holder": "alice"}}
    variables = {"ansible_python_interpreter": sys.executable, "lock": lock}
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks, **more}
    (tmp_path / "playbook.yml").write_text(json.dumps([play]), encoding="utf-8")
    # With PYTHONUNBUFFERED, Python writes nothing where multiprocessing flushes.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment |= {"ANSIBLE_STDOUT_CALLBACK": "results", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    return subprocess.Popen(
        [
            *prefix,
            str(pathlib.Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "localhost,",
            "-c",
            "local",
            "playbook.yml",
        ],
        cwd=tmp_path,
        env={**environment, **(settings or {})},
        stdout=output,
        stderr=output if errors is None else errors,
        stdin=subprocess.DEVNULL,
        text=True,
        preexec_fn=before,
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
