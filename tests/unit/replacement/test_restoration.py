# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back, whatever happens in between."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import REPLACING_MANAGER
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import STOPPED_ANNOTATION
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import (
    NEW,
    NEW_WORKLOADS,
    OLD,
    SECRET,
    apply,
    by,
    content,
    obj,
    restore,
    roll_out,
    workload,
)


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


@pytest.mark.parametrize("stage", ["ending", "partly replaced"])
def test_an_object_that_looks_like_the_old_one_and_is_not_whole_comes_back(old, stage):
    """A run was killed when it had begun to delete it, or to replace it by the same."""
    before = content(old)
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    for kind, name in (("Service", "web"), ("Deployment", "web")):
        metadata = old.live[kind, name]["metadata"]
        if stage == "ending":
            metadata["deletionTimestamp"] = "2026-11-22T03:00:00Z"
        else:
            metadata["managedFields"] = [{"manager": REPLACING_MANAGER, "operation": "Update"}]
    done = restore(old)
    assert (done["Service web"], done["Deployment web"]) == ("restored", "restored")
    assert content(old) == before


def test_a_workload_of_ours_that_was_changed_in_place_is_changed_back(namespace):
    """It is the same object as before, with the new image."""
    namespace.apply(workload("web", "old"))
    before = content(namespace)
    keep(namespace.cluster, NEW_WORKLOADS, SECRET, check_mode=False)
    namespace.apply(workload("web", "new"))
    assert restore(namespace)["Deployment web"] == "restored"
    assert content(namespace) == before


@pytest.mark.parametrize(("first", "then"), [("None", None), (None, "None")])
def test_a_headless_service_and_one_with_an_address_come_back_as_they_were(old, first, then):
    if first:
        old.live["Service", "web"]["spec"]["clusterIP"] = first
    before = content(old)
    headless = copy.deepcopy(NEW[4])
    if then:
        headless["spec"]["clusterIP"] = then
    keep(old.cluster, [headless], SECRET, check_mode=False)
    apply(old, [headless])
    assert content(old) != before
    restore(old)
    assert content(old) == before
    assert restore(old) == {"Service web": "unchanged"}


def test_a_correction_between_two_attempts_is_what_the_second_one_keeps(old):
    keep(old.cluster, NEW, SECRET, check_mode=False)
    apply(old)
    restore(old)
    old.live["Service", "web"]["spec"]["ports"][0]["targetPort"] = "corrected"
    keep(old.cluster, NEW, SECRET, check_mode=False)
    apply(old)
    restore(old)
    assert old.read("Service", "web")["spec"]["ports"][0]["targetPort"] == "corrected"


def test_a_correction_after_a_killed_attempt_is_what_the_next_one_keeps(old):
    """It was kept and not replaced yet: there is no way back between the two."""
    keep(old.cluster, NEW, SECRET, check_mode=False)
    old.live["Service", "web"]["spec"]["ports"][0]["targetPort"] = "corrected"
    old.made({**NEW[6], "data": {"x": "of others"}})
    keep(old.cluster, NEW, SECRET, check_mode=False)
    apply(old)
    restore(old)
    assert old.read("Service", "web")["spec"]["ports"][0]["targetPort"] == "corrected"
    assert old.read("ConfigMap", "new-one")["data"] == {"x": "of others"}


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
    assert ("start", "StatefulSet", "web") in old.log
    assert content(old).keys() == before.keys()


def test_a_stateful_set_that_runs_beside_a_deployment_of_its_name_is_started_again(old):
    old.made({**workload("web", "old"), "kind": "StatefulSet"})
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    live = old.live["StatefulSet", "web"]
    live["spec"]["replicas"] = 0
    live["metadata"]["annotations"] = {STOPPED_ANNOTATION: "1"}
    done = restore(old)
    assert (done["Deployment web"], done["StatefulSet web"]) == ("unchanged", "started")
    assert [entry for entry in old.log if entry[0] == "start"] == [("start", "StatefulSet", "web")]


def test_a_stateful_set_that_an_earlier_run_has_left_stopped_is_not_started(old):
    old.made({**workload("web", "old", replicas=0), "kind": "StatefulSet"})
    old.live["StatefulSet", "web"]["metadata"]["annotations"] = {STOPPED_ANNOTATION: "1"}
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    assert "StatefulSet web" not in restore(old)


def test_what_others_made_since_is_left_alone(old):
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    old.live["Service", "web"]["spec"]["selector"] = {"app": "by-hand"}
    old.delete("Deployment", "web")
    old.made(workload("web", "by-hand"))
    old.made(obj("ConfigMap", "new-one", data={"by": "hand"}))
    done = restore(old)
    assert [done[name] for name in ("Service web", "Deployment web", "ConfigMap new-one")] == ["left"] * 3
    assert old.read("Service", "web")["spec"]["selector"] == {"app": "by-hand"}


def test_what_another_deployment_made_since_is_left_alone(old):
    mine = [obj("ConfigMap", "new-one", labels=by("b"))]
    keep(old.cluster, mine, SECRET, check_mode=False)
    old.apply(obj("ConfigMap", "new-one", labels=by("a")))
    assert restore(old) == {"ConfigMap new-one": "left"}
    assert old.read("ConfigMap", "new-one") is not None


def test_an_object_that_was_made_though_the_answer_was_lost_is_back(old, monkeypatch):
    """The client sends it again, and is told that it exists."""
    before = content(old)
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    old.delete("ConfigMap", "airflow-launcher")
    old.delete("Deployment", "web")
    create = old.create

    def sent_twice(definition, *, dry_run=False):
        create(definition, dry_run=dry_run)
        return create(definition, dry_run=dry_run)

    monkeypatch.setattr(old, "create", sent_twice)
    done = restore(old)
    assert (done["ConfigMap airflow-launcher"], done["Deployment web"]) == ("created", "created")
    assert content(old) == before


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
    with pytest.raises(OperatorError, match="partly replaced"):
        keep(old.cluster, NEW, SECRET, check_mode=False)


def of_ours(configuration, *names):
    """Workloads of this collection that start with a configuration, and it."""
    labels = by("demo")
    yield {**obj("ConfigMap", configuration, labels=labels, data={"x": configuration}), "immutable": True}
    for name in names:
        made = workload(name, configuration)
        made["metadata"]["labels"] = labels
        made["spec"]["template"]["spec"]["volumes"] = [{"name": "x", "configMap": {"name": configuration}}]
        yield made


def test_the_configuration_of_workloads_that_come_back_comes_back(namespace):
    old, new = list(of_ours("launcher-a", "web", "dag-processor")), list(of_ours("launcher-b", "web", "dag-processor"))
    for definition in old:
        namespace.apply(copy.deepcopy(definition))
    before = content(namespace)
    keep(namespace.cluster, new, SECRET, check_mode=False)
    assert len(Backup(namespace.cluster, SECRET).records) == 4
    for kind, name in list(namespace.live):
        namespace.delete(kind, name)
    for definition in new:
        namespace.apply(copy.deepcopy(definition))
    namespace.log.clear()
    assert restore(namespace)["ConfigMap launcher-b"] == "removed"
    assert content(namespace) == before
    created = [(kind, name) for verb, kind, name in namespace.log if verb == "create"]
    assert created[0] == ("ConfigMap", "launcher-a")
