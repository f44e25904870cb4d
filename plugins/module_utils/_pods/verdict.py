# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .phase import is_finished
from .terminal_failure import Patience, Trouble, container_statuses, exits_allowed, pod_troubles

Object = dict[str, Any]

# terminationGracePeriodSeconds, where a pod doesn't say.
DEFAULT_GRACE_SECONDS = 30
# Beyond its grace period a pod on a good node is gone within seconds; a busy one gets longer.
GRACE_MARGIN_SECONDS = 60
REVISION = "deployment.kubernetes.io/revision"


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
    observed: Observed, *, generation: int = 0, wait_for_old: bool = True, patience: Patience | None = None
) -> Verdict:
    """Judge a rollout.

    `generation` is the least generation that counts: what is known of an older one says nothing. `patience` knows
    which troubles have lasted; without it any trouble is a failure, for who only looks.
    """
    workload = observed.workload
    if workload is None:
        return Verdict("failed", "it was deleted")
    status, spec = workload.get("status", {}), workload["spec"]
    if max(generation, workload["metadata"]["generation"]) > status.get("observedGeneration", 0):
        return Verdict("waiting", "its controller has not seen it yet")
    troubles = troubles_of(observed, wait_for_old=wait_for_old, patience=patience)
    failed = patience.final(troubles) if patience is not None else next(iter(troubles), None)
    if failed is not None:
        # What troubles a pod tells more than that time is up, even if its own grace is not over.
        cause = troubles[0]
        text = failed.text if cause is failed else f"{failed.text}; {cause.text}"
        return Verdict("failed", text, failed.pod or cause.pod, failed.container or cause.container)
    wanted = spec.get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    progress = f"{updated} of {wanted} updated, {available} available"
    if troubles:
        first = troubles[0]
        return Verdict("waiting", f"{progress}; {first.text}; it may pass within {first.grace:.0f} s")
    if updated != wanted or available != wanted or status.get("replicas", 0) != wanted:
        return Verdict("waiting", progress + _what_pods_wait_for(observed))
    if workload["kind"] == "StatefulSet" and wanted and status.get("currentRevision") != status.get("updateRevision"):
        return Verdict("waiting", progress)
    # A pod of the present template that ends is one too many, or one that others took away: it is not waited for.
    old = [pod for pod in own_pods(observed) if not wanted or not is_current(observed, pod)]
    if wait_for_old and old:
        names = sorted({pod["metadata"]["name"] for pod in old})
        return Verdict("waiting", f"{progress}; still ending: {', '.join(names)}")
    return Verdict("done", progress)


def troubles_of(observed: Observed, *, wait_for_old: bool = True, patience: Patience | None = None) -> list[Trouble]:
    """What keeps a workload from being rolled out, those first that tell most."""
    patience = patience or Patience()
    return [
        *(trouble for pod in current_pods(observed) for trouble in pod_troubles(pod)),
        *_stuck_workload(observed, patience),
        *refusals(observed, patience),
        *lost_pods(observed, wait_for_old=wait_for_old),
    ]


def patience_after(observed: Observed) -> Patience:
    """The patience of an action that begins now, and so is not to blame for what is there already."""
    workload = observed.workload
    return Patience(
        exits=exits_allowed(own_pods(observed)),
        deadline=exceeded_deadline(workload) if workload is not None else None,
        events=frozenset(map(event_version, observed.events)),
    )


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


def own_pods(observed: Observed) -> list[Object]:
    """The pods that are the workload's and not finished; new and old ones, ending ones too."""
    workload = observed.workload
    if workload is None:
        return []
    return [pod for pod in observed.pods if belongs(workload, pod) and not is_finished(pod)]


def current_pods(observed: Observed) -> list[Object]:
    """The pods that a rollout made and that are to stay."""
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
    """The pods that neither get ready nor end because their node is lost."""
    workload = observed.workload
    # New pods of these are made only when the old ones have ended.
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
                text = f"pod {name} cannot end, for its node {node} is lost: {problem}"
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
        found.append(Trouble("final", "its update strategy is OnDelete: its pods are replaced by hand only"))
    if strategy.get("rollingUpdate", {}).get("partition"):
        found.append(Trouble("final", "its update strategy has a partition: some of its pods stay old"))
    exceeded, allowed = exceeded_deadline(workload), spec.get("progressDeadlineSeconds", 600)
    if exceeded is not None and exceeded != patience.deadline:
        # The controller counts from when the rollout began, which may be an earlier action's.
        grace = 0 if patience.seconds() >= allowed else allowed
        found.append(Trouble("final", f"it made no progress for {allowed} s", exceeded, grace_seconds=grace))
    return found


def refusals(observed: Observed, patience: Patience) -> list[Trouble]:
    """Pods that quota or an admission webhook refuses: they never come to be, so no pod tells of it.

    A condition says what the controller saw when it tried last, which may be a quarter of an hour ago.
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
    return [Trouble("refused", f"its pods are refused: {message}", about) for message in messages]


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
