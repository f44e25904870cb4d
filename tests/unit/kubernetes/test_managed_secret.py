# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.managed_secret import (
    check_managers,
    managers_of_secret,
)

INSTANCE = {"app.kubernetes.io/instance": "airflow"}
TRACKED = {"argocd.argoproj.io/tracking-id": "airflow:/Secret:hopsworks/keys"}
EXTERNAL = {"kind": "ExternalSecret", "name": "airflow-keys", "controller": True}
KUSTOMIZATION = {"kustomize.toolkit.fluxcd.io/name": "apps"}


def by(manager):
    return [{"manager": manager}]


PUT_BACK = {
    "argocd": ({"annotations": TRACKED}, "Argo CD"),
    "argocd by its own label": ({"labels": {"argocd.argoproj.io/instance": "airflow"}}, "Argo CD"),
    "argocd by the label of charts": ({"labels": INSTANCE, "managedFields": by("argocd-controller")}, "Argo CD"),
    "an older argocd": ({"labels": INSTANCE, "managedFields": by("argocd-application-controller")}, "Argo CD"),
    "external secrets": ({"ownerReferences": [EXTERNAL]}, "ExternalSecret airflow-keys"),
    "external secrets, not as owner": (
        {"annotations": {"reconcile.external-secrets.io/data-hash": "ab12"}},
        "External Secrets",
    ),
    "sealed secret": (
        {"ownerReferences": [{"kind": "SealedSecret", "name": "keys", "controller": True}]},
        "SealedSecret keys",
    ),
    "sealed secret, not as owner": ({"annotations": {"sealedsecrets.bitnami.com/managed": "true"}}, "Sealed Secrets"),
    "vault": (
        {"ownerReferences": [{"kind": "VaultStaticSecret", "name": "keys", "controller": None}]},
        "VaultStaticSecret keys",
    ),
    "vault, by its label": (
        {"labels": {"app.kubernetes.io/managed-by": "hashicorp-vso"}},
        "the Vault Secrets Operator",
    ),
    "any controller": ({"ownerReferences": [{"kind": "Airflow", "name": "main", "controller": True}]}, "Airflow main"),
    "flux": ({"labels": KUSTOMIZATION}, "Flux"),
    "reflector": ({"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "vault/keys"}}, "Reflector"),
    "replicator, pulled": (
        {"annotations": {"replicator.v1.mittwald.de/replicate-from": "vault/keys"}},
        "kubernetes-replicator",
    ),
    "replicator, pushed": (
        {"annotations": {"replicator.v1.mittwald.de/replicated-from-version": "42"}},
        "kubernetes-replicator",
    ),
    "kubed": ({"annotations": {"kubed.appscode.com/origin": "{}"}}, "kubed (Config Syncer)"),
    "kyverno": ({"labels": {"generate.kyverno.io/policy-name": "copy"}}, "Kyverno"),
}
LEFT_ALONE = {
    "helm": ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, ["Helm"]),
    "helm, by its annotation": ({"annotations": {"meta.helm.sh/release-name": "airflow"}}, ["Helm"]),
    "flux's helm": ({"labels": {"helm.toolkit.fluxcd.io/name": "airflow"}}, ["Flux"]),
    "fleet": ({"annotations": {"fleet.cattle.io/bundle-id": "airflow"}}, ["Fleet"]),
    "flux, made once": (
        {"labels": KUSTOMIZATION, "annotations": {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}},
        ["Flux"],
    ),
    "flux, switched off": (
        {"labels": {**KUSTOMIZATION, "kustomize.toolkit.fluxcd.io/reconcile": "disabled"}},
        ["Flux"],
    ),
    "nobody": ({}, []),
    "we": ({"labels": {"app.kubernetes.io/managed-by": "hopsworks.airflow"}}, []),
    "a chart's label alone": ({"labels": INSTANCE}, []),
    # Copies of it follow; nobody writes to it.
    "the origin of replicas": ({"annotations": {"replicator.v1.mittwald.de/replicate-to": "other"}}, []),
    "the origin of reflections": ({"annotations": {"reflector.v1.k8s.emberstack.com/reflection-allowed": "true"}}, []),
    "an owner for its end only": ({"ownerReferences": [{"kind": "Job", "name": "make", "controller": None}]}, []),
}


@pytest.mark.parametrize("case", PUT_BACK)
def test_a_secret_that_is_put_back_is_refused(case):
    metadata, who = PUT_BACK[case]
    warned = []
    with pytest.raises(OperatorError) as refused:
        check_managers("keys", metadata, "refuse", warned.append)
    assert f"Secret keys belongs to {who}" in refused.value.found
    assert "wait for missing keys" in refused.value.found
    assert "airflow_managed_by_others=accept" in refused.value.next_step
    assert "docs/rotation.md" in refused.value.next_step
    check_managers("keys", metadata, "accept", warned.append)
    assert [line.partition(" (")[0] for line in warned] == [f"Secret keys belongs to {who.partition(' (')[0]}"]


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_a_secret_that_is_left_alone_is_warned_about(case):
    metadata, who = LEFT_ALONE[case]
    warned = []
    check_managers("keys", metadata, "refuse", warned.append)
    assert [manager.name for manager in managers_of_secret("keys", metadata)] == who
    assert len(warned) == len(who)


def test_one_operator_is_told_once():
    metadata = {"ownerReferences": [EXTERNAL], "annotations": {"reconcile.external-secrets.io/data-hash": "ab12"}}
    assert [manager.name for manager in managers_of_secret("keys", metadata)] == ["ExternalSecret airflow-keys"]
