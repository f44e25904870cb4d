# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from .verdict import DEFAULT_GRACE_SECONDS

Object = dict[str, Any]

# Annotation of a pod: kubectl's default container. Meshes set it if they inject their container before the others.
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
# Measured with 40 new connections per second against Airflow 3.0.6: with a preStop sleep of 5 s none of 1,400 requests
# failed, without one 31 to 71 of 1,200, over 1.3 to 1.5 s.
PRE_STOP_SECONDS = 5.0
LOST_WITHOUT_PRE_STOP_SECONDS = 1.5
# Longest time that the api-server works on a request before it gives up.
LONGEST_REQUEST_SECONDS = 120.0
# The duration of an api-server restart according to the vendor, if it is unknown for the current pods.
STARTUP_SECONDS = 30.0
DEFAULT_BOUND = "25%"
SLEEP = re.compile(r"(?:^|[\s;&/])sleep\s+(\d+(?:\.\d+)?)(m?)(?![\w.])")


@dataclass(frozen=True)
class Risk:
    """What a restart of one workload means for its users.

    `kind`: `outage` (no requests are served for `outage_seconds`), `requests` (some are lost although a pod serves),
    `tasks` (running tasks are killed), `refuse` (it would cause lasting damage), `pause` (work waits, nothing is lost).
    """

    kind: Literal["outage", "requests", "tasks", "refuse", "pause"]
    text: str
    outage_seconds: float | None = None

    @property
    def lossless(self) -> bool:
        return self.kind == "pause"

    def as_result(self) -> Object:
        return {"kind": self.kind, "text": self.text, "outage_seconds": self.outage_seconds}


def examine(
    workload: Object,
    component: str | None,
    *,
    running_task_seconds: float | None = None,
    row_locks: bool = False,
    startup_seconds: float | None = None,
) -> list[Risk]:
    """What a restart of a Deployment or StatefulSet loses because of its own settings; empty if nothing is lost.

    `component` is what it runs (api-server, scheduler, dag-processor, triggerer), or None if unknown.
    `running_task_seconds` is the remaining time of the longest task in its pods, None if none runs. `row_locks` says
    that the database engine locks rows, so that two schedulers may run at once. `startup_seconds` is how long a pod
    takes to become ready (see `startup_seconds_of`).
    """
    replicas = workload["spec"].get("replicas", 1)
    if not replicas:
        return []
    startup = STARTUP_SECONDS if startup_seconds is None else startup_seconds
    surge, unavailable = bounds(workload)
    if component == "scheduler":
        return _scheduler(workload, surge, running_task_seconds, startup, row_locks=row_locks)
    if component in ("dag-processor", "triggerer"):
        return []
    if unavailable >= replicas:
        return [_outage(workload, startup)]
    return _requests(workload) if component == "api-server" else []


def bounds(workload: Object) -> tuple[int, int]:
    """The maximum number of pods that a rollout has above and below the desired number."""
    spec = workload["spec"]
    replicas = spec.get("replicas", 1)
    if workload["kind"] == "StatefulSet":
        rolling = spec.get("updateStrategy", {}).get("rollingUpdate") or {}
        return 0, max(1, _number(rolling.get("maxUnavailable", 1), replicas, math.floor))
    strategy = spec.get("strategy", {})
    if strategy.get("type") == "Recreate":
        return 0, replicas
    rolling = strategy.get("rollingUpdate") or {}
    surge = _number(rolling.get("maxSurge", DEFAULT_BOUND), replicas, math.ceil)
    unavailable = _number(rolling.get("maxUnavailable", DEFAULT_BOUND), replicas, math.floor)
    # Its controller stops one pod if it could not do anything otherwise.
    return (surge, unavailable) if surge or unavailable else (0, 1)


def startup_seconds_of(pods: list[Object], container: str) -> float | None:
    """How long the fastest of these ready pods took from its creation or last restart to become ready."""
    taken = []
    for pod in pods:
        status = pod.get("status", {})
        ready: Object = next(
            (c for c in status.get("conditions", []) if c["type"] == "Ready" and c["status"] == "True"), {}
        )
        runs: Object = next((c for c in status.get("containerStatuses", []) if c["name"] == container), {})
        begun = pod["metadata"].get("creationTimestamp")
        if runs.get("restartCount"):
            begun = runs.get("state", {}).get("running", {}).get("startedAt")
        if begun and ready.get("lastTransitionTime"):
            taken.append((moment(ready["lastTransitionTime"]) - moment(begun)).total_seconds())
    return max(0.0, min(taken)) if taken else None


def moment(text: str) -> datetime:
    """A time of the API server or of Airflow (ISO 8601, with its offset from UTC)."""
    return datetime.fromisoformat(text)


