# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose number of replicas a workload has, and how many pods that are for a moment."""

from __future__ import annotations

import contextlib
import copy
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import STOPPED_ANNOTATION
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import apply as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import scale
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier, surge_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.interruption import grace_of_interrupted
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import pod_of
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import Namespace
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import by

BACKUP = "airflow-before-1"


def workload(name="web", image="new", replicas=None):
    spec = {"selector": {"matchLabels": {"app": name}}, "template": {"spec": {"containers": [{"image": image}]}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def autoscaler(name="web", kind="HorizontalPodAutoscaler"):
    reference = {"kind": "Deployment", "name": name}
    if kind == "ScaledObject":
        del reference["kind"]
    return {"kind": kind, "metadata": {"name": f"{name}-scaler"}, "spec": {"scaleTargetRef": reference}}


@pytest.fixture
def namespace(monkeypatch):
    namespace = Namespace()
    monkeypatch.setattr(subject, "Objects", lambda _cluster: namespace)
    monkeypatch.setattr(
        subject,
        "remove",
        lambda objects, live, _progress, **_arguments: objects.delete(live["kind"], live["metadata"]["name"]),
    )

    @contextlib.contextmanager
    def watcher(_cluster, _objects, live, _progress):
        def gone(**_arguments):
            namespace.log.append(("gone", live["kind"], live["metadata"]["name"]))

        yield SimpleNamespace(until_rolled_out=lambda **_arguments: None, try_again=lambda: False, until_gone=gone)

    for module in (subject, scale):
        monkeypatch.setattr(module, "Watcher", watcher)
    monkeypatch.setattr(scale, "Objects", lambda _cluster: namespace)
    return namespace


def applier(namespace):
    return Applier(namespace.cluster, lambda _line: None, replace=True, backup_secret=BACKUP)


def roll_out(namespace, *definitions):
    rollout = applier(namespace)
    steps = rollout.plan(copy.deepcopy(list(definitions)))
    rollout.roll_out(steps, timeout_seconds=1)
    return [step.action for step in steps]


def replicas(namespace, name="web"):
    live = namespace.read("Deployment", name)
    assert STOPPED_ANNOTATION not in live["metadata"].get("annotations", {})
    return live["spec"]["replicas"]


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


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject"])
def test_a_number_and_an_autoscaler_are_refused_before_anything_is_touched(namespace, kind):
    namespace.autoscalers = [autoscaler(kind=kind)]
    with pytest.raises(OperatorError, match=f"{kind} web-scaler manages"):
        roll_out(namespace, workload("other"), workload(replicas=1))
    assert namespace.log == []
    assert roll_out(namespace, workload("other", replicas=1), workload()) == ["created", "created"]


def test_keda_may_start_what_is_stopped_unless_it_is_paused(namespace):
    namespace.made(workload(image="old", replicas=3))
    keda = autoscaler(kind="ScaledObject")
    namespace.autoscalers = [keda, autoscaler(), autoscaler("other", kind="ScaledObject")]
    rollout = applier(namespace)
    (warning,) = rollout.warnings(rollout.plan([workload()]))
    assert "ScaledObject web-scaler may start pods of Deployment web" in warning
    keda["metadata"]["annotations"] = {"autoscaling.keda.sh/paused": "true"}
    rollout = applier(namespace)
    assert rollout.warnings(rollout.plan([workload()])) == []


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


@pytest.mark.parametrize(
    ("annotations", "paused"),
    [
        (None, False),
        ({"paused": "true"}, True),
        ({"paused": "false"}, False),
        ({"paused": "0"}, False),
        ({"paused": "yes, for the upgrade"}, True),
        ({"paused-replicas": "0"}, True),
        # KEDA would bring it to three.
        ({"paused-replicas": "3"}, False),
        ({"paused": "true", "paused-replicas": "3"}, False),
        ({"paused": "false", "paused-replicas": "0"}, True),
    ],
)
def test_whether_keda_is_paused_is_read_as_keda_reads_it(namespace, annotations, paused):
    namespace.made(workload(image="old"))
    keda = autoscaler(kind="ScaledObject")
    keda["metadata"]["annotations"] = annotations and {
        f"autoscaling.keda.sh/{name}": value for name, value in annotations.items()
    }
    namespace.autoscalers = [keda]
    rollout = applier(namespace)
    warnings = rollout.warnings(rollout.plan([workload()]))
    assert (warnings == []) is paused
    remedy = "--overwrite scaledobject web-scaler autoscaling.keda.sh/paused=true autoscaling.keda.sh/paused-replicas-"
    assert all(remedy in warning for warning in warnings)


def test_without_the_right_to_see_autoscalers_nothing_is_known_of_them(namespace):
    namespace.autoscalers = None
    assert roll_out(namespace, workload(replicas=1)) == ["created"]


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


def stateful(image="old", claims=("logs",), replicas=1, **policy):
    definition = {**workload("db", image, replicas), "kind": "StatefulSet"}
    definition["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": name}} for name in claims]
    definition["spec"]["persistentVolumeClaimRetentionPolicy"] = policy
    return definition


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
@pytest.mark.parametrize("policy", ["whenScaled", "whenDeleted"])
def test_a_stateful_set_whose_volumes_would_go_with_it_is_not_replaced(namespace, policy, kind):
    """It is stopped, and by a StatefulSet also deleted; by a Deployment it is not."""
    namespace.made(stateful(**{"whenScaled": "Retain", "whenDeleted": "Retain", policy: "Delete"}))
    new = {**workload("db"), "kind": kind}
    if (policy, kind) != ("whenDeleted", "Deployment"):
        with pytest.raises(OperatorError, match="and its volumes with it") as error:
            roll_out(namespace, new)
        assert f'"{policy}": "Retain"' in error.value.next_step
        assert namespace.log == []
        namespace.live["StatefulSet", "db"]["spec"]["persistentVolumeClaimRetentionPolicy"][policy] = "Retain"
    assert roll_out(namespace, new) == ["replaced" if kind == "StatefulSet" else "created"]


