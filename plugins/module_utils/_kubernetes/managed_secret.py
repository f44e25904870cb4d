# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .managed import MANAGED_BY, ManagedByOthers, Manager, Mark, marks_of, refuse_reverting, texts_of, warn_of

# Operators that fill Secrets from another source, by the label or annotation that they set.
FILLED_BY = {
    "reconcile.external-secrets.io/data-hash": "External Secrets",
    "reconcile.external-secrets.io/managed": "External Secrets",
    "sealedsecrets.bitnami.com/managed": "Sealed Secrets",
    "sealedsecrets.bitnami.com/cluster-wide": "Sealed Secrets",
    "secrets-store.csi.k8s.io/managed": "the Secrets Store CSI driver",
    "operator.1password.io/item-path": "the operator of 1Password",
    "reflector.v1.k8s.emberstack.com/reflects": "Reflector",
    "kubed.appscode.com/origin": "kubed (Config Syncer)",
    "replicator.v1.mittwald.de/replicate-from": "kubernetes-replicator",
    # On Secrets that it pushes to other namespaces.
    "replicator.v1.mittwald.de/replicated-from-version": "kubernetes-replicator",
    "generate.kyverno.io/policy-name": "Kyverno",
}
FILLED_BY_VALUE = {(MANAGED_BY, "hashicorp-vso"): "the Vault Secrets Operator"}
# They may own a Secret without being its controller.
FILLING_KINDS = ("ExternalSecret", "SealedSecret", "VaultStaticSecret", "VaultDynamicSecret", "VaultSecret")
# Marks of an operator whose own object is named as well.
SAME = {"ExternalSecret": "External Secrets", "SealedSecret": "Sealed Secrets"}
PUT_BACK = (
    "it would restore its own version of the entries, and every pod that starts afterwards would wait for missing keys "
    "or use different keys than the others"
)
ACCEPT = "then set -e airflow_managed_by_others=accept (docs/rotation.md, Secrets that others write)"


def managers_of_secret(name: str, metadata: Mapping[str, Any]) -> list[Manager]:
    """Other writers of a Secret, found by their marks."""
    texts = texts_of(metadata)
    found = [_manager(name, mark, texts) for mark in marks_of(metadata)]
    found += [
        _owner(f"{owner['kind']} {owner['name']}", "its owner")
        for owner in metadata.get("ownerReferences") or []
        if owner["kind"] in FILLING_KINDS and not owner.get("controller")
    ]
    operators = {operator: mark for mark, operator in FILLED_BY.items() if mark in texts}
    operators |= {who: mark for (mark, value), who in FILLED_BY_VALUE.items() if texts.get(mark) == value}
    owners = {SAME.get(manager.name.partition(" ")[0]) for manager in found}
    found += [_owner(operator, mark) for operator, mark in operators.items() if operator not in owners]
    return found


def check_managers(
    name: str,
    metadata: Mapping[str, Any],
    managed_by_others: ManagedByOthers,
    warn: Callable[[str], object],
) -> None:
    """Call it before a Secret is written. Raises OperatorError if another controller would restore it, unless that is
    accepted; warns about all others."""
    managers = managers_of_secret(name, metadata)
    if managed_by_others == "refuse":
        refuse_reverting(
            f"Secret {name}",
            managers,
            expected="a Secret that no other controller writes",
            untouched="the Secret, and every pod that uses it",
        )
    warn_of(f"Secret {name}", managers, warn)


def _manager(name: str, mark: Mark, texts: Mapping[str, str]) -> Manager:
    if mark.system == "Argo CD":
        return Manager(
            mark.name,
            mark.mark,
            reverts=True,
            what=f"with self-heal, or at its next sync, {PUT_BACK}",
            remedy=f"give the Application `ignoreDifferences: [{{group: '', kind: Secret, name: {name}, "
            "jsonPointers: [/data, /metadata/annotations]}]` and the sync option RespectIgnoreDifferences=true, or "
            f"take the Secret out of it; {ACCEPT}",
        )
    if mark.system == "owner":
        return _owner(mark.name, mark.mark)
    if mark.system == "Flux Kustomization":
        kustomize = "kustomize.toolkit.fluxcd.io"
        left_alone = texts.get(f"{kustomize}/reconcile") == "disabled"
        left_alone = left_alone or texts.get(f"{kustomize}/ssa") in ("IfNotPresent", "Ignore")
        return Manager(
            mark.name,
            mark.mark,
            reverts=not left_alone,
            what="its annotation says to ignore it once it exists" if left_alone else PUT_BACK,
            remedy="give it the annotation `kustomize.toolkit.fluxcd.io/ssa: IfNotPresent` in Git, or take it out of "
            f"the Kustomization without pruning it; {ACCEPT}",
        )
    # These only act on a release, not continuously.
    what = f"its next release would restore the entries that the chart renders ({mark.system}); make it render none"
    return Manager(mark.name, mark.mark, reverts=False, what=what)


def _owner(who: str, mark: str) -> Manager:
    return Manager(
        who,
        mark,
        reverts=True,
        what=PUT_BACK,
        remedy=(
            "have the Secret filled only once (ExternalSecret: `refreshPolicy: CreatedOnce` and `creationPolicy: "
            "Orphan`), or remove the object that fills it and keep the Secret (without its ownerReferences, or it is "
            f"deleted as well); {ACCEPT}"
        ),
    )
