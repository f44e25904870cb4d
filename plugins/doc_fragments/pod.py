# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What a deployment wants of the pods of its Jobs."""

    DOCUMENTATION = r"""
options:
  pod:
    description: What the deployment wants of pods in its namespace, as Kubernetes writes it.
    type: dict
    default: {}
    suboptions:
      service_account:
        description:
          - Service account. It needs no rights, and its token is not mounted. Where there is none of that name (yet),
            it is the default one of the namespace.
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
        description: Further environment variables of the container (an auth manager with tables of its own, say).
        type: list
        elements: dict
        default: []
      volumes:
        description: Further volumes of the pod, such as one with the Python package of that auth manager.
        type: list
        elements: dict
        default: []
      volume_mounts:
        description: Further mounts of the container.
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
        description: The container's C(securityContext). If empty, no privileges can be gained, and none are there.
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
        description: Further labels of the pod.
        type: dict
        default: {}
      annotations:
        description: Annotations of the pod.
        type: dict
        default: {}
      nodes_on_demand:
        description:
          - Whether nodes are made for pods that have none (cluster-autoscaler, Karpenter). Then it is a warning in
            check mode that none of the nodes which are there may run the pod. Otherwise it is refused.
        type: bool
        default: false
"""
