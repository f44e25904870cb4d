# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.rollout.applying import applier, workload

DATABASE = {"podSelector": {"matchLabels": {"app": "mysql"}}}


def allowing(**peer):
    return {**DATABASE, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, peer]}]}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"podSelector": {"matchLabels": {"role": "ui"}}}, 'NetworkPolicy one applies to pods with {"role": "ui"}'),
        (allowing(podSelector={"matchLabels": {"role": "ui"}}), 'one allows traffic from pods with {"role": "ui"}'),
        (
            {"egress": [{"to": [{"podSelector": {"matchExpressions": [{"key": "role", "operator": "Exists"}]}}]}]},
            'one allows traffic to pods with {"role": "Exists"}',
        ),
        (
            allowing(
                podSelector={"matchLabels": {"role": "ui"}},
                namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "lab"}},
            ),
            "one allows traffic from pods",
        ),
        # Of both, of others, of another namespace, and whatever else a policy says.
        ({"podSelector": {"matchLabels": {"app": "web"}}}, None),
        ({"podSelector": {}}, None),
        (allowing(podSelector={}), None),
        (allowing(namespaceSelector={}), None),
        (
            allowing(
                podSelector={"matchLabels": {"role": "ui"}},
                namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "other"}},
            ),
            None,
        ),
        ({**DATABASE, "ingress": [{}], "egress": None}, None),
    ],
)
def test_a_network_policy_that_does_not_hold_for_the_new_pods_is_told(namespace, spec, said):
    old = workload(image="old")
    old["spec"]["template"]["metadata"] = {"labels": {"app": "web", "role": "ui"}}
    namespace.made(old)
    new = workload()
    new["spec"]["template"]["metadata"] = {"labels": {"app": "web"}}
    namespace.policies = [{"kind": "NetworkPolicy", "metadata": {"name": "one"}, "spec": spec}]
    rollout = applier(namespace)
    warnings = rollout.warnings(rollout.plan([new]))
    assert len(warnings) == bool(said)
    assert not said or (said in warnings[0] and """do not ({"app": "web"})""" in warnings[0])


def test_without_the_right_to_see_network_policies_nothing_is_known_of_them(namespace):
    namespace.made(workload(image="old"))
    namespace.policies = None
    rollout = applier(namespace)
    assert rollout.warnings(rollout.plan([workload()])) == []
