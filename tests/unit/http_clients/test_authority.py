# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A company's own authority, in the file that `ca_file` names, is trusted by whatever calls the public address."""

from __future__ import annotations

import contextlib
import json
import ssl
from types import SimpleNamespace

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import verification
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.token import SigningKey
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import gates
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.gates import (
    Access,
    HeartbeatGate,
    LoginGate,
    prove,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.processes import EachPodGate
from ansible_collections.hopsworks.airflow.plugins.modules import airflow_health, availability_probe
from ansible_collections.hopsworks.airflow.tests.unit.airflow.fake import BEGIN, PASSWORD, FakeAirflow
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.authority import Authority

LOGIN = {"user": "admin", "secret": "airflow-runtime", "key": "passwords.json"}
CLUSTER = SimpleNamespace(secret_entries=lambda _name: {"passwords.json": json.dumps({"admin": PASSWORD}).encode()})
TOKEN, DAGS, HEALTH, VERSION = "/auth/token", "/api/v2/dags", "/api/v2/monitor/health", "/api/v2/version"


def access(url, file):
    """As it comes of the option `health` of a restart; who is not trusted is waited for in vain."""
    timeout = 20 if file else 0
    return Access.of(
        CLUSTER, {"url": url, "ca_file": file, "login": LOGIN, "timeout": timeout, "heartbeat_interval": 5}
    )


def pods(*names):
    running = {"name": "scheduler", "state": {"running": {"startedAt": BEGIN.isoformat()}}}
    return [{"metadata": {"name": name}, "status": {"containerStatuses": [running]}} for name in names]


def login(url, file, _folder):
    return LoginGate(access(url, file)).check([])


def heartbeat(url, file, _folder):
    gate = HeartbeatGate(access(url, file), "scheduler", "scheduler")
    gate.check(pods("a"))
    return gate.check(pods("a"))


def each_pod(url, file, _folder):
    passed = SimpleNamespace(kind="x", check=lambda _pods: None, awaits_second=False)
    gate = EachPodGate(passed, access(url, file), "scheduler", "scheduler", made_by_this_run=False)
    return gate.check(pods("a", "b"))


def before(url, file, _folder):
    return prove(access(url, file), {"api-server", "scheduler"})


def act(module, url, ca_file, **options):
    defaults = {name: option.get("default") for name, option in yaml.safe_load(module.DOCUMENTATION)["options"].items()}
    given = {**defaults, "url": url, "ca_file": ca_file, "login": LOGIN, **options}
    module.act(Call(given, False, CLUSTER, lambda _line: None, lambda _line: None))


def health(url, file, _folder):
    act(airflow_health, url, file, timeout=20)


def probe(url, file, folder):
    requests = [
        {"kind": kind, "name": None, "url": None, "keep_alive": False, "statuses": [200]}
        for kind in ("version", "rest")
    ]
    act(
        availability_probe,
        url,
        file,
        requests=requests,
        file=str(folder / "samples"),
        stop_file=str(folder / "stop"),
        seconds=0.1,
    )


CALLERS = [
    (login, {TOKEN, DAGS}),
    (heartbeat, {HEALTH}),
    (each_pod, {TOKEN, "/api/v2/jobs"}),
    (before, {TOKEN, DAGS, HEALTH}),
    (health, {VERSION, TOKEN, DAGS, HEALTH, "/api/v2/importErrors"}),
    (probe, {VERSION, TOKEN, DAGS}),
]


@pytest.fixture(scope="module")
def key():
    return SigningKey("kid", rsa.generate_private_key(public_exponent=65537, key_size=2048))


@pytest.fixture
def private(key, tmp_path, monkeypatch):
    """An Airflow whose certificate is of an authority of its own, and the file with that authority's certificate."""
    monkeypatch.setattr(gates, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(verification, "INTERVAL_SECONDS", 0.01)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    authority = Authority("A company's own")
    (tmp_path / "server.pem").write_bytes(b"".join(authority.issue("127.0.0.1")))
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem")
    running = FakeAirflow(key, "3.0", tls)
    running.ca_file = str(tmp_path / "ca.pem")
    yield running
    running.close()


@pytest.mark.parametrize(("caller", "paths"), CALLERS, ids=[caller.__name__ for caller, _paths in CALLERS])
def test_each_caller_of_the_public_address_trusts_the_file(private, tmp_path, caller, paths):
    assert caller(private.url, private.ca_file, tmp_path) is None
    assert set(private.paths) == paths


@pytest.mark.parametrize("caller", [caller for caller, _paths in CALLERS], ids=lambda caller: caller.__name__)
def test_no_caller_trusts_that_authority_without_the_file(private, tmp_path, caller):
    with contextlib.suppress(OperatorError):
        caller(private.url, None, tmp_path)
    assert private.paths == []
