"""The api-server's startup probe, run as the kubelet runs it, against a small HTTP server."""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

SCRIPT = pathlib.Path(__file__).parents[3] / "roles" / "deployment" / "files" / "warm_up.py"
LOGIN = ("POST", "/airflow/auth/token", None)
READ = ("GET", "/airflow/api/v2/dags?limit=1")


class Server(http.server.ThreadingHTTPServer):
    """Remembers method, path and Authorization of each request. `statuses` by path, 200 where it is not named."""

    def __init__(self) -> None:
        super().__init__(("localhost", 0), Handler)
        self.seen: list[tuple[str, str, str | None]] = []
        self.statuses: dict[str, int] = {}
        self.silent: set[str] = set()
        self.elsewhere: str | None = None


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        self.server.seen.append((self.command, self.path, self.headers["Authorization"]))
        if self.path in self.server.silent:
            return
        self.send_response(self.server.statuses.get(self.path, 200))
        if self.server.elsewhere:
            self.send_header("Location", self.server.elsewhere)
        self.end_headers()
        self.wfile.write(json.dumps({"access_token": "canary"}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def probe(folder: pathlib.Path, port: int, patience: str = "50") -> subprocess.CompletedProcess[str]:
    (folder / "passwords.json").write_text('{"admin": "secret"}', encoding="utf-8")
    source = SCRIPT.read_text(encoding="utf-8")
    for there, here in (("/run/airflow", str(folder)), ("PATIENCE_SECONDS = 50", f"PATIENCE_SECONDS = {patience}")):
        assert there in source
        source = source.replace(there, here)
    (folder / "warm_up.py").write_text(source, encoding="utf-8")
    command = [sys.executable, str(folder / "warm_up.py"), f"http://localhost:{port}/airflow"]
    environment = {**os.environ, "http_proxy": "http://localhost:9"}  # as a company's cluster gives to its pods
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


def test_it_logs_in_and_reads_as_a_user_does(tmp_path: pathlib.Path, server: Server) -> None:
    done = probe(tmp_path, server.server_port)
    assert done.returncode == 0, done.stderr
    assert LOGIN in server.seen
    assert ("GET", "/airflow/execution/health", None) in server.seen
    assert server.seen[-1] == (*READ, "Bearer canary")
    assert "canary" not in done.stdout + done.stderr


@pytest.mark.parametrize("status", [401, 404, 500])
def test_what_is_answered_is_for_others_to_judge(tmp_path: pathlib.Path, server: Server, status: int) -> None:
    server.statuses["/airflow/auth/token"] = status
    assert probe(tmp_path, server.server_port).returncode == 0
    assert server.seen[-1] == (*READ, None)


def test_it_fails_while_nobody_listens(tmp_path: pathlib.Path) -> None:
    done = probe(tmp_path, 9, patience="1")  # the discard service
    assert done.returncode == 1
    assert "nothing answers" in done.stderr


def test_it_fails_where_a_call_is_not_answered(tmp_path: pathlib.Path, server: Server) -> None:
    server.silent.add("/airflow/api/v2/dags?limit=1")
    done = probe(tmp_path, server.server_port)
    assert done.returncode == 1
    assert "/api/v2/dags?limit=1 was not answered" in done.stderr
    assert "secret" not in done.stderr


def test_a_redirect_gets_no_token(tmp_path: pathlib.Path, server: Server) -> None:
    with Server() as elsewhere:
        thread = threading.Thread(target=elsewhere.serve_forever)
        thread.start()
        server.elsewhere = f"http://localhost:{elsewhere.server_port}/login"
        server.statuses[READ[1]] = 302
        done = probe(tmp_path, server.server_port)
        elsewhere.shutdown()
        thread.join()
    assert done.returncode == 0, done.stderr
    assert server.seen[-1] == (*READ, "Bearer canary")
    assert elsewhere.seen == []
