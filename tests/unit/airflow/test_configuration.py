# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import configuration
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.configuration import (
    MARK,
    OPTIONS,
    PROGRAM,
    heartbeat_seconds,
    longest_token_seconds,
    parse,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.pods import component_container, is_serving
from ansible_collections.hopsworks.airflow.plugins.modules import airflow_configuration_info as module
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer


def answer(**values):
    found = {
        **dict.fromkeys(OPTIONS),
        "airflow_version": "3.0.6",
        "of_component": True,
        "time": 0.0,
        "jwt_expiration_time": "3600",
        "jwt_cli_expiration_time": "60",
        "task_jwt_expiration_time": "600",
        "task_queued_timeout": "600.0",
        "jwt_leeway": "10",
        **values,
    }
    return f"a warning of Airflow\n{MARK}{json.dumps(found)}\n"


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({}, 3610),
        ({"jwt_cli_expiration_time": "86400"}, 86410),
        ({"task_jwt_expiration_time": "7200", "jwt_leeway": "30"}, 7230),
        # Tokens of queued tasks came with 3.2.
        ({"task_queued_timeout": "7200.0", "airflow_version": "3.1.8"}, 3610),
        ({"task_queued_timeout": "7200.0", "airflow_version": "3.2.0"}, 7210),
        ({"task_queued_timeout": "7200.0", "airflow_version": "3.10.0rc1"}, 7210),
        ({"task_queued_timeout": "7200.0", "airflow_version": "4"}, 7210),
    ],
)
def test_the_longest_life_of_a_token(values, seconds):
    assert longest_token_seconds(parse(answer(**values))) == seconds


def test_how_often_heartbeats_are_sent_at_the_longest():
    values = {"scheduler_heartbeat_sec": "5", "job_heartbeat_sec": "20", "triggerer_heartbeat_sec": "7.5"}
    assert heartbeat_seconds(parse(answer(**values))) == 20
    assert heartbeat_seconds(parse(answer())) == 1


def test_what_is_not_set_is_null_and_what_a_url_hides_stays_hidden():
    found = parse(answer(jwt_issuer="", trusted_jwks_url="https://user:CANARY@example.com/jwks.json"))
    assert found["jwt_issuer"] is found["jwt_kid"] is None
    assert "CANARY" not in found["trusted_jwks_url"]
    assert "example.com/jwks.json" in found["trusted_jwks_url"]
    assert found["jwt_expiration_time"] == 3600


def test_output_without_an_answer():
    assert parse("Traceback (most recent call last):\n") is None
    assert parse(answer()[:-20]) is None


@pytest.mark.parametrize("value", ["5 # as before", "inf", "nan", "5s"])
def test_a_number_that_is_none_is_told_with_its_option(value):
    """Who doesn't run a triggerer never hears of it from Airflow."""
    with pytest.raises(OperatorError, match=r"\[triggerer\] job_heartbeat_sec of the running Airflow is"):
        parse(answer(triggerer_heartbeat_sec=value))


def test_a_part_of_a_second_is_not_cut_off_a_life():
    assert longest_token_seconds(parse(answer(task_queued_timeout="7200.4", airflow_version="3.2.0"))) == 7211


@pytest.fixture
def python(tmp_path):
    """Runs the program where a package `airflow` answers with what its environment says."""
    package = tmp_path / "airflow"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '3.0.6'\nprint('a warning')\n")
    (package / "configuration.py").write_text(
        "import os\n"
        "class conf:\n"
        "    @staticmethod\n"
        "    def get(section, option, fallback=None):\n"
        "        return os.environ.get(f'AIRFLOW__{section}__{option}'.upper(), fallback)\n"
    )

    def run(environment):
        command = [sys.executable, "-c", PROGRAM, MARK, json.dumps(OPTIONS)]
        done = subprocess.run(
            command, env={"PYTHONPATH": str(tmp_path), **environment}, capture_output=True, text=True, check=True
        )
        return parse(done.stdout)

    return run


def test_airflow_is_asked_with_the_environment_of_the_component(python, tmp_path):
    launched = {"PYTHONPATH": str(tmp_path), "AIRFLOW__API_AUTH__JWT_KID": "set-by-the-launcher"}
    component = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=launched)
    try:
        time.sleep(0.5)
        found = python({"AIRFLOW__API_AUTH__JWT_KID": "of-the-container"})
    finally:
        component.kill()
        component.wait()
    assert found["of_component"] is True
    assert found["airflow_version"] == "3.0.6"
    # Whatever other Airflow this machine runs, it is not the command's own.
    assert found["jwt_kid"] != "of-the-container"


