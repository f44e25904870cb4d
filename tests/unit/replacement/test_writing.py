# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a dry run can't say: of quotas that count objects, where one takes the place of another, and of webhooks."""

from __future__ import annotations

import copy

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.replacement import Replacer, stand_in
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import apply as apply_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import writing
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.apply import Applier
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.writing import Predicted, once_counted
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import refusal
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import (
    NEW,
    NEW_WORKLOADS,
    OLD,
    obj,
    quiet,
    workload,
)

EXCEEDED = "is forbidden: exceeded quota: objects, requested: {new}, used: {used}, limited: {limited}"


def refused_by(quota):
    return refusal(403, f'services "web-dry-run" {quota}')


def test_a_quota_that_is_full_has_room_for_one_in_the_place_of_another(namespace):
    message = EXCEEDED.format(
        new="count/services=1,services=1", used="count/services=5,services=5", limited="count/services=5,services=5"
    )
    namespace.refuse = lambda _body: refused_by(message)
    service = obj("Service", "web", spec={"type": "ClusterIP", "ports": []})
    after = stand_in(namespace, service, {**service, "spec": {"clusterIP": "None"}}, Predicted("all"))
    assert after == service


@pytest.mark.parametrize(
    "message",
    [
        # Somebody has made it smaller since: there are too many without this one.
        EXCEEDED.format(new="count/services=1", used="count/services=5", limited="count/services=4"),
        EXCEEDED.format(new="a=1,b=1", used="a=5,b=6", limited="a=5,b=5"),
        "is forbidden: User cannot create services",
    ],
)
def test_any_other_refusal_of_a_dry_run_is_one(namespace, message):
    namespace.refuse = lambda _body: refused_by(message)
    service = obj("Service", "web", spec={"ports": []})
    with pytest.raises(ApiException):
        stand_in(namespace, service, {**service, "spec": {"clusterIP": "None"}}, Predicted("all"))


def test_what_was_deleted_counts_for_a_moment_more(monkeypatch):
    monkeypatch.setattr(writing, "LOOK_AGAIN_SECONDS", 0)
    message = EXCEEDED.format(new="count/services=1", used="count/services=5", limited="count/services=5")
    answers = [refused_by(message), refused_by(message), "made"]

    def request():
        answer = answers.pop(0)
        if answer != "made":
            raise answer
        return answer

    assert once_counted(request) == "made"
    for answers, seconds in (([refused_by(message), "made"], -1), ([refusal(403, "no right"), "made"], 60)):
        with pytest.raises(ApiException):
            once_counted(request, seconds)
        assert answers == ["made"]


NO_DRY_RUN = 'admission webhook "audit.example.com" does not support dry run'


@pytest.fixture
def audited(namespace, monkeypatch):
    """A namespace whose every object is seen by a webhook that answers real requests only."""
    monkeypatch.setattr(apply_module, "Objects", lambda _cluster: namespace)

    def answers(real):
        def answer(definition, *, dry_run=False, **options):
            if dry_run:
                raise refusal(400, NO_DRY_RUN)
            return real(definition, **options)

        return answer

    for verb in ("apply", "replace", "create"):
        monkeypatch.setattr(namespace, verb, answers(getattr(namespace, verb)))
    return namespace


@pytest.mark.parametrize("old", [[], OLD], ids=["new", "in the place of others"])
def test_a_webhook_that_answers_no_dry_run_forbids_no_object(audited, old):
    for definition in old:
        audited.made(definition)
    replacer = Replacer(audited.cluster, quiet, replace=True, backup_secret="before")
    steps = replacer.plan(copy.deepcopy(NEW))
    made = {(definition["kind"], definition["metadata"]["name"]) for definition in old}
    assert [step.action == "replaced" for step in steps] == [(step.kind, step.name) in made for step in steps]
    assert f"ConfigMap new-one: {NO_DRY_RUN}" in " ".join(replacer.untold)
    assert not any("dry-run" in line for line in replacer.untold), "the name is that of the object"
    replacer.act(steps, timeout_seconds=1)
    assert audited.live["Service", "web"]["spec"]["selector"] == {"app": "web"}


@pytest.mark.parametrize("old", [None, "helm", "ours"])
def test_a_webhook_that_answers_no_dry_run_forbids_no_workload(audited, old):
    if old == "ours":
        audited.apply(workload("web", "old"))
    elif old:
        audited.made(workload("web", "old"))
    applier = Applier(audited.cluster, quiet, replace=True)
    steps = applier.plan(copy.deepcopy(NEW_WORKLOADS))
    action = {None: "created", "helm": "replaced", "ours": "configured"}[old]
    assert [(step.name, step.action) for step in steps] == [("web", action), ("dag-processor", "created")]
    assert [step.after["spec"]["replicas"] for step in steps] == [1, 1]
    told = applier.warnings(steps)
    assert [line.partition(":")[0] for line in told] == ["Deployment web", "Deployment dag-processor"]
    assert all(NO_DRY_RUN in line for line in told)
