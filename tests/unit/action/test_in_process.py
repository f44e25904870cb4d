# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from ansible.plugins.action.normal import ActionModule as Normal
from ansible.template import Templar

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.kubeconfig import secrets_in
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import action as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import Action
from ansible_collections.hopsworks.airflow.plugins.modules import cluster_info
from ansible_collections.hopsworks.airflow.plugins.plugin_utils.in_process import InProcess, plain
from ansible_collections.hopsworks.airflow.tests.unit.waiting import until

from .playing import keep, playbook, results

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
HERE = {"ansible_python_interpreter": sys.executable}
# Nobody listens.
SOMEWHERE = {"host": "http://127.0.0.1:9", "api_key": "canary-of-a-token", "namespace": "lab"}
# The second name that every virtual environment has for its interpreter; another one, as far as Ansible can tell.
OTHER = pathlib.Path(sys.executable).with_name("python" if pathlib.Path(sys.executable).name != "python" else "python3")


class Performed:
    """An action that leaves a note, which all processes see: whether it was performed at all."""

    def __init__(self, note):
        self._note = note

    def __call__(self, _call):
        self._note.touch()
        return {}

    def __bool__(self):
        return self._note.exists()


@pytest.fixture
def performed(tmp_path):
    return Performed(tmp_path / "performed")


def temporary_file():
    descriptor, name = tempfile.mkstemp()
    os.close(descriptor)
    return name


def plugin(act, args, *, options=None, **differently):
    class ActionModule(InProcess):
        ACTION = Action(act, options or {})

    task = {
        "args": {**SOMEWHERE, **args},
        "delegate_to": None,
        "async_val": 0,
        "environment": [{}],
        "check_mode": False,
    }
    connection = {"transport": "local", "become": None}
    for name, value in differently.items():
        (connection if name in connection else task)[name] = value
    made = object.__new__(ActionModule)
    made._task, made._connection = SimpleNamespace(**task), SimpleNamespace(**connection)
    made._templar = Templar(loader=None, variables={})
    return made


@pytest.mark.parametrize("module", MODULES)
def test_each_module_has_its_action(module):
    package = "ansible_collections.hopsworks.airflow.plugins"
    action = importlib.import_module(f"{package}.action.{module}").ActionModule
    assert action.ACTION is importlib.import_module(f"{package}.modules.{module}").ACTION
    assert issubclass(action, InProcess)


def test_the_action_is_performed_in_a_fork_of_this_process():
    only_here = object()

    def act(call):
        call.warn("mind the gap")
        seen = [call.params["seconds"], call.check_mode, call.cluster.namespace]
        return {"seen": seen, "parent": os.getppid(), "object": id(only_here)}

    result = plugin(act, {"seconds": "7"}, options={"seconds": {"type": "int"}}).run(None, HERE)
    told = {"seen": [7, False, "lab"], "parent": os.getpid(), "object": id(only_here)}
    assert result == {"changed": False, **told, "warnings": ["mind the gap"]}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_an_action_whose_process_dies_is_a_failure_and_leaves_no_temporary_file(tmp_path, number):
    note = tmp_path / "note"

    def act(_call):
        note.write_text(temporary_file(), encoding="utf-8")
        os.kill(os.getpid(), number)

    result = plugin(act, {}).run(None, HERE)
    assert result["failed"]
    assert f"killed by signal {int(number)}" in result["failure"]["found"]
    assert not pathlib.Path(note.read_text(encoding="utf-8")).parent.exists()


def test_the_performed_are_seen(performed):
    plugin(performed, {}).run(None, HERE)
    assert performed


@pytest.mark.parametrize("version", ["36.0.0", "37.0.2"])
def test_a_client_library_of_another_kind_is_refused(monkeypatch, performed, version):
    monkeypatch.setattr(subject, "KUBERNETES_VERSION", version)
    result = plugin(performed, {}).run(None, HERE)
    assert version in result["failure"]["found"]
    assert "pip install" in result["failure"]["next_step"]
    assert not performed


