# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is replaced, and what is kept of it first."""

from __future__ import annotations

import copy
import json
import re
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import FIELD_MANAGER
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.secret import StoredSecret
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.replacement import (
    Replacer,
    needs_another,
    stand_in,
    whole,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.writing import Predicted, stand_in_name
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import refusal
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import (
    NEW,
    NEW_WORKLOADS,
    OLD,
    RBAC,
    SECRET,
    apply,
    binding,
    by,
    content,
    obj,
    quiet,
    workload,
)
from ansible_collections.hopsworks.airflow.tests.unit.rollout.test_backup import incompressible


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


@pytest.mark.parametrize(("manager", "operation"), [(FIELD_MANAGER, "Update"), ("argocd", "Apply")])
def test_nobody_else_owns_a_field_of_what_was_replaced(old, manager, operation):
    """Their next apply would take back what they no longer say, or be a conflict."""
    old.live["Service", "web"]["metadata"]["managedFields"].append({"manager": manager, "operation": operation})
    apply(old, [NEW[4]])
    owners = old.read("Service", "web")["metadata"]["managedFields"]
    assert owners == [{"manager": FIELD_MANAGER, "operation": "Apply"}]


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


def test_without_leave_to_replace_them_others_are_refused_before_anything_is_touched(old):
    with pytest.raises(OperatorError, match="helm"):
        apply(old, [NEW[6], *NEW[:6]], replace=False)
    assert old.log == []


@pytest.mark.parametrize(
    ("before", "after", "another"),
    [
        ({"clusterIP": "10.0.0.1"}, {"clusterIP": "None"}, True),
        ({"clusterIP": "None"}, {}, True),
        ({"clusterIP": "None"}, {"clusterIP": "None"}, False),
        # It has no address yet.
        ({"type": "ExternalName", "externalName": "db.example"}, {"clusterIP": "None"}, False),
    ],
)
def test_when_a_service_cannot_become_the_other(before, after, another):
    assert needs_another(obj("Service", "web", spec=after), obj("Service", "web", spec=before)) is another


@pytest.mark.parametrize(("status", "refused"), [(404, False), (403, True)])
def test_a_binding_to_a_role_that_is_going_to_be_made(namespace, status, refused):
    """Whether the Role has more than one may grant can't be asked before it is there."""
    real = namespace.apply

    def asked(definition, *, dry_run=False):
        if definition["kind"] == "RoleBinding" and ("Role", definition["roleRef"]["name"]) not in namespace.live:
            raise refusal(status, "the role is not there")
        return real(definition, dry_run=dry_run)

    namespace.apply = asked
    role = obj("Role", "airflow", f"{RBAC}/v1", rules=[])
    if refused:
        with pytest.raises(ApiException, match="the role is not there"):
            apply(namespace, [role, binding("airflow")])
    else:
        assert apply(namespace, [role, binding("airflow")]) == ["created", "created"]
    with pytest.raises(ApiException, match="the role is not there"):
        Replacer(namespace.cluster, quiet).plan([role, {**binding("missing"), "metadata": {"name": "another"}}])


def test_pull_secrets_that_are_defined_take_the_place_of_others(old):
    """Applied after it, the API server would add them to those that are there."""
    account = obj("ServiceAccount", "airflow", imagePullSecrets=[{"name": "ours"}])
    replacing = whole(account, old.read("ServiceAccount", "airflow"))
    assert (replacing["secrets"], replacing["imagePullSecrets"]) == ([{"name": "airflow-token"}], [{"name": "ours"}])


def test_one_of_our_own_that_cannot_become_the_other_is_told_as_such(namespace):
    apply(namespace, [binding("another")])
    namespace.log.clear()
    with pytest.raises(OperatorError, match="RoleBinding airflow exists and has immutable fields"):
        apply(namespace, [binding("airflow")], replace=False)
    assert namespace.log == []
    assert apply(namespace, [binding("airflow")]) == ["replaced"]


def test_what_a_controller_has_to_clean_up_stays_known_to_it(old):
    """A cloud's load balancer, say, would be left behind and be paid for."""
    finalizers = ["service.kubernetes.io/load-balancer-cleanup"]
    old.live["Service", "web"]["metadata"]["finalizers"] = finalizers
    apply(old, [NEW[4]])
    assert old.read("Service", "web")["metadata"]["finalizers"] == finalizers


def test_an_object_of_ours_that_is_being_deleted_is_made_again(namespace):
    apply(namespace, [NEW[4]])
    namespace.live["Service", "web"]["metadata"]["deletionTimestamp"] = "2026-11-22T03:00:00Z"
    with pytest.raises(OperatorError, match="Service web exists"):
        apply(namespace, [NEW[4]], replace=False)
    assert [step.action for step in Replacer(namespace.cluster, quiet, replace=True).plan([NEW[4]])] == ["replaced"]


def test_a_dry_run_under_another_name_has_no_owner(namespace):
    """Who may not set finalizers of the owner may make none that is owned, on clusters that look."""
    sent = []
    namespace.refuse = lambda body: sent.append(body["metadata"])
    owned = obj("ConfigMap", "x", data={})
    owned["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "r", "uid": "7"}]
    stand_in(namespace, owned, owned, Predicted("all"))
    assert sent == [{"name": stand_in_name("x")}]


def test_a_role_that_could_not_be_put_back_is_not_replaced(old):
    old.refuse = lambda body: body["kind"] == "Role" and body["rules"] and refusal(403, "attempt to grant extra rights")
    with pytest.raises(OperatorError, match="could not be restored: attempt to grant extra rights"):
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


def test_an_object_of_another_deployment_is_refused_before_anything_is_kept_or_changed(namespace):
    def accounts(deployment):
        return [obj("ConfigMap", f"{deployment}-launcher"), obj("ServiceAccount", "airflow", labels=by(deployment))]

    apply(namespace, accounts("a"))
    namespace.log.clear()
    for refused in (
        lambda: apply(namespace, accounts("b")),
        lambda: keep(namespace.cluster, accounts("b"), SECRET, check_mode=False),
    ):
        with pytest.raises(OperatorError, match="ServiceAccount airflow belongs to deployment 'a'"):
            refused()
    assert namespace.log == []
    assert apply(namespace, accounts("a")) == ["unchanged", "unchanged"]


def test_a_stateful_set_of_another_deployment_is_not_kept_as_the_old_workload(namespace):
    other = workload("web", "x")
    namespace.apply({**other, "kind": "StatefulSet", "metadata": {"name": "web", "labels": by("a")}})
    mine = {**workload("web", "y"), "metadata": {"name": "web", "labels": by("b")}}
    with pytest.raises(OperatorError, match="StatefulSet web belongs to deployment 'a'"):
        keep(namespace.cluster, [mine], SECRET, check_mode=False)


def test_the_release_of_a_chart_is_not_another_deployment(namespace):
    labels = {"app.kubernetes.io/instance": "release", "app.kubernetes.io/managed-by": "Helm"}
    namespace.made(obj("ServiceAccount", "airflow", labels=labels))
    assert apply(namespace, [obj("ServiceAccount", "airflow", labels=by("b"))]) == ["replaced"]


def test_two_definitions_of_one_object_are_refused(namespace):
    twice = [obj("ConfigMap", "x", data={"a": "1"}), obj("ConfigMap", "x", data={"b": "2"})]
    for refused in (
        lambda: apply(namespace, twice),
        lambda: keep(namespace.cluster, twice, SECRET, check_mode=False),
    ):
        with pytest.raises(OperatorError, match="ConfigMap x is defined twice"):
            refused()
    assert namespace.log == []


@pytest.mark.parametrize("name", ["web", "a" * 55, "a" * 56, "a" * 63, f"{'a' * 45}-{'b' * 17}", "a" * 253])
def test_the_dry_run_under_another_name_has_one_that_is_allowed(namespace, name):
    sent = []
    namespace.refuse = lambda body: sent.append(body["metadata"]["name"])
    service = obj("Service", name, spec={"clusterIP": "None", "ports": []})
    after = stand_in(namespace, service, {**service, "spec": {"clusterIP": "10.0.0.1"}}, Predicted("all"))
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", sent[0])
    assert "--" not in sent[0]
    assert sent[0] != name
    assert after["metadata"]["name"] == name


def test_names_that_differ_at_their_end_only_have_dry_runs_of_different_names():
    assert stand_in_name("a" * 62 + "b") != stand_in_name("a" * 62 + "c")


def test_a_port_that_the_live_service_has_not_itself_is_tried(namespace):
    """Whether it is taken is known before anything is stopped, then."""
    sent = []
    namespace.refuse = lambda body: sent.append(body["spec"])
    live = obj("Service", "web", spec={"clusterIP": "None", "ports": [{"port": 80, "nodePort": 30080}]})
    ports = [{"port": 80, "nodePort": 30080}, {"port": 81, "nodePort": 30081}]
    stand_in(namespace, obj("Service", "web", spec={"type": "NodePort", "ports": ports}), live, Predicted("all"))
    assert sent[0]["ports"] == [{"port": 80}, {"port": 81, "nodePort": 30081}]


def full(**hard):
    spec = {name.replace("_", "/"): str(number) for name, number in hard.items()}
    status = {"hard": spec, "used": dict.fromkeys(spec, "5")}
    return {"kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": spec}, "status": status}


TWO = [obj("ConfigMap", "one", data={}), obj("ConfigMap", "other", data={}), NEW[4]]


@pytest.mark.parametrize(
    ("hard", "text"),
    [
        ({"configmaps": 7, "count_configmaps": 7, "services": 5}, None),
        ({"configmaps": 6}, "quota q allows 6 of configmaps, and 7 would be used"),
        ({"count_configmaps": 6}, "quota q allows 6 of count/configmaps, and 7 would be used"),
    ],
)
def test_new_objects_are_counted_together_before_any_is_made(old, hard, text):
    """Of each alone the API server's dry run says that it fits."""
    old.quotas = [full(**hard)]
    if text is None:
        assert apply(old, TWO) == ["created", "created", "replaced"]
        return
    before = content(old)
    with pytest.raises(OperatorError, match=text) as refused:
        apply(old, TWO)
    assert refused.value.untouched == "all objects"
    assert content(old) == before


def test_one_object_in_the_place_of_another_counts_for_nothing(old):
    old.quotas = [full(services=5, configmaps=5)]
    assert apply(old, NEW[:6]) == ["replaced"] * 6
    # One more alone is for the API server to refuse.
    assert apply(old, NEW) == ["unchanged"] * 6 + ["created"]


def test_quotas_that_may_not_be_listed_are_no_refusal(old):
    old.quotas = None
    assert apply(old, TWO) == ["created", "created", "replaced"]


def test_keeping_is_tried_before_anything_waits_for_it(old):
    old.full = {SECRET}
    with pytest.raises(OperatorError, match=f"no room for Secret {SECRET}"):
        keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=True)
    assert old.log == []


