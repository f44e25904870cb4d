# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back where the cluster has changed meanwhile, and replacing where others have used up what there is."""

from __future__ import annotations

import time
import uuid

import pytest
from kubernetes import client

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.replacement import Replacer
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.restoration import Restorer
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.scale import Scaler

from .conftest import quota, workload

# The garbage collector looks for new kinds of objects each 30 seconds.
COLLECTED_SECONDS = 120


def service(name, **spec):
    port = {"name": "web", "protocol": "TCP", "port": 12358, "targetPort": 12358}
    metadata = {"name": name, "labels": {}, "annotations": {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port], **spec}}


def replace(cluster, said, definitions, secret):
    keep(cluster, definitions, secret, check_mode=False)
    replacer = Replacer(cluster, said, replace=True, backup_secret=secret)
    replacer.act(replacer.plan(definitions), timeout_seconds=30)


def roll_out(cluster, said, definitions, secret):
    applier = Applier(cluster, said, replace=True, backup_secret=secret)
    steps = applier.plan(definitions)
    applier.roll_out(steps, timeout_seconds=60)
    return [step.action for step in steps]


def restore(cluster, said, secret):
    restorer = Restorer(cluster, said, secret)
    returns = restorer.plan()
    restorer.act(returns, timeout_seconds=60)
    assert {step.action for step in Restorer(cluster, said, secret).plan()} == {"unchanged"}
    return {f"{step.record.kind} {step.record.name}": step.action for step in returns}, restorer.warnings


def test_a_node_port_that_others_took_meanwhile_is_another_one(cluster, said):
    objects = Objects(cluster)
    objects.create(service("node-port", type="NodePort", selector={"app": "old"}))
    number = objects.read("Service", "node-port")["spec"]["ports"][0]["nodePort"]
    replace(cluster, said, [service("node-port", selector={"app": "new"})], "before-port")
    thief = service("thief", type="NodePort", selector={"app": "thief"})
    thief["spec"]["ports"][0]["nodePort"] = number
    objects.create(thief)

    done, (warning,) = restore(cluster, said, "before-port")
    assert done == {"Service node-port": "restored"}
    assert f"Service node-port can't have {number} again" in warning
    back = objects.read("Service", "node-port")["spec"]
    assert (back["type"], back["selector"]) == ("NodePort", {"app": "old"})
    assert back["ports"][0]["nodePort"] != number


def test_a_port_for_health_checks_that_others_took_meanwhile_is_another_one(cluster, said):
    objects = Objects(cluster)
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    objects.create(service("balanced", selector={"app": "old"}, **local))
    number = objects.read("Service", "balanced")["spec"]["healthCheckNodePort"]
    replace(cluster, said, [service("balanced", selector={"app": "new"})], "before-balanced")
    objects.create(service("balanced-thief", selector={"app": "thief"}, healthCheckNodePort=number, **local))

    done, (warning,) = restore(cluster, said, "before-balanced")
    assert done == {"Service balanced": "restored"}
    assert f"Service balanced can't have {number} again" in warning
    back = objects.read("Service", "balanced")["spec"]
    assert (back["type"], back["selector"], back["externalTrafficPolicy"]) == (
        "LoadBalancer",
        {"app": "old"},
        "Local",
    )
    assert back["healthCheckNodePort"] not in (0, number)


def test_a_stateful_set_in_the_place_of_a_deployment_there_and_back(cluster, said):
    objects = Objects(cluster)
    objects.create(workload("scheduler", kind="StatefulSet", replicas=2, command=("sleep", "3600")))
    definition = workload("scheduler")
    keep(cluster, [definition], "before-scheduler", check_mode=False)
    scaler = Scaler(cluster, said)
    stopped = scaler.stop("scheduler", timeout_seconds=60)
    assert [(result.kind, result.action, result.before) for result in stopped] == [("StatefulSet", "stopped", 2)]
    assert roll_out(cluster, said, [definition], "before-scheduler") == ["created"]
    assert objects.read("StatefulSet", "scheduler")["spec"]["replicas"] == 0

    done, warnings = restore(cluster, said, "before-scheduler")
    assert done == {"Deployment scheduler": "removed", "StatefulSet scheduler": "started"}
    assert warnings == []
    assert objects.read("Deployment", "scheduler") is None
    back = objects.read("StatefulSet", "scheduler")
    assert back["spec"]["replicas"] == back["status"]["readyReplicas"] == 2


