# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulling images by pods; the nodes' own reports are tested with the modules."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.images import Outcome, Puller, labels_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.uses import Use

from .conftest import IMAGE

USE = Use("container main of Deployment web", {}, {"imagePullPolicy": "IfNotPresent"})


@pytest.fixture
def pods(cluster):
    return lambda: (
        cluster.core.list_namespaced_pod(
            cluster.namespace, label_selector="app.kubernetes.io/component=image-pull"
        ).items
    )


def test_an_image_that_is_there_but_not_reported_is_not_a_pull(cluster, said, pods):
    puller = Puller(cluster, said, "lab", IMAGE, [USE])
    puller.nodes()
    pulls = puller.pulls()
    assert puller.pull(pulls, timeout_seconds=60) == Outcome(dict.fromkeys([pull.node for pull in pulls], False))
    assert pods() == []


def test_an_image_that_may_not_run_as_its_container_is_told_although_it_is_there(cluster, said, pods):
    root = Use(USE.name, {"securityContext": {"runAsNonRoot": True, "runAsUser": 0}}, USE.container)
    puller = Puller(cluster, said, "lab", IMAGE, [root])
    puller.nodes()
    refused = r"can't run image .* with the settings of container main of Deployment web: "
    with pytest.raises(OperatorError, match=refused):
        puller.pull(puller.pulls(), timeout_seconds=60)
    assert pods() == []


def test_pods_of_a_run_that_was_killed_are_removed(cluster, said, pods):
    for deployment in ("lab", "another"):
        left = {
            "metadata": {"name": f"image-pull-{deployment}", "labels": labels_of(deployment)},
            "spec": {"containers": [{"name": "image", "image": "bed/none:1", "imagePullPolicy": "Never"}]},
        }
        cluster.core.create_namespaced_pod(cluster.namespace, left)
    assert Puller(cluster, said, "lab", IMAGE, [USE]).pull([], timeout_seconds=10) == Outcome()
    (other,) = pods()
    assert other.metadata.name == "image-pull-another"
    cluster.core.delete_namespaced_pod(other.metadata.name, cluster.namespace, grace_period_seconds=0)


def test_time_that_runs_out_is_told_and_no_pod_stays(cluster, said, pods):
    puller = Puller(cluster, said, "lab", IMAGE, [USE])
    puller.nodes()
    with pytest.raises(OperatorError, match="not pulled after 0 s"):
        puller.pull(puller.pulls(), timeout_seconds=0)
    assert pods() == []
