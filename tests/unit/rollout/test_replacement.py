# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is replaced, kept and put back, whatever happens in between."""

from __future__ import annotations

import contextlib
import copy
import json
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import FIELD_MANAGER
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import replacement, restoration
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Step
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.definition import STOPPED_ANNOTATION, saved
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.replacement import (
    Replacer,
    exposure_lost,
    keep,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.restoration import Restorer
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

from .fake import Namespace, refusal

SECRET = "airflow-before-1"
RBAC = "rbac.authorization.k8s.io"


def obj(kind, name, version="v1", *, labels=None, annotations=None, **fields):
    metadata = {"name": name}
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def binding(role):
    return obj("RoleBinding", "airflow", f"{RBAC}/v1", roleRef={"kind": "Role", "name": role}, subjects=[])


def workload(name, image, replicas=1):
    spec = {"replicas": replicas, "template": {"spec": {"containers": [{"name": name, "image": image}]}}}
    return obj("Deployment", name, "apps/v1", spec=spec)


OLD = [
    obj("ServiceAccount", "airflow", secrets=[{"name": "airflow-token"}], imagePullSecrets=[{"name": "registry"}]),
    obj("Role", "airflow", f"{RBAC}/v1", rules=[{"resources": ["pods"], "verbs": ["get"]}]),
    binding("another"),
    obj("ConfigMap", "airflow-launcher", data={"old.cfg": "CANARY"}),
    obj(
        "Service",
        "web",
        labels={"chart": "old"},
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        spec={
            "clusterIP": "10.0.0.77",
            "selector": {"app": "web", "release": "old"},
            "ports": [{"name": "web", "port": 80, "targetPort": "ui"}],
        },
    ),
    obj("PodDisruptionBudget", "web", "policy/v1", spec={"minAvailable": 1, "selector": {"matchLabels": {"r": "old"}}}),
]
NEW = [
    obj("ServiceAccount", "airflow", labels={"by": "us"}, automountServiceAccountToken=False),
    obj("Role", "airflow", f"{RBAC}/v1", rules=[]),
    binding("airflow"),
    obj("ConfigMap", "airflow-launcher", data={"airflow.cfg.template": "x"}),
    obj("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 81}]}),
    obj("PodDisruptionBudget", "web", "policy/v1", spec={"maxUnavailable": 1, "selector": {"matchLabels": {"a": "w"}}}),
    obj("ConfigMap", "new-one", data={}),
]
NEW_WORKLOADS = [workload("web", "new"), workload("dag-processor", "new")]


@pytest.fixture
def namespace(monkeypatch):
    namespace = Namespace()
    for module in (replacement, restoration):
        monkeypatch.setattr(module, "Objects", lambda _cluster: namespace)

    @contextlib.contextmanager
    def watcher(_cluster, _objects, live, _progress):
        def rolled_out(**_arguments):
            namespace.log.append(("rolled out", live["kind"], live["metadata"]["name"]))

        yield SimpleNamespace(until_rolled_out=rolled_out)

    class Scaler:
        def __init__(self, *_arguments):
            pass

        def start(self, name, **_arguments):
            namespace.log.append(("start", "Deployment", name))

    monkeypatch.setattr(restoration, "Watcher", watcher)
    monkeypatch.setattr(restoration, "Scaler", Scaler)
    monkeypatch.setattr(
        restoration,
        "remove",
        lambda objects, live, _progress, **_arguments: objects.delete(live["kind"], live["metadata"]["name"]),
    )
    return namespace


@pytest.fixture
def old(namespace):
    for definition in OLD:
        namespace.made(copy.deepcopy(definition))
    namespace.made(workload("web", "old", replicas=3))
    return namespace


def content(namespace):
    """All that somebody decided about the objects, and who."""
    return {
        key: (saved(live), [entry for entry in live["metadata"]["managedFields"] if "subresource" not in entry])
        for key, live in namespace.live.items()
    }


def quiet(_line):
    pass


def apply(namespace, definitions=NEW, **options):
    replacer = Replacer(namespace.cluster, quiet, **{"replace": True, "backup_secret": SECRET, **options})
    steps = replacer.plan(copy.deepcopy(definitions))
    replacer.act(steps, timeout_seconds=5)
    return [step.action for step in steps]


def restore(namespace):
    restorer = Restorer(namespace.cluster, quiet, SECRET)
    returns = restorer.plan()
    restorer.act(returns, timeout_seconds=5)
    return {f"{step.record.kind} {step.record.name}": step.action for step in returns}


def roll_out(namespace):
    """As the module `workloads` replaces them."""
    for definition in NEW_WORKLOADS:
        namespace.delete("Deployment", definition["metadata"]["name"])
        namespace.apply(copy.deepcopy(definition))


def test_nothing_of_the_old_objects_is_left_in_the_new(old):
    before = old.read("Service", "web")
    assert apply(old) == ["replaced"] * 6 + ["created"]
    service = old.read("Service", "web")
    assert service["spec"] == {**NEW[4]["spec"], "clusterIP": "10.0.0.77"}
    assert service["metadata"]["uid"] == before["metadata"]["uid"]
    assert not service["metadata"].keys() & {"labels", "annotations"}
    assert old.read("Role", "airflow")["rules"] == []
    assert old.read("RoleBinding", "airflow")["roleRef"]["name"] == "airflow"
    assert old.read("ConfigMap", "airflow-launcher")["data"] == {"airflow.cfg.template": "x"}
    assert old.read("PodDisruptionBudget", "web")["spec"] == NEW[5]["spec"]
    assert all(
        live["metadata"]["managedFields"] == [{"manager": FIELD_MANAGER, "operation": "Apply"}]
        for (kind, name), live in old.live.items()
        if kind != "Deployment" and name != "new-one"
    )
    assert apply(old) == ["unchanged"] * 7


def test_an_account_keeps_the_tokens_and_pull_secrets_that_were_made_for_it(old):
    apply(old)
    account = old.read("ServiceAccount", "airflow")
    assert (account["secrets"], account["imagePullSecrets"]) == ([{"name": "airflow-token"}], [{"name": "registry"}])
    assert account["automountServiceAccountToken"] is False


def test_a_budget_that_says_no_number_keeps_the_old_one(old, namespace):
    budget = obj("PodDisruptionBudget", "web", "policy/v1", spec={"selector": {"matchLabels": {"a": "w"}}})
    other = obj("PodDisruptionBudget", "other", "policy/v1", spec={"selector": {}})
    assert apply(old, [budget, other]) == ["replaced", "created"]
    assert old.read("PodDisruptionBudget", "web")["spec"] == {"minAvailable": 1, **budget["spec"]}
    assert old.read("PodDisruptionBudget", "other")["spec"]["maxUnavailable"] == 1
    assert apply(old, [budget, other]) == ["unchanged", "unchanged"]


def test_check_mode_changes_nothing_and_shows_no_value(old):
    before = content(old)
    steps = Replacer(old.cluster, quiet, replace=True).plan(copy.deepcopy(NEW))
    assert [step.action for step in steps] == ["replaced"] * 6 + ["created"]
    assert content(old) == before
    assert old.log == []
    assert "CANARY" not in json.dumps([step.diff() for step in steps])


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"type": "ClusterIP"}, {"type": "ClusterIP"}, None),
        ({"type": "NodePort", "ports": [{"nodePort": 31280}]}, {"type": "ClusterIP"}, "NodePort with node port 31280"),
        ({"type": "NodePort", "ports": [{"nodePort": 1}]}, {"type": "NodePort", "ports": [{"nodePort": 1}]}, None),
        ({"type": "NodePort", "ports": [{"nodePort": 1}]}, {"type": "NodePort", "ports": [{"nodePort": 2}]}, "port 1"),
        ({"type": "LoadBalancer"}, {"type": "ClusterIP"}, "LoadBalancer, and becomes one of type ClusterIP"),
    ],
)
def test_a_service_that_people_reach_from_outside_is_told(before, after, text):
    definition = obj("Service", "web", spec={})
    step = Step(definition, {"spec": before}, "replaced", {"spec": after})
    warning = exposure_lost(step)
    assert (warning is None) if text is None else (text in warning)


