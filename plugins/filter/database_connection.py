# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: database_connection
short_description: How Airflow's components connect to the metadata database
description:
  - The URL for SQLAlchemy, as C(airflow.cfg.template) has it, and the files for TLS that it names.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
positional: _input, folder, entry
options:
  _input:
    description: The option C(database) of the modules.
    type: dict
    required: true
  folder:
    description: Where the files for TLS are in a pod.
    type: str
    required: true
  entry:
    description: Name of the mounted file with the password.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the URL
  ansible.builtin.debug:
    msg: >-
      {{ {'host': 'mysql', 'name': 'airflow', 'user': 'airflow'}
         | hopsworks.airflow.database_connection('/etc/airflow-secrets/database-tls', 'database-password') }}
"""

RETURN = r"""
_value:
  description: The URL, with a reference to the password; and C(files), each with its Secret, entry and path.
  type: dict
  sample:
    url: mysql+pymysql://airflow:@{database-password:latin-1}@mysql:3306/airflow?charset=utf8mb4&client_flag=65536
    files: [{secret: db-tls, key: ca.pem, path: ca.crt}]
"""

from collections.abc import Callable, Mapping
from typing import Any


def database_connection(database: Mapping[str, Any], folder: str, entry: str) -> dict[str, Any]:
    # Imported here: every worker of Ansible that uses any filter of this collection loads all of them.
    from ..module_utils._database.of_components import connection_of

    return connection_of(database, folder, entry)


class FilterModule:
    """What the role C(deployment) writes into the configuration and the pods."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"database_connection": database_connection}