@pytest.fixture
def cluster():
    """As whoever has the rights of an upgrade, who may list pods and not read a single one."""
    server = ApiServer()
    rest = ("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "gitVersion", "platform")
    server.objects["/version/"] = {"major": "1", "minor": "34", **dict.fromkeys(rest, "x")}
    server.faulty = lambda _method, path: "/pods/" in path
    server.faults = [403] * 100
    yield server
    server.stop()


@pytest.fixture
def container(monkeypatch):
    """What the command in the container prints, and how it ends."""

    def ends(output, code=0, errors=""):
        def execute(_cluster, _pod, _container, _command, *, stdout, timeout_seconds):
            stdout(output[:20].encode())
            stdout(output[20:].encode())
            return code, errors

        monkeypatch.setattr(configuration, "execute", execute)

    return ends


@pytest.mark.parametrize("behind", [-120, 0, 30])
def test_the_clock_of_the_pod_is_compared_with_the_api_servers(container, cluster, behind):
    container(answer(time=time.time()))
    cluster.skew = -behind
    found = configuration.read(cluster.cluster(), "pod-1", "api-server", "python3")
    assert found["clock_skew_seconds"] == pytest.approx(behind, abs=1.1)
    assert found["longest_token_seconds"] == 3610
    assert "time" not in found


@pytest.mark.parametrize(("output", "code"), [("", 1), ("no module named airflow", 0), (answer(), 137)])
def test_a_container_that_cannot_be_asked_is_named_without_its_secrets(container, cluster, output, code):
    container(output, code, "ModuleNotFoundError: airflow\npassword=CANARY")
    with pytest.raises(OperatorError, match="container api-server of pod pod-1") as raised:
        configuration.read(cluster.cluster(), "pod-1", "api-server", "python3")
    assert "ModuleNotFoundError" in str(raised.value)
    assert "CANARY" not in str(raised.value)


def test_classes_of_others_are_asked_where_their_tasks_run(python, tmp_path):
    (tmp_path / "ours.py").write_text("class Here:\n    is_local = True\nclass There:\n    is_local = False\n")
    executors = "a:ours.Here, ours.There,KubernetesExecutor;team=gone.Executor"
    # Not by the environment: other processes of this machine may be taken for the component.
    (tmp_path / "airflow" / "configuration.py").write_text(
        "class conf:\n"
        "    @staticmethod\n"
        "    def get(section, option, fallback=None):\n"
        f"        return {executors!r} if option == 'executor' else fallback\n"
    )
    found = python({})
    assert found["executor_is_local"] == {"ours.Here": True, "ours.There": False, "gone.Executor": None}


def test_where_tasks_run_is_said(container, cluster):
    container(answer(executor="LocalExecutor,KubernetesExecutor", time=time.time()))
    found = configuration.read(cluster.cluster(), "pod-1", "api-server", "python3")
    assert found["tasks_in_scheduler"] is True
    assert "executor_is_local" not in found


def pod(*, ready="True", deleted=False, annotations=None, phase="Running"):
    metadata = {"name": "pod-1", "annotations": annotations or {}}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-22T20:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "proxy"}, {"name": "api-server"}]},
        "status": {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}],
        },
    }


def test_a_pod_serves_when_it_is_ready_and_stays():
    assert is_serving(pod())
    assert not is_serving(pod(ready="False"))
    assert not is_serving(pod(deleted=True))
    assert not is_serving(pod(phase="Failed"))  # evicted; what it was like before may still be there
    assert not is_serving({"metadata": {}, "status": {}})


DEFAULT = "kubectl.kubernetes.io/default-container"


@pytest.mark.parametrize(
    ("template", "of_template", "of_pod", "container"),
    [
        # A mesh puts its container before the others; not all of them annotate the pod.
        (["api-server"], {}, {}, "api-server"),
        (["api-server"], {}, {DEFAULT: "proxy"}, "api-server"),
        (["proxy", "api-server"], {}, {}, "proxy"),
        (["proxy", "api-server"], {DEFAULT: "api-server"}, {DEFAULT: "api-server"}, "api-server"),
        # A pod of another template.
        (["webserver"], {}, {DEFAULT: "api-server"}, "api-server"),
        (["webserver"], {}, {DEFAULT: "gone"}, "proxy"),
    ],
)
def test_the_container_is_the_one_of_the_template_whatever_was_injected(template, of_template, of_pod, container):
    containers = [{"name": name} for name in template]
    workload = {"spec": {"template": {"metadata": {"annotations": of_template}, "spec": {"containers": containers}}}}
    assert component_container(workload, pod(annotations=of_pod)) == container


SERVER = {
    "executor": "LocalExecutor",
    "tasks_in_scheduler": True,
    "jwt_algorithm": "RS256",
    "jwt_leeway": 10,
    "heartbeat_seconds": 5,
    "longest_token_seconds": 3610,
    "clock_skew_seconds": 0.2,
    "trusted_jwks_url": "/run/airflow/jwks.json",
}


