# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Whatever is wrong with a kubeconfig or a connection is said with its reason, and nobody is asked anonymously."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import re
import socket
import ssl

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes.config import incluster_config

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import current_credentials as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import retrying_client
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.connection import connect
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryPolicy
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import Action
from ansible_collections.hopsworks.airflow.tests.unit.http_server import HttpServer
from ansible_collections.hopsworks.airflow.tests.unit.kubernetes.support import (
    SERVER,
    kubeconfig,
    made_pair,
    plugin,
    script,
)

pytestmark = pytest.mark.usefixtures("environment")


def configuration(**options):
    return connect(options, RetryPolicy()).configuration


def test_a_kubeconfig_is_used(tmp_path):
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(kubeconfig()), encoding="utf-8")
    for given in (str(file), "~/config", kubeconfig()):
        made = configuration(kubeconfig=given)
        assert (made.host, made.api_key["authorization"]) == (SERVER, "Bearer canary")


def test_an_exec_plugin_is_used(tmp_path):
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "canary"}}
    command = script(tmp_path / "plugin", f"echo '{json.dumps(answer)}'")
    assert configuration(kubeconfig=kubeconfig(user=plugin(command))).api_key["authorization"] == "Bearer canary"


WRONG = {
    "no file": ("/nowhere/config", "/nowhere/config"),
    "no YAML": ("{", "is not valid YAML"),
    "not a mapping": ("- 1", "is invalid"),
    "empty": ("", "can't be used"),
    "no cluster": (yaml.safe_dump({**kubeconfig(), "clusters": []}), "can't be used"),
    "no context": (yaml.safe_dump(kubeconfig(**{"current-context": "y"})), "y"),
    "no certificate": (yaml.safe_dump(kubeconfig({"certificate-authority": "/nowhere/ca.crt"})), "/nowhere/ca.crt"),
    "no token file": (yaml.safe_dump(kubeconfig(user={"tokenFile": "/nowhere/token"})), "/nowhere/token"),
    "no plugin": (yaml.safe_dump(kubeconfig(user=plugin("/nowhere/aws"))), "/nowhere/aws"),
    "nobody": (yaml.safe_dump(kubeconfig(user={})), "no credentials"),
    "no URL": (yaml.safe_dump(kubeconfig({"server": "api.example"})), "does not begin with http"),
    "nonsense inside": (yaml.safe_dump(kubeconfig({"certificate-authority-data": "nonsense"})), "authority"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_kubeconfig_is_said(tmp_path, wrong):
    text, word = WRONG[wrong]
    file = tmp_path / "config"
    if text.startswith("/"):
        file = text
    else:
        file.write_text(text, encoding="utf-8")
    result = performed(kubeconfig=str(file))
    assert word in result["failure"]["found"]
    assert "canary" not in json.dumps(result)
    assert result["failure"]["untouched"] == "everything; no request was sent"


def performed(**options):
    """The result of an action that would ask the API server."""

    def act(call):
        call.cluster.core.list_namespaced_secret("lab")
        return {}

    params = {"namespace": "lab", "lock": None, **options}
    return Action(act, {}).perform("test", params, check_mode=False, warn=print)


@pytest.mark.parametrize("write", [yaml.safe_dump, json.dumps], ids=["YAML", "JSON"])
def test_the_content_of_a_kubeconfig_in_place_of_its_name_is_not_shown(write):
    result = performed(kubeconfig=write(kubeconfig()))
    assert "given as text" in result["failure"]["found"]
    assert "canary" not in json.dumps(result)


def test_a_context_that_is_not_there_is_said():
    with pytest.raises(OperatorError, match="elsewhere"):
        configuration(kubeconfig=kubeconfig(), context="elsewhere")


def test_a_plugin_that_fails_is_quoted(tmp_path):
    command = script(tmp_path / "plugin", "echo the session has expired >&2; exit 3")
    with pytest.raises(OperatorError, match="the session has expired"):
        configuration(kubeconfig=kubeconfig(user=plugin(command)))


def test_without_a_kubeconfig_and_outside_a_pod_nobody_is_asked(tmp_path):
    with pytest.raises(OperatorError, match=re.escape(f"there is no kubeconfig ({tmp_path}/.kube/config)")):
        configuration()
    with pytest.raises(OperatorError, match="there is no kubeconfig"):
        configuration(host=SERVER)


@pytest.fixture
def in_a_pod(tmp_path, monkeypatch):
    for name, text in (("SERVICE_TOKEN_FILENAME", "of-the-pod"), ("SERVICE_CERT_FILENAME", made_pair()[0])):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        monkeypatch.setattr(incluster_config, name, str(file))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")


@pytest.mark.usefixtures("in_a_pod")
@pytest.mark.parametrize("content", [None, "", "config"])
@pytest.mark.parametrize("variable", ["KUBECONFIG", "K8S_AUTH_KUBECONFIG"])
def test_a_kubeconfig_that_is_named_in_a_pod_is_meant(tmp_path, monkeypatch, content, variable):
    """A job of a pipeline has one for the cluster that it deploys to, and runs in another one."""
    file = tmp_path / "deploy"
    if content is not None:
        file.write_text(yaml.safe_dump(kubeconfig()) if content else "", encoding="utf-8")
    monkeypatch.setenv(variable, f"{file}:{tmp_path}/none")
    if variable == "K8S_AUTH_KUBECONFIG" and not content:
        with pytest.raises(OperatorError, match="kubeconfig"):
            configuration()
        return
    made = configuration()
    wanted = (SERVER, "Bearer canary") if content else ("https://10.96.0.1:443", "bearer of-the-pod")
    assert (made.host, made.api_key["authorization"]) == wanted


def test_a_proxy_of_kubectl_on_this_machine_needs_no_credentials():
    assert configuration(kubeconfig=kubeconfig({"server": "http://127.0.0.1:8001"}, user={})).host


@pytest.mark.parametrize(
    "wrong",
    [{"api_key": ""}, {"ca_cert": "/nowhere/ca"}, {"client_cert": "/nowhere/crt", "client_key": "/nowhere/key"}],
)
def test_options_are_checked_as_well(wrong):
    given = {"host": SERVER, "api_key": "canary", **wrong}
    with pytest.raises(OperatorError, match=r"kubeconfig|/nowhere"):
        configuration(**given)


def test_options_that_are_false_are_handed_on():
    assert configuration(host=SERVER, api_key="canary").verify_ssl is True
    assert configuration(host=SERVER, api_key="canary", validate_certs=False).verify_ssl is False
    assert configuration(kubeconfig=kubeconfig(), validate_certs=False).verify_ssl is False
    left_alone = kubeconfig({"insecure-skip-tls-verify": True})
    assert configuration(kubeconfig=left_alone).verify_ssl is False
    assert configuration(kubeconfig=left_alone, validate_certs=True).verify_ssl is True


def test_variables_stand_for_options(monkeypatch):
    monkeypatch.setenv("K8S_AUTH_HOST", f"{SERVER}/")
    monkeypatch.setenv("K8S_AUTH_API_KEY", "canary")
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "no")
    monkeypatch.setenv("K8S_AUTH_IMPERSONATE_GROUPS", "a,b")
    made = connect({"impersonate_user": "carol"}, RetryPolicy())
    assert (made.configuration.host, made.configuration.verify_ssl) == (SERVER, False)
    assert made.default_headers["Impersonate-User"] == "carol"
    headers = [(str(name), value) for name, value in made.another().default_headers.items()]
    assert [value for name, value in headers if name == "Impersonate-Group"] == ["a", "b"]
    assert configuration(validate_certs=True).verify_ssl is True


def test_user_and_password_are_sent():
    made = configuration(host=SERVER, username="carol", password="canary")
    assert made.auth_settings()["BearerToken"]["value"] == f"Basic {base64.b64encode(b'carol:canary').decode()}"


@pytest.mark.parametrize(
    ("variables", "options", "proxied"),
    [
        ({}, {}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, {}, True),
        ({"https_proxy": "http://proxy:3128"}, {}, True),
        ({"HTTP_PROXY": "http://proxy:3128"}, {}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "api.example"}, {}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "elsewhere, example"}, {}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "elsewhere"}, {}, True),
        ({"HTTPS_PROXY": "http://proxy:3128"}, {"no_proxy": "api.example"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "api.example"}, {"no_proxy": ""}, True),
        ({}, {"proxy": "http://proxy:3128"}, True),
        ({"HTTPS_PROXY": "proxy:3128"}, {}, True),
        ({"HTTPS_PROXY": "http://proxy:3128"}, {"proxy": ""}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, {"host": "https://127.0.0.1:6443"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, {"host": "https://[::1]:6443"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, {"host": "https://127.0.0.2:6443"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*.example"}, {}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "pi.example"}, {}, True),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "fd00::/8"}, {"host": "https://[fd00::1]:6443"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.0/8"}, {"host": "https://10.1.2.3:6443"}, False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "api.example:443"}, {}, True),
    ],
)
def test_a_proxy_is_taken_as_kubectl_takes_it(monkeypatch, variables, options, proxied):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    client = connect({"host": SERVER, "api_key": "canary", **options}, RetryPolicy())
    assert (client.rest_client.pool_manager.proxy is not None) == proxied
    # An exec in a pod takes the same way.
    assert exec_is_proxied(client.configuration) == proxied


PROXY = "http://bastion:3128"


@pytest.mark.parametrize(
    ("server", "variables", "options", "proxy"),
    [
        (SERVER, {}, {}, PROXY),
        (SERVER, {"HTTPS_PROXY": "http://proxy:3128"}, {}, PROXY),
        (SERVER, {"NO_PROXY": "api.example"}, {}, PROXY),
        (SERVER, {}, {"proxy": "http://proxy:3128"}, "http://proxy:3128"),
        (SERVER, {}, {"proxy": ""}, None),
        (SERVER, {}, {"no_proxy": "api.example"}, None),
        ("https://127.0.0.1:6443", {}, {}, None),
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_the_proxy_of_a_kubeconfig_is_used(monkeypatch, tmp_path, server, variables, options, proxy, as_file):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    given = kubeconfig(cluster={"server": server, "proxy-url": PROXY})
    if as_file:
        (tmp_path / "config").write_text(yaml.safe_dump(given), encoding="utf-8")
        given = str(tmp_path / "config")
    client = connect({"kubeconfig": given, **options}, RetryPolicy())
    used = client.rest_client.pool_manager.proxy
    assert (used and used.url) == proxy
    assert exec_is_proxied(client.configuration) == (proxy is not None)


def test_the_user_of_a_proxy_is_sent_to_it():
    given = kubeconfig(cluster={"proxy-url": "http://carol:c%40nary@bastion:3128"})
    basic = f"Basic {base64.b64encode(b'carol:c@nary').decode()}"
    made = connect({"kubeconfig": given}, RetryPolicy()).rest_client.pool_manager
    assert made.proxy_headers["proxy-authorization"] == basic
    headers = {"proxy_basic_auth": "dave:other"}
    made = configuration(kubeconfig=given, proxy_headers=headers)
    assert made.proxy_headers["proxy-authorization"] != basic


@pytest.mark.parametrize("proxy", ["socks5://canary@bastion:1080", "http://bastion:0", "http://canary@"])
@pytest.mark.parametrize("of", ["kubeconfig", "options", "environment"])
def test_a_proxy_that_can_not_be_used_is_said(monkeypatch, proxy, of):
    options = {"kubeconfig": kubeconfig(cluster={"proxy-url": proxy} if of == "kubeconfig" else {})}
    if of == "options":
        options["proxy"] = proxy
    elif of == "environment":
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(OperatorError, match=f"the address of the proxy in the {of}") as caught:
        connect(options, RetryPolicy())
    assert "canary" not in str(caught.value)


def exec_is_proxied(configuration):
    from kubernetes.stream.ws_client import websocket_proxycare
    from websocket._url import get_proxy_info

    given = {}
    if configuration.proxy or configuration.proxy_headers:
        given = websocket_proxycare(given, configuration, None, None)
    names = {"http_proxy_host": "proxy_host", "http_proxy_port": "proxy_port", "http_no_proxy": "no_proxy"}
    host = configuration.host.partition("//")[2].rpartition(":")[0].strip("[]")
    return get_proxy_info(host, True, **{names[name]: value for name, value in given.items()})[0] is not None


@pytest.fixture
def https(tmp_path):
    """A server whose certificate nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "unknown")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    file = tmp_path / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    server = HttpServer(http.server.BaseHTTPRequestHandler, context)
    yield server.server_address[1]
    server.close()


@pytest.fixture
def nobody():
    with socket.create_server(("127.0.0.1", 0)) as made:
        return made.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "word", "waited"),
    [
        ("https://localhost:{https}", "self-signed certificate", False),
        ("https://127.0.0.1:{nobody}", "connection refused", True),
        ("https://api.invalid:6443", "its name does not resolve", True),
    ],
)
def test_why_a_server_does_not_answer_is_said(https, nobody, host, word, waited):
    result = performed(host=host.format(https=https, nobody=nobody), api_key="canary")
    assert word in result["failure"]["found"]
    assert "canary" not in json.dumps(result)
    assert (retrying_client.time.now > 0) == waited


def test_a_proxy_that_is_not_there_is_said(nobody):
    result = performed(host=SERVER, api_key="canary", proxy=f"http://127.0.0.1:{nobody}")
    assert "the proxy" in result["failure"]["found"]
    assert "HTTPS_PROXY" in result["failure"]["next_step"]
    assert retrying_client.time.now == 0


def test_a_certificate_that_is_not_checked_is_no_reason(https):
    found = performed(host=f"https://localhost:{https}", api_key="canary", validate_certs=False)["failure"]["found"]
    assert "answered 501" in found


def test_no_handler_of_the_log_is_left():
    before = list(subject.logging.getLogger().handlers)
    with pytest.raises(OperatorError):
        configuration(kubeconfig=kubeconfig(user=plugin("/nowhere/aws")))
    assert subject.logging.getLogger().handlers == before


UNSENDABLE = {
    "a line feed inside": "CANARY\ntoken",
    "a letter of another script": "CANARYł",
    "a control character": "CANARY\x00",
}


@pytest.mark.parametrize("as_option", [True, False])
@pytest.mark.parametrize("token", UNSENDABLE)
def test_a_token_that_no_header_can_have_is_not_shown(server, token, as_option):
    """The library's own words for it are the whole header."""
    options = {"api_key": UNSENDABLE[token]}
    if not as_option:
        options = {"kubeconfig": kubeconfig(user={"token": UNSENDABLE[token]})}
    result = performed(host=server.host, **options)
    assert "not allowed in a header" in result["failure"]["found"]
    assert "CANARY" not in json.dumps(result)
    assert server.requests == []


def test_a_token_is_sent_without_the_line_feed_behind_it(server):
    """As it is in a variable that was written as a block, or read from a file."""
    performed(host=server.host, api_key="canary\n")
    assert ("authorization", "Bearer canary") in server.headers


def test_letters_of_any_script_are_sent_as_other_clients_send_them(server):
    performed(host=server.host, username="łukasz", password="hasło")
    sent = base64.b64encode("łukasz:hasło".encode()).decode()
    assert ("authorization", f"Basic {sent}") in server.headers
    proxied = configuration(host=SERVER, api_key="x", proxy="http://u:has%C5%82o@proxy.example:3128")
    headers = configuration(
        host=SERVER, api_key="x", proxy="http://p.example:1", proxy_headers={"proxy_basic_auth": "u:hasło"}
    )
    wanted = {"proxy-authorization": f"Basic {base64.b64encode('u:hasło'.encode()).decode()}"}
    assert proxied.proxy_headers == headers.proxy_headers == wanted


def test_what_nobody_foresaw_is_told_without_secrets():
    """Libraries put what they were given into their errors; Ansible would show these as they are."""

    secret = "canary".upper()

    def act(_call):
        raise ValueError(f"Invalid header value b'Bearer {secret}\\n'")

    params = {"namespace": "lab", "lock": None, "host": SERVER, "api_key": "x"}
    result = Action(act, {}).perform("test", params, check_mode=False, warn=print)
    assert result["failed"]
    assert result["msg"].startswith("ValueError: Invalid header value")
    assert "test_connection.py" in result["exception"]
    assert secret not in json.dumps(result)
