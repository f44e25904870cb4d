# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose number of replicas a workload has, and how many pods that are for a moment."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import STOPPED_ANNOTATION
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier, surge_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import pod_of
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import by
from ansible_collections.hopsworks.airflow.tests.unit.rollout.applying import (
    BACKUP,
    applier,
    autoscaler,
    replicas,
    roll_out,
    workload,
)


def stopped(namespace, name="web"):
    live = namespace.live["Deployment", name]
    live["metadata"].setdefault("annotations", {})[STOPPED_ANNOTATION] = str(live["spec"]["replicas"])
    live["spec"]["replicas"] = 0


def test_a_replaced_workload_has_as_many_pods_as_the_old_one_had(namespace):
    namespace.made(workload(image="old", replicas=3))
    stopped(namespace)
    (step,) = applier(namespace).plan([workload()])
    assert (step.action, step.replicas, step.after["spec"]["replicas"]) == ("replaced", 3, 3)
    assert roll_out(namespace, workload()) == ["replaced"]
    assert replicas(namespace) == 3
    assert roll_out(namespace, workload()) == ["unchanged"]


def test_what_an_autoscaler_or_somebody_has_set_since_is_left(namespace):
    roll_out(namespace, workload())
    assert replicas(namespace) == 1
    namespace.live["Deployment", "web"]["spec"]["replicas"] = 7
    namespace.autoscalers = [autoscaler()]
    assert roll_out(namespace, workload()) == ["unchanged"]
    assert roll_out(namespace, workload(image="newer")) == ["configured"]
    assert replicas(namespace) == 7


def test_one_that_is_stopped_is_started_with_the_replicas_it_had(namespace):
    roll_out(namespace, workload())
    namespace.live["Deployment", "web"]["spec"]["replicas"] = 3
    stopped(namespace)
    assert roll_out(namespace, workload()) == ["configured"]
    assert replicas(namespace) == 3


def test_one_that_was_at_zero_is_going_to_run(namespace):
    namespace.made(workload(image="old", replicas=0))
    roll_out(namespace, workload())
    assert replicas(namespace) == 1


def test_a_number_that_is_said_is_set(namespace):
    namespace.made(workload(image="old", replicas=3))
    roll_out(namespace, workload(replicas=2))
    assert replicas(namespace) == 2


class Killed(BaseException):
    pass


@pytest.mark.parametrize("number", range(4))
def test_killed_anywhere_the_number_of_replicas_is_not_lost(namespace, number):
    namespace.made(workload(image="old", replicas=3))
    left = number

    def killed(*_write):
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1

    namespace.before_write = killed
    with pytest.raises(Killed):
        roll_out(namespace, workload())
    namespace.before_write = None
    roll_out(namespace, workload())
    assert replicas(namespace) == 3


@pytest.mark.parametrize(
    ("strategy", "surge"),
    [
        ({"type": "Recreate"}, 0),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}, 1),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%"}}, 2),
        ({}, 1),
    ],
)
def test_an_update_has_more_pods_for_a_moment(strategy, surge):
    definition = workload(replicas=3)
    definition["spec"]["strategy"] = strategy
    assert surge_of(definition) == surge
    assert surge_of({**definition, "kind": "StatefulSet"}) == 0


def pod(name, phase="Running", owner="web-1", kind="ReplicaSet", uid="r"):
    return pod_of(owner, name, kind=kind, uid=uid, status={"phase": phase})


def test_a_deployment_in_the_place_of_a_stateful_set_has_its_replicas_and_the_room_of_its_pods(namespace):
    namespace.made({**workload(image="old", replicas=3), "kind": "StatefulSet"})
    uid = namespace.live["StatefulSet", "web"]["metadata"]["uid"]
    namespace.pods = [pod("web-0", owner="web", kind="StatefulSet", uid=uid), pod("other", owner="worker-1")]
    keda = autoscaler(kind="ScaledObject")
    keda["spec"]["scaleTargetRef"]["kind"] = "StatefulSet"
    namespace.autoscalers = [keda]
    rollout = applier(namespace)
    steps = rollout.plan([workload()])
    assert [(step.action, step.replicas) for step in steps] == [("created", 3)]
    coming, freed = rollout.pods_of(steps)
    assert [(pods.name, pods.count) for pods in coming] == [("web", 3)]
    assert [each["metadata"]["name"] for each in freed] == ["web-0"]
    assert "may start pods of StatefulSet web" in rollout.warnings(steps)[0]


