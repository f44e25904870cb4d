# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How the modules for snapshots reach HopsFS."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - Address of the NameNode's web server, V(https://HOST:PORT) without a path.
      - If the name of a Service of this cluster does not resolve, it is reached through the Kubernetes API server. The
        server's certificate is always verified against this name.
    type: str
    required: true
  tls_secret:
    description:
      - Secret in O(namespace) with the client certificate (C(tls.crt)), its unencrypted private key (C(tls.key)) and
        the authority of the servers (C(ca.crt)), all in PEM format.
      - The certificate's user must be a superuser of HopsFS, because only superusers may read all DAG folders and set
        the owners of the copies.
    type: str
    required: true
  snapshot_root:
    description:
      - Directory that holds all snapshots, outside every DAG folder. Created with mode 0700 if it is missing. The
        module fails if it has another mode or another owner, because DAG files may contain secrets.
    type: str
    default: /airflow-snapshots
  workers:
    description: Number of files and directories that are processed at the same time.
    type: int
    default: 8
requirements:
  - requests >= 2.32.3
"""
