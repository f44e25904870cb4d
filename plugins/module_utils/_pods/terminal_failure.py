# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides when something has failed for good: for rollouts, restarts, Jobs and the pods that pull images."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
Kind = Literal["final", "image", "setup", "exits", "refused", "node", "unscheduled", "gone"]

# How long each kind of trouble may last, in seconds by this machine's clock, before it counts as a failure. The
# cluster's state alone is not enough: a registry or a webhook that is briefly unavailable looks like one that never
# answers, and conditions and back-offs remain long after their cause has passed.
GRACE_SECONDS: dict[Kind, float] = {
    # Because of its own specification, or because it has ended: nothing will change.
    "final": 0,
    # The kubelet tries again after 10, 20 and 40 s.
    "image": 60,
    # A Secret or a volume that is created a moment later; the kubelet retries after seconds.
    "setup": 30,
    # A back-off is at most 300 s. Exits during this action are counted, see `Patience`.
    "exits": 330,
    # Controllers retry after milliseconds, then ever more slowly; `Watcher` makes them retry every 10 s.
    "refused": 30,
    # A restarting kubelet reports "not ready" for a moment.
    "node": 30,
    # A new node of an autoscaler takes minutes.
    "unscheduled": 180,
    # A watch may report a new pod a moment later than its absence.
    "gone": 10,
}
REASONS: dict[str, Kind] = {
    "CrashLoopBackOff": "exits",
    "CreateContainerConfigError": "setup",
    "CreateContainerError": "setup",
    "RunContainerError": "setup",
    "ErrImageNeverPull": "setup",
    "ErrImagePull": "image",
    "ImagePullBackOff": "image",
    "RegistryUnavailable": "image",
    "ImageInspectError": "setup",
    "InvalidImageName": "final",
}
# The first exits may be caused by a database that was not up yet. The kubelet restarts a container at once, then after
# 10 s and 20 s: the fourth exit comes after half a minute at the earliest.
EXITS_TOLERATED = 3


@dataclass(frozen=True)
class Trouble:
    """A problem that keeps a pod or a workload from starting. It may be temporary, until `Patience` says that it is
    final.

    `about` distinguishes it from others of its kind: the same problem keeps its `about` while it lasts. `exits` is how
    often a container has exited, `grace_seconds` its own grace period instead of that of its kind.
    """

    kind: Kind
    text: str
    about: str = ""
    pod: str | None = None
    container: str | None = None
    exits: int = 0
    grace_seconds: float | None = None

    @property
    def grace(self) -> float:
        return GRACE_SECONDS[self.kind] if self.grace_seconds is None else self.grace_seconds


