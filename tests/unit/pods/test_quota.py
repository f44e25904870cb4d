# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from decimal import Decimal

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.quota import (
    counted_as,
    quota_of,
    shortfalls,
    usage,
    with_defaults,
)


def container(requests=None, limits=None, **more):
    return {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def quota(hard, used=None, **spec):
    found = {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used or {}}}
    return quota_of(found)


MI = 2**20


@pytest.mark.parametrize(
    ("spec", "memory"),
    [
        ({"containers": [container({"memory": "100Mi"}), container({"memory": "50Mi"})]}, 150),
        # A limit alone is the request, too.
        ({"containers": [container(limits={"memory": "70Mi"})]}, 70),
        # One after the other before the containers: the largest counts, if it is more than all of these.
        ({"initContainers": [container({"memory": "300Mi"})], "containers": [container({"memory": "100Mi"})]}, 300),
        ({"initContainers": [container({"memory": "30Mi"})] * 2, "containers": [container({"memory": "100Mi"})]}, 100),
        # A sidecar goes on beside them.
        (
            {
                "initContainers": [container({"memory": "10Mi"}, restartPolicy="Always")],
                "containers": [container({"memory": "100Mi"})],
            },
            110,
        ),
        (
            {
                "initContainers": [
                    container({"memory": "10Mi"}, restartPolicy="Always"),
                    container({"memory": "300Mi"}),
                ],
                "containers": [container({"memory": "100Mi"})],
            },
            310,
        ),
        ({"overhead": {"memory": "5Mi"}, "containers": [container({"memory": "100Mi"})]}, 105),
        ({"resources": {"requests": {"memory": "400Mi"}}, "containers": [container({"memory": "100Mi"})]}, 400),
        ({"containers": [{"name": "c"}]}, 0),
    ],
)
def test_what_a_pod_needs(spec, memory):
    assert usage(spec).get("requests.memory", 0) == usage(spec).get("memory", 0) == memory * MI


def test_a_pod_counts_by_every_name():
    spec = {"containers": [container({"cpu": "250m"}, {"cpu": "1", "nvidia.com/gpu": "1"})]}
    assert usage(spec) == {
        "pods": 1,
        "count/pods": 1,
        "requests.cpu": Decimal("0.25"),
        "cpu": Decimal("0.25"),
        "limits.cpu": 1,
        "requests.nvidia.com/gpu": 1,
        "limits.nvidia.com/gpu": 1,
    }


SMALL = {"containers": [container({"memory": "100Mi"}, {"memory": "200Mi"})]}
LARGE = {"containers": [container({"memory": "300Mi"}, {"memory": "600Mi"})]}


@pytest.mark.parametrize(
    ("hard", "used", "coming", "freed", "short"),
    [
        # Three that would fit one by one, and not all together.
        ({"requests.memory": "800Mi"}, {"requests.memory": "0"}, [(LARGE, 3)], [], True),
        ({"requests.memory": "900Mi"}, {"requests.memory": "0"}, [(LARGE, 3)], [], False),
        # In the place of old ones.
        ({"requests.memory": "900Mi"}, {"requests.memory": "300Mi"}, [(LARGE, 3)], [SMALL] * 3, False),
        ({"requests.memory": "899Mi"}, {"requests.memory": "300Mi"}, [(LARGE, 3)], [SMALL] * 3, True),
        ({"limits.memory": "1Gi"}, {"limits.memory": "0"}, [(LARGE, 2)], [], True),
        ({"pods": "4"}, {"pods": "4"}, [(LARGE, 1), (SMALL, 1)], [SMALL] * 2, False),
        ({"pods": "4"}, {"pods": "4"}, [(LARGE, 1), (SMALL, 2)], [SMALL] * 2, True),
        ({"count/pods": "4"}, {"count/pods": "4"}, [(LARGE, 1)], [], True),
        # One that is too full already is not made worse.
        ({"requests.memory": "1Mi"}, {"requests.memory": "900Mi"}, [(SMALL, 3)], [LARGE] * 3, False),
        ({"count/secrets": "1"}, {"count/secrets": "1"}, [(LARGE, 1)], [], False),
    ],
)
def test_old_pods_make_room_for_all_the_new_ones(hard, used, coming, freed, short):
    assert bool(shortfalls(quota(hard, used), coming, freed)) is short


def test_a_shortfall_is_told_in_numbers():
    (text,) = shortfalls(quota({"requests.memory": "1Gi"}, {"requests.memory": "900Mi"}), [(LARGE, 1)], [])
    assert text == "quota q allows 1024Mi of requests.memory, and 1200Mi would be used (now 900Mi)"


PRIORITY = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}


