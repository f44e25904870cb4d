# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.redaction import redact
from .._kubernetes.objects import Objects, listed_if_allowed
from .._kubernetes.unreachable import message_of, needs_a_real_request
from .definition import without_nulls
from .placement import ON_DEMAND, fits, is_eligible, selects, wanted_by_affinity
from .quota import EXCEEDED, quota_of, shortfalls, with_defaults
from .references import problem_with, references

if TYPE_CHECKING:
    from .._kubernetes.call import Call
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
NOT_MADE = "00000000-0000-0000-0000-000000000000"
MISSING_ACCOUNT = re.compile(r'serviceaccount "([^"]+)" not found')
# What quotas count in addition to the pods when a workload is created or gets another template. A Job is checked
# itself.
TEMPLATE_OBJECTS = {"Deployment": ("count/replicasets.apps",)}
NEW_OBJECTS = {
    "Deployment": ("count/deployments.apps", *TEMPLATE_OBJECTS["Deployment"]),
    "StatefulSet": ("count/statefulsets.apps",),
}


@dataclass(frozen=True)
class Coming:
    """Pods that a run is going to have created: `count` of them at once, from a template of `owner` (kind and name).

    `objects` come with them, by the names that quotas have for them.
    """

    kind: str
    name: str
    template: Object
    count: int = 1
    # Of a StatefulSet, whose volumes are created from these.
    claims: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    def pod(self) -> Object:
        """As its controller creates it, except for values that only a controller knows."""
        template = without_nulls(self.template)
        labels, owner = dict(template.get("metadata", {}).get("labels", {})), self.kind
        if self.kind == "Deployment":
            labels["pod-template-hash"], owner = "dry-run", "ReplicaSet"
        elif self.kind == "Job":
            labels["batch.kubernetes.io/job-name"] = labels["job-name"] = self.name[:63]
        metadata = {"annotations": template.get("metadata", {}).get("annotations", {}), "labels": labels}
        version = "batch/v1" if self.kind == "Job" else "apps/v1"
        if self.kind != "Pod":
            # Policies may reject pods without an owner.
            metadata["ownerReferences"] = [
                {"apiVersion": version, "kind": owner, "name": self.name, "uid": NOT_MADE, "controller": True}
            ]
        spec = template.get("spec", {})
        spec["volumes"] = [*spec.get("volumes", []), *({"name": name, "emptyDir": {}} for name in self.claims)]
        metadata["generateName"] = f"{self.name[:40]}-dry-run-"
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def coming_of(workload: Object, count: int | None = None, objects: tuple[str, ...] = ()) -> Coming:
    """The pods of a Deployment, StatefulSet or Job, and the `objects` that come with them."""
    spec = workload["spec"]
    claims = tuple(claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", []))
    name = workload["metadata"].get("name") or workload["metadata"]["generateName"]
    number = spec.get("replicas", 1) if count is None else count
    return Coming(workload["kind"], name, spec["template"], number, claims, objects)


@dataclass(frozen=True)
class Admitted:
    """The specification of pods as they are admitted. `quota` is one that counts them, according to the API server."""

    spec: Object
    quota: str | None = None


@dataclass
class Verdict:
    """The problems of pods, and what could not be determined."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(redact(problem))

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(redact(text))

    def refuse(self) -> None:
        """Raises OperatorError if there is a problem."""
        if self.problems:
            raise OperatorError(
                "; ".join(self.problems),
                expected="pods that this cluster admits, schedules and can start",
                untouched="everything; this was a dry run",
                next_step="correct the settings of the pods (resources, security context, node selector, tolerations, "
                "priority class), or the policy, quota or limit that forbids them; then run the same command again",
            )


def told(call: Call, verdict: Verdict) -> None:
    """Warn about what could not be determined. Raises OperatorError if there is a problem."""
    for warning in verdict.warnings:
        call.warn(warning)
    verdict.refuse()


class Admission:
    """Checks pods before anything is stopped for them: by a dry run, and their references, quotas and nodes.

    A controller's pods are admitted under the controller's name, so a policy that checks the creator of a pod may
    answer differently here. `made` are objects, as (kind, name), that the run creates before the pods.
    `nodes_on_demand` is whether nodes are added for pods that fit on none: then a missing node is not a problem.
    """

    def __init__(self, cluster: Cluster, made: set[tuple[str, str]], *, nodes_on_demand: bool = False) -> None:
        self._cluster, self._made, self._on_demand = cluster, made, nodes_on_demand
        self._objects = Objects(cluster)
        self._problems: dict[Any, str | None] = {}

    def look(self, coming: list[Coming], freed: list[Object] | None = None) -> Verdict:
        """The problems of all these pods together, once the `freed` ones have ended. Changes nothing."""
        verdict = Verdict()
        tried = [(pods, self._admitted(pods, verdict)) for pods in coming]
        # An invalid pod is not checked further.
        admitted = [(pods, found) for pods, found in tried if found is not None]
        for pods, found in admitted:
            self._refers(pods, found.spec, verdict)
        self._place(admitted, verdict)
        self._count(admitted, [pod["spec"] for pod in freed or []], verdict)
        self._budgets(coming, verdict)
        return verdict

    def job(self, manifest: Object) -> Verdict:
        """The same for a Job, which has to be admitted itself as well."""
        verdict = self.look([coming_of(manifest, 1)])
        try:
            self._dry(manifest)
        except ApiException as error:
            self._told(f"Job {coming_of(manifest).name}", error, verdict, counted=False)
        return verdict

    def _dry(self, body: Object) -> tuple[Object, list[str]]:
        answer: tuple[Object, list[str]] = self._objects.create_dry(body)
        return answer

    def _admitted(self, pods: Coming, verdict: Verdict) -> Admitted | None:
        """As they are admitted, with additions of defaults and webhooks, or else as they are defined. None for no
        pods."""
        body = pods.pod()
        name = f"{pods.kind} {pods.name}"
        try:
            try:
                answer, warnings = self._dry(body)
            except ApiException as error:
                account = MISSING_ACCOUNT.search(message_of(error))
                if account is None or ("ServiceAccount", account[1]) not in self._made:
                    raise
                # This run creates it. For the other checks of a pod, only its rights matter.
                body["spec"]["serviceAccountName"] = "default"
                answer, warnings = self._dry(body)
        except ApiException as error:
            if self._told(name, error, verdict) and error.status in (400, 422):
                return None
            quota = EXCEEDED.search(message_of(error))
            return Admitted(
                with_defaults(body["spec"], listed_if_allowed(self._objects, "LimitRange")),
                quota["name"] if quota else None,
            )
        for warning in warnings:
            verdict.warn(f"{name}: {warning}")
        return Admitted(dict(answer["spec"]))

    def _told(self, name: str, error: Any, verdict: Verdict, *, counted: bool = True) -> bool:
        """Whether it is a rejection, which is added to the verdict."""
        message = message_of(error)
        if needs_a_real_request(error):
            verdict.warn(f"{name}: {message}; whether its pods are admitted is only known when they are created")
        elif counted and error.status == 403 and EXCEEDED.search(message):
            # Only for now, while the old pods exist; the remaining quota without them is calculated below.
            pass
        elif error.status in (400, 403, 409, 422, 500, 503):
            verdict.add(f"pods of {name} would be rejected: {message}")
            return True
        else:
            raise error
        return False

    def _refers(self, pods: Coming, spec: Object, verdict: Verdict) -> None:
        for reference in sorted(references(spec), key=lambda item: (item.kind, item.name)):
            if (reference.kind, reference.name) in self._made:
                continue
            if reference not in self._problems:
                try:
                    self._problems[reference] = problem_with(self._objects, reference)
                except ApiException as error:
                    if error.status != 403:
                        raise
                    self._problems[reference] = None
                    verdict.warn(f"{reference.kind} {reference.name} can't be read, so it is unknown whether it exists")
            if problem := self._problems[reference]:
                verdict.add(f"pods of {pods.kind} {pods.name} could not start: {problem}")
        for secret in spec.get("imagePullSecrets", []):
            secret_name = secret.get("name")
            if not secret_name or ("Secret", secret_name) in self._made:
                continue
            if self._objects.read("Secret", secret_name) is None:
                verdict.warn(f"there is no pull Secret {secret_name}, which {pods.kind} {pods.name} refers to")

    def _place(self, admitted: list[tuple[Coming, Admitted]], verdict: Verdict) -> None:
        try:
            nodes = self._cluster.plain(self._cluster.core.list_node())["items"]
        except ApiException as error:
            if error.status not in (401, 403):
                raise
            verdict.warn("nodes can't be listed, so it is unknown whether any may run the pods")
            return
        for pods, found in admitted:
            spec = found.spec
            selector, tolerations = spec.get("nodeSelector") or {}, spec.get("tolerations") or []
            left = [
                node
                for node in nodes
                if is_eligible(node, selector, tolerations) and wanted_by_affinity(node, spec.get("affinity") or {})
            ]
            name = f"{pods.kind} {pods.name}"
            if not left:
                problem = f"none of {len(nodes)} nodes may run pods of {name} (node selector, affinity, taints)"
            elif not any(fits(node, spec) for node in left):
                problem = f"no node is large enough for a pod of {name}, even an empty one (its resource requests)"
            else:
                continue
            if self._on_demand:
                verdict.warn(f"{problem}; it starts when a node for it is added")
            else:
                verdict.add(f"{problem}; {ON_DEMAND}")

    def _count(self, admitted: list[tuple[Coming, Admitted]], freed: list[Object], verdict: Verdict) -> None:
        try:
            quotas = [quota_of(found) for found in self._objects.list("ResourceQuota")["items"]]
        except ApiException as error:
            if error.status != 403:
                raise
            verdict.warn("quotas can't be listed, so it is unknown whether the pods fit into them")
            return
        specs = [(found.spec, pods.count) for pods, found in admitted]
        objects = [name for pods, _found in admitted for name in pods.objects]
        for quota in quotas:
            counted = {position for position, (_pods, found) in enumerate(admitted) if found.quota == quota.name}
            for scope in quota.not_understood:
                verdict.warn(f"quota {quota.name} has scope {scope}, which is not counted here")
            for shortfall in shortfalls(quota, specs, freed, objects, counted):
                verdict.add(shortfall)

    def _budgets(self, coming: list[Coming], verdict: Verdict) -> None:
        """A pod that two budgets select cannot be evicted, so a drain of its node never ends."""
        if not any(kind == "PodDisruptionBudget" for kind, _name in self._made):
            return
        budgets = listed_if_allowed(self._objects, "PodDisruptionBudget")
        others = [found for found in budgets if ("PodDisruptionBudget", found["metadata"]["name"]) not in self._made]
        for pods in coming:
            labels = (pods.template.get("metadata") or {}).get("labels") or {}
            names = [
                found["metadata"]["name"] for found in others if selects(found["spec"].get("selector") or {}, labels)
            ]
            if names:
                verdict.warn(
                    f"PodDisruptionBudget {', '.join(names)} selects pods of {pods.kind} {pods.name}, which have their "
                    "own budget: with two, no drain can evict them. Delete it after the upgrade"
                )
