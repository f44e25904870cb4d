# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import ssl

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.rest import AirflowApi
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._http.policy import Proxy, proxy_for, tls_context
from ansible_collections.hopsworks.airflow.plugins.module_utils._http.session import LARGEST_BYTES
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.answers import Expected
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.availability import Prober
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.requester import Requester, Target
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.authority import Authority
from ansible_collections.hopsworks.airflow.tests.unit.http_server import HttpServer

OK = Expected(frozenset([200]))
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# Both clients of the public address: that of gates and checks, and that of the measurement.
CLIENTS = ["api", "probe"]


class Server:
    """Remembers the line and the headers of each request, and answers as told; a proxy is one, too."""

    def __init__(self, tls=None):
        outer = self
        self.seen, self.status, self.location, self.body = [], 200, None, b'{"version": "3.0.6"}'

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append((self.path, dict(self.headers)))
                self.send_response(outer.status)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.end_headers()
                self.wfile.write(outer.body)

            def do_CONNECT(self):
                outer.seen.append((self.path, dict(self.headers)))
                self.send_response(502)
                self.end_headers()

        self.server = HttpServer(Handler, tls)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.close()


@pytest.fixture
def serve():
    running = []

    def start(tls=None):
        running.append(Server(tls))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def ask(client, url, ca_file=None, headers=None):
    """One request of a client: its status, or why there was none."""
    if client == "api":
        try:
            return AirflowApi(url, ca_file).send("GET", "/version", headers=headers).status_code
        except OperatorError as error:
            return error.found
    who = type("Somebody", (), {"headers": headers, "renewals": 0, "ended": False}) if headers else None
    target = Target("ui", f"{url}/version", OK, identity=who)
    sample = Requester(target, timeout_seconds=5, context=tls_context(ca_file)).probe()
    return sample.status or sample.error


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://airflow.example.com/", {"HTTP_PROXY": "http://proxy:3128"}, "proxy:3128"),
        ("http://airflow.example.com/", {"http_proxy": "proxy:3128", "HTTP_PROXY": "http://other:1"}, "proxy:3128"),
        ("https://airflow.example.com/", {"HTTP_PROXY": "http://proxy:3128"}, None),
        ("https://airflow.example.com/", {"ALL_PROXY": "http://proxy:3128"}, "proxy:3128"),
        ("https://airflow.example.com/", {"HTTPS_PROXY": "http://me:secret@proxy:3128"}, "proxy:3128"),
        ("https://airflow.example.com/", {"https_proxy": "", "HTTPS_PROXY": "http://proxy:3128"}, None),
        ("http://airflow.example.com/", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "a.b, .example.com"}, None),
        ("http://airflow.example.com/", {"HTTP_PROXY": "http://proxy:1", "no_proxy": "example.com"}, None),
        ("http://airflow.example.com/", {"HTTP_PROXY": "http://proxy:1", "no_proxy": "*.example.com"}, None),
        ("http://airflow.example.com/", {"HTTP_PROXY": "http://proxy:1", "no_proxy": "*"}, None),
        ("http://airflow.example.com:81/", {"HTTP_PROXY": "http://proxy:1", "no_proxy": "example.com:81"}, None),
        ("http://airflow.example.com/", {"HTTP_PROXY": "http://proxy:1", "no_proxy": "example.com:81"}, "proxy:1"),
        ("http://airflow.example.com:81/", {"HTTP_PROXY": "http://proxy:1", "no_proxy": "example.com:²"}, "proxy:1"),
        ("http://badexample.com/", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "example.com"}, "proxy:1"),
        ("http://10.1.2.3/", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://[fd00::1]/", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "fd00::/8"}, None),
        ("http://10.1.2.3/", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "example.com"}, "proxy:1"),
        # Loopback, so every tunnel, and what only the cluster knows: whatever the variables say.
        ("http://127.0.0.1:8080/", {"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "example.com"}, None),
        ("http://127.9.9.9/", {"http_proxy": "http://proxy:1"}, None),
        ("http://[::1]:8080/", {"http_proxy": "http://proxy:1"}, None),
        ("http://localhost:8080/", {"ALL_PROXY": "http://proxy:1"}, None),
        ("http://airflow-webserver.hopsworks.svc:12358/", {"HTTP_PROXY": "http://proxy:1"}, None),
        ("https://mysql-0.mysql.hopsworks.svc.cluster.local/", {"HTTPS_PROXY": "http://proxy:1"}, None),
    ],
)
def test_which_proxy_leads_to_a_url(url, environment, expected):
    found = proxy_for(url, environment)
    assert (None if found is None else f"{found.host}:{found.port}") == expected
    assert "secret" not in repr(found)


