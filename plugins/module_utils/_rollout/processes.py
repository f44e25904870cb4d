# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._airflow.rest import AirflowApi
from .._common.failure import OperatorError
from .._pods.lossless import moment
from .gates import HeartbeatGate, newest_start

if TYPE_CHECKING:
    from datetime import datetime

    from .._pods.watcher import Gate
    from .gates import Access

Object = dict[str, Any]

JOBS = "/api/v2/jobs"
JOB_TYPES = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}
# The newest heartbeats; far more than a deployment has processes of one kind.
NEWEST = 100


@dataclass(frozen=True)
class Process:
    """A scheduler, dag-processor or triggerer in Airflow's list of jobs; times by the clock of its host."""

    host: str
    begun: datetime | None
    heartbeat: datetime

    @classmethod
    def of(cls, job: Object) -> Process:
        begun = job.get("start_date")
        return cls(str(job["hostname"]), moment(begun) if begun else None, moment(job["latest_heartbeat"]))


class EachPodGate:
    """The heartbeat gate, for each pod separately if possible.

    Airflow's health endpoint only reports the newest heartbeat of all processes of a kind: a living process hides the
    others, and its owner is unknown. Its list of jobs, which needs a login, reports each process. So each of several
    pods needs a heartbeat. And if this run has created the pods under new names, their heartbeats can only be their
    own, so it does not wait for a second one.

    If the list is not available, or its host names cannot be matched to pods ([core] hostname_callable), it uses the
    newest heartbeats.
    """

    def __init__(
        self, gate: HeartbeatGate, access: Access, component: str, container: str, *, made_by_this_run: bool
    ) -> None:
        self._gate, self._access, self._container = gate, access, container
        self._component, self._job_type = component, JOB_TYPES[component]
        self._one_is_enough = made_by_this_run
        self._api: AirflowApi | None = None
        self.kind = gate.kind

    def check(self, pods: list[Object]) -> str | None:
        waiting = self._gate.check(pods)
        one_is_enough = self._gate.awaits_second and self._one_is_enough and all(map(has_name_of_its_own, pods))
        if not one_is_enough and (waiting is not None or len(pods) < 2):
            return waiting
        processes = self._processes()
        starts = {pod["metadata"]["name"]: newest_start([pod], self._container) for pod in pods}
        # If one is enough, only of processes of the new pods, because another pod may have had their address before.
        latest = {}
        for pod in pods:
            name = pod["metadata"]["name"]
            latest[name] = heartbeat_from(pod, processes, starts[name] if one_is_enough else None)
        if not any(latest.values()):
            return waiting
        silent = sorted(name for name, beat in latest.items() if not is_later(beat, starts[name]))
        return f"no heartbeat of the {self._component} in {', '.join(silent)} since it started" if silent else None

    def seen(self) -> Object:
        return self._gate.seen()

    def _processes(self) -> list[Process]:
        """The processes of this kind, newest heartbeat first; none if the list is not available."""
        try:
            if self._api is None:
                self._api = AirflowApi(self._access.url, self._access.ca_file)
                self._api.login(str(self._access.user), str(self._access.password))
            answer = self._api.get(JOBS, job_type=self._job_type, order_by="-latest_heartbeat", limit=NEWEST)
            return [Process.of(job) for job in answer["jobs"] if job.get("hostname") and job.get("latest_heartbeat")]
        except (OperatorError, ValueError, KeyError, TypeError, AttributeError):
            # Reuses the login.
            self._api, self._one_is_enough = None, False
            return []


def for_each_pod(
    gate: Gate | None, access: Access | None, component: str | None, container: str, *, made_by_this_run: bool
) -> Gate | None:
    """The gate, for each pod if possible."""
    if not isinstance(gate, HeartbeatGate) or access is None or access.password is None:
        return gate
    return EachPodGate(gate, access, str(component), container, made_by_this_run=made_by_this_run)


def has_name_of_its_own(pod: Object) -> bool:
    """Whether its name is new: a ReplicaSet gives each pod a new name, a StatefulSet reuses it."""
    return any(owner["kind"] == "ReplicaSet" for owner in pod["metadata"].get("ownerReferences", []))


def heartbeat_from(pod: Object, processes: list[Process], begun_after: datetime | None) -> datetime | None:
    """The newest heartbeat of a pod, optionally of a process that has started after a given time.

    Hosts are identified by the pod's name, with or without a domain, or by its address.
    """
    name, address = pod["metadata"]["name"], pod.get("status", {}).get("podIP")
    for process in processes:
        is_its_own = process.host == address or process.host.partition(".")[0] == name
        if is_its_own and (begun_after is None or is_later(process.begun, begun_after)):
            return process.heartbeat
    return None


def is_later(moment: datetime | None, start: datetime | None) -> bool:
    return moment is not None and start is not None and moment > start
