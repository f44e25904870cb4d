# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When something has failed for good: one answer for rollouts, restarts, Jobs and the pods that pull images."""

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

# How long each kind of trouble may last, in seconds by this machine's clock, before it counts as a failure. What the
# cluster says alone does not tell: a registry or a webhook that is away for a moment looks like one that never answers,
# and conditions and back-offs stay long after their cause has passed.
GRACE_SECONDS: dict[Kind, float] = {
    # Its own specification says so, or it has ended: nothing changes any more.
    "final": 0,
    # The kubelet tries again after 10, 20 and 40 s.
    "image": 60,
    # A Secret or a volume that comes a moment later; the kubelet looks again after seconds.
    "setup": 30,
    # A back-off is at most 300 s. Exits in our own time are counted, see `Patience`.
    "exits": 330,
    # Controllers try again after milliseconds, then ever more slowly; `Watcher` makes them look every 10 s.
    "refused": 30,
    # A kubelet that restarts reports "not ready" for a moment.
    "node": 30,
    # A new node of an autoscaler takes minutes.
    "unscheduled": 180,
    # A watch may tell of a new pod a moment later than of its absence.
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
# First exits may be a database that was not up yet. The kubelet starts a container again at once, then after 10 s and
# 20 s: the fourth exit comes after half a minute at the earliest.
EXITS_TOLERATED = 3


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod or a workload from getting going. It may pass, until `Patience` says that it is final.

    `about` tells it from others of its kind: the same trouble keeps its `about` while it lasts. `exits` is how often a
    container has ended, `grace_seconds` a grace of its own in place of its kind's.
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
    """Since when each trouble has been seen, by our own clock, and what was there before this action began.

    `exits` are how often containers may end in all, by `Trouble.about`, see `exits_allowed`; `deadline` when a progress
    deadline had been exceeded; `events` the versions of the events that were there. None of them is a failure of this
    action.
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
        """The first of the present troubles that counts as a failure. Those that have passed are forgotten."""
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
        """Whether a pod came to be since an event was first seen that tells of one that could not; uids of pods."""
        return bool(pods - self._pods_then.setdefault(event, pods))


def container_statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def container_status(pod: Object, name: str) -> Object:
    """The status of the container of that name, whatever others are beside it; empty where there is none yet."""
    return next((status for status in container_statuses(pod) if status.get("name") == name), {})


def exits_allowed(pods: Iterable[Object]) -> dict[str, int]:
    """How often each container of these pods may end in all, by what `Trouble.about` calls it.

    What got there in spite of exits of before, may be days ago, has as many again as a new one. What is still in a
    back-off by them has none: one more is the same failure.
    """
    return {
        _about(pod, status): _exits(status) + EXITS_TOLERATED
        if status.get("ready")
        else max(_exits(status), EXITS_TOLERATED)
        for pod in pods
        for status in container_statuses(pod)
    }


def pod_troubles(pod: Object) -> list[Trouble]:
    """What keeps a pod that is not ending from getting going."""
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
        return None  # it got there in the end
    if code and exits > EXITS_TOLERATED:
        return Trouble("exits", f"{where} ended {exits} times{how}", _about(pod, status), name, container, exits)
    return None


def _exits(status: Object) -> int:
    state = status.get("state", {})
    # What waits for its next start has ended once more than it was restarted.
    ended = "terminated" in state or state.get("waiting", {}).get("reason") == "CrashLoopBackOff"
    return int(status.get("restartCount", 0)) + ended


def _about(pod: Object, status: Object) -> str:
    return f"{pod.get('metadata', {}).get('uid', '')}/{status.get('name', '')}"


def insisting(create: Callable[[], Any], *, pause_seconds: float = 2.0) -> Any:
    """The answer to a request that creates an object of a name of its own; sent again while the object is refused.

    That it exists is the answer to an earlier attempt whose answer was lost: then there is none.
    """
    patience = Patience()
    while True:
        try:
            return create()
        except ApiException as error:
            if error.status == 409 and "AlreadyExists" in str(error.body):
                return None
            # A Role or a policy that forbids it does not pass; a quota and a webhook that is away may.
            passes = error.status in (429, 500, 503) or (error.status == 403 and "quota" in str(error.body))
            if not passes or patience.final([Trouble("refused", str(error.reason))]):
                raise
        time.sleep(pause_seconds)