def test_without_leave_to_replace_them_others_are_refused_before_anything_is_touched(old):
    with pytest.raises(OperatorError, match="helm"):
        apply(old, [NEW[6], *NEW[:6]], replace=False)
    assert old.log == []


def test_a_role_that_could_not_be_put_back_is_not_replaced(old):
    old.refuse = lambda body: body["kind"] == "Role" and body["rules"] and refusal(403, "attempt to grant extra rights")
    with pytest.raises(OperatorError, match="could not be put back: attempt to grant extra rights"):
        apply(old)
    assert old.log == []


def test_a_workload_among_the_objects_is_refused(namespace):
    with pytest.raises(OperatorError, match="module workloads"):
        apply(namespace, [workload("web", "x")])


def test_everything_is_kept_before_the_first_is_replaced(old):
    new = keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=True)
    assert len(new) == 9
    assert old.log == []
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    assert {verb for verb, _kind, _name in old.log} == {"secret"}
    assert keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False) == []
    backup = Backup(old.cluster, SECRET)
    assert backup.state == "whole"
    assert [record.object is None for record in backup.records.values()] == [False] * 6 + [True, False, True]


def test_what_is_replaced_without_having_been_kept_is_kept_then(old):
    apply(old, [NEW[4]])
    verbs = [verb for verb, _kind, _name in old.log]
    assert verbs.index("secret") < verbs.index("replace")
    assert Backup(old.cluster, SECRET).records["service-web"].object["spec"] == OLD[4]["spec"]


