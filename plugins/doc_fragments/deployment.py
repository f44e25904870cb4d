# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that every module of the collection has."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: Namespace of the Airflow deployment.
    type: str
    required: true
  lock:
    description:
      - The run lock that this action must hold. The action renews it while it works, and fails if another run holds it.
      - If omitted, the action works without a lock, for manual use.
    type: dict
    suboptions:
      name:
        description: Name of the Lease, as given to M(hopsworks.airflow.run_lock).
        type: str
        required: true
      holder:
        description: The holder, as given to M(hopsworks.airflow.run_lock).
        type: str
        required: true
  cluster:
    description:
      - The cluster on which the run started, as M(hopsworks.airflow.cluster_info) returns it. The action fails if it
        reaches another API server.
      - If omitted, the action uses the cluster that the options and the kubeconfig select.
    type: dict
    suboptions:
      server:
        description: URL of the API server.
        type: str
        required: true
      context:
        description: Context of the kubeconfig, used if O(context) is omitted.
        type: str
requirements:
  - kubernetes >= 29.0.0, < 36
"""

    OWNER = r"""
options:
  deployment:
    description:
      - Name of the deployment. Together with O(namespace) and the live schema, it identifies the owner of everything
        that this module leaves in a schema. The module fails if it finds anything that belongs to another deployment.
    type: str
    required: true
"""
