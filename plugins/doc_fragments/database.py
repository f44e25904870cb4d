# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where the metadata database is."""

    DOCUMENTATION = r"""
options:
  database:
    description: Airflow's metadata database, of the MySQL family (MariaDB, MySQL, RonDB).
    type: dict
    required: true
    suboptions:
      host:
        description:
          - Host name of the server. A Service of the cluster is reached through a port-forward of the API server where
            its name does not resolve.
        type: str
        required: true
      port:
        description: TCP port of the server.
        type: int
        default: 3306
      name:
        description: Name of the live schema, the one that Airflow uses.
        type: str
        required: true
      user:
        description: The user that Airflow connects as. It needs its rights on the schemas beside the live one, too.
        type: str
        required: true
      password_secret:
        description: The entry of a Secret in O(namespace) that holds the password. It is read there, and nowhere kept.
        type: dict
        required: true
        suboptions:
          name:
            description: Name of the Secret.
            type: str
            required: true
          key:
            description: Its entry.
            type: str
            required: true
requirements:
  - PyMySQL >= 1.0.1
"""
