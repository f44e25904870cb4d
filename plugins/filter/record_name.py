# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: record_name
short_description: Name of a deployment's run record and of its lock
description:
  - A valid name of Kubernetes objects for any name of a deployment, and the same for no two of them. A name that is
    long or has characters that Kubernetes doesn't allow gets a short hash.
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
- name: Show what the record of a deployment is called
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
    """Names that roles and modules derive in the same way."""

    def filters(self) -> dict[str, Callable[[Any], str]]:
        # A name may be a number, or a value that was encrypted by itself.
        return {"record_name": lambda deployment: record_name(str(deployment))}
