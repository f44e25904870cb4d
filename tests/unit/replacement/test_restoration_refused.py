# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back where the API server refuses a part of it, or a part stays sick: all the rest comes back."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import STOPPED_ANNOTATION
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import refusal
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import (
    NEW,
    NEW_WORKLOADS,
    OLD,
    SECRET,
    apply,
    content,
    restore,
    roll_out,
    workload,
)


@pytest.mark.parametrize("kind", ["Role", "ConfigMap", "ServiceAccount", "Service"])
@pytest.mark.parametrize("replaced", [True, False])
def test_an_object_that_is_refused_is_told_in_words_when_all_others_are_back(old, kind, replaced):
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    apply(old)
    roll_out(old)
    name = next(name for each, name in old.live if each == kind and name != "new-one")
    if not replaced:
        old.delete(kind, name)
    old.refuse = lambda body: body["kind"] == kind and refusal(422, "ValidatingAdmissionPolicy 'x' denied request")
    with pytest.raises(OperatorError, match=f"{kind} {name} can't be restored: .* 422: .*Policy 'x' denied") as refused:
        restore(old)
    assert SECRET in refused.value.untouched
    assert old.read("PodDisruptionBudget", "web")["spec"] == OLD[5]["spec"]
    assert old.read("Deployment", "web")["spec"]["template"] == workload("web", "old")["spec"]["template"]
    old.refuse = None
    assert restore(old)[f"{kind} {name}"] in ("created", "restored")
    assert set(restore(old).values()) == {"unchanged"}


FORBIDDEN = refusal(403, 'admission webhook "policy" denied the request: no deletions')


def whole_again_but(namespace, before, *lacking):
    """Whether the way back, which has told of a failure, has put back all but these."""
    now = content(namespace)
    return {key: now.get(key) for key in before if key not in lacking} == {
        key: value for key, value in before.items() if key not in lacking
    }


@pytest.mark.parametrize(
    ("kind", "name", "lacking"),
    [
        ("ConfigMap", "new-one", ()),
        # The old one can't be made while the new one of its name is there.
        ("Deployment", "web", ("Deployment", "web")),
        ("Deployment", "dag-processor", ()),
    ],
)
def test_one_deletion_that_is_refused_is_told_when_all_the_rest_is_back(old, kind, name, lacking, monkeypatch):
    before = content(old)
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    apply(old)
    roll_out(old)
    delete = old.delete

    def refused(each, which, **arguments):
        if (each, which) == (kind, name):
            raise FORBIDDEN
        return delete(each, which, **arguments)

    with monkeypatch.context() as policy:
        policy.setattr(old, "delete", refused)
        with pytest.raises(OperatorError, match=f"{kind} {name} .*403: admission webhook") as caught:
            restore(old)
    assert SECRET in caught.value.untouched
    assert whole_again_but(old, before, lacking)
    assert restore(old)[f"{kind} {name}"] in ("removed", "restored")
    assert content(old) == before


def test_what_can_not_be_looked_at_is_told_when_all_the_rest_is_back(old, monkeypatch):
    before = content(old)
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    apply(old)
    roll_out(old)
    read = old.read

    def refused(kind, name):
        if kind == "RoleBinding":
            raise refusal(500, "etcdserver: request timed out")
        return read(kind, name)

    warnings = []
    with monkeypatch.context() as sick:
        sick.setattr(old, "read", refused)
        with pytest.raises(OperatorError, match=r"RoleBinding airflow can't be read.*etcdserver"):
            restore(old, warnings)
    # In check mode there is nothing else that says so.
    assert any("RoleBinding airflow can't be read" in text for text in warnings)
    assert whole_again_but(old, before, ("RoleBinding", "airflow"))
    restore(old)
    assert content(old) == before


def test_nothing_old_runs_beside_a_new_workload_of_its_name_that_can_not_be_looked_at(old, monkeypatch):
    old.made({**workload("web", "old"), "kind": "StatefulSet"})
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    live = old.live["StatefulSet", "web"]
    live["spec"]["replicas"] = 0
    live["metadata"]["annotations"] = {STOPPED_ANNOTATION: "1"}
    read = old.read

    def refused(kind, name):
        if (kind, name) == ("Deployment", "web"):
            raise refusal(500, "etcdserver: request timed out")
        return read(kind, name)

    monkeypatch.setattr(old, "read", refused)
    with pytest.raises(OperatorError, match="Deployment web can't be read"):
        restore(old)
    assert not [entry for entry in old.log if entry[0] == "start"]


def test_a_workload_that_stays_sick_keeps_no_other_one_from_being_made_and_waited_for(old):
    for name in ("scheduler", "triggerer"):
        old.made(workload(name, "old"))
    definitions = [workload(name, "new") for name in ("web", "scheduler", "triggerer")]
    keep(old.cluster, definitions, SECRET, check_mode=False)
    for name in ("web", "scheduler"):
        old.delete("Deployment", name)
    live = old.live["Deployment", "triggerer"]
    live["spec"]["replicas"] = 0
    live["metadata"]["annotations"] = {STOPPED_ANNOTATION: "1"}
    old.sick = {"web", "scheduler"}
    old.log.clear()
    with pytest.raises(OperatorError, match=r"web does not become healthy; .*scheduler does not become healthy"):
        restore(old)
    places = {entry: place for place, entry in enumerate(old.log)}
    begun = [
        ("create", "Deployment", "web"),
        ("create", "Deployment", "scheduler"),
        ("start", "Deployment", "triggerer"),
    ]
    waited = [("rolled out", "Deployment", name) for name in ("web", "scheduler", "triggerer")]
    assert max(places[entry] for entry in begun) < min(places[entry] for entry in waited)
