# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: description_refusal
short_description: Why no deployment can be made of a description
description:
  - What is wrong with variables of role C(deployment), as a text for people; an empty one where nothing is.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
positional: _input
options:
  _input:
    description: Variables of the role by their names, all of those that are checked.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a description that no deployment can be made of
  ansible.builtin.fail:
    msg: "{{ description | hopsworks.airflow.description_refusal }}"
  when: description | hopsworks.airflow.description_refusal | length > 0
"""

RETURN = r"""
_value:
  description: What was found, what is expected, what is untouched and what to do next, or an empty text.
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
    """Checks that roles make before anything else."""

    def filters(self) -> dict[str, Callable[[Mapping[str, Any]], str]]:
        return {"description_refusal": description_refusal}
