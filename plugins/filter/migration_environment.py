# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: migration_environment
short_description: Environment of the Job that migrates the metadata database
description:
  - The sections C(core) and C(database) of C(airflow.cfg) as variables C(AIRFLOW__SECTION__OPTION), and the variables
    of the components. They determine which tables an auth manager or an external database manager adds.
  - Excludes secrets that the components read from files, and the connection, because the Job has its own.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
positional: _input, further
options:
  _input:
    description: Options of C(airflow.cfg) by section.
    type: dict
    required: true
  further:
    description: Environment variables of the components, as in a container. They take precedence over options.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show the environment of the Job
  ansible.builtin.debug:
    msg: "{{ {'core': {'auth_manager': 'company.Manager'}} | hopsworks.airflow.migration_environment }}"
"""

RETURN = r"""
_value:
  description: Environment variables, as in a container.
  type: list
  elements: dict
  sample: [{name: AIRFLOW__CORE__AUTH_MANAGER, value: company.Manager}]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..module_utils._metadata.new_schema.job_settings import environment_of


def migration_environment(
    configuration: Mapping[str, Any], further: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    return environment_of(configuration, further)


class FilterModule:
    """The environment that the role C(deployment) passes to the migration Job."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        return {"migration_environment": migration_environment}
