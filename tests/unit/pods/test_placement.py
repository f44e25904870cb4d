# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.placement import (
    fits,
    is_eligible,
    tolerated,
    wanted_by_affinity,
)
from ansible_collections.hopsworks.airflow.tests.unit.pods.test_admission import NODE
from ansible_collections.hopsworks.airflow.tests.unit.pods.test_images import TAINT, node


def affinity(*expressions, fields=()):
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ({}, True),
        ({"podAntiAffinity": {"x": []}}, True),
        (affinity({"key": "disk", "operator": "In", "values": ["ssd"]}), True),
        (affinity({"key": "disk", "operator": "In", "values": ["hdd"]}), False),
        (affinity({"key": "disk", "operator": "NotIn", "values": ["ssd"]}), False),
        (affinity({"key": "zone", "operator": "NotIn", "values": ["a"]}), True),
        (affinity({"key": "disk", "operator": "Exists"}), True),
        (affinity({"key": "disk", "operator": "DoesNotExist"}), False),
        (affinity({"key": "size", "operator": "Gt", "values": ["6"]}), True),
        (affinity({"key": "size", "operator": "Lt", "values": ["7"]}), False),
        (affinity({"key": "disk", "operator": "Gt", "values": ["6"]}), False),
        (affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["n1"]}]), True),
        (affinity(), False),
    ],
)
def test_required_affinity_to_nodes(wanted, met):
    assert wanted_by_affinity(NODE, wanted) is met


def test_a_pod_that_asks_for_nothing_fits_everywhere():
    assert fits(NODE, {"containers": [{"name": "c"}]})


@pytest.mark.parametrize(
    ("toleration", "good"),
    [
        ({}, False),
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "value": "airflow"}, True),
        ({"key": "dedicated", "operator": "Equal", "value": "airflow", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "value": "other"}, False),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration, good):
    assert tolerated(TAINT, [toleration]) == good
    assert tolerated({**TAINT, "effect": "PreferNoSchedule"}, [])


@pytest.mark.parametrize(
    ("candidate", "good"),
    [
        (node(labels={"disk": "ssd"}), True),
        (node(labels={"disk": "hdd"}), False),
        (node(), False),
        (node(labels={"disk": "ssd"}, ready="Unknown"), False),
        (node(labels={"disk": "ssd"}, unschedulable=True), False),
        (node(labels={"disk": "ssd"}, taints=[TAINT]), False),
    ],
)
def test_only_nodes_that_may_run_the_pods_count(candidate, good):
    assert is_eligible(candidate, {"disk": "ssd"}, []) == good