def test_a_stateful_set_beside_a_deployment_that_is_replaced_keeps_its_volumes_too(namespace):
    namespace.made(workload("db", image="old"))
    namespace.made(stateful(whenScaled="Delete"))
    with pytest.raises(OperatorError, match="StatefulSet db would be scaled to 0, and its volumes with it"):
        roll_out(namespace, workload("db"))
    assert namespace.log == []


@pytest.mark.parametrize("old", [{"claims": ()}, {"replicas": 0}], ids=["no volumes", "at 0 already"])
def test_a_stateful_set_that_loses_nothing_by_a_stop_is_replaced(namespace, old):
    namespace.made(stateful(whenScaled="Delete", **old))
    assert roll_out(namespace, workload("db")) == ["created"]


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


@pytest.mark.parametrize(
    ("new", "ready", "grace"),
    [
        (workload(image="newer"), 1, 600),
        (workload(), 1, None),
        ({**workload(), "metadata": {"name": "web", "labels": {"team": "data"}}}, 1, None),
        (workload(replicas=1), 3, 600),
        (workload(image="newer"), 0, None),
    ],
    ids=["other pods", "unchanged", "the same pods", "fewer pods", "none serves"],
)
@pytest.mark.parametrize("ours", [True, False])
def test_how_long_the_pods_that_are_ended_have_for_their_tasks(namespace, new, ready, grace, ours):
    for definition in (old := workload(replicas=3 if ready == 3 else 1), new):
        definition["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 600
    if ours:
        roll_out(namespace, old)
    else:
        namespace.made(old)
        grace = 600 if ready else None
    namespace.live["Deployment", "web"]["status"] = {"readyReplicas": ready}
    (step,) = applier(namespace).plan([new])
    assert grace_of_interrupted(step) == grace


def test_a_stateful_set_that_is_stopped_beside_has_its_own_grace(namespace):
    old = {**workload("scheduler", "old"), "kind": "StatefulSet", "status": {"readyReplicas": 1}}
    namespace.made(old)
    (step,) = applier(namespace).plan([workload("scheduler")])
    assert grace_of_interrupted(step) == 30


def test_what_a_replaced_workload_starts_with_is_kept_with_it(namespace):
    live = workload(image="old")
    live["metadata"]["labels"] = by("demo")
    live["spec"]["template"]["spec"]["volumes"] = [{"name": "x", "configMap": {"name": "launcher-a"}}]
    configuration = {"kind": "ConfigMap", "metadata": {"name": "launcher-a", "labels": by("demo")}, "immutable": True}
    for definition in (live, {**configuration, "apiVersion": "v1"}):
        namespace.made(definition)
    assert roll_out(namespace, {**workload(), "metadata": {"name": "web", "labels": by("demo")}}) == ["replaced"]
    assert set(Backup(namespace.cluster, BACKUP).records) == {"deployment-web", "configmap-launcher-a"}