def test_a_stateful_set_is_kept_and_stopped_before_a_deployment_takes_its_place(namespace):
    namespace.made({**workload(image="old", replicas=3), "kind": "StatefulSet"})
    roll_out(namespace, workload())
    live = namespace.read("StatefulSet", "web")
    assert live["spec"]["replicas"] == 0
    assert live["metadata"]["annotations"] == {STOPPED_ANNOTATION: "3"}
    assert namespace.log[:4] == [
        ("secret", "Secret", BACKUP),
        ("patch", "StatefulSet", "web"),
        ("gone", "StatefulSet", "web"),
        ("apply", "Deployment", "web"),
    ]
    assert replicas(namespace) == 3
    assert roll_out(namespace, workload()) == ["unchanged"]


def test_without_leave_to_replace_it_a_running_stateful_set_is_refused(namespace):
    namespace.made({**workload(image="old"), "kind": "StatefulSet"})
    with pytest.raises(OperatorError, match="StatefulSet web exists and was created by others"):
        Applier(namespace.cluster, lambda _line: None).plan([workload()])


def test_a_pod_that_two_selectors_match_goes_once(namespace):
    for name in ("web", "worker"):
        namespace.made(workload(name, image="old"))
    namespace.pods = [pod("web-1-x"), pod("worker-1-x", owner="worker-1")]
    rollout = applier(namespace)
    _coming, freed = rollout.pods_of(rollout.plan([workload("web"), workload("worker")]))
    assert [pod["metadata"]["name"] for pod in freed] == ["web-1-x", "worker-1-x"]


def test_which_objects_come_with_the_pods(namespace):
    def objects(definition):
        rollout = applier(namespace)
        (coming,) = rollout.pods_of(rollout.plan([definition]))[0]
        return coming.objects

    assert objects(workload()) == ("count/deployments.apps", "count/replicasets.apps")
    stateful = {**workload("db"), "kind": "StatefulSet"}
    assert objects(stateful) == ("count/statefulsets.apps",)
    namespace.made(workload(image="old"))
    # One of others goes, with its ReplicaSet, before that of ours comes.
    assert objects(workload()) == ()
    roll_out(namespace, workload())
    assert objects(workload(image="newer")) == ("count/replicasets.apps",)
    # Whoever changes nothing of the pods gets no other ReplicaSet.
    assert objects(workload(replicas=2)) == ()


def test_which_pods_come_and_which_go(namespace):
    namespace.made(workload(image="old", replicas=3))
    namespace.pods = [pod("running"), pod("evicted", "Failed"), pod("of-others", owner="worker-1")]
    rollout = applier(namespace)
    coming, freed = rollout.pods_of(rollout.plan([workload()]))
    assert [(pods.name, pods.count) for pods in coming] == [("web", 3)]
    assert [pod["metadata"]["name"] for pod in freed] == ["running"]
    roll_out(namespace, workload())
    # It surges where it is updated, and doesn't where it is made after the old one has ended.
    coming, _freed = rollout.pods_of(rollout.plan([workload(image="newer")]))
    assert [(pods.name, pods.count) for pods in coming] == [("web", 4)]
    assert rollout.pods_of(rollout.plan([workload()])) == ([], [])


def test_a_workload_of_another_deployment_is_refused(namespace):
    def of(deployment):
        return {**workload(), "metadata": {"name": "web", "labels": by(deployment)}}

    roll_out(namespace, of("a"))
    namespace.log.clear()
    with pytest.raises(OperatorError, match="Deployment web belongs to deployment 'a'"):
        roll_out(namespace, of("b"))
    assert namespace.log == []
    assert roll_out(namespace, of("a")) == ["unchanged"]


def test_what_could_not_be_applied_is_refused_before_the_old_one_is_deleted(namespace):
    namespace.made(workload(image="old"))
    new = workload()
    new["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    with pytest.raises(OperatorError, match="duplicate entries for key") as refused:
        roll_out(namespace, new)
    assert refused.value.untouched == "all workloads"
    assert namespace.log == []


def test_two_definitions_of_one_workload_are_refused(namespace):
    with pytest.raises(OperatorError, match="Deployment web is defined twice"):
        roll_out(namespace, workload(image="a"), workload(image="b"))
    assert namespace.log == []


def test_what_a_replaced_workload_starts_with_is_kept_with_it(namespace):
    live = workload(image="old")
    live["metadata"]["labels"] = by("demo")
    live["spec"]["template"]["spec"]["volumes"] = [{"name": "x", "configMap": {"name": "launcher-a"}}]
    configuration = {"kind": "ConfigMap", "metadata": {"name": "launcher-a", "labels": by("demo")}, "immutable": True}
    for definition in (live, {**configuration, "apiVersion": "v1"}):
        namespace.made(definition)
    assert roll_out(namespace, {**workload(), "metadata": {"name": "web", "labels": by("demo")}}) == ["replaced"]
    assert set(Backup(namespace.cluster, BACKUP).records) == {"deployment-web", "configmap-launcher-a"}
