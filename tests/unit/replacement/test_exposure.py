# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import FIELD_MANAGER
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.exposure import SOURCE_RANGES, losses
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.replacement import Replacer
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import RBAC, obj, quiet

PORT = {"name": "http", "port": 80, "targetPort": 81}
BALANCER = {"type": "LoadBalancer", "ports": [PORT]}
FENCED = {**BALANCER, "loadBalancerSourceRanges": ["10.0.0.0/8"]}
INTERNAL = {"networking.gke.io/load-balancer-type": "Internal"}


def service(spec, annotations=None):
    # Replacing needs an address that stays.
    return obj("Service", "web", annotations=annotations, spec={"clusterIP": "10.0.0.7", **spec})


def replaced(namespace, before, after):
    """The one step of an object of others."""
    namespace.made(before)
    (step,) = Replacer(namespace.cluster, quiet, replace=True).plan([copy.deepcopy(after)])
    assert step.action == "replaced"
    return step


def told(namespace, before, after):
    return " | ".join(losses(replaced(namespace, before, after)))


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"type": "ClusterIP"}, {"type": "ClusterIP"}, ""),
        ({"type": "NodePort", "ports": [{"nodePort": 31280}]}, {"type": "ClusterIP"}, "NodePort with node port 31280"),
        ({"type": "NodePort", "ports": [{"nodePort": 1}]}, {"type": "NodePort", "ports": [{"nodePort": 1}]}, ""),
        ({"type": "NodePort", "ports": [{"nodePort": 1}]}, {"type": "NodePort", "ports": [{"nodePort": 2}]}, "port 1"),
        ({"type": "LoadBalancer"}, {"type": "ClusterIP"}, "LoadBalancer, and becomes one of type ClusterIP"),
        ({"ports": [{"name": "ui", "port": 8080}]}, {"ports": [PORT]}, "no longer has port 8080, 'ui'"),
        ({"ports": [{**PORT, "name": "ui"}]}, {"ports": [PORT]}, "no longer has port 'ui'"),
        ({"ports": [{"port": 80}]}, {"ports": [PORT]}, ""),
        (
            FENCED,
            {**FENCED, "loadBalancerSourceRanges": ["10.1.0.0/16"]},
            "changes loadBalancerSourceRanges (10",
        ),
        (FENCED, {"type": "ClusterIP", "ports": [PORT]}, "loadBalancerSourceRanges (10.0.0.0/8)"),
        ({**BALANCER, "loadBalancerIP": "1.2.3.4"}, BALANCER, "loses or changes loadBalancerIP"),
        ({"externalIPs": ["1.2.3.4"]}, {}, "changes externalIPs"),
        ({"sessionAffinity": "ClientIP"}, {"sessionAffinity": "None"}, "changes sessionAffinity"),
        ({"selector": {"app": "old"}}, {"selector": {"app": "new"}}, ""),
    ],
)
def test_what_people_reach_a_service_by_is_told_where_it_goes(namespace, before, after, text):
    said = told(namespace, service(before), service(after))
    assert (said == "") if text == "" else (text in said)


def test_annotations_that_go_are_told_by_their_names_alone(namespace):
    before = {"meta.helm.sh/release-name": "airflow", "prometheus.io/scrape": "true", "a": "CANARY", "same": "x"}
    said = told(namespace, service({}, before), service({}, {"same": "x", "a": "other"}))
    assert "annotation a, annotation prometheus.io/scrape" in said
    assert "CANARY" not in said
    assert "helm" not in said
    assert "same" not in said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (service(FENCED), service(BALANCER)),
        (service(BALANCER, {SOURCE_RANGES: "10.0.0.0/8, 10.1.0.0/16"}), service(BALANCER)),
        (service(BALANCER, INTERNAL), service(BALANCER)),
        (service(BALANCER, {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}), service(BALANCER)),
        (service(BALANCER, {"loadbalancer.openstack.org/network-id": "x"}), service(BALANCER)),
    ],
    ids=["field", "annotation", "GKE", "AWS", "OpenStack"],
)
def test_a_load_balancer_that_would_be_open_to_everybody_is_refused(namespace, before, after):
    with pytest.raises(OperatorError, match="may be open to everyone"):
        replaced(namespace, before, after)
    assert namespace.log == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (service(FENCED), service({**BALANCER, "loadBalancerSourceRanges": ["0.0.0.0/0"]})),
        (service({**BALANCER, "loadBalancerSourceRanges": ["0.0.0.0/0"]}), service(BALANCER)),
        (service(BALANCER, {SOURCE_RANGES: "10.0.0.0/8"}), service(FENCED)),
        (service(FENCED, INTERNAL), service(FENCED, INTERNAL)),
        (service(BALANCER, INTERNAL), service(BALANCER, dict.fromkeys(INTERNAL, "External"))),
        (service(FENCED, INTERNAL), service({"type": "ClusterIP", "ports": [PORT]})),
    ],
    ids=["on purpose", "open before", "other form", "the same", "other value", "not reached from outside"],
)
def test_a_load_balancer_that_is_no_more_open_than_said_is_replaced(namespace, before, after):
    replaced(namespace, before, after)


