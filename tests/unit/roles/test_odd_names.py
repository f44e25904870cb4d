# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments whose names are numbers, or none."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.names import record_name
from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CHECKOUT

CUT_OVER = [
    {"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True}},
    {"ansible.builtin.include_role": {"name": "hopsworks.airflow.rotate", "tasks_from": "preflight"}},
    {"ansible.builtin.debug": {"msg": "PASSED"}},
]
ANSWERS = {
    "preflight": {"seen": {}},
    "signing_keys_info": {
        "problem": None,
        "exists": True,
        "state": "steady",
        "age_seconds": 10**7,
        "replaced": [],
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


@pytest.mark.parametrize("name", ["2024", "1e3", "on"])
def test_what_awx_gets_says_names_as_text(stage, name):
    """Names of Kubernetes that YAML takes for something else."""
    stage.hosts = (name,)
    file = stage.folder / "rendered"
    for template in ("service-account", "kubeconfig"):
        content = f"{{{{ lookup('ansible.builtin.template', '{CHECKOUT}/awx/templates/{template}.yml.j2') }}}}"
        played = stage.play(
            [{"ansible.builtin.copy": {"content": content, "dest": str(file), "mode": "0600"}}],
            airflow_namespace=name,
            airflow_keys_secret=name,
            awx_read_secrets=[name],
            awx_api_server="https://api.example:6443",
            awx_token={"resources": [{"data": {"ca.crt": "Y2E=", "token": "MTIz"}}]},
        )
        assert played.code == 0, played.output
        documents = [*yaml.safe_load_all(file.read_text())]
        said = {leaf for document in documents for leaf in leaves(document)}
        assert name in said
        assert {leaf for leaf in said if not isinstance(leaf, str)} <= {False}


def leaves(value):
    if isinstance(value, dict | list):
        return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]
    return [value]
