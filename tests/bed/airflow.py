"""Airflow 3 on the bed as its users see it, through the reverse proxy."""

from __future__ import annotations

import base64
import datetime
import json
import time
from typing import Any

import requests
import yaml
from bed import INVENTORY, Bed

URL = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))["airflow"]["vars"]["airflow_public_url"]
MINUTE = "p_demo_119__sixty_seconds"
SECRET = "hopsworks-airflow-keys"
ROTATE = "playbooks/rotate.yml"


def log_in(bed: Bed) -> str:
    """A token of the administrator."""
    password = json.loads((bed.cluster.secret_entries("airflow-runtime") or {})["passwords.json"])["admin"]
    answer = requests.post(f"{URL}/auth/token", json={"username": "admin", "password": password}, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def call(token: str, path: str = "/api/v2/dags?limit=1", method: str = "GET", body: Any = None) -> requests.Response:
    """One call on a connection of its own."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, URL + path, headers=headers, json=body, timeout=30)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, but for its times and id."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {name: value for name, value in claims.items() if name not in ("exp", "iat", "nbf", "jti")}


class MinuteTask:
    """A run of the DAG whose one task leaves a Variable each time it begins and each time it ends."""

    def __init__(self, bed: Bed, seconds: int) -> None:
        self._bed = bed
        token = log_in(bed)
        call(token, f"/api/v2/dags/{MINUTE}", "PATCH", {"is_paused": False}).raise_for_status()
        body = {"logical_date": datetime.datetime.now(datetime.UTC).isoformat(), "conf": {"seconds": seconds}}
        answer = call(token, f"/api/v2/dags/{MINUTE}/dagRuns", "POST", body)
        answer.raise_for_status()
        self.run_id = str(answer.json()["dag_run_id"])

    def moments(self, what: str) -> list[float]:
        """When it began or ended, in seconds since 1970."""
        with self._bed.database() as cursor:
            cursor.execute("SELECT `key` FROM airflow.variable")
            keys = [str(key) for (key,) in cursor.fetchall()]
        return sorted(float(key.rsplit("__", 1)[1]) for key in keys if f"__{self.run_id}__{what}__" in key)

    def wait_until(self, what: str, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        while not self.moments(what):
            assert time.monotonic() < deadline, f"{self.run_id} has not {what} within {seconds} s"
            time.sleep(0.5)

    def instances(self) -> list[dict[str, Any]]:
        """Its task instances, and how often each was tried."""
        path = f"/api/v2/dags/{MINUTE}/dagRuns/{self.run_id}/taskInstances"
        answer = call(log_in(self._bed), path.replace("+", "%2B"))
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["task_instances"]
        return found
