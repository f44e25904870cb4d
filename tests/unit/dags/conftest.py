# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import quiet

FILES = {"p_demo_1__gone": "gone.py", "p_demo_1__hello": "hello.py"}


@pytest.fixture
def quiesce(database, deployment):
    return deployment.quiesce(database)


@pytest.fixture
def upgraded(database, deployment, memory):
    """Quiesced and upgraded; a function adds DAGs as the new Airflow does, paused."""
    quiesce = deployment.quiesce(database)
    quiesce.pause()
    quiesce.resume()
    Reset(database, deployment.request(), memory, quiet).carry_out()
    live = deployment.names.live
    database.execute(f"INSERT INTO {live}.dag_bundle (name) VALUES ('dags')")

    def parse(*dags, paused=1, folder="/dags"):
        with deployment.server.session() as session:
            for dag in dags:
                session.execute(
                    f"INSERT INTO {live}.dag (dag_id, is_paused, bundle_name, max_active_tasks,"
                    " max_consecutive_failed_dag_runs, has_task_concurrency_limits, fileloc, relative_fileloc)"
                    " VALUES (%s, %s, 'dags', 16, 0, 0, %s, %s)",
                    [dag, paused, f"{folder}/{FILES.get(dag, 'x.py')}", FILES.get(dag, "x.py")],
                )

    return parse
