# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file with the company's authority reaches whatever calls the public address."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import LOOK

CONFIGURED = {
    "task_jwt_expiration_time": 600,
    "task_jwt_audience": "a",
    "jwt_issuer": None,
    "heartbeat_seconds": 5,
}
ANSWERS = {
    "metadata_info": LOOK,
    "signing_keys_info": {"problem": None, "exists": False, "generation": 3},
    "hopsfs_snapshot_info": {"snapshots": []},
    "airflow_health": {"version": "3.0.6", "dags": 1, "import_errors": 0, "canary": None},
    "availability_probe:summary": {"urls": {}, "problems": []},
    "deployment_objects:applied": {"objects": []},
    "workloads:applied": {"workloads": []},
    "rolling_restart": {"workloads": [], "windows": []},
}


@pytest.fixture
def callers(stage):
    """Plays each role that calls the public address; returns what its actions were asked for, by role and action."""

    def play(**variables):
        def role(name, tasks="main", **given):
            return {
                "ansible.builtin.include_role": {
                    "name": f"hopsworks.airflow.{name}",
                    "tasks_from": tasks,
                    "public": True,
                },
                "vars": given,
            }

        played = stage.play(
            [
                role("deployment"),
                role("status"),
                role("upgrade", "verify"),
                role("upgrade", "cut_over"),
                role("restart", "measure", restart_phase="publish"),
                role("restart", restart_phase="publish", restart_components=[], restart_run="r-publish"),
            ],
            ANSWERS,
            airflow_stage="installed",
            airflow_objects=[],
            airflow_workloads=[],
            airflow_waits_for_tasks=False,
            airflow_scheduler_grace=0,
            airflow_backup_secret="x",
            airflow_run="r",
            airflow_run_files=str(stage.folder),
            airflow_holder="h",
            airflow_locked={"process_id": 1},
            airflow_configured=CONFIGURED,
            airflow_phase_facts={},
            **variables,
        )
        assert played.code == 0, played.output
        return played.asked

    return play


def trusted(asked):
    """Which file each caller of the public address was given."""
    calls = [entry for entry in asked if entry["action"] in ("airflow_health", "availability_probe", "rolling_restart")]
    return [
        (entry["action"], entry.get("health", entry).get("ca_file"))
        for entry in calls
        if "state" not in entry  # what begins and ends a measurement calls nobody
    ]


ROLES = {
    "status": "airflow_health",
    "verify": "airflow_health",
    "cut_over": "availability_probe",
    "restart, to measure": "availability_probe",
    "restart, for its gates": "rolling_restart",
}


def test_the_file_reaches_whatever_calls_the_public_address(callers, tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("a certificate")
    assert trusted(callers(airflow_ca_file=str(file))) == [(action, str(file)) for action in ROLES.values()]


def test_without_a_file_none_is_given(callers):
    assert [(action, file or None) for action, file in trusted(callers())] == [
        (action, None) for action in ROLES.values()
    ]
