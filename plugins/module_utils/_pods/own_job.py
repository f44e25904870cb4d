# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .._kubernetes.account import existing_account
from .._kubernetes.cluster import Cluster

LABEL_ACTION = "hopsworks.airflow/action"
LABEL_RUN = "hopsworks.airflow/run"

# The argument spec of the option `pod`.
POD_ARGUMENT: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {
        "service_account": {"type": "str"},
        "security_context": {"type": "dict", "default": {}},
        "node_selector": {"type": "dict", "default": {}},
        "tolerations": {"type": "list", "elements": "dict", "default": []},
        "resources": {"type": "dict", "default": {}},
        "environment": {"type": "list", "elements": "dict", "default": []},
        "volumes": {"type": "list", "elements": "dict", "default": []},
        "volume_mounts": {"type": "list", "elements": "dict", "default": []},
        "image_pull_secrets": {"type": "list", "elements": "dict", "default": [], "no_log": False},
        "image_pull_policy": {"type": "str", "choices": ["Always", "IfNotPresent", "Never"], "default": "IfNotPresent"},
        "container_security_context": {"type": "dict", "default": {}},
        "affinity": {"type": "dict", "default": {}},
        "priority_class": {"type": "str"},
        "runtime_class": {"type": "str"},
        "labels": {"type": "dict", "default": {}},
        "annotations": {"type": "dict", "default": {}},
        "nodes_on_demand": {"type": "bool", "default": False},
    },
}


@dataclass(frozen=True)
class Pod:
    """A deployment's settings for pods in its namespace, in the notation of Kubernetes."""

    service_account: str | None = None
    security_context: dict[str, Any] = field(default_factory=dict)
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)
    resources: dict[str, Any] = field(default_factory=dict)
    environment: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    volume_mounts: list[dict[str, Any]] = field(default_factory=list)
    image_pull_secrets: list[dict[str, str]] = field(default_factory=list)
    image_pull_policy: str = "IfNotPresent"
    container_security_context: dict[str, Any] = field(default_factory=dict)
    affinity: dict[str, Any] = field(default_factory=dict)
    priority_class: str | None = None
    runtime_class: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    nodes_on_demand: bool = False

    @property
    def placement(self) -> dict[str, Any]:
        """The part of its specification that does not depend on what runs in it."""
        names = {
            "serviceAccountName": self.service_account,
            "priorityClassName": self.priority_class,
            "runtimeClassName": self.runtime_class,
        }
        return {
            "securityContext": self.security_context,
            "nodeSelector": self.node_selector,
            "tolerations": self.tolerations,
            "affinity": self.affinity,
            "imagePullSecrets": self.image_pull_secrets,
            **{key: value for key, value in names.items() if value},
        }

    @property
    def container_security(self) -> dict[str, Any]:
        return self.container_security_context or {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


def pod_of(cluster: Cluster, given: dict[str, Any] | None) -> Pod:
    """The value of the option `pod`, without a service account that does not exist yet: the deployment may create it
    later."""
    pod = Pod(**(given or {}))
    return replace(pod, service_account=existing_account(cluster, pod.service_account))


def job_of(
    name: str,
    labels: dict[str, str],
    pod: Pod,
    container: dict[str, Any],
    volumes: list[dict[str, Any]],
    *,
    timeout_seconds: int,
    grace_seconds: int,
    kept_seconds: int,
) -> dict[str, Any]:
    """A Job with one container and a deployment's pod settings. It never runs twice, and mounts no token.

    `kept_seconds` is how long it is kept if its run was killed.
    """
    own = {"imagePullPolicy": pod.image_pull_policy, "securityContext": pod.container_security}
    mounts = [*container.get("volumeMounts", []), *pod.volume_mounts]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name[:63], "labels": labels},
        "spec": {
            # A second attempt would find the first one's leftovers.
            "backoffLimit": 0,
            "activeDeadlineSeconds": timeout_seconds,
            "ttlSecondsAfterFinished": kept_seconds,
            "template": {
                "metadata": {"labels": {**pod.labels, **labels}, "annotations": pod.annotations},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": grace_seconds,
                    **pod.placement,
                    "containers": [{**own, "resources": pod.resources, **container, "volumeMounts": mounts}],
                    "volumes": [*volumes, *pod.volumes],
                },
            },
        },
    }
