"""Startup probe of the api-server: makes its first calls, so that no user has to wait for them.

Airflow imports modules and opens connections on first use, and builds the task API on its first call, during which it
serves no other request (4 s with 3.3.2). After an update, all users would wait for that at once.

Succeeds when the calls are answered, whatever the answer is: the gates of a rollout check the content.
"""

import http.client
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

PASSWORDS = pathlib.Path("/run/airflow/passwords.json")
# The sum is less than the probe's timeout.
PATIENCE_SECONDS = 50
LONGEST_CALL_SECONDS = 30
LARGEST_BYTES = 1 << 22


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirects, because urllib would send the token along to the new address."""

    def redirect_request(self, *_arguments):
        return None


# A proxy in the pod's environment (HTTP_PROXY) is not meant for requests to the pod itself.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)


def answer(url, deadline, body=None, token=None):
    """The JSON answer, empty if it is not JSON; None if there is no answer."""
    data = None if body is None else json.dumps(body).encode("utf-8")
    request = urllib.request.Request(url, data)  # noqa: S310 (always http: the command of the probe says so)
    request.add_header("Content-Type", "application/json")
    request.add_header("User-Agent", "hopsworks.airflow")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    seconds = min(LONGEST_CALL_SECONDS, max(1, deadline - time.monotonic()))
    try:
        with DIRECTLY.open(request, timeout=seconds) as response:
            content = response.read(LARGEST_BYTES)
    except urllib.error.HTTPError:
        return {}
    except (OSError, http.client.HTTPException):
        return None
    try:
        return json.loads(content)
    except ValueError:
        return {}


def main(url):
    deadline = time.monotonic() + PATIENCE_SECONDS

    def call(path, body=None, token=None):
        answered = answer(url + path, deadline, body, token)
        if answered is None:
            sys.exit(f"{path} was not answered")
        return answered

    while answer(f"{url}/api/v2/version", deadline) is None:
        if time.monotonic() > deadline:
            sys.exit(f"nothing answers at {url}")
        time.sleep(0.2)
    # Another auth manager may not know this user or this login; then at least the calls without a login are warmed up.
    passwords = json.loads(PASSWORDS.read_text(encoding="utf-8"))
    user, password = next(iter(passwords.items()), ("", ""))
    granted = call("/auth/token", {"username": user, "password": password})
    token = granted.get("access_token") if isinstance(granted, dict) else None
    call("/execution/health")
    call("/api/v2/monitor/health")
    call("/api/v2/dags?limit=1", token=token)


if __name__ == "__main__":
    main(sys.argv[1])
