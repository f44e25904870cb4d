# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.managed import managers_of, refuse_interfering
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError


def workload(**metadata):
    template = {"metadata": {}, "spec": {"containers": []}}
    return {
        "kind": "Deployment",
        "metadata": {"name": "airflow-webserver", **metadata},
        "spec": {"template": template},
    }


@pytest.mark.parametrize(
    ("metadata", "names", "reverts"),
    [
        ({}, [], False),
        ({"labels": {"app.kubernetes.io/managed-by": "hopsworks.airflow"}}, [], False),
        # Any chart sets it; on its own it says nothing of Argo CD.
        ({"labels": {"app.kubernetes.io/instance": "airflow"}}, [], False),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, ["Helm"], False),
        ({"annotations": {"meta.helm.sh/release-name": "airflow"}}, ["Helm"], False),
        ({"labels": {"argocd.argoproj.io/instance": "airflow"}}, ["Argo CD"], True),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "airflow:apps/Deployment:x/y"}}, ["Argo CD"], True),
        # Argo CD renders charts itself: there is no release that anybody would upgrade.
        (
            {
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"argocd.argoproj.io/tracking-id": "airflow:apps/Deployment:x/y"},
            },
            ["Argo CD"],
            True,
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, ["Flux"], False),
        (
            {"labels": {"helm.toolkit.fluxcd.io/name": "airflow", "app.kubernetes.io/managed-by": "Helm"}},
            ["Flux"],
            False,
        ),
        ({"annotations": {"fleet.cattle.io/bundle-id": "airflow"}}, ["Fleet"], False),
        ({"ownerReferences": [{"kind": "Airflow", "name": "main", "controller": True}]}, ["Airflow main"], True),
        ({"ownerReferences": [{"kind": "Airflow", "name": "main"}]}, [], False),
    ],
)
def test_who_else_decides_is_known_by_the_marks(metadata, names, reverts):
    subject = workload(**metadata)
    managers = managers_of(subject)
    assert [manager.name for manager in managers] == names
    if not reverts:
        refuse_interfering(subject, managers)
        return
    with pytest.raises(OperatorError) as refused:
        refuse_interfering(subject, managers)
    assert names[0] in refused.value.found
    assert "managed_by_others: accept" in refused.value.next_step


def test_argo_cd_is_told_to_ignore_the_field_manager_that_really_writes():
    remedy = managers_of(workload(labels={"argocd.argoproj.io/instance": "airflow"}))[0].remedy
    assert "managedFieldsManagers: [hopsworks.airflow.actions]" in remedy
    assert "restart --kind Deployment --resource-name airflow-webserver" in remedy


AUTO = {"reloader.stakater.com/auto": "true"}
MATCH = {"reloader.stakater.com/match": "true"}
IGNORE = {"reloader.stakater.com/ignore": "true"}


def mounting(*secrets, pods=None, **annotations):
    """A scheduler whose pods use these Secrets."""
    volumes = [{"name": name, "projected": {"sources": [{"secret": {"name": name}}]}} for name in secrets]
    template = {"metadata": {"annotations": pods or {}}, "spec": {"containers": [], "volumes": volumes}}
    return {**workload(annotations=annotations), "spec": {"template": template}}


def reload_of(names):
    return {"secret.reloader.stakater.com/reload": names}


@pytest.mark.parametrize(
    ("subject", "changed", "mark"),
    [
        (mounting("keys"), {"keys": {}}, None),
        (mounting("keys", **AUTO), {"keys": {}}, "reloader.stakater.com/auto"),
        (mounting("keys", **AUTO), {}, None),
        (mounting("other", **AUTO), {"keys": {}}, None),
        (mounting("keys", **AUTO), {"keys": IGNORE}, None),
        (mounting("keys", **AUTO, **{"secrets.exclude.reloader.stakater.com/reload": "x, keys"}), {"keys": {}}, None),
        (mounting("keys", **{"reloader.stakater.com/auto": "false"}), {"keys": {}}, None),
        (mounting("keys", **{"secret.reloader.stakater.com/auto": "True"}), {"keys": {}}, "secret.reloader"),
        # For ConfigMaps alone.
        (mounting("keys", **{"configmap.reloader.stakater.com/auto": "true"}), {"keys": {}}, None),
        # Where the workload says nothing, its pods may.
        (mounting("keys", pods=AUTO), {"keys": {}}, "reloader.stakater.com/auto"),
        (mounting("keys", pods=AUTO, **{"reloader.stakater.com/auto": "false"}), {"keys": {}}, None),
        # By name, whether it is mounted or not, and by regular expression.
        (mounting(**reload_of("a, keys")), {"keys": {}}, "secret.reloader.stakater.com/reload"),
        (mounting(**reload_of("hopsworks-.*")), {"hopsworks-airflow-keys": {}}, "secret.reloader.stakater.com/reload"),
        (mounting("keys", **reload_of("other")), {"keys": {}}, None),
        (mounting("keys", **reload_of("(keys")), {"keys": {}}, None),
        (mounting("keys", **{"reloader.stakater.com/search": "true"}), {"keys": MATCH}, "reloader.stakater.com/search"),
        (mounting("keys", **{"reloader.stakater.com/search": "true"}), {"keys": {}}, None),
        (mounting("keys", **{"reloader.stakater.com/rollout-strategy": "restart"}), {"keys": {}}, None),
        (mounting("keys", **{"wave.pusher.com/update-on-config-change": "true"}), {"keys": {}}, "wave.pusher.com"),
        (mounting("other", **{"wave.pusher.com/update-on-config-change": "true"}), {"keys": {}}, None),
    ],
)
def test_who_restarts_it_when_a_secret_changes_is_refused_with_the_remedy(subject, changed, mark):
    managers = managers_of(subject, changed)
    if mark is None:
        assert managers == []
        return
    with pytest.raises(OperatorError) as refused:
        refuse_interfering(subject, managers)
    assert "is restarted by" in refused.value.found
    assert mark in refused.value.found
    (secret,) = changed
    assert f"Secret {secret} changes" in refused.value.found
    assert "kubectl annotate" in refused.value.next_step
    assert "managed_by_others: accept" in refused.value.next_step


def test_that_a_reloader_of_everything_leaves_no_mark_is_said():
    (manager,) = managers_of(mounting("keys", **AUTO), {"keys": {}})
    assert "reloader.stakater.com/ignore=true" in manager.remedy
    assert "--auto-reload-all" in manager.remedy
