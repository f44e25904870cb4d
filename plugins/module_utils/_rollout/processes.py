# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._health.rest import AirflowApi
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.gates import newest_start
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.lossless import moment
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from datetime import datetime

    from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.gates import Access, Gate

Object = dict[str, Any]

JOBS = "/api/v2/jobs"
JOB_TYPES = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}
# The newest heartbeats; far more than a deployment has processes of one kind.
NEWEST = 100


class EachPodGate:
    """A gate that is passed once, and then by each of several pods by itself.

    Airflow's health tells of the newest heartbeat of all processes of a kind: one that lives hides the others. Its list
    of jobs tells of each, to who may log in. Where that can't be had, or its hosts are named by something that no pod
    knows ([core] hostname_callable), the newest heartbeat has to do.
    """

    def __init__(self, gate: Gate, access: Access, component: str, container: str) -> None:
        self._gate, self._access, self._container = gate, access, container
        self._component, self._job_type = component, JOB_TYPES[component]
        self.kind = gate.kind

    def check(self, pods: list[Object]) -> str | None:
        waiting = self._gate.check(pods)
        if waiting is not None or len(pods) < 2:
            return waiting
        silent = self._silent(pods)
        return f"no heartbeat of the {self._component} in {', '.join(silent)} since its start" if silent else None

    def seen(self) -> Object:
        return self._gate.seen()

    def _silent(self, pods: list[Object]) -> list[str]:
        """Names of the pods without a heartbeat of their own since their start."""
        try:
            beats = self._beats()
        except (OperatorError, ValueError, KeyError, TypeError, AttributeError):
            return []
        latest = {pod["metadata"]["name"]: beat_of(pod, beats) for pod in pods}
        if not any(latest.values()):
            return []
        starts = {pod["metadata"]["name"]: newest_start([pod], self._container) for pod in pods}
        return sorted(name for name, beat in latest.items() if not is_later(beat, starts[name]))

    def _beats(self) -> dict[str, datetime]:
        """The newest heartbeat of each host."""
        api = AirflowApi(self._access.url, self._access.ca_file)
        api.login(str(self._access.user), str(self._access.password))
        found: dict[str, datetime] = {}
        for job in api.get(JOBS, job_type=self._job_type, order_by="-latest_heartbeat", limit=NEWEST)["jobs"]:
            if job.get("hostname") and job.get("latest_heartbeat"):
                found.setdefault(str(job["hostname"]), moment(job["latest_heartbeat"]))
        return found


def for_each_pod(gate: Gate | None, access: Access | None, component: str | None, container: str) -> Gate | None:
    """The gate, asked of each pod where that is possible."""
    if gate is None or access is None or access.password is None or component not in JOB_TYPES:
        return gate
    return EachPodGate(gate, access, component, container)


def beat_of(pod: Object, beats: dict[str, datetime]) -> datetime | None:
    """The newest heartbeat from a pod: hosts are named by its name, with or without a domain, or by its address."""
    name, address = pod["metadata"]["name"], pod.get("status", {}).get("podIP")
    return next((beat for host, beat in beats.items() if host == address or host.partition(".")[0] == name), None)


def is_later(beat: datetime | None, start: datetime | None) -> bool:
    return beat is not None and start is not None and beat > start
