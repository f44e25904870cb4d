# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .phase import is_finished
from .terminal_failure import Patience, Trouble, container_statuses, exits_allowed, pod_troubles

Object = dict[str, Any]

# Default of terminationGracePeriodSeconds.
DEFAULT_GRACE_SECONDS = 30
# After its grace period, a pod on a healthy node is gone within seconds; a busy node gets longer.
GRACE_MARGIN_SECONDS = 60
REVISION = "deployment.kubernetes.io/revision"


@dataclass
class Observed:
    """The API server's state of one workload at one moment. The lists may contain objects of others.

    `events` are only needed for StatefulSets, whose status does not report rejected pods. `nodes` has the problems of
    the nodes of pods that are not ready or are terminating, None for a good one. `overdue` are the uids of pods that
    have not ended GRACE_MARGIN_SECONDS after their grace period.
    """

    workload: Object | None
    pods: list[Object] = field(default_factory=list)
    replica_sets: list[Object] = field(default_factory=list)
    events: list[Object] = field(default_factory=list)
    nodes: dict[str, str | None] = field(default_factory=dict)
    overdue: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Verdict:
    """Whether a rollout is complete, in progress, or has failed; `reason` in a few words.

    `pod` and `container` show where the cause can be read, if it is theirs.
    """

    state: Literal["done", "waiting", "failed"]
    reason: str
    pod: str | None = None
    container: str | None = None


def assess(
    observed: Observed, *, generation: int = 0, wait_for_old: bool = True, patience: Patience | None = None
) -> Verdict:
    """Judge a rollout.

    `generation` is the lowest generation that counts: the status of an older one is ignored. `patience` knows how long
    problems have lasted; without it, any problem is a failure, which suits a single check.
    """
    workload = observed.workload
    if workload is None:
        return Verdict("failed", "it was deleted")
    status, spec = workload.get("status", {}), workload["spec"]
    if max(generation, workload["metadata"]["generation"]) > status.get("observedGeneration", 0):
        return Verdict("waiting", "its controller has not observed it yet")
    troubles = troubles_of(observed, wait_for_old=wait_for_old, patience=patience)
    failed = patience.final(troubles) if patience is not None else next(iter(troubles), None)
    if failed is not None:
        # A pod's problem says more than an exceeded deadline, even if its own grace period is not over.
        cause = troubles[0]
        text = failed.text if cause is failed else f"{failed.text}; {cause.text}"
        return Verdict("failed", text, failed.pod or cause.pod, failed.container or cause.container)
    wanted = spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    progress = f"{updated} of {wanted} updated, {available} available"
    if troubles:
        first = troubles[0]
        return Verdict("waiting", f"{progress}; {first.text}; it may be temporary, for up to {first.grace:.0f} s")
    if updated != wanted or available != wanted or status.get("replicas", 0) != wanted:
        return Verdict("waiting", progress + _what_pods_wait_for(observed))
    if workload["kind"] == "StatefulSet" and wanted and status.get("currentRevision") != status.get("updateRevision"):
        return Verdict("waiting", progress)
    # A terminating pod of the current template is surplus or was removed by others, so the rollout does not wait for
    # it.
    old = [pod for pod in own_pods(observed) if not wanted or not is_current(observed, pod)]
    if wait_for_old and old:
        names = sorted({pod["metadata"]["name"] for pod in old})
        return Verdict("waiting", f"{progress}; still terminating: {', '.join(names)}")
    return Verdict("done", progress)


def troubles_of(observed: Observed, *, wait_for_old: bool = True, patience: Patience | None = None) -> list[Trouble]:
    """The problems that keep a workload from being rolled out, the most informative ones first."""
    patience = patience or Patience()
    return [
        *(trouble for pod in current_pods(observed) for trouble in pod_troubles(pod)),
        *_stuck_workload(observed, patience),
        *refusals(observed, patience),
        *lost_pods(observed, wait_for_old=wait_for_old),
    ]


def patience_after(observed: Observed) -> Patience:
    """The patience of an action that starts now, and so ignores existing problems."""
    workload = observed.workload
    return Patience(
        exits=exits_allowed(own_pods(observed)),
        deadline=exceeded_deadline(workload) if workload is not None else None,
        events=frozenset(map(event_version, observed.events)),
    )


def belongs(workload: Object, pod: Object) -> bool:
    """Whether a pod belongs to this workload; its selector may match other pods."""
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


def own_pods(observed: Observed) -> list[Object]:
    """The unfinished pods of the workload: new, old and terminating ones."""
    workload = observed.workload
    if workload is None:
        return []
    return [pod for pod in observed.pods if belongs(workload, pod) and not is_finished(pod)]


