# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import refusal
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import (
    NEW,
    NEW_WORKLOADS,
    OLD,
    SECRET,
    apply,
    restore,
    roll_out,
    workload,
)


def test_a_service_whose_address_is_taken_comes_back_with_another(old):
    keep(old.cluster, NEW, SECRET, check_mode=False)
    old.delete("Service", "web")
    old.refuse = lambda body: "clusterIP" in body.get("spec", {}) and refusal(422, "provided IP is already allocated")
    restore(old)
    service = old.read("Service", "web")
    assert service["spec"].pop("clusterIP") != "10.0.0.77"
    assert service["spec"] == {key: value for key, value in OLD[4]["spec"].items() if key != "clusterIP"}
    assert set(restore(old).values()) == {"unchanged"}


def test_a_headless_service_does_not_get_an_address_because_it_was_refused(old):
    old.live["Service", "web"]["spec"] |= {"clusterIP": "None", "clusterIPs": ["None"]}
    keep(old.cluster, NEW, SECRET, check_mode=False)
    old.delete("Service", "web")
    old.refuse = lambda body: body["kind"] == "Service" and refusal(422, "denied by policy x")
    with pytest.raises(OperatorError, match="denied by policy x"):
        restore(old)
    assert old.read("Service", "web") is None


PORTS = {
    "type": "LoadBalancer",
    "healthCheckNodePort": 30099,
    "ports": [{"name": "web", "port": 80, "nodePort": 30080}, {"name": "more", "port": 81, "nodePort": 30081}],
}


def taken(number, status, message):
    def refuse(body):
        spec = body.get("spec", {})
        numbers = [spec.get("healthCheckNodePort"), *(port.get("nodePort") for port in spec.get("ports", []))]
        return refusal(status, message) if number in numbers else None

    return refuse


# As Kubernetes words them.
TAKEN = [
    (30080, 422, "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"),
    (30099, 500, "failed to allocate requested HealthCheck NodePort 30099: provided port is already allocated"),
]


@pytest.mark.parametrize("replaced", [True, False])
@pytest.mark.parametrize(("number", "status", "message"), TAKEN)
def test_a_service_whose_port_is_taken_comes_back_without_it(old, number, status, message, replaced):
    old.live["Service", "web"]["spec"] |= copy.deepcopy(PORTS)
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    if replaced:
        apply(old)
        roll_out(old)
    else:
        old.delete("Service", "web")
    old.refuse = taken(number, status, message)
    warnings = []
    restore(old, warnings)
    spec = old.read("Service", "web")["spec"]
    numbers = {30080, 30081, 30099} - {number}
    assert {spec.get("healthCheckNodePort"), *(port.get("nodePort") for port in spec["ports"])} - {None} == numbers
    assert spec["clusterIP"] == "10.0.0.77"
    assert len(warnings) == 1
    assert f"Service web can't have {number} again" in warnings[0]
    assert "provided port is already allocated" in warnings[0]
    assert old.read("Deployment", "web")["spec"]["template"] == workload("web", "old")["spec"]["template"]
    # What the API server gives it instead is no change by others.
    old.live["Service", "web"]["spec"]["ports"][0]["nodePort"] = 30555
    assert set(restore(old).values()) == {"unchanged"}
