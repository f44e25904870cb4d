# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts against a real API server, controllers and kubelet."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.scale import Scaler

from .conftest import workload


@pytest.fixture
def roll_out(cluster, said):
    def call(*definitions, timeout=90, **options):
        applier = Applier(cluster, said, **options)
        steps = applier.plan(list(definitions))
        applier.roll_out(steps, timeout_seconds=timeout)
        return [step.action for step in steps]

    return call


@pytest.fixture
def refused(roll_out):
    """The failure of a rollout, which must come long before its time is up."""

    def call(*definitions, within=150, **options):
        begun = time.monotonic()
        with pytest.raises(OperatorError) as failure:
            roll_out(*definitions, timeout=300, **options)
        assert time.monotonic() - begun < within
        return failure.value

    return call


def pods(cluster, app):
    return {pod.metadata.name for pod in unfinished(cluster, app)}


def unfinished(cluster, app):
    """Pods that still do something; one that has ended may be there for a moment more."""
    found = cluster.core.list_namespaced_pod(cluster.namespace, label_selector=f"app={app}").items
    return [pod for pod in found if pod.status.phase not in ("Succeeded", "Failed")]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_create_change_and_leave_alone(cluster, roll_out, kind):
    name = f"plain-{kind.lower()}"
    first = workload(name, kind=kind, replicas=2)
    assert roll_out(first) == ["created"]
    before = pods(cluster, name)
    assert len(before) == 2
    assert roll_out(first) == ["unchanged"]
    assert pods(cluster, name) == before
    second = workload(name, kind=kind, replicas=2, env=[{"name": "MARK", "value": "2"}])
    uids = {pod.metadata.uid for pod in unfinished(cluster, name)}
    assert roll_out(second) == ["configured"]
    now = unfinished(cluster, name)
    # Only new pods are left: done means that the old ones have ended.
    assert len(now) == 2
    assert not {pod.metadata.uid for pod in now} & uids


def test_the_second_starts_when_the_first_is_ready(cluster, roll_out):
    slow = {"readinessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 4, "periodSeconds": 1}}
    assert roll_out(workload("first", **slow), workload("second")) == ["created", "created"]
    first = cluster.apps.read_namespaced_deployment("first", cluster.namespace)
    second = cluster.apps.read_namespaced_deployment("second", cluster.namespace)
    ready = next(c.last_transition_time for c in first.status.conditions if c.type == "Available")
    assert second.metadata.creation_timestamp >= ready


def test_a_missing_image_fails_before_its_time_is_up_and_the_next_is_untouched(cluster, refused):
    failure = refused(workload("no-image", image="bed/no-such-image:1"), workload("after-no-image"))
    assert "no-image" in failure.found
    assert "ErrImagePull" in failure.found or "ImagePullBackOff" in failure.found
    assert "after-no-image" in failure.untouched
    assert cluster.find(cluster.apps.read_namespaced_deployment, "after-no-image") is None


def test_after_the_cause_is_put_right_the_same_command_goes_on(cluster, refused, roll_out):
    wants_secret = {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "later", "key": "x"}}}]}
    definition = workload("no-secret", **wants_secret)
    failure = refused(definition)
    assert "CreateContainerConfigError" in failure.found
    assert 'secret "later" not found' in failure.found
    cluster.core.create_namespaced_secret(cluster.namespace, {"metadata": {"name": "later"}, "stringData": {"x": "1"}})
    assert roll_out(definition) in (["retried"], ["unchanged"])
    assert roll_out(definition) == ["unchanged"]


CRASHING = """
import os, sys
print('connecting to mysql+pymysql://airflow:CANARY-p%40ss|x@y@mysql:3306/airflow')
print('token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.c2lnbmF0dXJlLUNBTkFSWQ')
print('-----BEGIN PRIVATE KEY-----'); print('Q0FOQVJZ' * 8); print('-----END PRIVATE KEY-----')
print('env says', os.environ['PLAIN'])
print('cannot reach the database', file=sys.stderr)
sys.exit(3)
"""


def test_a_crash_loop_fails_with_its_log_and_without_its_secrets(cluster, refused):
    cluster.core.create_namespaced_secret(
        cluster.namespace, {"metadata": {"name": "plain"}, "stringData": {"plain": "CANARY plain words"}}
    )
    failure = refused(
        workload(
            "crashing",
            command=("python3", "-c", CRASHING),
            env=[{"name": "PLAIN", "valueFrom": {"secretKeyRef": {"name": "plain", "key": "plain"}}}],
            # Without one, a container counts as ready from the moment it runs.
            readinessProbe={"exec": {"command": ["false"]}},
        ),
    )
    assert "exit code 3" in failure.found
    text = str(failure)
    assert "cannot reach the database" in text
    assert "env says (hidden)" in text
    assert "CANARY" not in text
    assert "Q0FOQVJZ" not in text


