"""The script that starts a component, run as a pod runs it, with its folders moved and an init that only tells."""

from __future__ import annotations

import ast
import configparser
import json
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import threading
import urllib.parse

import pytest
import yaml

SCRIPT = pathlib.Path(__file__).parents[3] / "roles" / "deployment" / "files" / "launch.py"
IN_POD = pathlib.Path(__file__).parents[3] / "plugins" / "module_utils" / "_keys" / "in_pod.py"
TEMPLATE = """
[core]
fernet_key = @{fernet-key}
[database]
sql_alchemy_conn = mysql+pymysql://airflow:@{database-password:latin-1}@mysql/airflow
"""


class Pod:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.secrets = folder / "secrets"
        for name in ("launcher", "secrets", "run", "bin"):
            (folder / name).mkdir()
        (folder / "launcher" / "airflow.cfg.template").write_text(TEMPLATE, encoding="utf-8")
        source = SCRIPT.read_text(encoding="utf-8")
        for there, here in (("/etc/airflow-launcher", "launcher"), ("/etc/airflow-secrets", "secrets")):
            assert there in source
            source = source.replace(there, str(folder / here))
        assert '"/run/airflow"' in source
        assert '"/dev/termination-log"' in source
        self.termination_log = folder / "termination-log"
        source = source.replace("/dev/termination-log", str(self.termination_log))
        (folder / "launch.py").write_text(source.replace("/run/airflow", str(self.run)), encoding="utf-8")
        shutil.copy(IN_POD, folder)
        init = folder / "bin" / "tini"
        init.write_text('#!/bin/sh\necho "$@"\necho "kid=$AIRFLOW__API_AUTH__JWT_KID"\nenv\n', encoding="utf-8")
        init.chmod(0o755)
        self.give("fernet-key", "abc%def=")
        self.give("database-password", "plain")
        self.give("jwks.json", json.dumps({"keys": [{"kid": "one"}]}))

    def give(self, name: str, content: str) -> None:
        (self.secrets / name).write_text(content, encoding="utf-8")

    def replace(self, there: str, here: str) -> None:
        script = self.folder / "launch.py"
        source = script.read_text(encoding="utf-8")
        assert there in source
        script.write_text(source.replace(there, here), encoding="utf-8")

    def starting(
        self, signing_key: str | None = None, path: str | None = None, generation: str | None = None
    ) -> subprocess.Popen[str]:
        environment = {"PATH": path or f"{self.folder / 'bin'}:/usr/bin:/bin"}
        if signing_key:
            environment["AIRFLOW_SIGNING_KEY"] = signing_key
        if generation is not None:
            environment["AIRFLOW_KEYS_GENERATION"] = generation
        return subprocess.Popen(
            [sys.executable, str(self.folder / "launch.py"), "airflow", "scheduler"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(
        self, signing_key: str | None = None, path: str | None = None, generation: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        with self.starting(signing_key, path, generation) as process:
            output, errors = process.communicate(timeout=30)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def option(self, section: str, name: str) -> str:
        parser = configparser.ConfigParser()
        parser.read(self.run / "airflow.cfg", encoding="utf-8")
        return parser.get(section, name)


@pytest.fixture
def pod(tmp_path: pathlib.Path) -> Pod:
    return Pod(tmp_path)


@pytest.mark.parametrize(
    "password",
    ["a|b", "100%", "%(x)s", "a&b", "\"double\" 'single'", "two words", "pä$ß€", "@{fernet-key}", "\\1\\g<0>"],
)
def test_any_password_reaches_the_server_as_it_is(pod: Pod, password: str) -> None:
    pod.give("database-password", password)
    assert pod.start().returncode == 0
    user_info = pod.option("database", "sql_alchemy_conn").split("//", 1)[1].rsplit("@", 1)[0]
    read_by_sqlalchemy = urllib.parse.unquote(user_info.split(":", 1)[1])
    assert read_by_sqlalchemy.encode("latin-1") == password.encode("utf-8")


def test_a_password_that_is_no_text_reaches_the_server_as_it_is(pod: Pod) -> None:
    password = bytes(range(1, 256))
    (pod.secrets / "database-password").write_bytes(password)
    ended = pod.start()
    assert ended.returncode == 0, ended.stderr
    user_info = pod.option("database", "sql_alchemy_conn").split("//", 1)[1].rsplit("@", 1)[0]
    assert urllib.parse.unquote(user_info.split(":", 1)[1]).encode("latin-1") == password


def test_a_library_that_encodes_as_utf_8_gets_the_password_as_it_is(pod: Pod) -> None:
    template = pod.folder / "launcher" / "airflow.cfg.template"
    template.write_text(TEMPLATE.replace(":latin-1", ":utf-8"), encoding="utf-8")
    password = bytes(range(1, 256))
    (pod.secrets / "database-password").write_bytes(password)
    assert pod.start().returncode == 0
    user_info = pod.option("database", "sql_alchemy_conn").split("//", 1)[1].rsplit("@", 1)[0]
    assert urllib.parse.unquote_to_bytes(user_info.split(":", 1)[1]) == password


def test_percent_signs_survive_configparser(pod: Pod) -> None:
    pod.start()
    assert pod.option("core", "fernet_key") == "abc%def="


def test_the_component_runs_under_the_init(pod: Pod) -> None:
    assert pod.start().stdout.splitlines()[0] == "-- airflow scheduler"


def test_no_secret_is_in_the_environment(pod: Pod) -> None:
    pod.give("database-password", "CANARY")
    assert "CANARY" not in pod.start().stdout


def test_rendered_files_are_for_the_component_alone(pod: Pod) -> None:
    pod.give("scheduler-private.pem", "key")
    pod.give("scheduler.kid", "one")
    assert pod.start("scheduler").returncode == 0
    for name in ("airflow.cfg", "scheduler-private.pem", "jwks.json"):
        assert stat.S_IMODE((pod.run / name).stat().st_mode) == 0o600


def test_a_signer_announces_its_kid(pod: Pod) -> None:
    pod.give("scheduler-private.pem", "key")
    pod.give("scheduler.kid", "one")
    assert "kid=one" in pod.start("scheduler").stdout


def test_a_key_that_nobody_would_accept_stops_the_start(pod: Pod) -> None:
    pod.give("scheduler-private.pem", "key")
    pod.give("scheduler.kid", "another")
    ended = pod.start("scheduler")
    assert ended.returncode != 0
    assert "another" in ended.stderr
    assert "jwks.json" in ended.stderr


def test_without_a_termination_log_the_reason_is_in_the_log(pod: Pod) -> None:
    pod.termination_log.mkdir()
    (pod.secrets / "fernet-key").unlink()
    ended = pod.start()
    assert ended.returncode == 1
    assert "fernet-key" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("scheduler.kid", "one\n", "scheduler.kid"),
        ("scheduler.kid", " one", "scheduler.kid"),
        ("scheduler.kid", "", "scheduler.kid"),
        ("jwks.json", "[]", "jwks.json"),
        ("jwks.json", '{"keys": [{}]}', "jwks.json"),
        ("fernet-key", "a\n[core]\nb = c", "fernet-key"),
        ("fernet-key", "\n", "fernet-key"),
    ],
)
def test_what_cannot_be_read_ends_the_start_in_words(pod: Pod, name: str, content: str, words: str) -> None:
    pod.give("scheduler-private.pem", "key")
    pod.give("scheduler.kid", "one")
    pod.give(name, content)
    ended = pod.start("scheduler")
    assert ended.returncode == 1
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    if content.strip():
        assert content not in ended.stderr


@pytest.mark.parametrize("name", ["scheduler.kid", "jwks.json"])
def test_a_key_that_is_not_mounted_ends_the_start_in_words(pod: Pod, name: str) -> None:
    pod.give("scheduler.kid", "one")
    (pod.secrets / name).unlink()
    ended = pod.start("scheduler")
    assert ended.returncode == 1
    assert f"{name} is not mounted" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_rules_need_nothing_but_python() -> None:
    source = ast.parse(IN_POD.read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(source) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(source) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", *sys.stdlib_module_names}


def test_the_rules_are_rendered_beside_the_launcher() -> None:
    """Under the name that it imports, from where the collection has them."""
    role = SCRIPT.parents[1]
    tasks = yaml.safe_load((role / "tasks" / "render.yml").read_text(encoding="utf-8"))
    (render,) = [task for task in tasks if "airflow_launcher_data" in task.get("ansible.builtin.set_fact", {})]
    assert "deployment_in_pod" in render["ansible.builtin.set_fact"]["airflow_launcher_data"][IN_POD.name]
    path = render["vars"]["deployment_in_pod"].partition("role_path ~ '")[2].partition("'")[0]
    assert pathlib.Path(f"{role}{path}").resolve() == IN_POD


def test_a_missing_secret_is_named(pod: Pod) -> None:
    (pod.secrets / "fernet-key").unlink()
    ended = pod.start()
    assert ended.returncode != 0
    assert "fernet-key" in ended.stderr


def test_an_image_without_an_init_is_refused(pod: Pod, tmp_path: pathlib.Path) -> None:
    ended = pod.start(path=str(tmp_path / "nothing"))
    assert ended.returncode != 0
    assert "neither tini nor dumb-init" in ended.stderr


def test_a_restart_for_new_keys_waits_until_they_are_mounted(pod: Pod) -> None:
    pod.give("generation", "6")
    pod.give("jwks.json", json.dumps({"keys": [{"kid": "old"}]}))
    with pod.starting(generation="7") as process:
        assert process.stderr is not None
        assert "generation 6, this pod was started for 7" in process.stderr.readline()
        assert not (pod.run / "airflow.cfg").exists()
        pod.give("jwks.json", json.dumps({"keys": [{"kid": "new"}]}))
        pod.give("generation", "7")
        assert process.wait(timeout=10) == 0
    assert "new" in (pod.run / "jwks.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("mounted", "wanted"), [("7", "7"), ("8", "7"), ("10", "9"), ("7", ""), (None, ""), (None, None), ("7\n", "7")]
)
def test_keys_that_are_new_enough_are_not_waited_for(pod: Pod, mounted: str | None, wanted: str | None) -> None:
    if mounted is not None:
        pod.give("generation", mounted)
    ended = pod.start(generation=wanted)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("mounted", ["6", None])
def test_keys_that_never_come_end_the_start(pod: Pod, mounted: str | None) -> None:
    if mounted is not None:
        pod.give("generation", mounted)
    pod.replace("LONGEST_WAIT_SECONDS = 150", "LONGEST_WAIT_SECONDS = 0.3")
    ended = pod.start(generation="7")
    assert ended.returncode != 0
    assert f"generation {mounted or 0}, this pod was started for 7: they did not change" in ended.stderr
    assert "restored the keys Secret" in ended.stderr
    # Where `kubectl describe pod` and the watcher of a rollout look.
    assert pod.termination_log.read_text(encoding="utf-8") in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (pod.run / "airflow.cfg").exists()


@pytest.mark.parametrize(("mounted", "wanted"), [("seven", "7"), ("7", "seven"), ("7", "-1"), ("", "7")])
def test_a_generation_that_is_no_number_is_refused(pod: Pod, mounted: str, wanted: str) -> None:
    pod.give("generation", mounted)
    ended = pod.start(generation=wanted)
    assert ended.returncode != 0
    assert "number" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_waiting_for_keys_ends_when_the_pod_does(pod: Pod) -> None:
    with pod.starting(generation="7") as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.terminate()
        # As an exit: the kernel drops a signal that would kill PID 1.
        assert process.wait(timeout=10) == 128 + signal.SIGTERM


def test_a_folder_that_is_gone_in_this_moment_is_not_mistaken_for_none(pod: Pod) -> None:
    """The link leads nowhere until the kubelet turns it round; what lies beside it is of another moment."""
    (pod.secrets / "..data").symlink_to("..gone")
    pod.replace("FileNotFoundError:\n", 'FileNotFoundError:\n            sys.stderr.write("again\\n")\n')
    with pod.starting() as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "again\n"
        # What is written from now on is more than a pipe holds.
        threading.Thread(target=process.stderr.read).start()
        made = pod.secrets / "..new"
        made.mkdir()
        for name, content in (("fernet-key", "new"), ("database-password", "new"), ("jwks.json", "{}")):
            (made / name).write_text(content, encoding="utf-8")
        (pod.secrets / "..tmp").symlink_to("..new")
        (pod.secrets / "..tmp").rename(pod.secrets / "..data")
        assert process.wait(timeout=10) == 0
    assert pod.option("core", "fernet_key") == "new"


def test_keys_are_of_one_moment_while_the_kubelet_replaces_them(pod: Pod) -> None:
    """The kubelet writes a new folder, turns the link ..data round, and removes the old folder file by file."""
    stop = threading.Event()

    def folder(generation: int) -> pathlib.Path:
        made = pod.secrets / f"..{generation}"
        made.mkdir()
        for name in ("fernet-key", "database-password"):
            (made / name).write_text("value", encoding="utf-8")
        (made / "jwks.json").write_text(json.dumps({"keys": [{"kid": str(generation)}]}), encoding="utf-8")
        (made / "scheduler.kid").write_text(str(generation), encoding="utf-8")
        (made / "scheduler-private.pem").write_text(str(generation), encoding="utf-8")
        return made

    def turn_round() -> None:
        current, generation = folder(0), 0
        (pod.secrets / "..data").symlink_to(current.name)
        started.set()
        while not stop.is_set():
            generation += 1
            following = folder(generation)
            (pod.secrets / "..tmp").symlink_to(following.name)
            (pod.secrets / "..tmp").rename(pod.secrets / "..data")
            shutil.rmtree(current)
            current = following

    started = threading.Event()
    kubelet = threading.Thread(target=turn_round)
    kubelet.start()
    started.wait()
    try:
        for _attempt in range(20):
            ended = pod.start("scheduler")
            assert ended.returncode == 0, ended.stderr
            key = (pod.run / "scheduler-private.pem").read_text(encoding="utf-8")
            assert f"kid={key}\n" in ended.stdout
    finally:
        stop.set()
        kubelet.join()