def test_the_way_back_restores_every_kind_and_its_owners(old):
    before = content(old)
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    apply(old)
    roll_out(old)
    assert content(old) != before
    old.log.clear()
    done = restore(old)
    assert content(old) == before
    assert done["ConfigMap new-one"] == done["Deployment dag-processor"] == "removed"
    assert {
        action for name, action in done.items() if name not in ("ConfigMap new-one", "Deployment dag-processor")
    } == {"restored"}
    # New workloads have gone before the objects change, and these are back before the old workloads come.
    places = [(verb, kind) for verb, kind, _name in old.log]
    assert max(i for i, place in enumerate(places) if place == ("delete", "Deployment")) < places.index(
        ("replace", "Service")
    )
    assert places.index(("create", "Deployment")) > max(
        i for i, (_verb, kind) in enumerate(places) if kind == "Service"
    )
    assert ("rolled out", "Deployment", "web") in old.log
    assert set(restore(old).values()) == {"unchanged"}


def test_after_the_way_back_the_next_run_replaces_them_again(old):
    """What was put back is the others' again, else it would be merged with."""
    before = content(old)
    for _run in range(2):
        keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
        assert apply(old) == ["replaced"] * 6 + ["created"]
        restore(old)
        assert content(old) == before


def test_an_object_that_was_the_same_is_the_others_again_all_the_same(old):
    """Else the next run would take it for its own, and merge."""
    same = [copy.deepcopy(OLD[5])]
    before = content(old)
    keep(old.cluster, same, SECRET, check_mode=False)
    assert apply(old, same) == ["replaced"]
    assert content(old) != before
    assert set(restore(old).values()) == {"restored"}
    assert content(old) == before


def test_a_correction_between_two_attempts_is_what_the_second_one_keeps(old):
    keep(old.cluster, NEW, SECRET, check_mode=False)
    apply(old)
    restore(old)
    old.live["Service", "web"]["spec"]["ports"][0]["targetPort"] = "corrected"
    keep(old.cluster, NEW, SECRET, check_mode=False)
    apply(old)
    restore(old)
    assert old.read("Service", "web")["spec"]["ports"][0]["targetPort"] == "corrected"


def test_workloads_that_are_still_the_old_ones_are_started(old):
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    live = old.live["Deployment", "web"]
    live["spec"]["replicas"] = 0
    live["metadata"]["annotations"] = {STOPPED_ANNOTATION: "3"}
    done = restore(old)
    assert done["Deployment web"] == "started"
    assert ("start", "Deployment", "web") in old.log
    assert not any(verb in ("delete", "create") for verb, _kind, _name in old.log)


