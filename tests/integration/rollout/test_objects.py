# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a real API server makes of replacing each kind of object, and of putting it back."""

from __future__ import annotations

import base64
import copy
import os

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import is_ours, saved
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.replacement import Replacer
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.restoration import Restorer
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.scale import Scaler

from .conftest import workload

RBAC = "rbac.authorization.k8s.io"


def obj(kind, name, version="v1", *, labels=None, annotations=None, **fields):
    metadata = {"name": name, "labels": labels or {}, "annotations": annotations or {}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def binding(name, role):
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "elsewhere"}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": role}
    return obj("RoleBinding", name, f"{RBAC}/v1", roleRef=reference, subjects=[subject])


def role(name, *verbs):
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": list(verbs)}] if verbs else []
    return obj("Role", name, f"{RBAC}/v1", rules=rules)


def service(name, **spec):
    return obj("Service", name, spec=spec)


def budget(name, app, **spec):
    return obj("PodDisruptionBudget", name, "policy/v1", spec={"selector": {"matchLabels": {"app": app}}, **spec})


HTTP = {"name": "http", "protocol": "TCP", "port": 12358, "targetPort": 12358}
OLD_PORT = {"name": "web", "protocol": "TCP", "port": 12358, "targetPort": "ui"}
OLD = [
    obj("ServiceAccount", "airflow", imagePullSecrets=[{"name": "registry"}], labels={"chart": "old"}),
    role("airflow", "get", "list"),
    binding("airflow", "another"),
    obj("ConfigMap", "airflow-launcher", data={"old.cfg": "x"}),
    obj("ConfigMap", "sealed", data={"old.cfg": "x"}, immutable=True),
    service("port", type="NodePort", selector={"app": "web", "release": "old"}, ports=[OLD_PORT]),
    service("headless", clusterIP="None", selector={"app": "web"}, ports=[OLD_PORT]),
    service("plain", selector={"app": "web", "release": "old"}, ports=[OLD_PORT], sessionAffinity="ClientIP"),
    service("outside", type="ExternalName", externalName="old.example.com"),
    budget("web", "old", minAvailable=1),
]
NEW = [
    obj("ServiceAccount", "airflow", automountServiceAccountToken=False),
    role("airflow"),
    binding("airflow", "airflow"),
    obj("ConfigMap", "airflow-launcher", data={"airflow.cfg.template": "x"}),
    obj("ConfigMap", "sealed", data={"airflow.cfg.template": "x"}),
    *(service(name, selector={"app": "web"}, ports=[HTTP]) for name in ("port", "headless", "plain", "outside")),
    budget("web", "web", maxUnavailable=1),
    obj("ConfigMap", "new-one", data={}),
]


def content(objects, definitions):
    found = {}
    for definition in definitions:
        kind, name = definition["kind"], definition["metadata"]["name"]
        if live := objects.read(kind, name):
            managed = [entry for entry in live["metadata"]["managedFields"] if "subresource" not in entry]
            found[kind, name] = (saved(live), sorted((entry["manager"], entry["operation"]) for entry in managed))
    return found


def replace(cluster, said, definitions, secret):
    replacer = Replacer(cluster, said, replace=True, backup_secret=secret)
    steps = replacer.plan(copy.deepcopy(definitions))
    replacer.act(steps, timeout_seconds=30)
    return [step.action for step in steps]


