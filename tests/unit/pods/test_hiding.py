# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.hiding import NOT_SHOWN, hidden

# Nothing that a pattern would know for a secret.
SECRET = "hunter2-Zq9"


def deployment(container=None, *, metadata=None, **spec):
    first = {"name": "web", "image": "airflow:1.10", **(container or {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", **(metadata or {})},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [first], **spec}}},
    }


def volume(**source):
    return deployment(volumes=[{"name": "v", **source}])


def web(**field):
    return deployment({"livenessProbe": {"httpGet": {"port": 80, **field}}})


@pytest.mark.parametrize(
    "obj",
    [
        deployment({"args": ["flower", "--password", SECRET]}),
        # A part of a list that has the word "name" in it is no part with a name.
        deployment({"args": ["--name", "x", SECRET]}),
        deployment({"args": ["flower", f"--basic_auth=admin:{SECRET}"]}),
        deployment({"command": ["sh", "-c", f"curl -u admin:{SECRET} http://x"]}),
        deployment({"env": [{"name": "A", "value": SECRET}]}),
        deployment(initContainers=[{"name": "init", "env": [{"name": "A", "value": SECRET}]}]),
        deployment(ephemeralContainers=[{"name": "debug", "env": [{"name": "A", "value": SECRET}]}]),
        deployment({"workingDir": f"/x/{SECRET}"}),
        web(httpHeaders=[{"name": "Authorization", "value": f"Basic {SECRET}"}]),
        web(path=f"/health?key={SECRET}"),
        deployment({"readinessProbe": {"exec": {"command": ["mysqladmin", f"-p{SECRET}", "ping"]}}}),
        deployment({"lifecycle": {"preStop": {"exec": {"command": ["drain", SECRET]}}}}),
        deployment({"lifecycle": {"postStart": {"httpGet": {"httpHeaders": [{"name": "name", "value": SECRET}]}}}}),
        volume(csi={"driver": "smb.csi.k8s.io", "volumeAttributes": {"password": SECRET}}),
        # Keys that are fields elsewhere.
        volume(csi={"driver": "x", "volumeAttributes": {"name": SECRET, "key": SECRET, "type": SECRET}}),
        volume(flexVolume={"driver": "x", "options": {"secret": SECRET, "spec": SECRET}}),
        volume(rbd={"monitors": [SECRET], "user": SECRET, "keyring": SECRET}),
        volume(iscsi={"targetPortal": SECRET, "initiatorName": SECRET}),
        volume(gitRepo={"repository": f"https://{SECRET}@example.com"}),
        volume(ephemeral={"volumeClaimTemplate": {"metadata": {"annotations": {"a": SECRET}}}}),
        deployment(metadata={"annotations": {"kubectl.kubernetes.io/last-applied-configuration": f'["{SECRET}"]'}}),
        deployment(metadata={"annotations": {"type": SECRET}}),
        deployment(metadata={"labels": {"name": SECRET}}),
        {**deployment(), "spec": {"template": {"metadata": {"annotations": {"vault/token": SECRET}}}}},
        {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"name": SECRET}, "binaryData": {"kind": SECRET}},
        {"kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"type": SECRET}}},
        # Of a version of Kubernetes to come.
        deployment({"name": "web", "inline": {"name": SECRET, "spec": [SECRET]}}),
        deployment({"name": "web", "inline": SECRET}),
    ],
    ids=lambda obj: json.dumps(obj.get("spec", obj["metadata"]))[-60:],
)
def test_a_text_that_kubernetes_does_not_read_is_not_shown(obj):
    assert SECRET in json.dumps(obj)
    assert SECRET not in json.dumps(hidden(obj))
    assert SECRET not in json.dumps(hidden(obj, obj))


def test_what_kubernetes_reads_is_shown():
    container = {
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}},
        "securityContext": {"runAsUser": 1, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "x"}},
        "readinessProbe": {"httpGet": {"port": "http", "scheme": "HTTPS"}, "periodSeconds": 2},
        "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}],
    }
    pod = deployment(
        container, serviceAccountName="airflow", volumes=[{"name": "v", "secret": {"secretName": "s"}}], hostname=None
    )
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": "n"},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerSourceRanges": ["10.0.0.0/8"],
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }
    role = {"kind": "Role", "metadata": {"name": "r"}, "rules": [{"resources": ["pods"], "verbs": ["get"]}]}
    for obj in (pod, service, role):
        assert hidden(obj) == obj


def test_what_is_not_shown_says_whether_it_is_another():
    before = deployment({"args": ["a", "b"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]})
    after = deployment(
        {"args": ["a", "c", "d"], "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "3"}, {"name": "C"}]}
    )
    (container,) = hidden(after, before)["spec"]["template"]["spec"]["containers"]
    other = f"{NOT_SHOWN}, another value"
    assert container["args"] == [NOT_SHOWN, other, NOT_SHOWN]
    assert container["env"] == [{"name": "B", "value": NOT_SHOWN}, {"name": "A", "value": other}, {"name": "C"}]
    assert hidden(before, before) == hidden(before)


def test_two_of_one_name_are_told_apart():
    obj = deployment({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]})
    assert hidden(copy.deepcopy(obj), obj) == hidden(obj)


def test_a_number_among_what_is_not_known_is_not_shown():
    """As in a resource of others, where a field of that name may be anything."""
    obj = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"pins": [19283746, {"pin": 19283746}]}}
    assert "19283746" not in json.dumps(hidden(obj))


def test_a_name_with_a_secret_in_it_is_redacted():
    obj = deployment({"image": "mysql://airflow:CANARY@mysql/airflow"})
    assert "CANARY" not in json.dumps(hidden(obj))
