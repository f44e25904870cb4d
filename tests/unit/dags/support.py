# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of DAGs share: the DAGs of the old deployment, and what else is on the list or can't be imported."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PAUSED

UNPAUSED = ["p_demo_1__gone", "p_demo_1__hello"]


def on_the_list(deployment, *dags, file="/dags/other/late.py"):
    table = f"{deployment.names.workspace}.{PAUSED}"
    for dag in dags:
        deployment.server.as_root(
            f"INSERT INTO {table} SELECT '{dag}', '{file}', 0, 1, deployment, namespace, live, run FROM {table} LIMIT 1"
        )


def cannot_import(deployment, *files):
    for file in files:
        deployment.server.as_root(
            f"INSERT INTO {deployment.names.live}.import_error (filename, stacktrace) VALUES ('{file}', 'x')"
        )


def can_import(deployment):
    deployment.server.as_root(f"DELETE FROM {deployment.names.live}.import_error")
