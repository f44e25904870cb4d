# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import label_selector
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import (
    STOPPED_ANNOTATION,
    comparable,
    is_ours,
    prepared,
    saved,
    shown,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.evidence import secret_names


def live(**metadata):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "hopsworks",
            "uid": "1",
            "resourceVersion": "7",
            "generation": 3,
            "managedFields": [{"manager": "helm", "operation": "Update"}],
            **metadata,
        },
        "spec": {
            "replicas": 0,
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "env": [{"name": "PASSWORD", "value": "CANARY"}],
                            "args": ["flower", "--password", "CANARY"],
                        }
                    ],
                    "initContainers": [{"name": "init", "command": ["wait", "mysql://airflow:CANARY@mysql/airflow"]}],
                }
            },
        },
        "status": {"replicas": 1},
    }


@pytest.mark.parametrize(
    ("managers", "ours"),
    [
        ([], False),
        ([("helm", "Update")], False),
        ([("helm", "Apply")], False),
        ([("hopsworks.airflow", "Apply")], True),
        ([("helm", "Update"), ("hopsworks.airflow", "Apply")], True),
        # Scaled or restarted by this collection, made by others.
        ([("helm", "Update"), ("hopsworks.airflow.actions", "Update")], False),
        ([("hopsworks.airflow", "Update")], False),
    ],
)
def test_only_what_was_applied_is_ours(managers, ours):
    fields = [{"manager": manager, "operation": operation} for manager, operation in managers]
    assert is_ours(live(managedFields=fields)) == ours


def test_bookkeeping_does_not_count_as_a_difference():
    other = live(uid="2", resourceVersion="9", generation=4, managedFields=[])
    other["status"] = {}
    assert comparable(live()) == comparable(other)
    other["spec"]["replicas"] = 1
    assert comparable(live()) != comparable(other)


def test_comparing_changes_nothing():
    obj = live()
    before = json.dumps(obj)
    comparable(obj)
    saved(obj)
    shown(obj, obj)
    assert json.dumps(obj) == before


def test_what_is_saved_can_be_created_again():
    kept = saved(
        live(
            annotations={STOPPED_ANNOTATION: "3", "deployment.kubernetes.io/revision": "4", "team": "data"},
            deletionTimestamp="2026-11-22T03:00:00Z",
            finalizers=["foregroundDeletion"],
        )
    )
    assert kept["spec"]["replicas"] == 3
    assert kept["metadata"] == {"name": "web", "namespace": "hopsworks", "annotations": {"team": "data"}}
    assert kept["kind"] == "Deployment"
    assert "status" not in kept
    assert kept["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "CANARY"


def test_what_was_never_stopped_keeps_its_replicas():
    assert saved(live())["spec"]["replicas"] == 0


def test_a_definition_goes_into_the_namespace_of_the_deployment():
    assert prepared({"kind": "Deployment", "metadata": {"name": "web"}}, "lab")["metadata"]["namespace"] == "lab"


def test_a_diff_shows_that_values_differ_but_not_which():
    after = live()
    after["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "PASSWORD", "value": "CANARY-2"},
        {"name": "NEW", "value": "CANARY-3"},
        {"name": "REFERENCE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    left, right = shown(live(), after)
    assert "CANARY" not in json.dumps([left, right])
    old, new = (side["spec"]["template"]["spec"]["containers"][0]["env"] for side in (left, right))
    assert old[0] != new[0]
    assert new[2] == {"name": "REFERENCE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    same_left, same_right = shown(live(), live())
    assert same_left == same_right


def test_the_diff_of_a_new_object_has_nothing_on_its_left():
    left, right = shown(None, live())
    assert left == ""
    assert "CANARY" not in json.dumps(right)


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, "a in (1,2)"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, "a notin (1)"),
        ({"matchLabels": {"b": "2"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}, "b=2,a"),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a"),
    ],
)
def test_selectors_as_queries(selector, text):
    assert label_selector(selector) == text


def test_all_secrets_of_a_pod_are_found():
    spec = {
        "volumes": [
            {"name": "a", "secret": {"secretName": "one"}},
            {"name": "b", "projected": {"sources": [{"secret": {"name": "two"}}, {"configMap": {"name": "no"}}]}},
            {"name": "c", "emptyDir": {}},
        ],
        "initContainers": [{"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "three", "key": "k"}}}]}],
        "containers": [
            {"envFrom": [{"secretRef": {"name": "four"}}, {"configMapRef": {"name": "no"}}], "env": [{"name": "Y"}]}
        ],
    }
    assert secret_names(spec) == {"one", "two", "three", "four"}