def test_an_init_container_that_fails_is_named(refused):
    init = {"name": "prepare", "image": "bed/standins:1", "command": ["sh", "-c", "echo no volume; exit 7"]}
    failure = refused(workload("bad-init", initContainers=[init]))
    assert "container prepare" in failure.found
    assert "exit code 7" in failure.found
    assert any("no volume" in line for line in failure.evidence)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_pods_refused_by_quota(cluster, refused, roll_out, kind):
    name = f"refused-{kind.lower()}"
    quota = {"metadata": {"name": "no-memory"}, "spec": {"hard": {"requests.memory": "1Mi"}}}
    cluster.core.create_namespaced_resource_quota(cluster.namespace, quota)
    definition = workload(name, kind=kind, resources={"requests": {"memory": "2Mi"}})
    try:
        deadline = time.monotonic() + 10
        while not cluster.core.read_namespaced_resource_quota("no-memory", cluster.namespace).status.hard:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        failure = refused(definition)
        assert "exceeded quota: no-memory" in failure.found
    finally:
        cluster.core.delete_namespaced_resource_quota("no-memory", cluster.namespace)
    # The controllers try again ever more seldom; a changed object makes them look at once.
    assert roll_out(workload(name, kind=kind, env=[{"name": "AGAIN", "value": "1"}])) == ["configured"]


def test_a_definition_with_a_mistake_is_refused_before_anything_is_touched(cluster, roll_out):
    wrong = workload("wrong")
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Never"
    with pytest.raises(OperatorError, match="imagePullPolice"):
        roll_out(workload("before-wrong"), wrong)
    assert cluster.find(cluster.apps.read_namespaced_deployment, "before-wrong") is None


@pytest.fixture
def foreign(cluster):
    """A Deployment as `kubectl apply` or Helm made it, with a container and an environment of its own."""

    def make(name):
        definition = workload(name, env=[{"name": "OLD", "value": "CANARY-old"}])
        definition["spec"]["template"]["spec"]["containers"][0]["name"] = "old"
        cluster.apps.create_namespaced_deployment(cluster.namespace, definition, field_manager="helm")
        return definition

    return make


def test_others_are_refused_without_leave_to_replace_them(cluster, foreign, roll_out):
    foreign("theirs")
    with pytest.raises(OperatorError) as failure:
        roll_out(workload("theirs"))
    assert "helm" in failure.value.found
    spec = cluster.apps.read_namespaced_deployment("theirs", cluster.namespace).spec
    assert [container.name for container in spec.template.spec.containers] == ["old"]


