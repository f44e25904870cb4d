# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import socket
import ssl
import sys
import threading

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.client import WebHdfs
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.connection import (
    open_session,
    send,
    tls_context,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.failure import HopsfsError
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.authority import Authority

HOST = "namenode.hopsworks.svc.cluster.local"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        self.server.seen.append((self.headers["Host"], self.client_address[1], self.headers.get("Authorization")))
        user = dict(pair for part in self.connection.getpeercert()["subject"] for pair in part)["commonName"]
        self.send_response(200)
        self.send_header("Content-Length", str(len(user)))
        self.end_headers()
        self.wfile.write(user.encode())


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A refused handshake is what some tests are about."""

    def finish_request(self, request, client_address):
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)


@pytest.fixture(scope="module")
def authority():
    return Authority("HopsFS test authority")


@pytest.fixture
def serve(authority, tmp_path):
    """Starts a server with a certificate for the given name; it wants a client certificate of the authority."""
    servers = []

    def start(name, issuer=authority):
        certificate, key = issuer.issue(name)
        files = [tmp_path / part for part in ("server.crt", "server.key", "ca.crt")]
        for path, content in zip(files, (certificate, key, authority.certificate), strict=True):
            path.write_bytes(content)
        server = QuietServer(("127.0.0.1", 0), Handler)
        server.seen = []
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(files[0], files[1])
        server.tls.load_verify_locations(files[2])
        server.tls.verify_mode = ssl.CERT_REQUIRED
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Tunnel:
    """Stands for the collection's Network: every name leads to one local port."""

    def __init__(self, port):
        self.asked = []
        self._port = port

    def address(self, host, port):
        self.asked.append((host, port))
        return "127.0.0.1", self._port


def entries_for(authority, issuer=None, user="hdfs", password=None):
    certificate, key = (issuer or authority).issue(user, password)
    return {"tls.crt": certificate, "tls.key": key, "ca.crt": authority.certificate}


def session_to(server, entries):
    network = Tunnel(server.server_address[1])
    return network, open_session(network, tls_context(entries, "hopsfs-tls"), 2)


def test_the_name_in_the_url_is_verified_though_the_tunnel_is_local(serve, authority):
    server = serve(HOST)
    network, session = session_to(server, entries_for(authority))
    for _each in range(3):
        assert send(session, "GET", f"https://{HOST}:9870/").text == "hdfs"
    assert set(network.asked) == {(HOST, 9870)}
    assert {host for host, _port, _authorization in server.seen} == {f"{HOST}:9870"}
    # One connection for all three.
    assert len({port for _host, port, _authorization in server.seen}) == 1


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "other.hopsworks.svc.cluster.local"])
def test_a_certificate_for_another_name_is_refused(serve, authority, name):
    """Also one for the tunnel's own address."""
    server = serve(name)
    _network, session = session_to(server, entries_for(authority))
    with pytest.raises(HopsfsError, match="do not trust each other") as refused:
        send(session, "GET", f"https://{HOST}:9870/?xattr.value=CANARY")
    assert not refused.value.temporary
    assert "CANARY" not in str(refused.value)
    assert server.seen == []


def test_a_server_of_another_authority_is_refused(serve, authority, monkeypatch, tmp_path):
    """Even where the environment tells requests to trust it."""
    stranger = Authority("stranger")
    server = serve(HOST, issuer=stranger)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(stranger.certificate)
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, str(bundle))
    _network, session = session_to(server, entries_for(authority))
    with pytest.raises(HopsfsError, match="do not trust each other"):
        send(session, "GET", f"https://{HOST}:9870/")
    assert server.seen == []


def test_a_client_certificate_of_another_authority_is_refused_for_good(serve, authority):
    """Where the connection is reset before the server's alert was read, the repetition reads it."""
    server = serve(HOST)
    _network, session = session_to(server, entries_for(authority, issuer=Authority("stranger")))
    hdfs = WebHdfs(f"https://{HOST}:9870", session, [].append)
    with pytest.raises(HopsfsError, match=r"do not trust each other.*UNKNOWN_CA") as refused:
        hdfs.status("/")
    assert not refused.value.temporary
    assert server.seen == []