def test_a_stateful_set_of_the_name_of_a_new_deployment_is_started_again(old):
    old.delete("Deployment", "web")
    old.made({**workload("web", "old"), "kind": "StatefulSet"})
    before = content(old)
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    live = old.live["StatefulSet", "web"]
    live["spec"]["replicas"] = 0
    live["metadata"]["annotations"] = {STOPPED_ANNOTATION: "1"}
    roll_out(old)
    old.log.clear()
    done = restore(old)
    assert (done["Deployment web"], done["StatefulSet web"]) == ("removed", "started")
    assert ("start", "Deployment", "web") in old.log
    assert content(old).keys() == before.keys()


def test_what_others_made_since_is_left_alone(old):
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    old.live["Service", "web"]["spec"]["selector"] = {"app": "by-hand"}
    old.delete("Deployment", "web")
    old.made(workload("web", "by-hand"))
    old.made(obj("ConfigMap", "new-one", data={"by": "hand"}))
    done = restore(old)
    assert [done[name] for name in ("Service web", "Deployment web", "ConfigMap new-one")] == ["left"] * 3
    assert old.read("Service", "web")["spec"]["selector"] == {"app": "by-hand"}


def test_a_service_whose_address_is_taken_comes_back_with_another(old):
    keep(old.cluster, NEW, SECRET, check_mode=False)
    old.delete("Service", "web")
    old.refuse = lambda body: "clusterIP" in body.get("spec", {}) and refusal(422, "provided IP is already allocated")
    restore(old)
    service = old.read("Service", "web")
    assert service["spec"].pop("clusterIP") != "10.0.0.77"
    assert service["spec"] == {key: value for key, value in OLD[4]["spec"].items() if key != "clusterIP"}
    assert set(restore(old).values()) == {"unchanged"}


class Killed(BaseException):
    pass


def kill_before(namespace, number, act):
    left = number

    def killed(*_write):
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1

    namespace.before_write = killed
    with pytest.raises(Killed):
        act()
    namespace.before_write = None


def replaced(namespace):
    keep(namespace.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    apply(namespace)


@pytest.mark.parametrize("number", range(20))
def test_killed_anywhere_while_it_replaces_the_way_back_is_whole(old, number):
    before = content(old)
    kill_before(old, number, lambda: replaced(old))
    if not Backup(old.cluster, SECRET).exists:
        assert content(old) == before
        return
    restore(old)
    assert content(old) == before


@pytest.mark.parametrize("number", range(20))
def test_killed_anywhere_the_same_command_goes_on_and_keeps_what_was_first(old, number):
    before = content(old)
    kill_before(old, number, lambda: replaced(old))
    replaced(old)
    assert old.read("Service", "web")["spec"] == {**NEW[4]["spec"], "clusterIP": "10.0.0.77"}
    restore(old)
    assert content(old) == before


def test_a_half_replaced_object_whose_backup_is_lost_is_not_kept_as_the_old_one(old):
    kill_before(old, 4, lambda: replaced(old))
    assert any(
        entry["manager"].endswith(".replacement")
        for live in old.live.values()
        for entry in live["metadata"]["managedFields"]
    )
    old.secrets.clear()
    with pytest.raises(OperatorError, match="half replaced"):
        keep(old.cluster, NEW, SECRET, check_mode=False)


def test_an_object_that_others_change_meanwhile_is_read_again(old):
    keep(old.cluster, NEW, SECRET, check_mode=False)
    replacer = Replacer(old.cluster, quiet, replace=True, backup_secret=SECRET)
    steps = replacer.plan(copy.deepcopy(NEW))
    changes = [0]

    def changed(verb, kind, name):
        if verb == "replace" and kind == "Service" and changes[0] < 3:
            changes[0] += 1
            raise refusal(409, "the object has been modified")

    old.before_write = changed
    replacer.act(steps, timeout_seconds=5)
    assert changes == [3]
    assert old.read("Service", "web")["spec"]["selector"] == {"app": "web"}
