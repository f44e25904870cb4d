# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Object = dict[str, Any]

# terminationGracePeriodSeconds, where a pod doesn't say.
DEFAULT_GRACE_SECONDS = 30
# Beyond its grace period a pod on a good node is gone within seconds; a busy one gets longer.
GRACE_MARGIN_SECONDS = 60
REVISION = "deployment.kubernetes.io/revision"
# A container that waits for one of these does not get further by itself, or only when something outside is put right.
HOPELESS = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "RunContainerError",
    }
)
# A first exit may be a database that was not up yet. The kubelet's back-off may be longer than its memory of the
# exits (10 minutes without one), so that CrashLoopBackOff alone does not tell.
EXITS_TOLERATED = 2


@dataclass
class Observed:
    """What the API server knows of one workload at one moment. Objects of others may be among the lists.

    `events` are needed for StatefulSets only, whose status does not tell of pods that were refused. `nodes` says what
    is wrong with the nodes of pods that are not ready or are ending, None for a good one. `overdue` are the uids of
    pods that have not ended GRACE_MARGIN_SECONDS after their grace period.
    """

    workload: Object | None
    pods: list[Object] = field(default_factory=list)
    replica_sets: list[Object] = field(default_factory=list)
    events: list[Object] = field(default_factory=list)
    nodes: dict[str, str | None] = field(default_factory=dict)
    overdue: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """Whether a rollout is done, goes on, or will not get done; `reason` in a few words.

    `pod` and `container` are where its cause can be read, if it is theirs.
    """

    state: Literal["done", "waiting", "failed"]
    reason: str
    pod: str | None = None
    container: str | None = None


def assess(
    observed: Observed,
    *,
    generation: int = 0,
    wait_for_old: bool = True,
    known_failure: str | None = None,
    known_events: frozenset[str] = frozenset(),
) -> Verdict:
    """Judge a rollout.

    `generation` is the least generation that counts: what is known of an older one says nothing. `known_failure` is
    the `lastUpdateTime` of a deadline that had been exceeded before this rollout began, and `known_events` are the
    versions (`event_version`) of events that were there before.
    """
    workload = observed.workload
    if workload is None:
        return Verdict("failed", "it was deleted")
    status, spec = workload.get("status", {}), workload["spec"]
    if max(generation, workload["metadata"]["generation"]) > status.get("observedGeneration", 0):
        return Verdict("waiting", "its controller has not seen it yet")
    failure = (
        _failing_pod(current_pods(observed))
        or _stuck_workload(workload, known_failure)
        or _refused_pods(observed, known_events)
        or lost_pod(observed, wait_for_old=wait_for_old)
    )
    if failure is not None:
        return failure
    wanted = spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    progress = f"{updated} of {wanted} updated, {available} available"
    if updated != wanted or available != wanted or status.get("replicas", 0) != wanted:
        return Verdict("waiting", progress + _what_pods_wait_for(observed))
    if workload["kind"] == "StatefulSet" and wanted and status.get("currentRevision") != status.get("updateRevision"):
        return Verdict("waiting", progress)
    own = [pod for pod in observed.pods if belongs(workload, pod)]
    ending = [pod for pod in own if wanted == 0 or "deletionTimestamp" in pod["metadata"]]
    old = [pod for pod in own if not is_current(observed, pod)]
    if wait_for_old and (old or ending):
        names = sorted({pod["metadata"]["name"] for pod in [*old, *ending]})
        return Verdict("waiting", f"{progress}; still ending: {', '.join(names)}")
    return Verdict("done", progress)


def belongs(workload: Object, pod: Object) -> bool:
    """Whether a pod is this workload's; its selector may match pods of others."""
    meta = workload["metadata"]
    for owner in pod["metadata"].get("ownerReferences", []):
        if workload["kind"] != "Deployment" and owner["uid"] == meta["uid"]:
            return True
        # By name, because an old pod may outlive its ReplicaSet.
        template = pod["metadata"].get("labels", {}).get("pod-template-hash")
        if workload["kind"] == "Deployment" and owner["kind"] == "ReplicaSet" and template:
            return bool(owner["name"] == f"{meta['name']}-{template}")
    return False


def current_replica_set(observed: Observed) -> Object | None:
    """The ReplicaSet that a Deployment rolls out."""
    if observed.workload is None:
        return None
    revision = observed.workload["metadata"].get("annotations", {}).get(REVISION)
    for candidate in observed.replica_sets:
        meta = candidate["metadata"]
        owned = any(owner["uid"] == observed.workload["metadata"]["uid"] for owner in meta.get("ownerReferences", []))
        if owned and revision and meta.get("annotations", {}).get(REVISION) == revision:
            return candidate
    return None


def is_current(observed: Observed, pod: Object) -> bool:
    """Whether a pod has the template that is being rolled out."""
    labels = pod["metadata"].get("labels", {})
    if observed.workload is not None and observed.workload["kind"] == "StatefulSet":
        return bool(labels.get("controller-revision-hash") == observed.workload["status"].get("updateRevision"))
    replica_set = current_replica_set(observed)
    if replica_set is None:
        return False
    template = replica_set["metadata"].get("labels", {}).get("pod-template-hash")
    return bool(labels.get("pod-template-hash") == template)


def current_pods(observed: Observed) -> list[Object]:
    """The pods that a rollout made and that are to stay."""
    workload = observed.workload
    if workload is None:
        return []
    return [
        pod
        for pod in observed.pods
        if belongs(workload, pod) and is_current(observed, pod) and "deletionTimestamp" not in pod["metadata"]
    ]