class Patience:
    """When each problem was first seen, by this machine's clock, and the problems from before this action.

    `exits` are how often containers may exit in total, by `Trouble.about`, see `exits_allowed`; `deadline` is when a
    progress deadline was exceeded before; `events` are the versions of earlier events. None of these is a failure of
    this action.
    """

    def __init__(
        self,
        *,
        exits: dict[str, int] | None = None,
        deadline: str | None = None,
        events: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exits, self.deadline, self.events = exits or {}, deadline, events
        self._clock = clock
        self._begun = clock()
        self._since: dict[tuple[Kind, str], float] = {}
        self._pods_then: dict[str, frozenset[str]] = {}

    def final(self, troubles: Iterable[Trouble]) -> Trouble | None:
        """The first of the current problems that counts as a failure. Problems that have passed are forgotten."""
        present = list(troubles)
        now = self._clock()
        self._since = {(t.kind, t.about): self._since.get((t.kind, t.about), now) for t in present}
        return next((trouble for trouble in present if self._is_final(trouble, now)), None)

    def _is_final(self, trouble: Trouble, now: float) -> bool:
        if trouble.exits > self._exits.get(trouble.about, EXITS_TOLERATED):
            return True
        return now - self._since[trouble.kind, trouble.about] >= trouble.grace

    def seconds(self) -> float:
        """How long this action has waited."""
        return self._clock() - self._begun

    def answered(self, event: str, pods: frozenset[str]) -> bool:
        """Whether a pod was created since an event about a failed creation was first seen; `uids` of pods."""
        return bool(pods - self._pods_then.setdefault(event, pods))


def container_statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def container_status(pod: Object, name: str) -> Object:
    """The status of the container of that name; empty if there is none yet."""
    return next((status for status in container_statuses(pod) if status.get("name") == name), {})


def exits_allowed(pods: Iterable[Object]) -> dict[str, int]:
    """How often each container of these pods may exit in total, by `Trouble.about`.

    A container that started successfully after earlier exits may exit as often as a new one. A container that is still
    in a back-off may not exit again: one more exit is the same failure.
    """
    return {
        _about(pod, status): _exits(status) + EXITS_TOLERATED
        if status.get("ready")
        else max(_exits(status), EXITS_TOLERATED)
        for pod in pods
        for status in container_statuses(pod)
    }


def pod_troubles(pod: Object) -> list[Trouble]:
    """The problems of a pod that is not terminating."""
    metadata, status = pod.get("metadata", {}), pod.get("status", {})
    name, uid = str(metadata.get("name", "")), str(metadata.get("uid", ""))
    found = [trouble for entry in container_statuses(pod) if (trouble := _container_trouble(pod, entry)) is not None]
    if status.get("phase") == "Failed":
        text = f"{status.get('reason') or 'it failed'}: {status.get('message', '')}".rstrip(": ")
        found.append(Trouble("final", f"pod {name} has ended: {text}", uid, name))
    for condition in status.get("conditions", []):
        waits = condition["type"] == "PodScheduled" and condition["status"] == "False"
        if waits and not pod.get("spec", {}).get("nodeName"):
            text = condition.get("message") or condition.get("reason") or "no reason given"
            found.append(Trouble("unscheduled", f"no node takes pod {name}: {text}", uid, name))
    return found


def _container_trouble(pod: Object, status: Object) -> Trouble | None:
    name = str(pod.get("metadata", {}).get("name", ""))
    container = str(status.get("name", ""))
    where = f"container {container} of pod {name}"
    waiting = status.get("state", {}).get("waiting") or {}
    ended = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated") or {}
    code, exits = ended.get("exitCode", 0), _exits(status)
    how = f" (exit code {code}{', ' + ended['reason'] if ended.get('reason', 'Error') != 'Error' else ''})"
    kind = REASONS.get(waiting.get("reason", ""))
    if kind is not None:
        message = f": {waiting['message']}" if waiting.get("message") else ""
        text = f"{where} is in {waiting['reason']}{how if code else ''}{message}"
        return Trouble(kind, text, _about(pod, status), name, container, exits if kind == "exits" else 0)
    now_ended = status.get("state", {}).get("terminated")
    if status.get("ready") or (now_ended and not now_ended.get("exitCode")):
        return None  # it has succeeded in the end
    if code and exits > EXITS_TOLERATED:
        return Trouble("exits", f"{where} exited {exits} times{how}", _about(pod, status), name, container, exits)
    return None


def _exits(status: Object) -> int:
    state = status.get("state", {})
    # A container that waits for its next start has exited once more than it was restarted.
    ended = "terminated" in state or state.get("waiting", {}).get("reason") == "CrashLoopBackOff"
    return int(status.get("restartCount", 0)) + ended


def _about(pod: Object, status: Object) -> str:
    return f"{pod.get('metadata', {}).get('uid', '')}/{status.get('name', '')}"


def insisting(create: Callable[[], Any], *, pause_seconds: float = 2.0) -> Any:
    """The response to a request that creates an object with a unique name; it is retried while the object is rejected.

    If it already exists, an earlier attempt succeeded but its response was lost, and there is no response.
    """
    patience = Patience()
    while True:
        try:
            return create()
        except ApiException as error:
            if error.status == 409 and "AlreadyExists" in str(error.body):
                return None
            # A Role or a policy that forbids it is permanent; a full quota or an unavailable webhook may be temporary.
            passes = error.status in (429, 500, 503) or (error.status == 403 and "quota" in str(error.body))
            if not passes or patience.final([Trouble("refused", str(error.reason))]):
                raise
        time.sleep(pause_seconds)
