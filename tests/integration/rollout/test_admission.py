# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a real API server says of pods in a dry run."""

from __future__ import annotations

import contextlib
import time

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.admission import Admission, coming_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier

from .conftest import quota, workload

LARGE = {"requests": {"memory": "64Mi", "cpu": "1m"}, "limits": {"memory": "2Gi"}}


@contextlib.contextmanager
def label(cluster, **labels):
    names = {f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()}
    cluster.core.patch_namespace(cluster.namespace, {"metadata": {"labels": names}})
    try:
        yield
    finally:
        cluster.core.patch_namespace(cluster.namespace, {"metadata": {"labels": dict.fromkeys(names)}})


def look(cluster, *definitions, made=(), freed=None):
    return Admission(cluster, set(made)).look([coming_of(definition) for definition in definitions], freed)


def when_seen(answer):
    """The answer once there is one: admission hears of labels and limits by watches, a moment after the write."""
    deadline = time.monotonic() + 30
    while not (found := answer()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_a_plain_pod_is_admitted(cluster):
    verdict = look(cluster, workload("web", resources=LARGE), workload("db", kind="StatefulSet"))
    assert (verdict.problems, verdict.warnings) == ([], [])


def test_a_limit_range_that_a_deployment_passes_refuses_its_pods(cluster, said):
    limits = {"metadata": {"name": "small"}, "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}}
    cluster.core.create_namespaced_limit_range(cluster.namespace, limits)
    try:
        definition = workload("limited", resources=LARGE)
        # All that a dry run of the Deployment tells: nothing.
        assert [step.action for step in Applier(cluster, said).plan([definition])] == ["created"]
        (problem,) = when_seen(lambda: look(cluster, definition).problems)
        assert "maximum memory usage per Container is 1Gi" in problem
    finally:
        cluster.core.delete_namespaced_limit_range("small", cluster.namespace)


def test_quota_is_counted_for_all_of_them_without_the_old_ones(cluster, said):
    old, new = workload("old", resources=LARGE), workload("new", resources=LARGE, replicas=2)
    applier = Applier(cluster, said)
    applier.roll_out(applier.plan([old]), timeout_seconds=60)
    pods = cluster.plain(cluster.core.list_namespaced_pod(cluster.namespace, label_selector="app=old"))["items"]
    with quota(cluster, {"requests.memory": "64Mi"}):
        assert len(look(cluster, old).problems) == 1
        assert look(cluster, old, freed=pods).problems == []
        (problem,) = look(cluster, new, freed=pods).problems
        assert "quota small allows 64Mi of requests.memory, and 128Mi would be used (now 64Mi)" in problem
    with quota(cluster, {"pods": 2}):
        assert look(cluster, new, freed=pods).problems == []
        assert look(cluster, new).problems
    with quota(cluster, {"requests.cpu": 1, "limits.cpu": 1}):
        (problem,) = look(cluster, old, freed=pods).problems
        assert "must specify limits.cpu" in problem


def test_pod_security_refuses_or_warns(cluster):
    with label(cluster, enforce="baseline"):
        (problem,) = when_seen(lambda: look(cluster, workload("host", hostNetwork=True)).problems)
        assert 'violates PodSecurity "baseline:latest"' in problem
    with label(cluster, warn="restricted"):
        (warning,) = when_seen(lambda: look(cluster, workload("plain")).warnings)
        assert 'would violate PodSecurity "restricted:latest"' in warning
        assert look(cluster, workload("plain")).problems == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"priorityClassName": "nope"}, "no PriorityClass with name nope"),
        ({"runtimeClassName": "nope"}, 'RuntimeClass "nope" not found'),
        ({"serviceAccountName": "nope"}, 'serviceaccount "nope" not found'),
        ({"nodeSelector": {"disk": "none"}}, "nodes may run pods of Deployment web"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "none"}}]}, "no PersistentVolumeClaim none"),
    ],
)
def test_what_a_pod_names_is_there(cluster, change, text):
    (problem,) = look(cluster, workload("web", **change)).problems
    assert text in problem


def test_an_account_that_is_made_later_is_no_problem(cluster):
    definition = workload("web", serviceAccountName="later")
    assert look(cluster, definition, made=[("ServiceAccount", "later")]).problems == []


def test_a_job_is_tried(cluster):
    template = workload("x")["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {"template": template}}
    assert Admission(cluster, set()).job(job).problems == []
    with quota(cluster, {"count/jobs.batch": 0}):
        (problem,) = Admission(cluster, set()).job(job).problems
        assert "count/jobs.batch" in problem
    assert cluster.batch.list_namespaced_job(cluster.namespace).items == []
