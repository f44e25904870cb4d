# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where the metadata database is."""

    DOCUMENTATION = r"""
options:
  database:
    description:
      - Airflow's metadata database, of the MySQL family (MariaDB, MySQL, RonDB).
      - A server that is away is waited for, up to 5 minutes, by an action with O(lock), whose run has reached it
        before. Otherwise it is told at once.
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
        description: TCP port of the server. Defaults to that of the engine, V(3306).
        type: int
      name:
        description: Name of the live schema, the one that Airflow uses.
        type: str
        required: true
      user:
        description: The user that Airflow connects as. It needs its rights on the schemas beside the live one, too.
        type: str
        required: true
      tls:
        description:
          - How connections to the database are encrypted. It holds for the collection's own connections, for the client
            tools and for the migration. The files are entries of Secrets in O(namespace), in PEM form.
        type: dict
        default: {}
        suboptions:
          mode:
            description:
              - V(disable) never encrypts. V(prefer) encrypts where the server can, and verifies nothing. V(require)
                wants encryption, and verifies nothing. V(verify_identity) wants it, verifies the server's certificate
                with O(database.tls.ca), and that it is for O(database.host), also through a port-forward.
            type: str
            choices: [disable, prefer, require, verify_identity]
            default: prefer
          ca:
            description: Certificate of the CA. Required for V(verify_identity), and of no use for other modes.
            type: dict
            suboptions:
              name: {description: Name of the Secret., type: str, required: true}
              key: {description: Its entry., type: str, required: true}
          certificate:
            description: Certificate of the client, for servers that want one.
            type: dict
            suboptions:
              name: {description: Name of the Secret., type: str, required: true}
              key: {description: Its entry., type: str, required: true}
          private_key:
            description: Private key of O(database.tls.certificate), without a password.
            type: dict
            suboptions:
              name: {description: Name of the Secret., type: str, required: true}
              key: {description: Its entry., type: str, required: true}
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

    CLIENT = r"""
options:
  client_image:
    description:
      - Image with the database's client tools (C(mariadb-dump) and C(mariadb), or C(mysqldump) and C(mysql)), C(gzip)
        and a shell. They run in a Job of their own. If omitted, it is the image of the database's own pod.
    type: str
  pod_selector:
    description:
      - Label selector of the database's pods in O(namespace), whose image is used if O(client_image) is omitted. If it
        is omitted, too, or no pod has the labels, it is the image of the pods behind the Service that O(database.host)
        names.
    type: str
  container:
    description: Container of that pod whose image has the tools. If omitted, the pod's first.
    type: str
"""
