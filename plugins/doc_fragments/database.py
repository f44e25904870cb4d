# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How to reach the metadata database."""

    DOCUMENTATION = r"""
options:
  database:
    description:
      - Airflow's metadata database, of the MySQL family (MariaDB, MySQL, RonDB).
      - With O(lock), an action waits up to 5 minutes for an unavailable server, because its run has reached the server
        before. Otherwise it fails at once.
    type: dict
    required: true
    suboptions:
      host:
        description:
          - Host name of the server. If the name of a Service of the cluster does not resolve, it is reached through a
            port-forward of the API server.
        type: str
        required: true
      port:
        description: TCP port of the server. Defaults to that of the engine, V(3306).
        type: int
      name:
        description: Name of the live schema, the one that Airflow uses.
        type: str
        required: true
      user:
        description: The user that Airflow connects as. It needs the same rights on the other schemas of the deployment.
        type: str
        required: true
      tls:
        description:
          - How connections to the database are encrypted. This applies to the collection's own connections, the client
            tools and the migration. The files are entries of Secrets in O(namespace), in PEM format.
        type: dict
        default: {}
        suboptions:
          mode:
            description:
              - V(disable) never encrypts. V(prefer) encrypts if the server supports it, and verifies nothing.
                V(require) requires encryption, and verifies nothing. V(verify_identity) requires it and verifies the
                server's certificate against O(database.tls.ca) and O(database.host), also through a port-forward.
            type: str
            choices: [disable, prefer, require, verify_identity]
            default: prefer
          ca:
            description: Certificate of the CA. Required for V(verify_identity), and ignored for other modes.
            type: dict
            suboptions:
              name: {description: Name of the Secret., type: str, required: true}
              key: {description: Entry of that Secret., type: str, required: true}
          certificate:
            description: Client certificate, for servers that require one.
            type: dict
            suboptions:
              name: {description: Name of the Secret., type: str, required: true}
              key: {description: Entry of that Secret., type: str, required: true}
          private_key:
            description: Private key of O(database.tls.certificate), without a password.
            type: dict
            suboptions:
              name: {description: Name of the Secret., type: str, required: true}
              key: {description: Entry of that Secret., type: str, required: true}
      password_secret:
        description:
          - The entry of a Secret in O(namespace) that holds the password. The password is only read, never stored
            elsewhere.
        type: dict
        required: true
        suboptions:
          name: {description: Name of the Secret., type: str, required: true}
          key: {description: Entry of that Secret., type: str, required: true}
requirements:
  - PyMySQL >= 1.0.1
"""

    SCHEMAS = r"""
options:
  workspace:
    description:
      - The schema in which M(hopsworks.airflow.metadata_migrate) builds the new tables and in which
        M(hopsworks.airflow.quiesce) stores its list. These create it if it does not exist, and nothing drops it.
      - Defaults to the live schema's name followed by C(_beside).
    type: str
  extra_tables:
    description:
      - Tables in the live schema that are not Airflow's own but belong to this deployment, such as those of plugins.
    type: list
    elements: str
    default: []
"""

    CLIENT = r"""
options:
  client_image:
    description:
      - Image with the database's client tools (C(mariadb-dump) and C(mariadb), or C(mysqldump) and C(mysql)), C(gzip)
        and a shell. They run in a separate Job. Defaults to the image of the database's own pod.
    type: str
  pod_selector:
    description:
      - Label selector of the database's pods in O(namespace), whose image is used if O(client_image) is omitted. If it
        is omitted, too, or no pod has these labels, the image of the pods behind the Service O(database.host) is used.
    type: str
  container:
    description: Container of that pod whose image has the tools. Defaults to the pod's default or first container.
    type: str
"""
