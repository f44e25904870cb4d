# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds running workloads that this collection created for a deployment, whatever its description says now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._kubernetes.workloads import KINDS, find_all
from .._pods.phase import is_finished
from .._pods.verdict import belongs
from .._rollout.belonging import deployment_of
from .finding import Finding

if TYPE_CHECKING:
    from .._kubernetes.objects import Objects

Object = dict[str, Any]
WITHOUT_TABLES = ("absent", "empty")


def running(objects: Objects, deployment: str) -> list[Object]:
    """These workloads, with their kinds, if they have replicas or pods that have not ended yet."""
    made = [
        {**item, "kind": kind}
        for kind in KINDS
        for item in objects.list(kind)["items"]
        if deployment_of(item) == deployment
    ]
    stopped = [workload for workload in made if not workload["spec"].get("replicas", 1)]
    # Others may have changed their selectors, so the owner of a pod decides.
    pods = [pod for pod in objects.list("Pod")["items"] if not is_finished(pod)] if stopped else []
    ended = [workload for workload in stopped if not any(belongs(workload, pod) for pod in pods)]
    return [workload for workload in made if workload not in ended]


def beside(objects: Objects, namespace: str, deployment: str, described: list[str]) -> Iterator[Finding]:
    """Workloads with other names than the described ones: the new workloads would not replace them."""
    for workload in running(objects, deployment):
        kind, name = workload["kind"], workload["metadata"]["name"]
        if name in described:
            continue
        stopped = not workload["spec"].get("replicas", 1)
        where, what = f"kubectl -n {namespace}", f"{kind.lower()}/{name}"
        stop = "" if stopped else f"{where} scale {what} --replicas=0; "
        yield Finding(
            f"workload {name}",
            ok=False,
            found=f"{kind} {name} of deployment {deployment!r} "
            f"{'has pods that have not ended yet' if stopped else 'runs'}, and airflow_components does not name it: "
            "it would run alongside the new workloads (two schedulers run tasks twice), with the previous keys and "
            "settings",
            expected=(
                f"all running workloads of deployment {deployment!r} are in airflow_components, which names "
                f"{', '.join(described)}"
            ),
            next_step=f"give the component its workload name {name} again; or, if it was renamed or removed, stop it: "
            f"{stop}wait until its pods have ended, run the same command again, and then: {where} delete {what}",
        )


def elsewhere(objects: Objects, namespace: str, deployment: str, names: list[str], stage: str) -> Iterator[Finding]:
    """Workloads of these names that cannot be using this database, so they use another one."""
    found = [workload for workload in running(objects, deployment) if workload["metadata"]["name"] in names]
    if found:
        texts = _texts(found)
        yield Finding(
            "database",
            ok=False,
            found=f"{' and '.join(texts)} of deployment {deployment!r} run with Airflow 3, and the described database "
            f"is {stage}: they use another one",
            expected="the database that this deployment uses, or no running workload of this deployment",
            next_step=(
                "correct airflow_database_host and airflow_database_name; or, if this deployment should use the "
                "described database from now on, pause its DAGs, wait until its tasks have ended, then: kubectl -n "
                f"{namespace} delete {' '.join(texts)}"
            ),
        )
    named = [each for name in names for each in find_all(objects, name)] if stage in WITHOUT_TABLES else []
    texts = _texts([each for each in named if deployment_of(each) is None and each["spec"].get("replicas", 1)])
    if not texts:
        return
    yield Finding(
        "database",
        ok=False,
        found=(
            f"{' and '.join(texts)} of others run, and the described database is {stage}: they use another one, and "
            "an installation would stop them while their tasks run and replace them without their data"
        ),
        expected="no running workload of these names if the database has no tables",
        next_step="correct airflow_database_host and airflow_database_name, and for an Airflow 1.x run upgrade.yml; "
        "or, to give up the running Airflow for a new, empty one, pause its DAGs, wait until its tasks have ended, "
        f"then: kubectl -n {namespace} scale --replicas=0 {' '.join(texts)}",
    )


def _texts(workloads: list[Object]) -> list[str]:
    return [f"{workload['kind'].lower()}/{workload['metadata']['name']}" for workload in workloads]