def exceeded_deadline(workload: Object) -> str | None:
    """When its progress deadline was exceeded, if it was (RFC 3339)."""
    for condition in workload.get("status", {}).get("conditions", []):
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("lastUpdateTime"))
    return None


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def lost_pod(observed: Observed, *, wait_for_old: bool = True) -> Verdict | None:
    """The first pod that neither gets ready nor ends because its node is lost."""
    workload = observed.workload
    # New pods of these are made only when the old ones have ended.
    blocked = workload is not None and (
        workload["kind"] == "StatefulSet" or workload["spec"].get("strategy", {}).get("type") == "Recreate"
    )
    for pod in observed.pods:
        if workload is None or not belongs(workload, pod):
            continue
        name, node = pod["metadata"]["name"], pod.get("spec", {}).get("nodeName")
        problem = observed.nodes.get(node)
        if problem is None and pod.get("status", {}).get("reason") == "NodeLost":
            problem = pod["status"].get("message") or "NodeLost"
        if "deletionTimestamp" not in pod["metadata"]:
            if problem and is_current(observed, pod) and not is_ready(pod):
                return Verdict("failed", f"pod {name} is on node {node}, which is lost: {problem}", name)
        elif wait_for_old or blocked:
            if problem:
                return Verdict("failed", f"pod {name} cannot end, for its node {node} is lost: {problem}", name)
            if pod["metadata"]["uid"] in observed.overdue and observed.nodes.get(node, "unknown"):
                late = f"{GRACE_MARGIN_SECONDS} s after its grace period"
                text = f"pod {name} has not ended {late}; its node {node} seems lost (nodes can't be read)"
                return Verdict("failed", text, name)
    return None


def container_statuses(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def failing_container(pod: Object) -> Verdict | None:
    """The first container of a pod that does not get going by itself."""
    name = pod["metadata"]["name"]
    for container in container_statuses(pod):
        waiting = container.get("state", {}).get("waiting", {})
        where = f"container {container['name']} of pod {name}"
        ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated") or {}
        exit_code = ended.get("exitCode", 0)
        how = f" (exit code {exit_code}{', ' + ended['reason'] if ended.get('reason', 'Error') != 'Error' else ''})"
        if waiting.get("reason") in HOPELESS:
            message = f": {waiting['message']}" if waiting.get("message") else ""
            text = f"{where} is in {waiting['reason']}{how if exit_code else ''}{message}"
            return Verdict("failed", text, name, container["name"])
        now_ended = container.get("state", {}).get("terminated")
        if container.get("ready") or (now_ended and not now_ended.get("exitCode")):
            continue  # it got there in the end
        exits = container.get("restartCount", 0) + (now_ended is not None)
        if exit_code and exits > EXITS_TOLERATED:
            return Verdict("failed", f"{where} ended {exits} times{how}", name, container["name"])
    return None


def _failing_pod(pods: list[Object]) -> Verdict | None:
    return next((verdict for verdict in map(failing_container, pods) if verdict is not None), None)


def _stuck_workload(workload: Object, known_failure: str | None) -> Verdict | None:
    spec = workload["spec"]
    if spec.get("paused"):
        return Verdict("failed", "it is paused (spec.paused)")
    strategy = spec.get("updateStrategy", {})
    if strategy.get("type") == "OnDelete":
        return Verdict("failed", "its update strategy is OnDelete: its pods are replaced by hand only")
    if strategy.get("rollingUpdate", {}).get("partition"):
        return Verdict("failed", "its update strategy has a partition: some of its pods stay old")
    exceeded = exceeded_deadline(workload)
    if exceeded is not None and exceeded != known_failure:
        return Verdict("failed", f"it made no progress for {spec.get('progressDeadlineSeconds', 600)} s")
    return None


def _refused_pods(observed: Observed, known_events: frozenset[str]) -> Verdict | None:
    """Pods that quota or an admission webhook refuses: they never come to be, so no pod tells of it."""
    replica_set = current_replica_set(observed)
    conditions = replica_set.get("status", {}).get("conditions", []) if replica_set is not None else []
    for condition in conditions:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Verdict("failed", f"its pods are refused: {condition.get('message', condition.get('reason'))}")
    for event in observed.events:
        if event.get("reason") == "FailedCreate" and event_version(event) not in known_events:
            return Verdict("failed", f"its pods are refused: {event.get('message')}")
    return None


def event_version(event: Object) -> str:
    return f"{event['metadata']['uid']}/{event['metadata']['resourceVersion']}"


def event_time(event: Object) -> str:
    """When an event was last seen (RFC 3339, UTC, seconds), from whichever of its fields is set."""
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(last or event["metadata"].get("creationTimestamp", ""))[:19]


def _what_pods_wait_for(observed: Observed) -> str:
    """Why the first pod that is not ready isn't, in brackets, or nothing."""
    for pod in current_pods(observed):
        conditions = {c["type"]: c for c in pod.get("status", {}).get("conditions", [])}
        scheduled = conditions.get("PodScheduled", {})
        if scheduled.get("status") == "False":
            return f" ({pod['metadata']['name']}: {scheduled.get('message', 'not scheduled')})"
        for container in container_statuses(pod):
            if not container.get("ready") and "terminated" not in container.get("state", {}):
                reason = container["state"].get("waiting", {}).get("reason", "not ready yet")
                return f" ({container['name']} in {pod['metadata']['name']}: {reason})"
    return ""
