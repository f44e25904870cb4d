# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The containers that are going to use an image: only a pod like theirs shows whether they can run it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.account import existing_account
from .placement import is_eligible, wanted_by_affinity

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

Object = dict[str, Any]

# The fields of a pod that determine its placement, its user and its pull credentials.
OF_A_POD = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "imagePullSecrets",
    "securityContext",
    "priorityClassName",
    "runtimeClassName",
    "serviceAccountName",
)
OF_A_CONTAINER = ("imagePullPolicy", "securityContext")


def normalised(image: str) -> str:
    """An image reference with registry, repository and tag or digest, as container runtimes report it.

    `python` is `docker.io/library/python:latest`. A tag in addition to a digest has no meaning and is dropped.
    """
    name, _at, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost"):
        first, rest = "docker.io", name
    if first in ("index.docker.io", "registry-1.docker.io"):
        first = "docker.io"
    repository, colon, tag = rest.rpartition(":")
    if not colon:
        repository, tag = rest, "latest"
    if first == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    return f"{first}/{repository}" + (f"@{digest}" if digest else f":{tag}")


@dataclass(frozen=True)
class Use:
    """One way in which pods use an image: the relevant settings of the pod and the container. `name` is the first such
    container.

    Two containers with the same relevant settings are one use.
    """

    name: str = field(compare=False)
    pod_spec: Object = field(default_factory=dict)
    container: Object = field(default_factory=dict)

    def asks_registry(self, image: str) -> bool:
        """Whether each start asks the registry, so that an existing image proves nothing."""
        policy = self.container.get("imagePullPolicy")
        return policy == "Always" or (not policy and normalised(image).endswith(":latest"))

    def nodes(self, nodes: Iterable[Object]) -> list[str]:
        """Names of the nodes that its pods may be scheduled onto now."""
        selector, tolerations = self.pod_spec.get("nodeSelector") or {}, self.pod_spec.get("tolerations") or []
        affinity = self.pod_spec.get("affinity") or {}
        return [
            node["metadata"]["name"]
            for node in nodes
            if is_eligible(node, selector, tolerations) and wanted_by_affinity(node, affinity)
        ]


def uses_of(cluster: Cluster, image: str, workloads: list[Object]) -> list[Use]:
    """The different uses of an image by these workloads. Raises OperatorError if there are none."""
    accounts: dict[str, str | None] = {}
    uses: list[Use] = []
    for workload in workloads:
        spec = workload["spec"]["template"]["spec"]
        name = f"{workload['kind']} {workload['metadata']['name']}"
        for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
            if container.get("image") != image:
                continue
            pod_spec = {key: spec[key] for key in OF_A_POD if spec.get(key)}
            account = pod_spec.pop("serviceAccountName", None)
            if account and account not in accounts:
                accounts[account] = existing_account(cluster, account)
            if account and accounts[account]:
                pod_spec["serviceAccountName"] = account
            own = {key: container[key] for key in OF_A_CONTAINER if container.get(key)}
            use = Use(f"container {container['name']} of {name}", pod_spec, own)
            if use not in uses:
                uses.append(use)
    if not uses:
        raise OperatorError(
            f"no container of {len(workloads)} workloads has image {image}",
            expected="an image that one of them uses",
            untouched="everything",
            next_step="correct `image`, or the workloads",
        )
    return uses
