# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.redaction import redact
from .._kubernetes.managed import ManagedByOthers
from .._kubernetes.managed_secret import managers_of_secret
from .._kubernetes.objects import Objects
from .._kubernetes.rights import RUNBOOKS, missing_on, missing_rights
from .._kubernetes.secret import metadata_of
from .._kubernetes.workloads import KINDS, find, find_all
from .._pods.definition import is_ours
from .._pods.evidence import secret_names
from .._pods.phase import is_finished
from .._pods.verdict import assess, belongs
from .._pods.watcher import Watcher
from .._rollout.belonging import NAMES_OF_ITS_OWN, deployment_of, is_of_another
from .._rollout.managed import managers_of
from .._rollout.reloaders import changed_secrets, reloadings_of
from .clients import of_no_pod, owner_of, pods_behind
from .finding import Finding
from .services import reached
from .undescribed import beside, elsewhere

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]

# The first version in which `preStop: {sleep: ...}` works without a feature gate; without it, restarts lose requests.
OLDEST_KUBERNETES = (1, 30)
# Stages of a database that no workload of this collection can use.
BEFORE_AIRFLOW_3 = ("absent", "empty", "old")


class Preflight:
    """Read-only checks of a cluster. Each yields findings and does not stop the others."""

    def __init__(self, cluster: Cluster, progress: Progress) -> None:
        self._cluster, self._progress = cluster, progress
        self._objects = Objects(cluster)

    def run(
        self,
        *,
        workloads: list[str],
        secrets: list[Object],
        services: list[Object],
        runbook: str | None,
        deployment: str | None = None,
        managed_by_others: ManagedByOthers = "refuse",
    ) -> list[Finding]:
        """All findings, including good ones, in the order of the checks. The rights of `runbook` are checked.

        Workloads of another deployment of this collection than `deployment` are an error.
        With `managed_by_others` accepted, another writer of a Secret is a warning.
        """
        checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
            ("kubernetes", self.version),
            ("namespace", self.namespace),
        ]
        if runbook is not None:
            checks.append(("rights", functools.partial(self.rights, runbook)))
        if runbook != "rotation":  # which needs no rights outside the namespace
            checks.append(("nodes", self.nodes))
        checks += [(f"workload {name}", functools.partial(self.workload, name, deployment)) for name in workloads]
        checks += [
            (f"secret {wanted['name']}", functools.partial(self.secret, wanted, managed_by_others))
            for wanted in secrets
        ]
        checks += [(f"service {wanted['name']}", functools.partial(self.service, wanted)) for wanted in services]
        findings: list[Finding] = []
        for name, check in checks:
            findings += self._guarded(name, check)
        return findings

    def _guarded(self, name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
        try:
            return list(check())
        except ApiException as error:
            found = f"{name} cannot be read: the API server answered {error.status} {error.reason}"
            next_step = "grant the missing right (docs/operator.md lists them)" if error.status == 403 else "try again"
            return [Finding(name, ok=False, found=found, expected=f"{name} can be read", next_step=next_step)]

    def version(self) -> Iterator[Finding]:
        found = client.VersionApi(self._cluster.api).get_code()
        version = (int(found.major), int("".join(filter(str.isdecimal, found.minor))))
        yield Finding(
            "kubernetes",
            ok=version >= OLDEST_KUBERNETES,
            found=f"Kubernetes {found.git_version}",
            expected=f"Kubernetes {'.'.join(map(str, OLDEST_KUBERNETES))} or newer (preStop sleep)",
            next_step="upgrade the cluster first",
        )

    def namespace(self) -> Iterator[Finding]:
        name = self._cluster.namespace
        try:
            phase = self._cluster.core.read_namespace(name).status.phase
        except ApiException as error:
            if error.status == 403:
                return  # a user may have rights in a namespace without the right to read it
            if error.status != 404:
                raise
            phase = "absent"
        yield Finding(
            f"namespace {name}",
            ok=phase == "Active",
            found=f"namespace {name} is {phase.lower()}",
            expected=f"namespace {name} with the deployment in it",
            next_step="correct the namespace or the kubeconfig",
        )

    def rights(self, runbook: str) -> Iterator[Finding]:
        missing = missing_rights(self._cluster, RUNBOOKS[runbook])
        lacking = ", ".join(f"{' and '.join(verbs)} on {name}" for name, verbs in sorted(missing.items()))
        yield Finding(
            "rights",
            ok=not missing,
            found=f"missing rights: {lacking}" if missing else "no rights are missing",
            expected=f"the rights that docs/operator.md lists, in namespace {self._cluster.namespace}",
            next_step="have an administrator grant them, or use another kubeconfig",
        )

    def nodes(self) -> Iterator[Finding]:
        nodes = self._cluster.core.list_node().items
        ready = [
            node.metadata.name
            for node in nodes
            if any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or [])
        ]
        lost = sorted({node.metadata.name for node in nodes} - set(ready))
        yield Finding(
            "nodes",
            ok=not lost,
            found=f"{len(ready)} of {len(nodes)} nodes are ready" + (f" (not {', '.join(lost)})" if lost else ""),
            expected="all nodes ready",
            next_step="find out why: kubectl describe node",
            level="warning" if ready else "error",
        )

    def workload(self, name: str, deployment: str | None = None) -> Iterator[Finding]:
        check = f"workload {name}"
        workloads = find_all(self._objects, name)
        if not workloads:
            yield Finding(check, ok=True, found=f"{name} does not exist yet", expected=f"{name} healthy or absent")
        for workload in workloads:
            yield from self._workload(check, name, workload, deployment)

    def _workload(self, check: str, name: str, workload: Object, deployment: str | None) -> Iterator[Finding]:
        kind, ours = workload["kind"], is_ours(workload)
        if is_of_another(workload, deployment):
            yield Finding(
                check,
                ok=False,
                found=f"{kind} {name} belongs to deployment {deployment_of(workload)!r}",
                expected=f"workloads of deployment {deployment!r}, or of none",
                next_step=NAMES_OF_ITS_OWN,
            )
            return
        with Watcher(self._cluster, self._objects, workload, self._progress) as watcher:
            verdict = assess(watcher.observe(), wait_for_old=False)
        yield Finding(
            check,
            ok=ours or verdict.state == "done" or "deletionTimestamp" in workload["metadata"],
            found=redact(f"{kind} {name}: {verdict.reason}"),
            expected=f"{kind} {name} healthy before it is replaced",
            next_step=(
                f"kubectl -n {self._cluster.namespace} describe {kind.lower()} {name}; fix it before the run, because "
                "afterwards it would be unknown what the run broke"
            ),
        )
        controllers = [manager.name for manager in managers_of(workload)]
        if controllers:
            yield Finding(
                check,
                ok=False,
                found=f"{kind} {name} belongs to {' and '.join(controllers)}, which may revert changes to it",
                expected="no other controller that changes it",
                next_step="remove it from its release or application, or pause that until its definition says the same",
                level="warning",
            )

    def secret(self, wanted: Object, managed_by_others: ManagedByOthers = "refuse") -> Iterator[Finding]:
        name, keys = wanted["name"], wanted.get("keys") or []
        if wanted.get("written") and (missing := missing_on(self._cluster, "secrets", name, ("get", "patch"))):
            yield Finding(
                f"secret {name}",
                ok=False,
                found=f"missing rights: {' and '.join(missing)} on Secret {name}",
                expected=f"the rights to read and change Secret {name}",
                next_step="have an administrator grant them, or use another kubeconfig",
            )
            return
        secret = self._cluster.find(self._cluster.core.read_namespaced_secret, name)
        entries = secret.data or {} if secret is not None else {}
        lacking = [key for key in keys if not entries.get(key)]
        problem, next_step = None, "create or complete it, or use the correct name"
        if secret is None:
            problem = f"there is no Secret {name}"
        elif lacking:
            problem = f"Secret {name} lacks {', '.join(lacking)}"
        elif wanted.get("written") and secret.immutable:
            problem = f"Secret {name} is immutable, but the run has to change it"
            next_step = "save it, delete it, and create it again without `immutable: true`"
        yield Finding(
            f"secret {name}",
            ok=problem is None,
            found=problem or f"Secret {name} has {', '.join(keys) or 'entries'}",
            expected=f"Secret {name}" + (f" with {', '.join(keys)}" if keys else ""),
            next_step=next_step,
        )
        for manager in managers_of_secret(name, metadata_of(secret)) if wanted.get("written") else ():
            yield Finding(
                f"secret {name}",
                ok=False,
                found=f"Secret {name} belongs to {manager.name} ({manager.mark}): {manager.what}",
                expected="a Secret that no other controller writes",
                next_step=manager.remedy or f"find out what {manager.name} does with it",
                level="error" if manager.reverts and managed_by_others == "refuse" else "warning",
            )

    def service(self, wanted: Object) -> Iterator[Finding]:
        name, port = wanted["name"], int(wanted["port"])
        check = f"service {name}"
        try:
            yield Finding(check, ok=True, found=reached(self._cluster, name, port), expected=f"{name} can be reached")
        except OperatorError as error:
            yield Finding(check, ok=False, found=error.found, expected=error.expected, next_step=error.next_step)

    def sessions(self, sessions: list[Object], stopped: list[str]) -> list[Finding]:
        """Users of the database that do not belong to the workloads that the run stops."""
        return self._guarded("sessions", functools.partial(self._sessions, sessions, stopped)) if sessions else []

    def _sessions(self, sessions: list[Object], stopped: list[str]) -> Iterator[Finding]:
        workloads = [workload for name in stopped for workload in find_all(self._objects, name)]
        # Another pod may have the address of an ended one by now.
        pods = [pod for pod in self._objects.list("Pod")["items"] if not is_finished(pod)]
        ending = [pod for pod in pods if any(belongs(workload, pod) for workload in workloads)]
        strange = of_no_pod(sessions, pods, ending)
        if strange:
            yield Finding(
                "sessions",
                ok=False,
                found=f"{strange} (looked for in namespace {self._cluster.namespace})",
                expected=f"only pods of {', '.join(stopped)} in the database when its tables are moved",
                next_step=(
                    "end them before the run (the list of the database's sessions shows their users): after everything "
                    "is stopped, the run waits a minute for them to end, then rolls back"
                ),
                level="warning",
            )
        for pod in pods_behind(sessions, pods):
            if pod in ending:
                continue
            yield Finding(
                "sessions",
                ok=False,
                found=f"pod {pod['metadata']['name']} of {owner_of(pod)} has a session on the live schema, and this "
                "run does not stop it",
                expected=f"only pods of {', '.join(stopped)} in the database when its tables are moved",
                next_step=f"stop it for the upgrade (kubectl -n {self._cluster.namespace} scale, or suspend its "
                "CronJob): the run waits a minute for its sessions to end, then rolls back",
                level="warning",
            )

    def undescribed(self, described: list[str], deployment: str | None) -> list[Finding]:
        """Running workloads that were created for this deployment and are not in its description."""
        if deployment is None or not described:
            return []
        namespace = self._cluster.namespace
        return self._guarded("workloads", functools.partial(beside, self._objects, namespace, deployment, described))

    def elsewhere(self, stage: str | None, names: list[str], deployment: str | None) -> list[Finding]:
        """Running workloads that cannot be using the described database."""
        if deployment is None or stage not in BEFORE_AIRFLOW_3:
            return []
        namespace = self._cluster.namespace
        look = functools.partial(elsewhere, self._objects, namespace, deployment, names, stage)
        return self._guarded("workloads", look)

    def shared(self, changed: list[str], deployment: str | None) -> list[Finding]:
        """Secrets that the run changes and that another deployment of this collection uses."""
        if deployment is None or not changed:
            return []
        return self._guarded("secrets of others", functools.partial(self._shared, changed, deployment))

    def _shared(self, changed: list[str], deployment: str) -> Iterator[Finding]:
        for kind in KINDS:
            for item in self._objects.list(kind)["items"]:
                used = sorted(secret_names(item["spec"]["template"]["spec"]) & set(changed))
                if not used or not is_of_another(item, deployment):
                    continue
                yield Finding(
                    f"secret {used[0]}",
                    ok=False,
                    found=f"Secret {' and '.join(used)} is used by {kind} {item['metadata']['name']} of deployment "
                    f"{deployment_of(item)!r}: its pods would keep the previous keys and passwords",
                    expected=f"Secrets that only deployment {deployment!r} uses",
                    next_step=NAMES_OF_ITS_OWN,
                )

    def reloaded(self, workloads: list[str], changed: list[str], *, accepted: bool) -> list[Finding]:
        """Workloads that other controllers restart when one of these Secrets changes."""
        findings: list[Finding] = []
        for name in workloads if changed else []:
            findings += self._guarded(f"workload {name}", functools.partial(self._reloaded, name, changed, accepted))
        return findings

    def _reloaded(self, name: str, changed: list[str], accepted: bool) -> Iterator[Finding]:
        workload = find(self._objects, name)
        secrets = changed_secrets(self._cluster, changed)
        for reloading in reloadings_of(workload, secrets) if workload is not None else []:
            yield Finding(
                f"workload {name}",
                ok=False,
                found=reloading.what,
                expected="no other controller that restarts it",
                next_step=reloading.remedy,
                level="warning" if accepted else "error",
            )
