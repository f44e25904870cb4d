# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Settings for the pods of a deployment's Jobs."""

    DOCUMENTATION = r"""
options:
  pod:
    description: Settings of the Job's pod, in the notation of Kubernetes.
    type: dict
    default: {}
    suboptions:
      service_account:
        description:
          - Service account. It needs no rights, and its token is not mounted. If it does not exist (yet), the default
            service account of the namespace is used.
        type: str
      security_context:
        description: The pod's C(securityContext).
        type: dict
        default: {}
      node_selector:
        description: The pod's C(nodeSelector).
        type: dict
        default: {}
      tolerations:
        description: The pod's C(tolerations).
        type: list
        elements: dict
        default: []
      resources:
        description: The container's C(resources).
        type: dict
        default: {}
      environment:
        description:
          - Additional environment variables of the container, for example for an auth manager with its own tables.
        type: list
        elements: dict
        default: []
      volumes:
        description: Additional volumes of the pod, such as one with the Python package of that auth manager.
        type: list
        elements: dict
        default: []
      volume_mounts:
        description: Additional mounts of the container.
        type: list
        elements: dict
        default: []
      image_pull_secrets:
        description: The pod's C(imagePullSecrets).
        type: list
        elements: dict
        default: []
      image_pull_policy:
        description: The container's C(imagePullPolicy).
        type: str
        choices: [Always, IfNotPresent, Never]
        default: IfNotPresent
      container_security_context:
        description:
          - The container's C(securityContext). If empty, the container has no capabilities and cannot gain privileges.
        type: dict
        default: {}
      affinity:
        description: The pod's C(affinity).
        type: dict
        default: {}
      priority_class:
        description: The pod's C(priorityClassName).
        type: str
      runtime_class:
        description: The pod's C(runtimeClassName).
        type: str
      labels:
        description: Additional labels of the pod.
        type: dict
        default: {}
      annotations:
        description: Annotations of the pod.
        type: dict
        default: {}
      nodes_on_demand:
        description:
          - Whether something such as cluster-autoscaler or Karpenter adds nodes for pods that fit on none. If so, check
            mode only warns if no existing node can run the pod. Otherwise the module fails.
        type: bool
        default: false
"""
