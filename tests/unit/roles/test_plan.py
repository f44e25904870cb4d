# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the plan asks for is what the phases ask for."""

from __future__ import annotations

from typing import Any

import pytest

DEPLOYMENT: dict[str, Any] = {"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True}}
ANSWERS: dict[str, dict[str, Any]] = {
    "hopsfs_snapshot": {"changed": False},
    "generated_secret": {"entries": {}},
    "signing_keys": {"written_entries": []},
    "image_pull": {"images": {"airflow": {"n": "present"}}, "pulled": []},
    "metadata_swap": {"set_aside": "x"},
    "deployment_objects:applied": {"objects": []},
    "workloads:applied": {"workloads": []},
    "metadata_dump": {"path": "/tmp/x", "bytes": 1, "sha256": "x"},
    "metadata_restore": {"tables": []},
}


@pytest.fixture
def asked(stage):
    """What the plan of an upgrade and its phases `backup` and `images` ask their actions for."""
    database = {"tables": [], "bytes": 0, "paused": {"now": [], "waiting": []}}
    variables = {
        "airflow_stage": "old",
        "airflow_run": "r1",
        "airflow_run_files": "/tmp/x",
        "airflow_backup_secret": "airflow-before-r1",
    }
    tasks = [
        DEPLOYMENT,
        *(
            {
                "ansible.builtin.include_role": {"name": "hopsworks.airflow.upgrade", "tasks_from": phase},
                "vars": {**variables, "airflow_database_state": database, "plan_playbook": "upgrade"},
            }
            for phase in ("plan", "backup", "images")
        ),
    ]
    played = stage.play(
        tasks,
        ANSWERS,
        deployment_render=True,
        airflow_database_client_image="mariadb:10.11",
        airflow_image_pull_policy="Always",
        airflow_nodes_on_demand=True,
    )
    assert played.code == 0, played.output[-3000:]
    return played.asked


@pytest.mark.parametrize("action", ["metadata_dump", "image_pull"])
def test_the_plan_tries_what_the_phase_does(asked, action):
    found = [{**entry} for entry in asked if entry["action"] == action]
    predicted = [entry for entry in found if entry.pop("check")]
    assert predicted
    assert [entry for entry in found if entry not in predicted] == []
    assert len(found) == 2 * len(predicted)


def test_all_pods_may_have_nodes_that_are_made_on_demand(asked):
    found = {entry["action"]: entry for entry in asked if entry["check"]}
    for action in ("image_pull", "workloads"):
        assert found[action]["nodes_on_demand"] is True
    for action in ("metadata_dump", "metadata_migrate"):
        assert found[action]["pod"]["nodes_on_demand"] is True


def test_keeping_the_old_deployment_is_tried_before_anything_waits(asked):
    (saved,) = [entry for entry in asked if entry["action"] == "deployment_objects" and entry["state"] == "saved"]
    assert saved["check"]
    assert saved["backup_secret"] == "airflow-before-r1"
    kinds = {definition["kind"] for definition in saved["definitions"]}
    assert {"Service", "Deployment"} <= kinds
