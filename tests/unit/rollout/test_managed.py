# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.managed import managers_of, refuse_reverting


def workload(**metadata):
    return {"kind": "Deployment", "metadata": {"name": "airflow-webserver", **metadata}}


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
        refuse_reverting(subject, managers)
        return
    with pytest.raises(OperatorError) as refused:
        refuse_reverting(subject, managers)
    assert names[0] in refused.value.found
    assert "managed_by_others: accept" in refused.value.next_step


def test_argo_cd_is_told_to_ignore_the_field_manager_that_really_writes():
    remedy = managers_of(workload(labels={"argocd.argoproj.io/instance": "airflow"}))[0].remedy
    assert "managedFieldsManagers: [hopsworks.airflow.actions]" in remedy
    assert "restart --kind Deployment --resource-name airflow-webserver" in remedy
