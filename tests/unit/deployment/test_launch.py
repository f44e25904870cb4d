"""The script that starts a component, run as a pod runs it, with its folders moved and an init that only tells."""

from __future__ import annotations

import configparser
import json
import pathlib
import stat
import subprocess
import sys
import urllib.parse

import pytest

SCRIPT = pathlib.Path(__file__).parents[3] / "roles" / "deployment" / "files" / "launch.py"
TEMPLATE = """
[core]
fernet_key = @{fernet-key}
[database]
sql_alchemy_conn = mysql+pymysql://airflow:@{database-password:pymysql}@mysql/airflow
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
        (folder / "launch.py").write_text(source.replace("/run/airflow", str(self.run)), encoding="utf-8")
        init = folder / "bin" / "tini"
        init.write_text('#!/bin/sh\necho "$@"\necho "kid=$AIRFLOW__API_AUTH__JWT_KID"\nenv\n', encoding="utf-8")
        init.chmod(0o755)
        self.give("fernet-key", "abc%def=")
        self.give("database-password", "plain")
        self.give("jwks.json", json.dumps({"keys": [{"kid": "one"}]}))

    def give(self, name: str, content: str) -> None:
        (self.secrets / name).write_text(content, encoding="utf-8")

    def start(self, signing_key: str | None = None, path: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": path or f"{self.folder / 'bin'}:/usr/bin:/bin"}
        if signing_key:
            environment["AIRFLOW_SIGNING_KEY"] = signing_key
        return subprocess.run(
            [sys.executable, str(self.folder / "launch.py"), "airflow", "scheduler"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

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


def test_a_missing_secret_is_named(pod: Pod) -> None:
    (pod.secrets / "fernet-key").unlink()
    ended = pod.start()
    assert ended.returncode != 0
    assert "fernet-key" in ended.stderr


def test_an_image_without_an_init_is_refused(pod: Pod, tmp_path: pathlib.Path) -> None:
    ended = pod.start(path=str(tmp_path / "nothing"))
    assert ended.returncode != 0
    assert "neither tini nor dumb-init" in ended.stderr