@pytest.mark.parametrize("text", ["socks5://proxy:1080", "https://proxy:3128", "http://proxy:port"])
def test_a_proxy_that_is_no_http_proxy_is_refused_before_anything_is_asked(text, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", text)
    with pytest.raises(OperatorError, match="not an HTTP proxy"):
        AirflowApi("https://airflow.example.com")
    with pytest.raises(OperatorError, match="not an HTTP proxy"):
        Prober(
            [Target("ui", "https://airflow.example.com/", OK)], tmp_path / "x", interval_seconds=1, timeout_seconds=1
        )


@pytest.mark.parametrize("client", CLIENTS)
def test_loopback_is_never_asked_by_a_proxy(client, serve, monkeypatch):
    server = serve()
    for name in VARIABLES[:3]:
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert ask(client, f"http://{server.address}") == 200


@pytest.mark.parametrize("client", CLIENTS)
def test_a_public_address_is_asked_by_the_proxy_of_the_environment(client, serve, monkeypatch):
    proxy = serve()
    monkeypatch.setenv("HTTP_PROXY", f"http://me:pass%3Aword@{proxy.address}")
    assert ask(client, "http://airflow.example.com/airflow") == 200
    line, headers = proxy.seen[0]
    assert line == "http://airflow.example.com/airflow/version"
    assert headers["Host"] == "airflow.example.com"
    assert headers["Proxy-Authorization"] == "Basic bWU6cGFzczp3b3Jk"
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
    assert ask(client, "https://airflow.example.com") != 200
    assert proxy.seen[-1][0] == "airflow.example.com:443"
    assert "Authorization" not in proxy.seen[-1][1]


@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_of_netrc_takes_the_place_of_a_token(client, serve, tmp_path):
    (tmp_path / ".netrc").write_text("default login me password CANARY\n")
    server = serve()
    assert ask(client, f"http://{server.address}", headers={"Authorization": "Bearer token"}) == 200
    assert server.seen[0][1]["Authorization"] == "Bearer token"
    assert ask(client, f"http://{server.address}") == 200
    assert "Authorization" not in server.seen[1][1]
    assert server.seen[1][1]["User-Agent"] == "hopsworks.airflow"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_redirect_is_not_followed_with_a_token(client, serve):
    elsewhere, server = serve(), serve()
    server.status, server.location = 302, f"http://{elsewhere.address}/login"
    assert ask(client, f"http://{server.address}", headers={"Authorization": "Bearer token"}) == 302
    assert elsewhere.seen == []


@pytest.fixture
def private(serve, tmp_path):
    """A server whose certificate is of an authority of its own, and the file with that authority's certificate."""
    authority = Authority("A company's own")
    certificate, key = authority.issue("127.0.0.1")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem")
    return f"https://{serve(tls).address}", str(tmp_path / "ca.pem")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_authority_in_the_systems_store_is_trusted_by_all(client, private, monkeypatch):
    url, file = private
    monkeypatch.setenv("SSL_CERT_FILE", file)
    assert ask(client, url) == 200


@pytest.mark.parametrize("client", CLIENTS)
def test_an_authority_in_the_file_is_trusted_and_variables_of_single_programs_by_none(client, private, monkeypatch):
    url, file = private
    assert ask(client, url, file) == 200
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", file)
    assert ask(client, url) != 200


def test_a_certificate_that_is_not_trusted_is_told_with_the_variable_that_helps(private):
    with pytest.raises(OperatorError, match="is not trusted on this machine: unable to get local issuer") as raised:
        AirflowApi(private[0]).send("GET", "/version")
    assert "airflow_ca_file" in raised.value.next_step


def test_a_file_without_certificates_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    for file in ("ca.pem", "absent.pem"):
        with pytest.raises(OperatorError, match="certificates"):
            AirflowApi("https://airflow.example.com", str(tmp_path / file))


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_without_an_end_is_not_read_for_ever(client, serve):
    server = serve()
    server.body = b"x" * (LARGEST_BYTES + 1)
    found = ask(client, f"http://{server.address}")
    assert found != 200


def test_a_proxys_password_is_shown_nowhere():
    assert repr(Proxy("proxy", 1, "http://me:secret@proxy:1")) == "Proxy(proxy:1)"
