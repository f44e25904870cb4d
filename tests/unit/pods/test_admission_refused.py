# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of pods that the API server refuses, or that are odd in ways that it finds later or never."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import admission as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.admission import Admission, Coming
from ansible_collections.hopsworks.airflow.tests.unit.pods.test_admission import TEMPLATE, Server, look
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import refusal


@pytest.fixture
def server(monkeypatch):
    made = Server()
    monkeypatch.setattr(subject, "Objects", lambda _cluster: made)
    return made


# What people write, and what the API server says of it.
AMOUNTS: list[Any] = ["512MB", "1 Gi", "", []]
NOT_DECODED: list[dict] = [
    {"containers": [{"name": "c", "resources": {"requests": {"memory": amount}}}]} for amount in AMOUNTS
]
NOT_DECODED += [{"affinity": {"nodeAffinity": {"required": [{"matchExpressions": {}}]}}}, {"tolerations": {"key": "a"}}]


@pytest.mark.parametrize("change", NOT_DECODED)
@pytest.mark.parametrize("status", [400, 422])
def test_what_is_no_pod_is_told_as_the_server_tells_it(server, change, status):
    server.answers = [refusal(status, "quantities must match the regular expression")]
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], **change}}
    verdict = Admission(server, set()).job(
        {"kind": "Job", "metadata": {"name": "migrate"}, "spec": {"template": template}}
    )
    assert verdict.problems == ["pods of Job migrate would be rejected: quantities must match the regular expression"]


def required(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


# What has the form of a pod, and what is known to be wrong with it only later, or is not wrong at all.
ODD = [
    ({"imagePullSecrets": None, "volumes": None, "nodeSelector": None, "affinity": None, "tolerations": [None]}, True),
    ({"imagePullSecrets": [{}], "volumes": [{"name": "x", "secret": {}}, {"name": "y", "configMap": None}]}, True),
    ({"volumes": [{"name": "x", "secret": {"optional": True}}, {"name": "y", "projected": {"sources": None}}]}, True),
    ({"volumes": [{"name": "x", "persistentVolumeClaim": {"readOnly": True}}]}, True),
    (
        {"containers": [{"name": "c", "resources": None, "env": None, "envFrom": [{"secretRef": {"optional": True}}]}]},
        True,
    ),
    ({"containers": [{"name": "c", "resources": {"requests": None, "limits": {"memory": None}}}]}, True),
    ({"containers": [{"name": "c", "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"key": "x"}}}]}]}, True),
    ({"containers": [{"name": "c", "env": [{"name": "X", "valueFrom": None}]}]}, True),
    ({"affinity": {"nodeAffinity": None}}, True),
    ({"affinity": required({"matchExpressions": None})}, False),
    ({"affinity": required({"matchExpressions": [{"key": "disk", "operator": "Equals", "values": ["ssd"]}]})}, False),
    ({"affinity": required({"matchExpressions": [{"key": "size", "operator": "Gt"}]})}, False),
    ({"affinity": required({"matchExpressions": [{"operator": "Exists"}]})}, False),
    ({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"weight": 1}}}}, False),
]


@pytest.mark.parametrize(("change", "placed"), ODD)
@pytest.mark.parametrize("message", ["denied", "webhook x does not support dry run"])
def test_what_is_odd_or_null_ends_nothing(server, change, placed, message):
    server.answers = [refusal(403, message)]
    template = {"metadata": {"labels": None, "annotations": None}, "spec": {"containers": [], **change}}
    verdict = look(server, Coming("Job", "migrate", template))
    assert any(message in text for text in verdict.problems + verdict.warnings)
    assert any("nodes may run" in text for text in verdict.problems) is not placed


def test_nulls_are_not_sent(server):
    look(server, Coming("Job", "migrate", {"metadata": None, "spec": {"containers": [], "affinity": None}}))
    assert "affinity" not in server.asked[0]["spec"]
