# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: record_name
short_description: Name of a deployment's run record and of its lock
description:
  - Returns a valid and unique name of Kubernetes objects for any name of a deployment. If the name is too long or has
    characters that Kubernetes does not allow, a short hash is appended.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
positional: _input
options:
  _input:
    description: Name of the deployment.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the name of a deployment's record
  ansible.builtin.debug:
    msg: "{{ 'airflow' | hopsworks.airflow.record_name }}"
"""

RETURN = r"""
_value:
  description: Name of the ConfigMap and of the Lease.
  type: str
  sample: airflow-runbook-airflow
"""

from collections.abc import Callable
from typing import Any

from ..module_utils._common.names import record_name


class FilterModule:
    """Names that roles and modules derive identically."""

    def filters(self) -> dict[str, Callable[[Any], str]]:
        # A name may be a number or a vault-encrypted value.
        return {"record_name": lambda deployment: record_name(str(deployment))}
