# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Who asks, and whom, is what was given, at each request; what is exchanged in the meantime is used."""

from __future__ import annotations

import base64
import datetime
import json
import ssl

import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import current_credentials as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.connection import connect
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.execute import execute
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryPolicy
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import Action
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer, Clock
from ansible_collections.hopsworks.airflow.tests.unit.kubernetes.support import (
    kubeconfig,
    made_pair,
    pair_as_data,
    plugin,
    script,
)

pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(subject, "time", made)
    return made


@pytest.fixture
def another():
    made = ApiServer()
    yield made
    made.stop()


def asked(client, times=2):
    """The first request sets what the client takes from a kubeconfig; another client is that of an action's process."""
    for each in (client, client.another()):
        for _time in range(times):
            Cluster(each, "lab").core.list_namespaced_pod("lab")


def authorization(server):
    return {name.lower(): value for name, value in server.headers}.get("authorization")


def execs(answer, tmp_path, name="plugin"):
    """A plugin that gives `answer`, in which `@` is how often it was asked; and the file that counts."""
    count = tmp_path / f"{name}-count"
    count.write_text("", encoding="utf-8")
    status = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": answer}
    text = f"echo >> {count}\nN=$(wc -l < {count} | tr -d ' ')\nsed s/@/$N/ <<'END'\n{json.dumps(status)}\nEND"
    return plugin(script(tmp_path / name, text)), lambda: len(count.read_text(encoding="utf-8").splitlines())


def in_seconds(seconds):
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(params=["token", "plugin", "certificate"])
def user(request, tmp_path):
    if request.param == "plugin":
        return execs({"token": "of-the-plugin", "expirationTimestamp": in_seconds(3600)}, tmp_path)[0]
    if request.param == "certificate":
        return pair_as_data()
    return {"token": "of-the-kubeconfig"}


def test_the_host_that_was_given_is_asked_and_not_that_of_the_kubeconfig(server, another, user):
    given = kubeconfig({"server": server.host, "tls-server-name": "api.example"}, user={"token": "t", **user})
    client = connect({"kubeconfig": given, "host": another.host}, RetryPolicy())
    asked(client)
    assert (len(another.requests), server.requests) == (4, [])
    assert client.configuration.tls_server_name is None


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"api_key": "given"}, "Bearer given"),
        ({"username": "carol", "password": "given"}, f"Basic {base64.b64encode(b'carol:given').decode()}"),
    ],
)
def test_who_was_given_asks_and_not_the_user_of_the_kubeconfig(server, user, options, sent):
    client = connect({"kubeconfig": kubeconfig({"server": server.host}, user), **options}, RetryPolicy())
    asked(client)
    assert authorization(server) == sent
    assert client.configuration.cert_file is None