@pytest.mark.parametrize(
    ("spec", "pod", "counts"),
    [
        ({"scopes": ["Terminating"]}, {"activeDeadlineSeconds": 60}, True),
        ({"scopes": ["Terminating"]}, {}, False),
        ({"scopes": ["NotTerminating"]}, {}, True),
        ({"scopes": ["BestEffort"]}, {}, False),
        ({"scopes": ["NotBestEffort"]}, {}, True),
        # Asking for something else, or for nothing of it, is no effort either (QoS classes of Kubernetes).
        ({"scopes": ["BestEffort"]}, {"containers": [container(limits={"nvidia.com/gpu": "1"})]}, True),
        ({"scopes": ["BestEffort"]}, {"containers": [container({"ephemeral-storage": "1Gi"})]}, True),
        ({"scopes": ["BestEffort"]}, {"containers": [container({"cpu": "0"})]}, True),
        ({"scopes": ["NotBestEffort"]}, {"containers": [container({"cpu": "0"})]}, False),
        ({"scopes": ["BestEffort"]}, {"containers": [{"name": "c"}], "initContainers": [container({"cpu": 1})]}, False),
        ({"scopes": ["BestEffort"]}, {"containers": [{"name": "c"}], "resources": {"limits": {"cpu": "1"}}}, False),
        ({"scopes": ["BestEffort"]}, {"containers": [{"name": "c"}]}, True),
        ({"scopeSelector": {"matchExpressions": [PRIORITY]}}, {}, False),
        ({"scopeSelector": {"matchExpressions": [PRIORITY]}}, {"priorityClassName": "high"}, True),
        ({"scopeSelector": {"matchExpressions": [{**PRIORITY, "operator": "NotIn"}]}}, {}, True),
        ({"scopeSelector": {"matchExpressions": [{**PRIORITY, "operator": "DoesNotExist"}]}}, {}, True),
    ],
)
def test_a_quota_counts_the_pods_in_its_scopes(spec, pod, counts):
    found = quota({"pods": "0"}, {"pods": "0"}, **spec)
    assert bool(shortfalls(found, [({**SMALL, **pod}, 1)], [])) is counts
    assert found.not_understood == []


OBJECTS = ["count/deployments.apps", "count/replicasets.apps"]


@pytest.mark.parametrize(
    ("hard", "used", "short"),
    [
        ({"count/deployments.apps": "3"}, {"count/deployments.apps": "2"}, ["4"]),
        ({"count/deployments.apps": "4"}, {"count/deployments.apps": "2"}, []),
        ({"count/replicasets.apps": "2"}, {"count/replicasets.apps": "2"}, ["4"]),
        ({"count/statefulsets.apps": "0"}, {}, []),
    ],
)
def test_objects_that_come_with_the_pods_count(hard, used, short):
    problems = shortfalls(quota(hard, used), [], [], OBJECTS * 2)
    assert [f"{total} would be used" in text for text, total in zip(problems, short, strict=True)] == [True] * len(
        short
    )
    # A quota with a scope counts pods only.
    assert shortfalls(quota(hard, used, scopes=["NotTerminating"]), [], [], OBJECTS * 2) == []


def service(**spec):
    return {"kind": "Service", "spec": {"ports": [{"port": 80, "nodePort": 30080}, {"port": 81}], **spec}}


SERVICE = {"services": 1, "count/services": 1}


@pytest.mark.parametrize(
    ("obj", "names"),
    [
        ({"kind": "ConfigMap"}, {"configmaps": 1, "count/configmaps": 1}),
        ({"kind": "Secret"}, {"secrets": 1, "count/secrets": 1}),
        ({"kind": "ServiceAccount"}, {"count/serviceaccounts": 1}),
        ({"kind": "Role"}, {"count/roles.rbac.authorization.k8s.io": 1}),
        ({"kind": "PodDisruptionBudget"}, {"count/poddisruptionbudgets.policy": 1}),
        ({"kind": "HorizontalPodAutoscaler"}, {"count/horizontalpodautoscalers.autoscaling": 1}),
        (service(), SERVICE),
        (service(type="ClusterIP"), SERVICE),
        ({"kind": "Service", "spec": {"type": "ExternalName"}}, SERVICE),
        (service(type="NodePort"), {**SERVICE, "services.nodeports": 2}),
        (service(type="LoadBalancer"), {**SERVICE, "services.loadbalancers": 1, "services.nodeports": 2}),
        (
            service(type="LoadBalancer", allocateLoadBalancerNodePorts=False),
            {**SERVICE, "services.loadbalancers": 1, "services.nodeports": 1},
        ),
    ],
)
def test_an_object_counts_by_each_name_that_quotas_have_for_it(obj, names):
    assert +counted_as(obj) == names


def test_pods_of_which_the_server_said_that_they_count_do():
    found = quota({"pods": "1"}, {"pods": "1"}, scopeSelector={"matchExpressions": [PRIORITY]})
    assert shortfalls(found, [(SMALL, 1), (SMALL, 1)], []) == []
    (problem,) = shortfalls(found, [(SMALL, 1), (SMALL, 1)], [], counted={1})
    assert "2 would be used" in problem


def test_an_unknown_scope_is_named():
    assert quota({"pods": "0"}, scopes=["CrossNamespacePodAffinity"]).not_understood == ["CrossNamespacePodAffinity"]


def test_defaults_of_limit_ranges_count_where_a_container_says_nothing():
    ranges = [
        {
            "spec": {
                "limits": [
                    {"type": "Container", "default": {"memory": "500Mi"}, "defaultRequest": {"memory": "100Mi"}},
                    {"type": "Pod", "max": {"memory": "9Gi"}},
                ]
            }
        }
    ]
    silent = with_defaults({"containers": [{"name": "c"}]}, ranges)
    assert usage(silent)["requests.memory"] == 100 * MI
    assert usage(silent)["limits.memory"] == 500 * MI
    limited = with_defaults({"containers": [container(limits={"memory": "64Mi"})]}, ranges)
    assert usage(limited)["requests.memory"] == usage(limited)["limits.memory"] == 64 * MI
