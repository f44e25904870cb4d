# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Determines which deployment of this collection owns an object; several can share a namespace."""

from __future__ import annotations

from typing import Any

from .._common.failure import OperatorError
from .._kubernetes.managed import INSTANCE, MANAGED_BY
from .._kubernetes.objects import FIELD_MANAGER

Object = dict[str, Any]
NAMES_OF_ITS_OWN = (
    "give this deployment unique names (workload in airflow_components, airflow_service, airflow_service_account, "
    "airflow_keys_secret, airflow_runtime_secret), or, if it is the same deployment under another name in the "
    "inventory, set airflow_name"
)


def deployment_of(obj: Object) -> str | None:
    """The deployment of this collection that created an object; instances of charts do not count."""
    labels = obj["metadata"].get("labels") or {}
    return labels.get(INSTANCE) if labels.get(MANAGED_BY) == FIELD_MANAGER else None


def is_of_another(live: Object, deployment: str | None) -> bool:
    owner = deployment_of(live)
    return None not in (owner, deployment) and owner != deployment


def refuse_another(live: Object, deployment: str | None, untouched: str) -> None:
    """Raises OperatorError if a live object belongs to another deployment."""
    if is_of_another(live, deployment):
        raise OperatorError(
            f"{live['kind']} {live['metadata']['name']} belongs to deployment {deployment_of(live)!r}",
            expected=f"no object of that name, or one that does not belong to another deployment than {deployment!r}",
            untouched=untouched,
            next_step=NAMES_OF_ITS_OWN,
        )


def refuse_twice(definitions: list[Object], untouched: str) -> None:
    """Raises OperatorError if two definitions are of the same object: the second would undo the first."""
    seen: set[tuple[str, str]] = set()
    for definition in definitions:
        key = (definition["kind"], definition["metadata"]["name"])
        if key in seen:
            raise OperatorError(
                f"{' '.join(key)} is defined twice",
                expected="one definition per object",
                untouched=untouched,
                next_step="give one of the two another name (workload in airflow_components), or remove it",
            )
        seen.add(key)