def current_pods(observed: Observed) -> list[Object]:
    """The pods that a rollout has created and that should stay."""
    return [
        pod for pod in own_pods(observed) if is_current(observed, pod) and "deletionTimestamp" not in pod["metadata"]
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


def lost_pods(observed: Observed, *, wait_for_old: bool = True) -> list[Trouble]:
    """The pods that neither become ready nor end because their node is lost."""
    workload = observed.workload
    # For these, new pods are only created when the old ones have ended.
    blocked = workload is not None and (
        workload["kind"] == "StatefulSet" or workload["spec"].get("strategy", {}).get("type") == "Recreate"
    )
    found = []
    for pod in own_pods(observed):
        name, uid, node = pod["metadata"]["name"], pod["metadata"]["uid"], pod.get("spec", {}).get("nodeName")
        problem = observed.nodes.get(node)
        if problem is None and pod.get("status", {}).get("reason") == "NodeLost":
            problem = pod["status"].get("message") or "NodeLost"
        if "deletionTimestamp" not in pod["metadata"]:
            if problem and is_current(observed, pod) and not is_ready(pod):
                found.append(Trouble("node", f"pod {name} is on node {node}, which is lost: {problem}", uid, name))
        elif wait_for_old or blocked:
            if problem:
                text = f"pod {name} cannot end because its node {node} is lost: {problem}"
                found.append(Trouble("node", text, uid, name))
            elif uid in observed.overdue and observed.nodes.get(node, "unknown"):
                late = f"{GRACE_MARGIN_SECONDS} s after its grace period"
                text = f"pod {name} has not ended {late}; its node {node} seems lost (nodes can't be read)"
                found.append(Trouble("final", text, uid, name))
    return found


def _stuck_workload(observed: Observed, patience: Patience) -> list[Trouble]:
    workload = observed.workload or {}
    spec = workload["spec"]
    strategy = spec.get("updateStrategy", {})
    found = []
    if spec.get("paused"):
        found.append(Trouble("final", "it is paused (spec.paused)"))
    if strategy.get("type") == "OnDelete":
        found.append(
            Trouble("final", ("its update strategy is OnDelete: its pods are only replaced when they are deleted"))
        )
    if strategy.get("rollingUpdate", {}).get("partition"):
        found.append(Trouble("final", "its update strategy has a partition: some of its pods stay old"))
    exceeded, allowed = exceeded_deadline(workload), spec.get("progressDeadlineSeconds", 600)
    if exceeded is not None and exceeded != patience.deadline:
        # The controller counts from the start of the rollout, which an earlier action may have started.
        grace = 0 if patience.seconds() >= allowed else allowed
        found.append(Trouble("final", f"it made no progress for {allowed} s", exceeded, grace_seconds=grace))
    return found


def refusals(observed: Observed, patience: Patience) -> list[Trouble]:
    """Pods that quota or an admission webhook rejects: they are never created, so no pod shows the problem.

    A condition has the result of the controller's last attempt, which may be 15 minutes old.
    """
    workload = observed.workload
    if workload is None:
        return []
    about = str(workload["metadata"].get("uid", ""))
    messages = []
    replica_set = current_replica_set(observed)
    if replica_set is not None and _lacks_pods(replica_set):
        messages += _messages(replica_set, "ReplicaFailure", "True")
    messages += _messages(workload, "Progressing", "False", "ReplicaSetCreateError")
    uids = frozenset(pod["metadata"]["uid"] for pod in current_pods(observed))
    for event in observed.events if _lacks_pods(workload) else []:
        version = event_version(event)
        mine = event.get("reason") == "FailedCreate" and version not in patience.events
        if mine and not patience.answered(version, uids):
            messages.append(str(event.get("message")))
    return [Trouble("refused", f"its pods are rejected: {message}", about) for message in messages]


def _messages(obj: Object, kind: str, status: str, reason: str | None = None) -> list[str]:
    return [
        str(condition.get("message") or condition.get("reason"))
        for condition in obj.get("status", {}).get("conditions", [])
        if condition["type"] == kind and condition["status"] == status and reason in (None, condition.get("reason"))
    ]


def _lacks_pods(obj: Object) -> bool:
    return bool(obj.get("status", {}).get("replicas", 0) < obj["spec"].get("replicas", 1))


def event_version(event: Object) -> str:
    return f"{event['metadata']['uid']}/{event['metadata']['resourceVersion']}"


def event_time(event: Object) -> str:
    """When an event was last seen (RFC 3339, UTC, seconds), from whichever of its fields is set."""
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(last or event["metadata"].get("creationTimestamp", ""))[:19]


def _what_pods_wait_for(observed: Observed) -> str:
    """Why the first unready pod is not ready, in brackets, or nothing."""
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
