# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import http.server
import itertools
import json
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.rest import AirflowApi
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.token import mint
from ansible_collections.hopsworks.airflow.tests.unit.http_server import HttpServer

BASE = "/hopsworks-api/airflow"
PASSWORD = "CANARY-password"
SHARED_SECRET = "CANARY-shared"
BEGIN = datetime.datetime(2026, 11, 22, 3, tzinfo=datetime.UTC)


class FakeAirflow:
    """As an api-server of `line` 3.0 or 3.3 behind the proxy answers, by what their packages do with tokens.

    `trusted` maps kids to public keys. With `tls` it has a certificate. Whoever asks for heartbeats sees them move.
    """

    def __init__(self, signer, line, tls=None):
        self.signer, self.line = signer, line
        self.trusted = {signer.kid: signer.private.public_key()}
        self.lifetime = 3600.0
        self.cookie_path = None
        self.logins = 0
        self.evicted = []
        self.paths = []
        self.jobs = []
        self.beats = itertools.count(1)
        # What whoever stands in front answers instead, one for each request: a status, or None for no answer at all.
        self.in_front = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            do_POST = do_GET  # noqa: N815 - named by http.server

        self.server = HttpServer(Handler, tls)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}{BASE}"

    def api(self):
        return AirflowApi(self.url)

    def close(self):
        self.server.close()

    def answer(self, request):
        length = int(request.headers.get("Content-Length") or 0)
        body = json.loads(request.rfile.read(length) or b"{}")
        path = request.path.removeprefix(BASE).partition("?")[0]
        self.paths.append(path)
        if self.in_front:
            status = self.in_front.pop(0)
            if status is not None:
                request.send_response(status)
                request.send_header("Content-Length", "4")
                request.end_headers()
                request.wfile.write(b"oops")
            return
        status, content, cookies = self.route(path, request.headers, body)
        data = json.dumps(content).encode()
        request.send_response(status)
        for cookie in cookies:
            request.send_header("Set-Cookie", cookie)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def route(self, path, headers, body):
        bearer = (headers["Authorization"] or "").removeprefix("Bearer ")
        cookie = (headers["Cookie"] or "").removeprefix("_token=")
        if path == "/api/v2/version":
            return 200, {"version": f"{self.line}.1"}, []
        if path == "/api/v2/monitor/health":
            return 200, self.health(), []
        if path == "/api/v2/importErrors":
            return 200, {"import_errors": [], "total_entries": 0}, []
        if path == "/api/v2/jobs":
            return 200, {"jobs": self.jobs}, []
        if path == "/auth/token":
            if body.get("password") != PASSWORD:
                return 401, {}, []
            self.logins += 1
            token = mint(
                self.signer,
                {"sub": "admin", "aud": "apache-airflow"},
                now=time.time(),
                lifetime_seconds=self.lifetime,
            )
            return (
                201,
                {"access_token": token},
                [f"_token={token}; Path={self.cookie_path}"] if self.cookie_path else [],
            )
        if path == "/auth/internal/invalidate":
            if bearer != SHARED_SECRET:
                return 401, {}, []
            self.evicted.append(body["username"])
            return 200, {"evicted": True}, []
        if path == "/api/v2/dags":
            return self.dags(bearer, cookie)
        if path.startswith("/execution/task-reschedules/"):
            claims = self.claims(bearer, "urn:airflow.apache.org:task")
            fitting = isinstance(claims, dict) and path == f"/execution/task-reschedules/{claims['sub']}/start_date"
            return (200, None, []) if fitting else (403, {}, [])
        return 404, {"detail": "Not Found"}, []

    def health(self):
        beat = (BEGIN + datetime.timedelta(seconds=next(self.beats))).isoformat()
        names = ("scheduler", "dag_processor", "triggerer")
        components = {name: {"status": "healthy", f"latest_{name}_heartbeat": beat} for name in names}
        return {"metadatabase": {"status": "healthy"}, **components}

    def dags(self, bearer, cookie):
        if not bearer and self.line == "3.0":
            return 401, {}, []
        claims = self.claims(bearer or cookie, "apache-airflow")
        if isinstance(claims, dict):
            return 200, {"dags": [], "total_entries": 0}, []
        taken_back = [] if bearer else [f'_token=""; Max-Age=0; Path={path}' for path in (BASE + "/", "/")]
        return 500 if claims == "unknown kid" and self.line == "3.0" else 403, {}, taken_back

    def claims(self, token, audience):
        """The claims of a valid token, else why it is none."""
        try:
            header, payload, signature = token.split(".")
            read = json.loads(decoded(header))
            if read["kid"] not in self.trusted:
                return "unknown kid"
            key = self.trusted[read["kid"]]
            key.verify(decoded(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
            claims = json.loads(decoded(payload))
        except (ValueError, KeyError, InvalidSignature):
            return "invalid"
        now = time.time()
        good = (
            read["alg"] == "RS256"
            and claims["aud"] == audience
            and claims["nbf"] <= now + 10
            and claims["iat"] <= now + 10
        )
        return claims if good and now < claims["exp"] + 10 else "invalid"


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
