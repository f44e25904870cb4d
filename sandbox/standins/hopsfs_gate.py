#!/usr/bin/env python3
# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a real HDFS look like HopsFS to a WebHDFS client.

Stands in front of an HDFS whose NameNode and DataNode listen on loopback in the same pod, and

* terminates mutual TLS: the HDFS user of a request is the common name of its client certificate, whatever the
  query says;
* takes away what HopsFS lacks (each removal below names its fact), answering as HopsFS answers;
* rewrites the NameNode's redirects to the public name and port of the DataNode, whose traffic is streamed.

Standard library only. ``GET /ready`` on the readiness port (plain HTTP, no file system behind it) answers 200 once the
NameNode has left safe mode and a DataNode is live, 503 before.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

CHUNK_BYTES = 256 * 1024
BACKEND_TIMEOUT_SECONDS = 120.0
WEBHDFS_PREFIX = "/webhdfs/v1"

# The operations that the newest public HopsFS source (3.2.0.16) has. It has no snapshot operations, although the help
# of its command line still lists them, no LISTSTATUS_BATCH, no quota or storage policy operations. An operation
# outside the enumeration is answered 400, which is how a client tells "this build has no snapshots" (400) from "this
# directory allows none" (403).
OPERATIONS: dict[str, frozenset[str]] = {
    "GET": frozenset(
        [
            "OPEN",
            "GETFILESTATUS",
            "LISTSTATUS",
            "GETCONTENTSUMMARY",
            "GETFILECHECKSUM",
            "GETHOMEDIRECTORY",
            "GETDELEGATIONTOKEN",
            "GET_BLOCK_LOCATIONS",
            "GETACLSTATUS",
            "GETXATTRS",
            "LISTXATTRS",
            "CHECKACCESS",
        ]
    ),
    "PUT": frozenset(
        [
            "CREATE",
            "MKDIRS",
            "CREATESYMLINK",
            "RENAME",
            "SETREPLICATION",
            "SETOWNER",
            "SETPERMISSION",
            "SETTIMES",
            "RENEWDELEGATIONTOKEN",
            "CANCELDELEGATIONTOKEN",
            "MODIFYACLENTRIES",
            "REMOVEACLENTRIES",
            "REMOVEDEFAULTACL",
            "REMOVEACL",
            "SETACL",
            "SETXATTR",
            "REMOVEXATTR",
        ]
    ),
    "POST": frozenset(["APPEND", "CONCAT", "TRUNCATE"]),
    "DELETE": frozenset(["DELETE"]),
}

# HopsFS keeps files up to this size in its database, where they have no blocks and thus no checksum of blocks.
STORED_IN_DATABASE_BYTES = 64 * 1024

# `user.name`: with mutual TLS the certificate is the user. `noredirect`: HopsFS doesn't know it, and always redirects.
DROPPED_PARAMETERS = frozenset(["user.name", "noredirect"])

# Hop-by-hop headers are this gate's own business. `Set-Cookie` carries the NameNode's `hadoop.auth`, which would
# outlive the certificate it was given for.
DROPPED_RESPONSE_HEADERS = frozenset(["connection", "keep-alive", "transfer-encoding", "set-cookie", "date", "server"])


def common_name(certificate: Mapping[str, Any] | None) -> str:
    """Common name of a verified peer certificate, as `SSLSocket.getpeercert` gives it; empty when there is none."""
    names = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
    return next((str(value) for key, value in names if key == "commonName"), "")


def rewritten_query(query: str, user: str) -> str:
    """The query as the client wrote it, without the dropped parameters, and with the certificate's user."""
    kept = [
        pair for pair in query.split("&") if pair and unquote(pair.split("=", 1)[0]).lower() not in DROPPED_PARAMETERS
    ]
    return "&".join([*kept, "user.name=" + quote(user, safe="")])


