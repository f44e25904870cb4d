# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: description_refusal
short_description: Validates the description of a deployment
description:
  - Returns the problems of the variables of role C(deployment) as a message for users, or an empty text if there are
    none. A variable whose name is almost that of an option is a problem.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
positional: _input, variables, specification
options:
  _input:
    description: Variables of the role by name, including all that are checked.
    type: dict
    required: true
  variables:
    description: Names of all variables that may be meant for the role.
    type: list
    elements: str
    required: true
  specification:
    description: The role's argument_specs, as text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Require a valid description of the deployment
  ansible.builtin.fail:
    msg: "{{ refusal }}"
  when: refusal | length > 0
  vars:
    refusal: "{{ description | hopsworks.airflow.description_refusal(query('varnames', '^airflow_'), specification) }}"
"""

RETURN = r"""
_value:
  description: What was found, what was expected, what is untouched and what to do next, or an empty text.
  type: str
  sample: ""
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..module_utils._common.failure import OperatorError
from ..module_utils._rollout.description import refuse_misspelt, refuse_odd


def description_refusal(described: Mapping[str, Any], variables: list[str], specification: str) -> str:
    try:
        refuse_misspelt(variables, specification)
        refuse_odd(described)
    except OperatorError as refused:
        return str(refused)
    return ""


class FilterModule:
    """Checks that roles run before anything else."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"description_refusal": description_refusal}