def test_the_environment_names_no_proxy_and_no_password(serve, authority, monkeypatch, tmp_path):
    server = serve(HOST)
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login someone password CANARY\n")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(netrc))
    _network, session = session_to(server, entries_for(authority))
    assert send(session, "GET", f"https://{HOST}:9870/").text == "hdfs"
    assert server.seen[0][2] is None


def test_plain_http_is_impossible(serve, authority):
    _network, session = session_to(serve(HOST), entries_for(authority))
    with pytest.raises(HopsfsError):
        send(session, "GET", f"http://{HOST}:9870/")


def test_nobody_listening_may_pass(authority):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    session = open_session(Tunnel(port), tls_context(entries_for(authority), "hopsfs-tls"), 2)
    with pytest.raises(HopsfsError, match=f"{HOST}:9870 does not answer .Connection refused") as refused:
        send(session, "GET", f"https://{HOST}:9870/?x=CANARY")
    assert refused.value.temporary
    assert "CANARY" not in str(refused.value)


def test_a_service_without_a_ready_pod_may_pass(authority):
    class Restarting:
        def address(self, _host, _port):
            raise OperatorError("no ready pod", expected="one", untouched="all", next_step="wait")

    session = open_session(Restarting(), tls_context(entries_for(authority), "hopsfs-tls"), 2)
    with pytest.raises(HopsfsError, match="no ready pod") as refused:
        send(session, "GET", f"https://{HOST}:9870/")
    assert refused.value.temporary


def test_a_bundle_with_comments_in_any_encoding(serve, authority):
    entries = entries_for(authority)
    entries["ca.crt"] = "# Trust-Anker für HopsFS\n".encode() + entries["ca.crt"] + b"\xfc\n"
    _network, session = session_to(serve(HOST), entries)

    assert send(session, "GET", f"https://{HOST}:9870/").text == "hdfs"


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key", "ca.crt"])
def test_a_missing_entry_is_named(authority, missing):
    entries = entries_for(authority)
    del entries[missing]
    with pytest.raises(OperatorError, match=f"Secret hopsfs-tls lacks {missing}"):
        tls_context(entries, "hopsfs-tls")


def test_an_entry_that_is_none_is_refused_without_being_shown(authority):
    good = entries_for(authority)
    wrong = [
        {"tls.key": b"-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----\n"},
        {"tls.key": entries_for(authority)["tls.key"]},
        {"tls.key": authority.issue("hdfs", password=b"locked")[1]},
        {"tls.crt": b"CANARY"},
        {"ca.crt": b"CANARY"},
        {"ca.crt": "ä".encode()},
    ]
    for entries in wrong:
        with pytest.raises(OperatorError, match="no usable certificate") as refused:
            tls_context(good | entries, "hopsfs-tls")
        assert "CANARY" not in str(refused.value)


def test_the_private_key_reaches_no_file(authority):
    opened = []
    active = [True]
    sys.addaudithook(lambda event, arguments: opened.append(arguments[0]) if event == "open" and active[0] else None)
    tls_context(entries_for(authority), "hopsfs-tls")
    active[0] = False
    assert not [path for path in opened if isinstance(path, str)]


def test_a_chain_larger_than_a_pipe_is_read_whole(authority):
    entries = entries_for(authority)
    entries["tls.crt"] += authority.certificate * 200
    assert len(entries["tls.crt"]) > 1 << 16
    tls_context(entries, "hopsfs-tls")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://[fd00::1]:9864/webhdfs/v1/a", "[fd00::1]:9864"),
        ("https://[fd00::1]/", "[fd00::1]:443"),
        ("https://10.0.0.1:9864/", "10.0.0.1:9864"),
        ("https://NameNode:9870/", "namenode:9870"),
    ],
)
def test_the_host_is_named_as_in_the_url(url, host):
    """Jetty answers 400 to one that it can't take apart; DataNodes may call themselves by their addresses."""
    sent = []

    class Session:
        def request(self, _method, _url, **options):
            sent.append(options["headers"]["Host"])

    send(Session(), "GET", url)
    assert sent == [host]