def test_check_mode_reaches_the_action():
    assert plugin(lambda call: {"checked": call.check_mode}, {}, check_mode=True).run(None, HERE)["checked"] is True


@pytest.mark.parametrize(
    ("differently", "variables"),
    [
        ({"transport": "ssh"}, HERE),
        ({"become": object()}, HERE),
        ({"async_val": 60, "check_mode": True}, HERE),
        ({"environment": [{}, {"KUBECONFIG": "/elsewhere"}]}, HERE),
        ({}, {"ansible_python_interpreter": "/usr/bin/python3.6"}),
        ({}, {}),
        ({"delegate_to": "bastion"}, {**HERE, "ansible_delegated_vars": {"bastion": {}}}),
    ],
)
def test_what_may_differ_is_left_to_the_module(monkeypatch, performed, differently, variables):
    monkeypatch.setattr(Normal, "run", lambda *_given: {"left": True})
    assert plugin(performed, {}, **differently).run(None, variables) == {"left": True}
    assert not performed


def test_a_delegated_task_is_performed_where_it_is_delegated_to():
    variables = {"ansible_python_interpreter": "/there/python", "ansible_delegated_vars": {"localhost": HERE}}
    assert plugin(lambda _call: {"done": True}, {}, delegate_to="localhost").run(None, variables)["done"]


def wait_for(job):
    """The result of a job in the background, as `async_status` reads it."""
    for _attempt in range(200):
        found = json.loads(pathlib.Path(job["results_file"]).read_text(encoding="utf-8"))
        assert (found["started"], found["ansible_job_id"]) == (1, job["ansible_job_id"])
        if found["finished"]:
            return found
        time.sleep(0.05)
    raise AssertionError("it has not finished")


def begun(tmp_path, act, seconds=60):
    made = plugin(act, {}, async_val=seconds)
    made.get_shell_option = lambda *_name, **_default: str(tmp_path / "jobs")
    return made.run(None, HERE)


@pytest.mark.parametrize("outcome", [Mock(side_effect=SystemExit(1)), lambda _call: {"x": {"a", "b"}}])
def test_a_job_in_the_background_that_has_no_result_is_finished_and_failed(tmp_path, outcome):
    """Whoever waits for it would do so until it gives up."""
    file = pathlib.Path(begun(tmp_path, outcome)["results_file"])
    until(lambda: json.loads(file.read_text(encoding="utf-8"))["finished"])
    assert json.loads(file.read_text(encoding="utf-8"))["failed"]


def test_a_job_in_the_background_outlives_its_task(tmp_path):
    told = tmp_path / "told"

    def act(_call):
        until(told.exists)
        return {"process": os.getpid(), "session": os.getsid(0), "token": "canary-of-a-token"}

    job = begun(tmp_path, act)
    assert (job["started"], job["finished"]) == (1, 0)
    assert not json.loads(pathlib.Path(job["results_file"]).read_text(encoding="utf-8"))["finished"]
    assert (tmp_path / "jobs").stat().st_mode & 0o777 == 0o700
    assert pathlib.Path(job["results_file"]).stat().st_mode & 0o777 == 0o600
    told.touch()
    result = wait_for(job)
    assert result["process"] == result["session"] != os.getpid()
    assert "canary" not in json.dumps(result)


def test_a_job_in_the_background_holds_nothing_of_its_parents(tmp_path):
    """A pipe whose other end it kept would never end for whoever reads it."""
    reading, writing = os.pipe()
    told = tmp_path / "told"

    def act(_call):
        until(told.exists)
        return {}

    job = begun(tmp_path, act)
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)
    told.touch()
    wait_for(job)


def test_a_job_in_the_background_that_fails_says_why(tmp_path):
    def act(_call):
        raise RuntimeError("a slip in an action")

    result = wait_for(begun(tmp_path, act))
    assert result["failed"]
    assert "a slip in an action" in result["msg"]