def main_container(workload: Object) -> Object:
    """The main container: kubectl's default container."""
    template = workload["spec"]["template"]
    wanted = template["metadata"].get("annotations", {}).get(DEFAULT_CONTAINER)
    containers: list[Object] = template["spec"]["containers"]
    return next((container for container in containers if container["name"] == wanted), containers[0])


def pre_stop_seconds(container: Object) -> float:
    """How long a container sleeps before it is stopped, by the native action or by a command."""
    hook = container.get("lifecycle", {}).get("preStop", {})
    if "sleep" in hook:
        return float(hook["sleep"].get("seconds", 0))
    command = " ".join(hook.get("exec", {}).get("command", []))
    return sum(float(number) * (60 if unit else 1) for number, unit in SLEEP.findall(command))


def _number(bound: int | str, replicas: int, rounded: Any) -> int:
    if isinstance(bound, str) and bound.endswith("%"):
        return int(rounded(int(bound[:-1]) * replicas / 100))
    return int(bound)


def _outage(workload: Object, startup: float) -> Risk:
    spec, container = workload["spec"], main_container(workload)
    why = "has one replica and stops it first"
    if spec.get("strategy", {}).get("type") == "Recreate":
        why = "stops all its pods before it creates new ones (strategy Recreate)"
    elif spec.get("replicas", 1) > 1:
        why = "may stop all its pods at once (maxUnavailable)"
    seconds = round(startup + pre_stop_seconds(container), 1)
    return Risk(
        "outage",
        f"{workload['kind']} {workload['metadata']['name']} {why}: no requests are served for about {seconds:.0f} s, "
        "until a new pod is ready; strategy RollingUpdate with maxSurge 1 and maxUnavailable 0 avoids this"
        + (" (a Deployment can, a StatefulSet needs two replicas)" if workload["kind"] == "StatefulSet" else ""),
        seconds,
    )


def _requests(workload: Object) -> list[Risk]:
    """Requests that are lost although there is always a pod, because of the settings of the api-server's container."""
    found: list[Risk] = []
    name, container = workload["metadata"]["name"], main_container(workload)
    pre_stop = pre_stop_seconds(container)
    grace = workload["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    if "readinessProbe" not in container:
        found.append(
            Risk(
                "outage",
                f"container {container['name']} of {name} has no readinessProbe: a new pod gets requests, and the old "
                f"one stops, before the new one can answer, for up to {STARTUP_SECONDS:.0f} s",
                STARTUP_SECONDS,
            )
        )
    if pre_stop < PRE_STOP_SECONDS:
        found.append(
            Risk(
                "requests",
                f"container {container['name']} of {name} sleeps {pre_stop:g} s before it stops (preStop), so it stops "
                f"before all clients have noticed: requests are lost for about {LOST_WITHOUT_PRE_STOP_SECONDS} s; a "
                f"sleep of {PRE_STOP_SECONDS:.0f} s avoids this",
                LOST_WITHOUT_PRE_STOP_SECONDS,
            )
        )
    if grace <= pre_stop + LONGEST_REQUEST_SECONDS:
        found.append(
            Risk(
                "requests",
                f"terminationGracePeriodSeconds of {name} is {grace}: requests that take longer than "
                f"{max(0.0, grace - pre_stop):.0f} s are cut off; more than {pre_stop + LONGEST_REQUEST_SECONDS:.0f} s "
                "avoids this",
            )
        )
    return found


def _scheduler(workload: Object, surge: int, running: float | None, startup: float, *, row_locks: bool) -> list[Risk]:
    name = workload["metadata"]["name"]
    if surge and not row_locks:
        return [
            Risk(
                "refuse",
                f"{workload['kind']} {name} starts its new scheduler alongside the old one (RollingUpdate with "
                "maxSurge): on an engine without row locks, both schedule the same tasks (in a trial, 15 of 24 ran"
                " twice); strategy Recreate, or maxSurge 0, avoids this",
            )
        ]
    found: list[Risk] = []
    grace = workload["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    left = grace - pre_stop_seconds(main_container(workload))
    if running is not None and running >= left:
        found.append(
            Risk(
                "tasks",
                f"the longest running task needs {running:.0f} s more, but {name} gets {left:.0f} s to drain "
                "(terminationGracePeriodSeconds): the task would be killed, and stay `running` for minutes; wait for "
                "it first, or set a longer grace period",
            )
        )
    if not surge:
        drain = min(running or 0.0, left)
        found.append(
            Risk(
                "pause",
                f"no new tasks are scheduled for about {drain + startup:.0f} s, while {name} "
                + ("waits for its running tasks and starts again" if drain else "starts again"),
            )
        )
    return found