def test_all_secrets_of_keeping_are_tried(old):
    """A ConfigMap may be as large as a Secret, and does not compress if it is an archive."""
    large = [obj("ConfigMap", f"m{number}", data={"x": incompressible(700_000)}) for number in range(3)]
    for definition in large:
        old.made(definition)
    old.full = {f"{SECRET}-2"}
    with pytest.raises(OperatorError, match=f"no room for Secret {SECRET}-2"):
        keep(old.cluster, large, SECRET, check_mode=True)
    assert old.log == []
    old.full = set()
    assert len(keep(old.cluster, large, SECRET, check_mode=True)) == 3
    keep(old.cluster, large, SECRET, check_mode=False)
    writes = len(old.log)
    assert keep(old.cluster, large, SECRET, check_mode=True) == []
    assert len(old.log) == writes


@pytest.mark.parametrize(("hard", "text"), [(8, None), (7, "quota q allows 7 of secrets, and 8 would be used")])
@pytest.mark.parametrize("name", ["secrets", "count_secrets"])
def test_the_secrets_of_a_run_are_counted_together(old, name, hard, text):
    old.secrets["there"] = SimpleNamespace(data={}, metadata=SimpleNamespace(annotations={}, creation_timestamp=None))
    old.quotas = [full(**{name: hard})]

    def needs(*names):
        pods = workload("web", "new")
        volumes = [{"name": name, "secret": {"secretName": name}} for name in names]
        pods["spec"]["template"]["spec"]["volumes"] = [*volumes, {"name": "no secret", "configMap": {"name": "x"}}]
        return [*NEW, pods]

    others = needs("keys", "runtime", "there")
    if text is None:
        assert keep(old.cluster, others, SECRET, check_mode=True)
        return
    with pytest.raises(OperatorError, match=text.replace("secrets", name.replace("_", "/"))):
        keep(old.cluster, others, SECRET, check_mode=True)
    # Two have room.
    assert keep(old.cluster, needs("keys", "there"), SECRET, check_mode=True)


def test_what_a_dry_run_can_not_tell_of_keeping_is_warned_of(old, monkeypatch):
    told = []
    monkeypatch.setattr(StoredSecret, "write", lambda *_arguments, **_options: "a webhook wants a real request")
    keep(old.cluster, NEW, SECRET, check_mode=True, warn=told.append)
    assert told == ["a webhook wants a real request"]