@pytest.mark.parametrize(
    ("signer", "name", "expected"),
    [
        # The life of the signer's tokens, with the leeway of who validates them.
        ({"longest_token_seconds": 86400 + 60, "jwt_leeway": 60}, "longest_token_seconds", 86410),
        ({"longest_token_seconds": 600}, "longest_token_seconds", 3610),
        ({"heartbeat_seconds": 30}, "heartbeat_seconds", 30),
        ({"clock_skew_seconds": -90.0}, "clock_skew_seconds", -90.0),
        ({"clock_skew_seconds": None}, "clock_skew_seconds", 0.2),
        ({"jwt_algorithm": "HS512"}, "jwt_algorithm", "HS512"),
        ({"executor": "KubernetesExecutor"}, "executor", "KubernetesExecutor"),
        # Whoever doesn't run in the scheduler's pod by one of them may do by the other.
        ({"tasks_in_scheduler": False}, "tasks_in_scheduler", True),
        ({"trusted_jwks_url": None}, "trusted_jwks_url", "/run/airflow/jwks.json"),
    ],
)
def test_what_a_scheduler_says_of_its_own_counts(signer, name, expected):
    assert configuration.with_signers(SERVER, [{**SERVER, **signer}])[name] == expected


@pytest.mark.parametrize(
    ("server", "scheduler", "expected"),
    [(False, True, True), (False, None, None), (None, True, True), (False, False, False)],
)
def test_where_tasks_run_by_all_of_them(server, scheduler, expected):
    answers = [{**SERVER, "tasks_in_scheduler": where} for where in (server, scheduler)]
    assert configuration.with_signers(answers[0], answers[1:])["tasks_in_scheduler"] is expected


def test_without_other_signers_the_answer_is_the_api_servers():
    assert configuration.with_signers(SERVER, []) == SERVER


def test_a_signer_that_cannot_be_asked_is_warned_of(monkeypatch):
    def workload_of(_cluster, name):
        if name == "gone":
            raise OperatorError("no pod of gone is ready", expected="", untouched="", next_step="")
        return {"metadata": {"name": name}}

    def read(_cluster, pod, _container, _python):
        return {**SERVER, "of_component": True, "heartbeat_seconds": 30 if pod == "scheduler" else 5}

    monkeypatch.setattr(module, "workload_of", workload_of)
    monkeypatch.setattr(module, "serving_pods", lambda _cluster, name: [named(name)])
    monkeypatch.setattr(module, "component_container", lambda *_given: "main")
    monkeypatch.setattr(configuration, "read", read)
    said = []
    params = {"workload": "api", "signers": ["gone", "api", "scheduler"], "container": None, "python": "python3"}
    found = module.act(SimpleNamespace(cluster=None, params=params, warn=said.append))
    assert (found["pod"], found["heartbeat_seconds"]) == ("api", 30)
    (warning,) = said
    assert warning.startswith("gone was not asked")
    assert "no pod of gone is ready" in warning


def test_all_are_asked_at_the_same_time(monkeypatch):
    both = threading.Barrier(2, timeout=60)

    def read(*_given):
        both.wait()
        return {**SERVER, "of_component": False}

    monkeypatch.setattr(module, "workload_of", lambda _cluster, name: {"metadata": {"name": name}})
    monkeypatch.setattr(module, "serving_pods", lambda _cluster, name: [named(f"{name}-1")])
    monkeypatch.setattr(module, "component_container", lambda *_given: "main")
    monkeypatch.setattr(configuration, "read", read)
    said = []
    params = {"workload": "api", "signers": ["runs"], "container": None, "python": "python3"}
    module.act(SimpleNamespace(cluster=None, params=params, warn=said.append))
    assert [text.partition(":")[0] for text in said] == ["api-1", "runs-1"]


def named(name):
    return {"metadata": {"name": name, "uid": name}}


def test_a_pod_that_ends_while_it_is_asked_is_not_asked_again():
    lists = [[named("a"), named("b")], [named("b")], [named("b")]]
    asked = []

    def ask(which):
        asked.append(which["metadata"]["name"])
        if asked == ["a"]:
            raise OperatorError("ended", expected="", untouched="", next_step="")
        return {"executor": "LocalExecutor"}

    assert configuration.of_any(lambda: lists.pop(0), ask) == ("b", {"executor": "LocalExecutor"})
    assert asked == ["a", "b"]


def test_what_a_pod_that_serves_says_is_the_answer():
    def ask(_which):
        raise OperatorError("no Airflow", expected="", untouched="", next_step="")

    with pytest.raises(OperatorError, match="no Airflow"):
        configuration.of_any(lambda: [named("a")], ask)