def test_what_the_description_no_longer_says_of_our_own_is_told_and_not_refused(namespace):
    """Who describes it decides about it."""
    namespace.made(service(FENCED, INTERNAL))
    live = namespace.live["Service", "web"]
    live["metadata"]["managedFields"] = [{"manager": FIELD_MANAGER, "operation": "Apply"}]
    namespace.apply = lambda definition, **_dry: {**copy.deepcopy(live), **copy.deepcopy(definition)}
    (step,) = Replacer(namespace.cluster, quiet, replace=True).plan([service(BALANCER)])
    assert step.action == "configured"
    assert "loadBalancerSourceRanges" in " ".join(losses(step))


def test_an_account_that_loses_its_identity_in_a_cloud_is_told(namespace):
    annotations = {"eks.amazonaws.com/role-arn": "arn:x"}
    said = told(namespace, obj("ServiceAccount", "airflow", annotations=annotations), obj("ServiceAccount", "airflow"))
    assert "ServiceAccount airflow loses or changes annotation eks.amazonaws.com/role-arn" in said


def role(*rules):
    return obj("Role", "airflow", f"{RBAC}/v1", rules=list(rules))


def rule(verbs, *resources, group="", names=None):
    found = {"apiGroups": [group], "resources": list(resources), "verbs": verbs.split()}
    return found if names is None else {**found, "resourceNames": names}


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ([rule("get list", "pods")], [], "no longer allows get pods, list pods"),
        ([rule("get list", "pods")], [rule("get", "pods"), rule("list", "pods", "events")], ""),
        ([rule("get", "jobs", group="batch")], [rule("get", "jobs")], "no longer allows get jobs.batch"),
        ([rule("get", "jobs", group="batch")], [rule("*", "*", group="*")], ""),
        ([rule("get", "secrets", names=["a"])], [rule("get", "secrets")], ""),
        ([rule("get", "secrets", names=["a", "b"])], [rule("get", "secrets", names=["a"])], "allows get secrets/b."),
        ([rule("get", "secrets")], [rule("get", "secrets", names=["a"])], "no longer allows get secrets."),
    ],
)
def test_rights_that_a_role_loses_are_told(namespace, before, after, text):
    said = told(namespace, role(*before), role(*after))
    assert (said == "") if text == "" else (text in said)


def test_who_loses_the_rights_of_a_role_is_told(namespace):
    def binding(kind, *subjects):
        bound = [{"kind": "ServiceAccount", "name": name} for name in subjects]
        return obj("RoleBinding", "airflow", f"{RBAC}/v1", roleRef={"kind": kind, "name": "airflow"}, subjects=bound)

    namespace.made(binding("Role", "airflow", "worker"))
    (step,) = Replacer(namespace.cluster, quiet, replace=True).plan([binding("Role", "airflow")])
    assert "no longer grants the rights of Role airflow to ServiceAccount worker" in losses(step)[0]
    (step,) = Replacer(namespace.cluster, quiet, replace=True).plan([binding("ClusterRole", "airflow")])
    assert "no longer grants the rights of Role airflow." in losses(step)[0]


def test_what_is_new_or_stays_is_not_told(namespace):
    (step,) = Replacer(namespace.cluster, quiet, replace=True).plan([service(BALANCER)])
    assert (step.action, losses(step)) == ("created", [])
