# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cluster import Cluster


@dataclass(frozen=True)
class Right:
    """The verbs that this collection needs on one kind of object, and the purpose. `resource` may be a subresource
    (`pods/log`).

    `cluster_wide` rights are for objects outside the namespace (a ClusterRole), the others for a Role in it.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    purpose: str
    cluster_wide: bool = False

    @property
    def name(self) -> str:
        """As kubectl writes it: `deployments.apps`, `pods/log`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


# Objects of others are replaced and restored; objects that did not exist before are deleted in a rollback.
REPLACED = ("get", "create", "update", "patch", "delete")
# Server-side apply of an object that does not exist yet needs both `patch` and `create`.
RIGHTS: tuple[Right, ...] = (
    Right("", "configmaps", ("get", "list", "create", "update", "patch", "delete"), "run record, configuration"),
    Right("", "events", ("list", "watch"), "the cause of a failure"),
    Right("", "pods", ("list", "watch", "create", "delete"), "rollouts, images on the nodes"),
    Right("", "pods/exec", ("get", "create"), "dumps by the database's own tool"),
    Right("", "pods/log", ("get",), "the cause of a failure, logs of migrations"),
    Right("", "pods/portforward", ("get", "create"), "the way to database and HopsFS from outside the cluster"),
    Right("", "secrets", ("get", "create", "patch"), "signing keys, passwords, backups of what is replaced"),
    Right("", "serviceaccounts", REPLACED, "the pods' own account"),
    Right("", "services", REPLACED, "the address of the API server's pods"),
    Right(
        "apps",
        "deployments",
        ("get", "list", "watch", "create", "patch", "delete"),
        "the components; delete, to replace those that others made",
    ),
    Right("", "persistentvolumeclaims", ("get",), "whether volumes of the pods are there"),
    Right("", "limitranges", ("list",), "whether the pods are admitted"),
    Right("", "resourcequotas", ("list",), "whether the pods fit into them"),
    Right("apps", "replicasets", ("list", "watch"), "rollouts"),
    Right("apps", "statefulsets", ("get", "list", "watch", "patch"), "components that are one"),
    Right("autoscaling", "horizontalpodautoscalers", ("list",), "whose replicas are not for us to set"),
    Right("batch", "jobs", ("list", "create", "delete"), "migrations of the database"),
    Right("coordination.k8s.io", "leases", ("get", "create", "update", "patch", "delete"), "the run lock"),
    Right("policy", "poddisruptionbudgets", ("get", "list", *REPLACED[1:]), "drains of nodes"),
    Right("rbac.authorization.k8s.io", "rolebindings", REPLACED, "the pods' own rights"),
    Right("rbac.authorization.k8s.io", "roles", REPLACED, "the pods' own rights"),
    Right("", "nodes", ("list",), "which nodes need the image", cluster_wide=True),
)
# The rights for a rotation of the signing keys, in addition to rights on the Secrets, which are requested by name.
ROTATION_RIGHTS: tuple[Right, ...] = (
    Right("", "configmaps", ("get", "create", "update"), "run record"),
    Right("", "events", ("list", "watch"), "the cause of a failure"),
    Right("", "pods", ("get", "list", "watch"), "rollouts"),
    Right("", "pods/exec", ("get", "create"), "the configuration that the api-server runs with"),
    Right("", "pods/log", ("get",), "the cause of a failure"),
    Right("", "pods/portforward", ("get", "create"), "the way to database and pods from outside the cluster"),
    Right("", "services", ("get",), "the way to the database from outside the cluster"),
    Right("apps", "deployments", ("get", "list", "watch", "patch"), "restarts"),
    Right("apps", "replicasets", ("list", "watch"), "rollouts"),
    Right("apps", "statefulsets", ("get", "list", "watch", "patch"), "restarts"),
    Right("coordination.k8s.io", "leases", ("get", "create", "update", "patch", "delete"), "the run lock"),
)
RUNBOOKS = {"upgrade": RIGHTS, "rotation": ROTATION_RIGHTS}
CHECKS_AT_ONCE = 8


def missing_rights(cluster: Cluster, rights: tuple[Right, ...]) -> dict[str, list[str]]:
    """Verbs that the user lacks in the namespace, by the name of the resource, according to the API server."""
    questions = [(right, verb) for right in rights for verb in right.verbs]
    with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
        answers = list(pool.map(lambda question: _allowed(cluster, *question), questions))
    missing: dict[str, list[str]] = {}
    for (right, verb), allowed in zip(questions, answers, strict=True):
        if not allowed:
            missing.setdefault(right.name, []).append(verb)
    return missing


def rules(*, cluster_wide: bool = False) -> list[dict[str, Any]]:
    """The rights as rules of a Role, or of a ClusterRole."""
    return [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}
        for right in RIGHTS
        if right.cluster_wide == cluster_wide
    ]


def missing_on(cluster: Cluster, resource: str, name: str, verbs: Sequence[str]) -> list[str]:
    """Verbs that the user lacks on one object of the core group; a Role may be limited to named objects."""
    return [verb for verb in verbs if not _allowed(cluster, Right("", resource, (verb,), ""), verb, name)]


def _allowed(cluster: Cluster, right: Right, verb: str, name: str = "") -> bool:
    resource, _slash, subresource = right.resource.partition("/")
    attributes = {"group": right.group, "resource": resource, "subresource": subresource, "verb": verb, "name": name}
    attributes["namespace"] = "" if right.cluster_wide else cluster.namespace
    # Read here: the client's own reading, of all verbs, takes as long as the questions.
    body = {"spec": {"resourceAttributes": attributes}}
    answer = cluster.authorization.create_self_subject_access_review(body, _preload_content=False)
    return bool(json.loads(answer.data)["status"]["allowed"])