def test_every_kind_becomes_what_is_defined_and_then_what_it_was(cluster, said):
    objects = Objects(cluster)
    for definition in OLD:
        objects.create(definition)
    before = content(objects, NEW)
    address = objects.read("Service", "port")["spec"]["clusterIP"]
    keep(cluster, NEW, "before-1", check_mode=False)

    assert replace(cluster, said, NEW, "before-1") == ["replaced"] * 10 + ["created"]
    port, headless, plain = (objects.read("Service", name)["spec"] for name in ("port", "headless", "plain"))
    assert (port["selector"], port["ports"], port["type"], port["clusterIP"]) == (
        {"app": "web"},
        [HTTP],
        "ClusterIP",
        address,
    )
    assert headless["clusterIP"] != "None"
    assert plain["sessionAffinity"] == "None"
    assert plain["selector"] == {"app": "web"}
    assert "rules" not in objects.read("Role", "airflow") or not objects.read("Role", "airflow")["rules"]
    assert objects.read("RoleBinding", "airflow")["roleRef"]["name"] == "airflow"
    assert objects.read("ConfigMap", "airflow-launcher")["data"] == {"airflow.cfg.template": "x"}
    assert "minAvailable" not in objects.read("PodDisruptionBudget", "web")["spec"]
    account = objects.read("ServiceAccount", "airflow")
    assert account["imagePullSecrets"] == [{"name": "registry"}]
    assert "labels" not in account["metadata"]
    assert all(is_ours(objects.read(item["kind"], item["metadata"]["name"])) for item in NEW)
    assert replace(cluster, said, NEW, "before-1") == ["unchanged"] * 11

    # A field that the definition loses is gone, though somebody else had it, too.
    lost = copy.deepcopy(NEW)
    del lost[7]["spec"]["ports"][0]["name"]
    assert replace(cluster, said, lost, "before-1")[7] == "configured"
    assert "name" not in objects.read("Service", "plain")["spec"]["ports"][0]

    restorer = Restorer(cluster, said, "before-1")
    restorer.act(restorer.plan(), timeout_seconds=30)
    assert content(objects, NEW) == before
    assert {step.action for step in Restorer(cluster, said, "before-1").plan()} == {"unchanged"}
    # They are the others' again: a second upgrade replaces them, instead of merging with them.
    keep(cluster, NEW, "before-1", check_mode=False)
    assert replace(cluster, said, NEW, "before-1") == ["replaced"] * 10 + ["created"]


def test_the_way_back_of_workloads(cluster, said):
    objects = Objects(cluster)
    old, fresh, started = workload("old", replicas=2), workload("fresh"), workload("kept")
    for definition in (old, started):
        definition["spec"]["template"]["spec"]["containers"][0]["name"] = "old"
        cluster.apps.create_namespaced_deployment(cluster.namespace, definition, field_manager="helm")
    definitions = [workload("old", env=[{"name": "NEW", "value": "1"}]), fresh, workload("kept")]
    keep(cluster, definitions, "before-2", check_mode=False)
    scaler = Scaler(cluster, said)
    for name in ("old", "kept"):
        scaler.stop(name, timeout_seconds=60)
    applier = Applier(cluster, said, replace=True, backup_secret="before-2")
    applier.roll_out(applier.plan(definitions[:2]), timeout_seconds=60)

    restorer = Restorer(cluster, said, "before-2")
    returns = restorer.plan()
    restorer.act(returns, timeout_seconds=60)
    assert [step.action for step in returns] == ["restored", "removed", "started"]
    back = objects.read("Deployment", "old")
    assert back["spec"]["replicas"] == back["status"]["availableReplicas"] == 2
    assert [container["name"] for container in back["spec"]["template"]["spec"]["containers"]] == ["old"]
    assert not is_ours(back)
    assert objects.read("Deployment", "fresh") is None
    assert objects.read("Deployment", "kept")["spec"]["replicas"] == 1
    assert Backup(cluster, "before-2").state == "restored"
    assert {step.action for step in Restorer(cluster, said, "before-2").plan()} == {"unchanged"}


def test_a_large_object_is_kept(cluster):
    content = base64.b64encode(os.urandom(900_000)).decode()
    Objects(cluster).create(obj("ConfigMap", "large", binaryData={"archive": content}))
    keep(cluster, [obj("ConfigMap", "large")], "before-3", check_mode=False)
    assert Backup(cluster, "before-3").records["configmap-large"].object["binaryData"] == {"archive": content}
