# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles as `ansible-playbook` runs them, with actions that only say what they were asked for."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
TOOLS = Path(sys.executable).parent
LONGEST_SECONDS = 300


def descendants(process: int) -> list[int]:
    """The processes that a process has begun, and what these have begun."""
    with contextlib.suppress(OSError):
        children = [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
        return [each for child in children for each in (*descendants(child), child)]
    return []


# In the place of every action of the collection, and of what roles take from others.
ACTION = """
import json, os
from ansible.plugins.action import ActionBase
from ansible_collections.hopsworks.airflow.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        name = type(self).__module__.rpartition(".")[2]
        args = plain(self._task.args)
        with open(os.environ["ASKED"], "a") as stream:
            said = {"action": name, "host": task_vars["inventory_hostname"], "check": bool(self._task.check_mode)}
            stream.write(json.dumps({**said, **args}) + "\\n")
        with open(os.environ["ANSWERS"]) as stream:
            answers = json.load(stream)
        answer = answers.get(f"{name}:{args.get('state')}", answers.get(name, {}))
        return {"changed": False, **answer}
"""
PLAIN = """
import json


def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)
"""
RECORD: dict[str, Any] = {
    "run": None,
    "unfinished": False,
    "in_the_way": None,
    "abandons": None,
    "seen": "",
    "facts": {},
    "history": [],
}
CLOSED = {"id": "r1", "playbook": "x", "status": "done", "attempts": [], "phases": []}
DATABASE = {
    "stage": "installed",
    "problems": [],
    "moved": True,
    "old_tables": "WHERE THEY ARE.",
    "paused": {"now": [], "waiting": [], "runs": []},
    "missing_privileges": [],
    "grants_needed": [],
    "unfit": [],
    "unseen": [],
    "encrypted": None,
}
# As the role `status` looks at it.
LOOK = {
    **DATABASE,
    "server": {"product": "MariaDB", "version": "10.11.6"},
    "tables": [],
    "bytes": 0,
    "revision": "fe199e1abd77",
    "set_aside": [],
}
# A role `report` that only says so.
REPORT = {"ansible.builtin.debug": {"msg": "report"}}
ANSWERS: dict[str, dict[str, Any]] = {
    "run_record": {**RECORD, "run": CLOSED},
    "workloads_info": {"workloads": []},
    "run_lock": {"process_id": 1},
    "cluster_info": {"cluster": {"server": "https://production.example:6443", "context": "production"}},
    "metadata_info": DATABASE,
    "quiesce:quiesced": {"paused": ["one", "two"], "running": []},
    "quiesce:resumed": {"resumed": ["one", "two"], "unknown": [], "broken": [], "gone": []},
}


@dataclass
class Played:
    """What a playbook did: its output, and what its actions were asked for."""

    code: int
    output: str
    asked: list[dict[str, Any]]

    def actions(self, *names: str) -> list[str]:
        """Names of the actions in order, with their states."""
        return [
            f"{entry['action']}:{entry['state']}" if "state" in entry else entry["action"]
            for entry in self.asked
            if entry["action"] in names
        ]


class Stage:
    """A collection of the real roles and of fake actions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: tuple[str, ...] = ("demo",)
        # Of the play.
        self.keywords: dict[str, Any] = {}
        # Of `ansible-playbook`.
        self.arguments: tuple[str, ...] = ()
        self.root = folder / "ansible_collections/hopsworks/airflow"
        for name in (
            "meta",
            "playbooks",
            "galaxy.yml",
            "plugins/filter",
            "plugins/modules",
            "plugins/module_utils",
            "plugins/doc_fragments",
        ):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).symlink_to(CHECKOUT / name)
        for role in (CHECKOUT / "roles").iterdir():
            (self.root / "roles").mkdir(exist_ok=True)
            (self.root / "roles" / role.name).symlink_to(role)
        for module in (CHECKOUT / "plugins/modules").glob("*.py"):
            self.write(f"plugins/action/{module.name}", ACTION)
        self.write("plugins/plugin_utils/plain.py", PLAIN)

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def frame(self, phases: Any, answers: Any = None, *, due: bool = True, report: Any = None, **variables: Any) -> Any:
        """What is played where the frame (role `run`) takes a deployment through phases of these tasks."""
        self.role("x", {"ansible.builtin.debug": {"msg": "look"}}, file="preflight")
        self.role("x", {"ansible.builtin.debug": {"msg": "look again"}}, file="look")
        self.role("x", {"ansible.builtin.set_fact": {"airflow_due": due}}, file="plan")
        self.role("report", report or REPORT)
        for name, tasks in phases.items():
            self.role("x", *tasks, file=name)
        given = {
            "run_playbook": "x",
            "run_phases": list(phases),
            **variables,
        }
        frame = {"ansible.builtin.include_role": {"name": "hopsworks.airflow.run"}, "vars": given}
        return self.play([frame], answers)

    def role(self, name: str, *tasks: dict[str, Any], file: str = "main") -> None:
        """A role in the place of a real one."""
        path = self.root / "roles" / name
        if path.is_symlink():
            path.unlink()
        self.write(f"roles/{name}/tasks/{file}.yml", yaml.safe_dump(list(tasks)))

    def play(
        self, tasks: list[dict[str, Any]], answers: dict[str, dict[str, Any]] | None = None, **variables: Any
    ) -> Played:
        asked = self.folder / "asked"
        asked.write_text("")
        (self.folder / "answers").write_text(json.dumps({**ANSWERS, **(answers or {})}))
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "airflow_public_url": "http://127.0.0.1/airflow",
            "airflow_run_directory": str(self.folder / "runs"),
            "deployment_render": False,
            **variables,
        }
        (self.folder / "inventory.json").write_text(json.dumps({"airflow": {"hosts": dict.fromkeys(self.hosts, host)}}))
        play = {"hosts": "airflow", "gather_facts": False, **self.keywords, "tasks": tasks}
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": f"{self.folder}{os.pathsep}{sysconfig.get_path('purelib')}",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
            "ASKED": str(asked),
            "ANSWERS": str(self.folder / "answers"),
        }
        command = [str(TOOLS / "ansible-playbook"), "-i", "inventory.json", "play.yml", *self.arguments]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env={**environment, "PYTHONFAULTHANDLER": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                output, errors = process.communicate(timeout=LONGEST_SECONDS)
            except subprocess.TimeoutExpired:
                # Each process of Ansible ends with a list of its stacks; they are in sessions of their own.
                for each in (*descendants(process.pid), process.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(each, signal.SIGABRT)
                output, errors = process.communicate()
                raise AssertionError(f"not at its end after {LONGEST_SECONDS} s:\n{output}\n{errors}") from None
        lines = [json.loads(line) for line in asked.read_text().splitlines()]
        # A value that is missing or empty, written into a sentence.
        assert not re.search(r"\bNone\b(?! of)", output), output
        return Played(process.returncode, output + errors, lines)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)