def test_others_are_replaced_and_kept(cluster, foreign, roll_out, said):
    foreign("old-one")
    scaler = Scaler(cluster, said)
    assert [result.action for result in scaler.stop("old-one", timeout_seconds=60)] == ["stopped"]
    check = Applier(cluster, said, replace=True).plan([workload("old-one")])
    assert [step.action for step in check] == ["replaced"]
    assert "CANARY-old" not in json.dumps([step.diff() for step in check])
    assert roll_out(workload("old-one"), replace=True, backup_secret="airflow-before-1") == ["replaced"]
    containers = cluster.apps.read_namespaced_deployment("old-one", cluster.namespace).spec.template.spec.containers
    assert [container.name for container in containers] == ["main"]
    kept = Backup(cluster, "airflow-before-1").records["deployment-old-one"].object
    assert kept["spec"]["replicas"] == 1  # what it had before it was stopped
    assert kept["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "OLD", "value": "CANARY-old"}]
    assert roll_out(workload("old-one"), replace=True, backup_secret="airflow-before-1") == ["unchanged"]
    # What was kept is enough to go back.
    cluster.apps.delete_namespaced_deployment("old-one", cluster.namespace, propagation_policy="Foreground")
    while cluster.find(cluster.apps.read_namespaced_deployment, "old-one"):
        time.sleep(0.2)
    cluster.apps.create_namespaced_deployment(cluster.namespace, kept)


def test_a_replacement_that_was_interrupted_after_the_delete_is_finished(cluster, foreign, roll_out):
    foreign("half")
    cluster.apps.delete_namespaced_deployment("half", cluster.namespace, propagation_policy="Foreground")
    assert roll_out(workload("half"), replace=True, backup_secret="airflow-before-2")[0] in ("replaced", "created")
    containers = cluster.apps.read_namespaced_deployment("half", cluster.namespace).spec.template.spec.containers
    assert [container.name for container in containers] == ["main"]


def test_another_selector_needs_a_replacement(roll_out):
    assert roll_out(workload("selector")) == ["created"]
    changed = workload("selector", labels={"app": "selector", "tier": "x"})
    with pytest.raises(OperatorError, match="immutable fields"):
        roll_out(changed)
    assert roll_out(changed, replace=True) == ["replaced"]


def test_stop_and_start(cluster, roll_out, said):
    roll_out(workload("stoppable", replicas=2), workload("stateful", kind="StatefulSet"))
    scaler = Scaler(cluster, said)
    names = ["stoppable", "stateful", "absent"]

    def stop(**options):
        return [result.action for name in names for result in scaler.stop(name, timeout_seconds=60, **options)]

    predicted = stop(check_mode=True)
    assert len(pods(cluster, "stoppable")) == 2
    assert predicted == stop() == ["stopped", "stopped", "absent"]
    assert not pods(cluster, "stoppable") | pods(cluster, "stateful")
    assert stop() == ["unchanged", "unchanged", "absent"]
    started = scaler.start_all(names, timeout_seconds=60)
    assert [result.action for result in started] == ["started", "started", "absent"]
    assert [result.after for result in started] == [2, 1, 0]
    assert len(pods(cluster, "stoppable")) == 2
    again = [result.action for result in scaler.start_all(names, timeout_seconds=60)]
    assert again == ["unchanged", "unchanged", "absent"]
    assert "hopsworks.airflow" not in str(
        cluster.apps.read_namespaced_deployment("stoppable", cluster.namespace).metadata.annotations
    )


def test_what_was_at_zero_before_is_not_started(cluster, roll_out, said):
    roll_out(workload("at-zero", replicas=0))
    scaler = Scaler(cluster, said)
    assert [result.action for result in scaler.stop("at-zero", timeout_seconds=60)] == ["unchanged"]
    assert [result.action for result in scaler.start_all(["at-zero"], timeout_seconds=60)] == ["unchanged"]


def test_a_stopped_one_is_started_by_applying_it(cluster, roll_out, said):
    roll_out(workload("stopped-applied"))
    Scaler(cluster, said).stop("stopped-applied", timeout_seconds=60)
    assert roll_out(workload("stopped-applied")) == ["configured"]
    assert roll_out(workload("stopped-applied")) == ["unchanged"]


def test_the_grace_period_is_honoured(cluster, roll_out, said):
    drains = (
        "python3",
        "-c",
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(8), exit(0))); signal.pause()",
    )
    roll_out(workload("draining", command=drains, terminationGracePeriodSeconds=20))
    time.sleep(1)
    begun = time.monotonic()
    Scaler(cluster, said).stop("draining", timeout_seconds=1)
    assert 7 < time.monotonic() - begun < 20
    assert any("still terminating: draining-" in line for line in said)


def test_the_replicas_that_others_decide_about_stay_theirs(cluster, foreign, roll_out, said):
    foreign("scaled")
    cluster.apps.patch_namespaced_deployment_scale("scaled", cluster.namespace, {"spec": {"replicas": 2}})
    definition = workload("scaled")
    del definition["spec"]["replicas"]
    assert roll_out(definition, replace=True, backup_secret="airflow-before-3") == ["replaced"]
    assert len(pods(cluster, "scaled")) == 2
    assert roll_out(definition) == ["unchanged"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}
    body = {"metadata": {"name": "scaled"}, "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3}}
    Objects(cluster).create({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", **body})
    assert roll_out(definition) == ["unchanged"]
    with pytest.raises(OperatorError, match="HorizontalPodAutoscaler scaled manages the replicas of Deployment scaled"):
        roll_out(workload("scaled"))


def test_a_number_that_is_no_longer_said_stays_until_somebody_sets_another(cluster, roll_out):
    assert roll_out(workload("counted", replicas=2)) == ["created"]
    before = pods(cluster, "counted")
    definition = workload("counted", replicas=2)
    del definition["spec"]["replicas"]
    # A change beside it, so that the definition is applied; the pods are the same.
    definition["metadata"]["labels"] = {"x": "y"}
    assert roll_out(definition) == ["configured"]
    assert pods(cluster, "counted") == before
    assert roll_out(definition) == ["unchanged"]