def test_a_job_in_the_background_ends_with_its_time_and_leaves_no_temporary_file(tmp_path):
    note = tmp_path / "note"

    def act(_call):
        note.write_text(f"{os.getpid()} {temporary_file()}", encoding="utf-8")
        time.sleep(600)
        return {}

    begun(tmp_path, act, seconds=1)
    until(lambda: note.exists() and " " in note.read_text(encoding="utf-8"))
    process, name = note.read_text(encoding="utf-8").split()
    os.waitpid(int(process), 0)
    assert not pathlib.Path(name).exists()


@pytest.mark.parametrize("failing", [False, True])
def test_no_temporary_file_outlives_it(tmp_path, failing):
    note = tmp_path / "note"

    def act(_call):
        note.write_text(temporary_file(), encoding="utf-8")
        if failing:
            raise RuntimeError("a slip in an action")
        return {}

    before = tempfile.gettempdir()
    result = plugin(act, {}).run(None, HERE)
    assert ("a slip in an action" in result.get("msg", "")) == failing
    written = pathlib.Path(note.read_text(encoding="utf-8"))
    assert not written.exists()
    assert not written.parent.exists()
    assert tempfile.gettempdir() == before


def test_what_is_not_to_be_logged_stays_out_of_results():
    options = {"outer": {"type": "list", "elements": "dict", "options": {"inner": {"type": "str", "no_log": True}}}}
    args = {"outer": [{"inner": "canary-inside"}]}
    result = plugin(lambda _call: {"token": "canary-of-a-token", "words": "see canary-inside"}, args, options=options)
    assert "canary" not in json.dumps(result.run(None, HERE))


GIVEN = {
    "clusters": [{"name": "v1", "cluster": {"server": "https://api.example:6443"}}],
    "contexts": [{"name": "production", "context": {"cluster": "v1", "user": "u"}}],
    "users": [
        {"name": "u", "user": {"token": "canary-token", "exec": {"env": [{"name": "X_TOKEN", "value": "canary-env"}]}}}
    ],
    "current-context": "production",
}


def test_of_a_kubeconfig_only_what_is_secret_stays_out_of_results():
    """The server and the context are handed on to all later actions of a run."""
    content = {**GIVEN, "users": [{"name": "u", "user": {"token": "canary-token"}}]}
    args = {"kubeconfig": content, "host": None, "api_key": None}
    result = plugin(lambda call: {**cluster_info.act(call), "said": "canary-token"}, args).run(None, HERE)
    assert result["cluster"] == {"server": "https://api.example:6443", "context": "production"}
    assert "canary" not in json.dumps(result)
    # A path is none at all, whatever else is called like it.
    result = plugin(lambda _call: {"name": "airflow-webserver"}, {"kubeconfig": "airflow"}).run(None, HERE)
    assert result["name"] == "airflow-webserver"


def test_what_is_secret_in_a_kubeconfig_is_known_by_its_name():
    assert secrets_in(GIVEN) == {"canary-token", "canary-env"}
    assert secrets_in("/home/carol/.kube/config") == secrets_in(None) == set()
    assert secrets_in("a: 1\nb: 2") == {"a: 1\nb: 2"}


def test_what_is_not_to_be_logged_stays_out_of_errors():
    options = {"count": {"type": "int", "no_log": True}}
    result = plugin(lambda _call: {}, {"count": "canary-no-number"}, options=options).run(None, HERE)
    assert result["failed"]
    assert "canary" not in json.dumps(result)


@pytest.mark.parametrize(
    ("args", "word"),
    [({"unheard_of": 1}, "unheard_of"), ({"lock": {"name": "x"}}, "holder"), ({"seconds": "soon"}, "seconds")],
)
def test_bad_options_are_refused_before_anything_is_done(performed, args, word):
    result = plugin(performed, args, options={"seconds": {"type": "int"}}).run(None, HERE)
    assert result["failed"]
    assert word in result["msg"]
    assert not performed


def test_a_refusal_has_its_four_parts():
    def act(call):
        raise OperatorError("a hole", expected="none", untouched="all", next_step="fill it")

    result = plugin(act, {}).run(None, HERE)
    assert result["failed"]
    assert result["failure"]["next_step"] == "fill it"
    assert result["msg"].startswith("Found: a hole")


