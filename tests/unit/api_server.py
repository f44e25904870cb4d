# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import email.utils
import http.server
import json
import threading
import urllib.parse
import uuid
from typing import Any

import kubernetes.client

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import (
    RetryingClient,
    RetryPolicy,
)


class ApiServer(http.server.ThreadingHTTPServer):
    """Objects by their path, with versions and conflicts as the API server has them, and faults on demand.

    `faults` is used up, one for each request that `faulty` picks: an HTTP status, "refuse" (the connection ends before
    anything was done), "lose" (done, but the connection ends without the answer) or "hang" (no answer until `wake`).
    With `away` set, every request has that fault. `skew` is how wrong the server's clock is, in seconds.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        super().__init__(address, _Handler)
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        # Of the last request.
        self.headers: list[tuple[str, str]] = []
        self.faults: list[int | str] = []
        self.away: int | str | None = None
        self.retry_after: str | None = None
        self.skew = 0.0
        self.wake = threading.Event()
        self.lock = threading.RLock()
        self._version = 0
        self.host = f"http://{address[0]}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def faulty(self, method: str, path: str) -> bool:
        return True

    def stop(self) -> None:
        self.wake.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed leave their connections."""

    def writes(self) -> list[tuple[str, str]]:
        return [entry for entry in self.requests if entry[0] != "GET"]

    def cluster(self, retry_policy: RetryPolicy | None = None, namespace: str = "lab") -> Cluster:
        configuration = kubernetes.client.Configuration()
        configuration.host, configuration.retries, configuration.proxy = self.host, False, None
        return Cluster(RetryingClient(configuration, retry_policy), namespace)

    def now(self) -> str:
        now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.skew)
        return now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def perform(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        with self.lock:
            if method == "POST" and path.endswith("reviews"):
                return 201, {**body, "status": {"allowed": True}}
            if method == "POST":
                path = f"{path}/{body['metadata']['name']}"
                if path in self.objects:
                    return 409, _status(409, "AlreadyExists")
                return 201, self.store(
                    path, {**body, "metadata": {**body["metadata"], "uid": str(uuid.uuid4())}}, query
                )
            found = self.objects.get(path)
            if found is None:
                inside = [item for name, item in self.objects.items() if name.rpartition("/")[0] == path]
                if method == "GET" and path.rpartition("/")[2].endswith("s"):
                    return 200, {"items": inside, "metadata": {"resourceVersion": str(self._version)}}
                return 404, _status(404, "NotFound")
            if method == "GET":
                return 200, found
            asked = (body or {}).get("preconditions" if method == "DELETE" else "metadata") or {}
            if asked.get("resourceVersion") not in (None, found["metadata"]["resourceVersion"]):
                return 409, _status(409, "Conflict")
            if asked.get("uid") not in (None, found["metadata"]["uid"]):
                return 409, _status(409, "Conflict")
            if method == "DELETE":
                del self.objects[path]
                return 200, {"kind": "Status", "status": "Success"}
            changed = body if method == "PUT" else merge(found, body)
            changed["metadata"] = {**changed["metadata"], "uid": found["metadata"]["uid"]}
            return 200, self.store(path, changed, query)

    def store(self, path: str, item: Any, query: dict[str, str]) -> Any:
        self._version += 1
        fields = [{"manager": "test", "operation": "Update", "time": self.now()}]
        item["metadata"] = {
            "uid": str(uuid.uuid4()),
            **item["metadata"],
            "resourceVersion": str(self._version),
            "managedFields": fields,
        }
        if "dryRun" not in query:
            self.objects[path] = item
        return item


def merge(found: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    merged = dict(found) if isinstance(found, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the acknowledgement of its headers
    server: ApiServer

    def log_message(self, *_given: Any) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        del timestamp
        now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.server.skew)
        return email.utils.format_datetime(now, usegmt=True)

    def _answer(self) -> None:
        server, address = self.server, urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        with server.lock:
            server.requests.append((self.command, address.path))
            server.headers = self.headers.items()
            fault = server.away
            if fault is None and server.faults and server.faulty(self.command, address.path):
                fault = server.faults.pop(0)
        if fault == "hang":
            server.wake.wait()
        if fault in ("refuse", "hang"):
            self.close_connection = True
            return
        query = dict(urllib.parse.parse_qsl(address.query))
        if isinstance(fault, int):
            code, answer = fault, _status(fault, "fault")
        else:
            code, answer = server.perform(self.command, address.path, query, body)
        if fault == "lose":
            self.close_connection = True
            return
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if server.retry_after and isinstance(fault, int):
            self.send_header("Retry-After", server.retry_after)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  the names that http.server asks for


class Clock:
    """Time that passes only by sleeping, which takes none."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
