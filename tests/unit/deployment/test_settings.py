# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of a deployment, as they reach its objects."""

from __future__ import annotations

import pytest

from .rendering import named, rendered

NODE_PORT = {"name": "http", "port": 12358, "targetPort": 12358, "nodePort": 31280}
HOSTS = {
    "plain": {},
    "reached": {
        "airflow_service_spec": {"type": "NodePort", "ports": [NODE_PORT]},
        "airflow_service_annotations": {"team": "data"},
        "airflow_service_account_annotations": {"role": "arn"},
    },
}


@pytest.fixture(scope="module")
def deployments(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("rendered"), HOSTS)


def test_the_service_is_as_the_settings_say(deployments):
    plain = named(deployments["plain"]["objects"], "Service", "airflow-webserver")
    assert plain["spec"] == {
        "selector": {"app": "airflow-webserver"},
        # A number: in quotes it would be the name of a port.
        "ports": [{"name": "http", "protocol": "TCP", "port": 12358, "targetPort": 12358}],
    }
    reached = named(deployments["reached"]["objects"], "Service", "airflow-webserver")
    assert reached["spec"] == {"selector": {"app": "airflow-webserver"}, "type": "NodePort", "ports": [NODE_PORT]}
    assert reached["metadata"]["annotations"] == {"team": "data"}
    account = named(deployments["reached"]["objects"], "ServiceAccount", "airflow")
    assert account["metadata"]["annotations"] == {"role": "arn"}
