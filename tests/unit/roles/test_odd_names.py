# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments whose names are numbers, or none."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.names import record_name

CUT_OVER = [
    {"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True}},
    {"ansible.builtin.include_role": {"name": "hopsworks.airflow.rotation_preflight"}},
    {"ansible.builtin.debug": {"msg": "PASSED"}},
]
ANSWERS = {
    "signing_keys_info": {
        "problem": None,
        "exists": True,
        "state": "steady",
        "age_seconds": 10**7,
        "rotation": None,
        "due": True,
        "retire_after": None,
        "signers": {},
    },
    "airflow_configuration_info": {
        "trusted_jwks_url": "/x",
        "jwt_algorithm": "RS256",
        "executor": "LocalExecutor",
        "jwt_leeway": 10,
        "tasks_in_scheduler": True,
        "clock_skew_seconds": 0,
    },
}


@pytest.mark.parametrize(
    ("name", "confirm", "passed"),
    [(2024, "2024", True), ("2024", 2024, True), (2024, "", False), (2024, "2025", False), ("", "", False)],
)
def test_a_cut_over_is_confirmed_by_the_name_as_text(stage, name, confirm, passed):
    played = stage.play(
        CUT_OVER, ANSWERS, airflow_rotation_mode="cutover", airflow_name=name, airflow_confirm=confirm, airflow_run="r"
    )
    assert ("PASSED" in played.output) is passed, played.output


def test_a_name_that_is_a_number_has_a_record(stage):
    tasks = [
        CUT_OVER[0],
        {"hopsworks.airflow.run_record": {"name": "{{ airflow_record_name }}", "deployment": "{{ airflow_name }}"}},
    ]
    played = stage.play(tasks, airflow_name=2024)
    assert played.code == 0, played.output
    assert played.asked[-1]["name"] == record_name("2024")