@pytest.fixture
def resource(cluster):
    """A kind of object as an operator has it; yields the API of its objects."""
    group = f"{uuid.uuid4().hex[:8]}.example.org"
    names = {"plural": "airflows", "singular": "airflow", "kind": "Airflow"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [version]}
    definitions = client.ApiextensionsV1Api(cluster.core.api_client)
    name = f"airflows.{group}"
    definitions.create_custom_resource_definition({"metadata": {"name": name}, "spec": spec})
    deadline = time.monotonic() + 30
    while not any(
        condition.type == "Established" and condition.status == "True"
        for condition in definitions.read_custom_resource_definition(name).status.conditions or []
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield group
    definitions.delete_custom_resource_definition(name)


def test_an_object_whose_owner_is_gone_is_not_collected_again(cluster, said, resource):
    objects, custom = Objects(cluster), client.CustomObjectsApi(cluster.core.api_client)
    place = (resource, "v1", cluster.namespace, "airflows")
    body = {"apiVersion": f"{resource}/v1", "kind": "Airflow", "metadata": {"name": "a"}}
    made = custom.create_namespaced_custom_object(*place, body)
    reference = {**{key: body[key] for key in ("apiVersion", "kind")}, "name": "a", "uid": made["metadata"]["uid"]}
    for name, owners in (("owned", [reference]), ("mark", [reference])):
        metadata = {"name": name, "ownerReferences": owners}
        objects.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"by": "operator"}})
    fresh = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned", "labels": {}}, "data": {}}
    replace(cluster, said, [fresh], "before-owned")
    custom.delete_namespaced_custom_object(*place, "a")

    done, (warning,) = restore(cluster, said, "before-owned")
    assert done == {"ConfigMap owned": "restored"}
    assert "without its owner Airflow a, which is gone" in warning
    deadline = time.monotonic() + COLLECTED_SECONDS
    # What still names the owner is collected: the collector has looked.
    while objects.read("ConfigMap", "mark") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(2)
    assert objects.read("ConfigMap", "owned")["data"] == {"by": "operator"}


def test_a_full_quota_of_deployments_lets_one_take_the_place_of_another(cluster, said):
    objects = Objects(cluster)
    objects.create(workload("counted-old", replicas=0))
    there = len(cluster.apps.list_namespaced_deployment(cluster.namespace).items)
    with quota(cluster, {"count/deployments.apps": there}, "full"):
        definition = workload("counted-old", replicas=0, env=[{"name": "NEW", "value": "1"}])
        keep(cluster, [definition], "before-counted", check_mode=False)
        assert roll_out(cluster, said, [definition], "before-counted") == ["replaced"]
        done, warnings = restore(cluster, said, "before-counted")
        assert (done, warnings) == ({"Deployment counted-old": "restored"}, [])
        with pytest.raises(client.ApiException, match="exceeded quota: full"):
            objects.create(workload("one-more", replicas=0))


def test_a_quota_with_room_for_one_of_two_new_objects_is_told_before_one_is_made(cluster, said):
    there = len(cluster.core.list_namespaced_service(cluster.namespace).items)
    with quota(cluster, {"services": there + 1}, "full"):
        new = [service(name, selector={"app": name}) for name in ("first-more", "second-more")]
        with pytest.raises(OperatorError, match=f"allows {there + 1} of services, and {there + 2} would be used"):
            Replacer(cluster, said).plan(new)
        assert [step.action for step in Replacer(cluster, said).plan(new[:1])] == ["created"]
    assert len(cluster.core.list_namespaced_service(cluster.namespace).items) == there


def test_what_apply_refuses_is_refused_before_the_old_one_is_gone(cluster, said):
    """Creating accepts two variables of one name, with a warning; server-side apply refuses them."""
    objects = Objects(cluster)
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    objects.create(workload("twice", replicas=0, env=twice))
    before = objects.read("Deployment", "twice")
    with pytest.raises(OperatorError, match="duplicate entries for key"):
        roll_out(cluster, said, [workload("twice", replicas=0, env=twice)], "before-twice")
    now = objects.read("Deployment", "twice")
    assert (now["metadata"]["uid"], now["spec"]) == (before["metadata"]["uid"], before["spec"])