def parameter(query: str, name: str) -> str:
    """Value of a query parameter, whose name WebHDFS compares without case; empty when absent."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if unquote(key).lower() == name:
            return unquote(value)
    return ""


class Server(http.server.ThreadingHTTPServer):
    """One listening port of the gate; the TLS handshake happens in the thread of the connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        handler: type[http.server.BaseHTTPRequestHandler],
        backend_port: int,
        public_data_url: str,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.backend_port = backend_port
        self.public_data_url = public_data_url
        self.tls = tls
        super().__init__(("", port), handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(BACKEND_TIMEOUT_SECONDS)
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        error = sys.exc_info()[1]
        # Probes and port scans open a connection and leave before the handshake: nothing to report.
        if not isinstance(error, (ConnectionError, TimeoutError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            print(f"connection from {client_address}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


class Relay(http.server.BaseHTTPRequestHandler):
    """Relays requests to one backend port, body and answer streamed."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answer_begun = False
    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are not logged: paths and queries are the business of the file system's own audit log."""

    def user(self) -> str:
        """The HDFS user: the common name of the verified client certificate."""
        connection = self.connection
        return common_name(connection.getpeercert()) if isinstance(connection, ssl.SSLSocket) else ""

    def answer_error(self, status: int, java_class: str, message: str) -> None:
        """An error as WebHDFS writes it."""
        remote_exception = {
            "exception": java_class.rpartition(".")[2],
            "javaClassName": java_class,
            "message": message,
        }
        body = json.dumps({"RemoteException": remote_exception}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def request_body(self) -> Iterator[bytes]:
        """The client's body in pieces, whether it came with a length or in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";", 1)[0], 16):
                yield from self._exactly(size)
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b"\n", b""):
                pass
        else:
            yield from self._exactly(int(self.headers.get("Content-Length") or 0))

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.rfile.read(min(size, CHUNK_BYTES))
            if not piece:
                raise ConnectionResetError("the client left in the middle of its body")
            size -= len(piece)
            yield piece

    def relay(self, target: str, body: Iterator[bytes] | None) -> None:
        """Sends the request to the backend and its answer to the client."""
        headers = {"Host": f"127.0.0.1:{self.server.backend_port}"}
        for name in ("Content-Type", "Content-Length", "Transfer-Encoding", "Accept", "Range"):
            if name in self.headers and (body is not None or name in ("Accept", "Range")):
                headers[name] = self.headers[name]
        backend = http.client.HTTPConnection("127.0.0.1", self.server.backend_port, timeout=BACKEND_TIMEOUT_SECONDS)
        try:
            try:
                backend.request(self.command, target, body=body, headers=headers, encode_chunked=True)
            except (BrokenPipeError, ConnectionResetError):
                # The backend answered before it had read everything, and the rest of the body is of no use.
                self.close_connection = True
            self._relay_answer(backend.getresponse())
        except (OSError, http.client.HTTPException) as error:
            self.close_connection = True
            print(f"{self.command} on port {self.server.backend_port}: {error!r}", file=sys.stderr, flush=True)
            if not self.answer_begun:
                self.answer_error(502, "java.net.ConnectException", f"HDFS behind the gate: {type(error).__name__}")
        finally:
            backend.close()

    def _relay_answer(self, answer: http.client.HTTPResponse) -> None:
        self.answer_begun = True
        self.send_response_only(answer.status, answer.reason)
        has_length = answer.getheader("Content-Length") is not None
        for name, value in answer.getheaders():
            if name.lower() not in DROPPED_RESPONSE_HEADERS:
                self.send_header(name, self.public_location(value) if name.lower() == "location" else value)
        without_body = answer.status in (204, 304)
        if not has_length and not without_body:
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        while piece := answer.read(CHUNK_BYTES):
            self.wfile.write(piece if has_length else b"%x\r\n%s\r\n" % (len(piece), piece))
        if not has_length and not without_body:
            self.wfile.write(b"0\r\n\r\n")
        self.answer_begun = False

    def public_location(self, location: str) -> str:
        """A redirect's address with the DataNode's public scheme, name and port; path and query as they are."""
        parts = urlsplit(location)
        return self.server.public_data_url + parts.path + ("?" + parts.query if parts.query else "")

    def handle_request(self) -> None:
        """A request to the DataNode, which trusts the user in the query: the certificate's replaces it."""
        parts = urlsplit(self.path)
        has_body = "Content-Length" in self.headers or "Transfer-Encoding" in self.headers
        self.relay(
            f"{parts.path}?{rewritten_query(parts.query, self.user())}", self.request_body() if has_body else None
        )

    def do_GET(self) -> None:
        self.handle_request()

    def do_PUT(self) -> None:
        self.handle_request()

    def do_POST(self) -> None:
        self.handle_request()

    def do_DELETE(self) -> None:
        self.handle_request()


class NameNodeRelay(Relay):
    """The NameNode's port: operations that HopsFS lacks are refused here."""

    content_is_awaited = False

    def handle_expect_100(self) -> bool:
        """Content isn't asked for: the NameNode redirects, and only the DataNode takes it."""
        self.content_is_awaited = True
        return True

    def handle_request(self) -> None:
        if self.content_is_awaited:
            self.close_connection = True  # whether the client sends it all the same can't be known
        else:
            for _ in self.request_body():
                pass
        parts = urlsplit(self.path)
        path = unquote(parts.path).removeprefix(WEBHDFS_PREFIX)
        operation = parameter(parts.query, "op").upper()
        query = rewritten_query(parts.query, self.user())
        if operation and operation not in OPERATIONS[self.command]:
            enumeration = f"org.apache.hadoop.hdfs.web.resources.{self.command.title()}OpParam.Op.{operation}"
            self.answer_error(
                400,
                "java.lang.IllegalArgumentException",
                f'Invalid value for webhdfs parameter "op": No enum constant {enumeration}',
            )
        elif "/.snapshot" in path:
            # Without snapshots there is no such directory in any directory.
            self.answer_error(404, "java.io.FileNotFoundException", f"File does not exist: {path}")
        elif operation == "GETFILECHECKSUM" and self._is_stored_in_database(parts.path, query):
            message = f"Checksum not supported for files stored in DB. File: {path}"
            self.answer_error(403, "java.io.IOException", message)
        else:
            self.relay(f"{parts.path}?{query}", None)

    def _is_stored_in_database(self, path: str, query: str) -> bool:
        others = [pair for pair in query.split("&") if pair.split("=", 1)[0].lower() != "op"]
        backend = http.client.HTTPConnection("127.0.0.1", self.server.backend_port, timeout=BACKEND_TIMEOUT_SECONDS)
        try:
            backend.request("GET", f"{path}?{'&'.join(['op=GETFILESTATUS', *others])}")
            answer = backend.getresponse()
            content = answer.read()
            return answer.status == 200 and json.loads(content)["FileStatus"]["length"] <= STORED_IN_DATABASE_BYTES
        except OSError:
            return False  # the relayed request then meets the same unreachable NameNode, and says so
        finally:
            backend.close()


class Readiness(http.server.BaseHTTPRequestHandler):
    """`GET /ready` for the kubelet, which has no client certificate."""

    server: Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """A probe a second is no news."""

    def do_GET(self) -> None:
        ready = self.path == "/ready" and self._file_system_is_writable()
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _file_system_is_writable(self) -> bool:
        backend = http.client.HTTPConnection("127.0.0.1", self.server.backend_port, timeout=3)
        try:
            backend.request("GET", "/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState")
            state = json.loads(backend.getresponse().read())["beans"][0]
            return bool(state["FSState"] == "Operational" and state["NumLiveDataNodes"] > 0)
        except (OSError, http.client.HTTPException, ValueError, LookupError):
            return False
        finally:
            backend.close()


def tls_context(certificate: str, key: str, authority: str) -> ssl.SSLContext:
    """A server context that demands a client certificate of the given authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--certificate", required=True, help="the gate's certificate, PEM")
    parser.add_argument("--key", required=True, help="its private key, PEM")
    parser.add_argument("--authority", required=True, help="certificates of the authority that signs clients, PEM")
    parser.add_argument("--public-host", required=True, help="the name under which clients reach both ports")
    parser.add_argument("--name-port", type=int, default=9870)
    parser.add_argument("--data-port", type=int, default=9864)
    parser.add_argument("--ready-port", type=int, default=9871)
    parser.add_argument("--backend-name-port", type=int, default=19870)
    parser.add_argument("--backend-data-port", type=int, default=19864)
    arguments = parser.parse_args()
    public_data_url = f"https://{arguments.public_host}:{arguments.data_port}"
    tls = tls_context(arguments.certificate, arguments.key, arguments.authority)
    servers = [
        Server(arguments.name_port, NameNodeRelay, arguments.backend_name_port, public_data_url, tls),
        Server(arguments.data_port, Relay, arguments.backend_data_port, public_data_url, tls),
        Server(arguments.ready_port, Readiness, arguments.backend_name_port, public_data_url, None),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"HopsFS-shaped gate: NameNode {arguments.name_port}, DataNode {arguments.data_port}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
