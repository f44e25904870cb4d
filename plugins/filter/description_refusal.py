# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: description_refusal
short_description: Validates the description of a deployment
description:
  - Returns the problems of the variables of role C(deployment) as a message for users, or an empty text if there are
    none.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
positional: _input
options:
  _input:
    description: Variables of the role by name, including all that are checked.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Require a valid description of the deployment
  ansible.builtin.fail:
    msg: "{{ description | hopsworks.airflow.description_refusal }}"
  when: description | hopsworks.airflow.description_refusal | length > 0
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
from ..module_utils._rollout.description import refuse_odd


def description_refusal(described: Mapping[str, Any]) -> str:
    try:
        refuse_odd(described)
    except OperatorError as refused:
        return str(refused)
    return ""


class FilterModule:
    """Checks that roles run before anything else."""

    def filters(self) -> dict[str, Callable[[Mapping[str, Any]], str]]:
        return {"description_refusal": description_refusal}
