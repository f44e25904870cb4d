# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .._airflow.heartbeats import HEALTH, INTERVAL_SECONDS, Pulse, earlier, heartbeat_of, patience_seconds
from .._airflow.login import password_of
from .._airflow.rest import AirflowApi
from .._airflow.wait_budget import WaitBudget
from .._common.failure import OperatorError
from .._pods.lossless import main_container, moment
from .._pods.phase import is_finished
from .._pods.watcher import Gate

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

Object = dict[str, Any]

LOOK_SECONDS = 0.5
# Their names in the response of HEALTH, whose field for the time is latest_<name>_heartbeat.
HEARTBEATS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


@dataclass(frozen=True)
class Access:
    """How to reach the deployment as users do. `timeout_seconds` is how long a gate waits, `heartbeat_seconds` how
    often components send heartbeats, `seen` the heartbeats of an earlier check."""

    url: str
    ca_file: str | None = None
    user: str | None = None
    password: str | None = None
    timeout_seconds: float = 120
    heartbeat_seconds: float = INTERVAL_SECONDS
    seen: Object = field(default_factory=dict)

    @classmethod
    def of(cls, cluster: Cluster, health: Object) -> Access:
        """From the option `health`. Raises OperatorError where the Secret lacks the password."""
        login = health.get("login")
        return cls(
            health["url"],
            health.get("ca_file") or None,
            login["user"] if login else None,
            password_of(cluster, login) if login else None,
            health["timeout"],
            health.get("heartbeat_interval") or INTERVAL_SECONDS,
            health.get("seen") or {},
        )

    def __repr__(self) -> str:
        return f"Access({self.url!r})"  # without the password


class LoginGate:
    """A login and a call with its token, because readiness does not verify the keys.

    Once per pod, each time on a new connection, because a Service distributes connections.
    """

    kind = "login"

    def __init__(self, access: Access, budget: WaitBudget | None = None) -> None:
        self._access, self._budget = access, budget
        self._calls = 0

    def check(self, pods: list[Object]) -> str | None:
        self._calls = 0
        for _pod in range(max(1, sum(not is_finished(pod) for pod in pods))):
            try:
                api = AirflowApi(self._access.url, self._access.ca_file, budget=self._budget)
                api.login(str(self._access.user), str(self._access.password))
                api.get("/api/v2/dags", limit=1)
            except OperatorError as error:
                return error.found
            except (ValueError, KeyError, TypeError):
                return f"the login at {self._access.url} was answered by something that is not Airflow 3"
            self._calls += 1
        return None

    def seen(self) -> Object:
        return {"calls": self._calls}


class HeartbeatGate:
    """A heartbeat newer than the start of the newest pod, and then a second one.

    The first may be the last one of an old pod, by the clock of a node that is some seconds ahead. By then the old pods
    have ended, so a second heartbeat cannot be theirs.
    """

    kind = "heartbeat"

    def __init__(self, access: Access, component: str, container: str) -> None:
        self._access, self._container = access, container
        self._name = HEARTBEATS[component]
        self._first: datetime | None = None
        self._latest: datetime | None = None
        # Whether only the second heartbeat is missing.
        self.awaits_second = False

    def check(self, pods: list[Object]) -> str | None:
        self.awaits_second = False
        try:
            health = AirflowApi(self._access.url, self._access.ca_file).get(HEALTH)
            self._latest = heartbeat_of(health, self._name)
            status = (health.get(self._name) or {}).get("status")
        except OperatorError as error:
            return error.found
        except (ValueError, AttributeError, TypeError):
            return f"{HEALTH} at {self._access.url} was answered by something that is not Airflow 3"
        started = newest_start(pods, self._container)
        if self._latest is None or started is None or self._latest <= started:
            return f"no heartbeat of the {self._name} since its pod started"
        if self._first is None or self._first <= started:
            self._first = self._latest
        if status != "healthy":
            return f"the {self._name} is {status} by its heartbeat"
        self.awaits_second = self._latest == self._first
        return f"no second heartbeat of the {self._name} since its pod started" if self.awaits_second else None

    def seen(self) -> Object:
        return {"heartbeat": self._latest.isoformat() if self._latest else None}


class Beside:
    """A gate, and others that are checked at the same time, so that their second heartbeats are not awaited one by
    one."""

    def __init__(self, gate: Gate, others: Sequence[tuple[Gate, list[Object]]]) -> None:
        self._gate, self._others = gate, others
        self.kind = gate.kind

    def check(self, pods: list[Object]) -> str | None:
        for gate, own in self._others:
            gate.check(own)
        return self._gate.check(pods)

    def seen(self) -> Object:
        return self._gate.seen()


def gate_of(workload: Object, component: str | None, access: Access | None) -> Gate | None:
    """The gate of a workload's component; None without one, and for the api-server without a login."""
    if component is None or access is None:
        return None
    if component == "api-server":
        return LoginGate(access) if access.password is not None else None
    return HeartbeatGate(access, component, main_container(workload)["name"])


def newest_start(pods: list[Object], container: str) -> datetime | None:
    """When the youngest of the pods' containers of that name started; None if one of them does not run."""
    started = []
    for pod in pods:
        if is_finished(pod):
            continue
        statuses = pod.get("status", {}).get("containerStatuses", [])
        state: Object = next((status["state"] for status in statuses if status["name"] == container), {})
        if "running" not in state:
            return None
        started.append(moment(state["running"]["startedAt"]))
    return max(started) if started else None


def prove(access: Access, components: set[str]) -> None:
    """Raises OperatorError if a gate cannot be passed before anything is restarted.

    For the api-server, this is a login and a call; for the others, two different heartbeats. It waits for these as long
    as a living component may be silent, but at most for the timeout of a gate.
    """
    problems = []
    names = sorted(HEARTBEATS[component] for component in components if component in HEARTBEATS)
    pulse = Pulse(names, earlier(access.seen))
    seconds = min(patience_seconds(access.heartbeat_seconds), access.timeout_seconds)
    deadline = time.monotonic() + seconds
    silent = _silent(access, pulse)
    if "api-server" in components and access.password is not None:
        problems.append(LoginGate(access, WaitBudget(seconds)).check([]))
    while silent and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        silent = _silent(access, pulse)
    found = [problem for problem in [*problems, *silent] if problem is not None]
    if found:
        raise OperatorError(
            f"already unhealthy before the restart: {'; '.join(found)}",
            expected="a deployment that works before it is restarted",
            untouched="all workloads",
            next_step="check the public address and the login (airflow_public_url, airflow_runtime_secret; option "
            "`health`), fix what does not work, then run the same command again",
        )


def first_look(access: Access) -> Object:
    """The current heartbeats, for a later check: `at`, and `heartbeats` by component, empty if Airflow reports none."""
    pulse = Pulse(sorted(HEARTBEATS.values()))
    _silent(access, pulse)
    heartbeats = {name: moment.isoformat() for name, moment in pulse.latest.items()}
    return {"at": datetime.now(UTC).isoformat(), "heartbeats": heartbeats}


def _silent(access: Access, pulse: Pulse) -> list[str]:
    """The problems with the heartbeats of these components."""
    if not pulse.names:
        return []
    try:
        return [*pulse.missing(AirflowApi(access.url, access.ca_file).get(HEALTH)).values()]
    except OperatorError as error:
        return [error.found]
    except (ValueError, AttributeError, TypeError):
        return [f"{HEALTH} at {access.url} was answered by something that is not Airflow 3"]