def test_a_certificate_that_was_given_is_used_and_no_token_of_the_kubeconfig(server, tmp_path, user):
    for name, text in zip(("crt", "key"), made_pair(), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    options = {"client_cert": str(tmp_path / "crt"), "client_key": str(tmp_path / "key")}
    client = connect({"kubeconfig": kubeconfig({"server": server.host}, user), **options}, RetryPolicy())
    asked(client)
    assert authorization(server) is None
    assert client.configuration.cert_file == options["client_cert"]


def test_options_that_are_empty_do_not_say_who_asks(server):
    empty = {"api_key": "", "client_cert": "", "client_key": "", "username": "", "password": ""}
    client = connect({"kubeconfig": kubeconfig({"server": server.host}), **empty}, RetryPolicy())
    asked(client)
    assert authorization(server) == "Bearer canary"
    assert client.configuration.cert_file is None


def test_whom_to_trust_is_what_was_given_for_later_clients_as_well(server, tmp_path, user):
    authority = tmp_path / "ca.crt"
    authority.write_text(made_pair()[0], encoding="utf-8")
    given = kubeconfig({"server": server.host, "insecure-skip-tls-verify": True}, user)
    client = connect({"kubeconfig": given, "ca_cert": str(authority), "validate_certs": True}, RetryPolicy())
    asked(client)
    made = client.another().rest_client.pool_manager.connection_pool_kw
    assert (made["ca_certs"], made["cert_reqs"]) == (str(authority), ssl.CERT_REQUIRED)


def test_the_current_context_is_that_of_the_first_file_as_with_kubectl(server, another, tmp_path, monkeypatch):
    for name, host in (("production", server.host), ("staging", another.host)):
        given = kubeconfig({"server": host}, **{"current-context": name})
        for kind in ("clusters", "contexts", "users"):
            given[kind][0]["name"] = name
        given["contexts"][0]["context"] = {"cluster": name, "user": name}
        (tmp_path / name).write_text(yaml.safe_dump(given), encoding="utf-8")
    # One without a current context may come first.
    (tmp_path / "none").write_text("{apiVersion: v1, kind: Config}", encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{tmp_path}/production:{tmp_path}/staging")
    asked(connect({}, RetryPolicy()))
    assert (len(server.requests), another.requests) == (4, [])


def test_a_token_in_a_file_is_read_for_each_request(server, tmp_path):
    file = tmp_path / "token"
    # As most tools write it.
    file.write_text("first\n", encoding="utf-8")
    client = connect({"kubeconfig": kubeconfig({"server": server.host}, {"tokenFile": str(file)})}, RetryPolicy())
    asked(client)
    assert authorization(server) == "Bearer first"
    file.write_text("second\n", encoding="utf-8")
    asked(client)
    assert authorization(server) == "Bearer second"
    file.unlink()
    asked(client)
    assert authorization(server) == "Bearer second"
    assert str(file) in client.credentials.trouble


def test_a_plugin_is_asked_again_before_what_it_gave_ends(server, tmp_path, clock):
    user, count = execs({"token": "token-@", "expirationTimestamp": in_seconds(200)}, tmp_path)
    client = connect({"kubeconfig": kubeconfig({"server": server.host}, user)}, RetryPolicy())
    asked(client)
    clock.now = 100
    asked(client)
    assert (authorization(server), count()) == ("Bearer token-1", 1)
    clock.now = 190
    asked(client)
    assert (authorization(server), count()) == ("Bearer token-2", 2)


def test_a_plugin_that_gives_what_has_ended_is_not_asked_for_each_request(server, tmp_path, clock):
    """The clock of this machine may be ahead."""
    user, count = execs({"token": "token-@", "expirationTimestamp": in_seconds(-60)}, tmp_path)
    client = connect({"kubeconfig": kubeconfig({"server": server.host}, user)}, RetryPolicy())
    asked(client, 10)
    assert count() == 1
    clock.now += subject.PLUGIN_PAUSE_SECONDS
    asked(client, 10)
    assert count() == 2


def test_a_plugin_that_fails_leaves_what_it_gave_before(server, tmp_path, clock):
    user, _count = execs({"token": "token-@", "expirationTimestamp": in_seconds(200)}, tmp_path)
    client = connect({"kubeconfig": kubeconfig({"server": server.host}, user)}, RetryPolicy())
    script(tmp_path / "plugin", "echo the session has expired >&2; exit 3")
    clock.now = 190
    asked(client)
    assert authorization(server) == "Bearer token-1"
    assert "the session has expired" in client.credentials.trouble


@pytest.mark.parametrize("life", [{}, {"expirationTimestamp": in_seconds(3600)}])
def test_a_plugin_is_asked_again_when_the_server_refuses_what_it_gave(server, tmp_path, clock, life):
    user, count = execs({"token": "token-@", **life}, tmp_path)
    cluster = Cluster(connect({"kubeconfig": kubeconfig({"server": server.host}, user)}, RetryPolicy()), "lab")
    clock.now = 60
    server.faults = [401]
    cluster.core.create_namespaced_config_map("lab", {"metadata": {"name": "note"}})
    assert (authorization(server), count(), len(server.requests)) == ("Bearer token-2", 2, 2)
    # It is refused for good.
    clock.now = 120
    server.away = 401
    with pytest.raises(ApiException, match="401"):
        cluster.core.list_namespaced_pod("lab")
    assert (count(), len(server.requests)) == (3, 4)


@pytest.mark.parametrize("trouble", ["", "the session has expired"])
def test_credentials_that_are_refused_are_not_called_a_missing_right(server, tmp_path, clock, trouble):
    user, _count = execs({"token": "token-@"}, tmp_path)

    def act(call):
        if trouble:
            script(tmp_path / "plugin", f"echo {trouble} >&2; exit 3")
        clock.now = 60
        server.away = 401
        call.cluster.core.list_namespaced_pod("lab")

    params = {"namespace": "lab", "lock": None, "kubeconfig": kubeconfig({"server": server.host}, user)}
    failure = Action(act, {}).perform("test", params, check_mode=False, warn=print)["failure"]
    assert "401" in failure["found"]
    assert trouble in failure["found"]
    assert "log in again" in failure["next_step"]
    assert "right" not in failure["next_step"]


def test_a_command_in_a_pod_is_asked_for_as_whoever_is_given_now(server, tmp_path, clock):
    user, count = execs({"token": "token-@"}, tmp_path)
    cluster = Cluster(connect({"kubeconfig": kubeconfig({"server": server.host}, user)}, RetryPolicy()), "lab")
    clock.now = 60
    server.faults = [401]
    with pytest.raises(ApiException, match="404"):
        execute(cluster, "web", None, ["true"])
    assert (authorization(server), count()) == ("Bearer token-2", 2)


def test_a_certificate_that_was_exchanged_is_sent_by_new_connections(tmp_path, clock):
    given = []
    for name in ("first", "second"):
        certificate, key = made_pair()
        answer = {"clientCertificateData": certificate, "clientKeyData": key, "expirationTimestamp": in_seconds(200)}
        given.append(execs(answer, tmp_path, name)[0])
        given[-1]["pem"] = certificate
    command = tmp_path / "plugin"
    command.symlink_to(tmp_path / "first")
    client = connect({"kubeconfig": kubeconfig(user=plugin(str(command)))}, RetryPolicy())
    later = client.another()
    command.unlink()
    command.symlink_to(tmp_path / "second")
    clock.now = 190
    for each in (client, later):
        each.use_current()
        with open(each.rest_client.pool_manager.connection_pool_kw["cert_file"], encoding="utf-8") as stream:
            assert stream.read() == given[1]["pem"]


def test_a_certificate_that_was_exchanged_in_its_file_is_sent_by_new_connections(tmp_path):
    for name, text in zip(("crt", "key"), made_pair(), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    user = {"client-certificate": str(tmp_path / "crt"), "client-key": str(tmp_path / "key")}
    client = connect({"kubeconfig": kubeconfig(user=user)}, RetryPolicy())
    before = client.rest_client
    client.use_current()
    assert client.rest_client is before
    (tmp_path / "crt").unlink()
    (tmp_path / "crt").write_text(made_pair()[0], encoding="utf-8")
    client.use_current()
    assert client.rest_client is not before


@pytest.mark.parametrize("options", [{"api_key": "given"}, {"username": "carol", "password": "given"}])
def test_the_certificate_of_a_kubeconfig_is_not_sent_beside_who_was_given(options):
    """The API server would go by the certificate."""
    given = kubeconfig(user=pair_as_data())
    assert connect({"kubeconfig": given}, RetryPolicy()).configuration.cert_file
    client = connect({"kubeconfig": given, **options}, RetryPolicy())
    client.use_current()
    for each in (client, client.another()):
        assert each.rest_client.pool_manager.connection_pool_kw["cert_file"] is None
