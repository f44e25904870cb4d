# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role `restart` asks of a deployment whose signers have names of their own."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CHECKOUT

CONFIGURED = {
    "task_jwt_expiration_time": 600,
    "task_jwt_audience": "a",
    "jwt_issuer": None,
    "heartbeat_seconds": 5,
}


def components(**signing_keys):
    """The default ones, with these signing keys; None takes one away."""
    defaults = yaml.safe_load((CHECKOUT / "roles/deployment/defaults/main.yml").read_text(encoding="utf-8"))
    found = [{**each, "grace_seconds": 60} for each in defaults["airflow_components"]]
    for each in found:
        key = signing_keys.get(each["name"].replace("-", "_"), each.get("signing_key"))
        each.pop("signing_key", None)
        if key is not None:
            each["signing_key"] = key
    return found


@pytest.mark.parametrize(
    ("signing_keys", "signer", "signers"),
    [
        ({}, "scheduler", ["api-server", "scheduler"]),
        ({"api_server": "web", "scheduler": "tasks"}, "tasks", ["web", "tasks"]),
        # With one key in the deployment, it is the one that its validators trust.
        ({"api_server": "web", "scheduler": ""}, "web", ["web"]),
    ],
)
def test_keys_are_those_that_the_deployment_signs_with(stage, signing_keys, signer, signers):
    def restart(tasks, **variables):
        return {
            "ansible.builtin.include_role": {"name": "hopsworks.airflow.restart", "tasks_from": tasks},
            "vars": {"restart_phase": "publish", **variables},
        }

    played = stage.play(
        [
            {"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True}},
            restart("measure"),
            {"ansible.builtin.set_fact": {"airflow_phase_facts": {"windows": []}}},
            restart("prove"),
        ],
        {"availability_probe": {"urls": {}, "problems": [], "windows": []}},
        airflow_components=components(**signing_keys),
        airflow_run_files=str(stage.folder),
        airflow_run="r1",
        airflow_holder="h",
        airflow_locked={"process_id": 1},
        airflow_configured=CONFIGURED,
    )
    assert played.code == 0, played.output
    (measured, *_rest) = [asked for asked in played.asked if "task_token" in asked]
    assert measured["task_token"]["signer"] == signer
    (proven,) = [asked for asked in played.asked if asked["action"] == "key_acceptance"]
    assert proven["signers"] == signers