class Vaulted:
    """As a vaulted string: no text until it is asked for one."""

    def __str__(self):
        return "opened"


class Tagged(str):
    """As a text of Ansible: one for `isinstance`, and another type for those that are strict."""

    __slots__ = ()


def test_an_action_gets_plain_values():
    made = plain({Tagged("a"): [1, True, None, 0.5, Tagged("b"), (2,)], "secret": Vaulted()})
    assert made == {"a": [1, True, None, 0.5, "b", [2]], "secret": "opened"}
    assert [type(item) for item in made["a"]] == [int, bool, type(None), float, str, list]
    assert [type(name) for name in made] == [str, str]


@pytest.mark.parametrize("arguments", [{"name": "x"}, {"nonsense": "x"}])
def test_it_ends_as_the_module_does(tmp_path, arguments):
    """`ansible-playbook`, with its own interpreter and with one that it takes for another."""
    # A server that does not answer would be waited for.
    module = {**SOMEWHERE, "host": "", "context": "nowhere", "kubeconfig": {"clusters": []}, **arguments}
    results, packed = [], []
    for interpreter in (sys.executable, str(OTHER)):
        folder = tmp_path / pathlib.Path(interpreter).name
        playbook = folder / "playbook.yml"
        folder.mkdir()
        task = {"hopsworks.airflow.run_record": module, "ignore_errors": True, "register": "result"}
        kept = {"ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(folder / "result.json")}}
        play = {"hosts": "localhost", "gather_facts": False, "tasks": [task, kept]}
        playbook.write_text(json.dumps([{**play, "vars": {"ansible_python_interpreter": interpreter}}]))
        variables = {
            "ANSIBLE_KEEP_REMOTE_FILES": "1",
            "ANSIBLE_REMOTE_TMP": str(folder / "packed"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        }
        command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
        done = subprocess.run(
            [*command, str(playbook)],
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        answer = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        results.append({name: answer.get(name) for name in ("failed", "failure", "changed")})
        packed.append(len(list((folder / "packed").rglob("AnsiballZ_run_record*"))))
        assert answer["failed"]
        assert "canary" not in done.stdout
    assert results[0] == results[1]
    assert packed == [0, 1]


@pytest.mark.parametrize("interpreter", [sys.executable, str(OTHER)], ids=["in process", "as a module"])
def test_a_kubeconfig_that_is_a_mapping_is_used_and_not_shown(tmp_path, interpreter):
    content = {**GIVEN, "users": [{"name": "u", "user": {"token": "canary-token"}}]}
    task = {"hopsworks.airflow.cluster_info": {"kubeconfig": content, "namespace": "lab"}, "register": "found"}
    kept = {"ansible.builtin.copy": {"content": "{{ found.cluster | to_json }}", "dest": str(tmp_path / "found.json")}}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [task, kept]}
    (tmp_path / "playbook.yml").write_text(json.dumps([{**play, "vars": {"ansible_python_interpreter": interpreter}}]))
    command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
    done = subprocess.run(
        [*command, "-vvv", "playbook.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found == {"server": "https://api.example:6443", "context": "production"}
    assert "canary" not in done.stdout + done.stderr


FILTER = """
import os
with open("loads", "a") as stream:
    stream.write(f"{os.getpid()}\\n")

class FilterModule:
    def filters(self):
        return {"doubled": lambda text: text * 2}
"""


def test_filters_are_loaded_once_and_not_in_every_worker(tmp_path, server):
    (tmp_path / "filter_plugins").mkdir()
    (tmp_path / "filter_plugins/doubled.py").write_text(FILTER, encoding="utf-8")
    shown = [{"name": f"show {number}", "debug": {"msg": f"{{{{ 'a{number}' | doubled }}}}"}} for number in (1, 2)]
    told = results(playbook(tmp_path, server, [keep("begun"), *shown]))
    assert [told[f"show {number}"]["msg"] for number in (1, 2)] == ["a1a1", "a2a2"]
    assert len((tmp_path / "loads").read_text(encoding="utf-8").splitlines()) == 1
