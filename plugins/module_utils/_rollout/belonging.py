# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which deployment of this collection an object is of; several can share a namespace."""

from __future__ import annotations

from typing import Any

from .._common.failure import OperatorError
from .._kubernetes.managed import INSTANCE, MANAGED_BY
from .._kubernetes.objects import FIELD_MANAGER

Object = dict[str, Any]
NAMES_OF_ITS_OWN = (
    "give this deployment names of its own (workload in airflow_components, airflow_service, airflow_service_account, "
    "airflow_keys_secret, airflow_runtime_secret), "
    "or, if it is that one under another name in the inventory, set airflow_name"
)


def deployment_of(obj: Object) -> str | None:
    """Whose it is, of an object that a deployment of this collection made; the instances of charts are not ours."""
    labels = obj["metadata"].get("labels") or {}
    return labels.get(INSTANCE) if labels.get(MANAGED_BY) == FIELD_MANAGER else None


def is_of_another(live: Object, deployment: str | None) -> bool:
    owner = deployment_of(live)
    return None not in (owner, deployment) and owner != deployment


def refuse_another(live: Object, deployment: str | None, untouched: str) -> None:
    """Raises OperatorError for a live object of another deployment than this one."""
    if is_of_another(live, deployment):
        raise OperatorError(
            f"{live['kind']} {live['metadata']['name']} is of deployment {deployment_of(live)!r}",
            expected=f"none of that name, or one that is not of another deployment than {deployment!r}",
            untouched=untouched,
            next_step=NAMES_OF_ITS_OWN,
        )


def refuse_twice(definitions: list[Object], untouched: str) -> None:
    """Raises OperatorError where two definitions are of one object: the second would undo the first."""
    seen: set[tuple[str, str]] = set()
    for definition in definitions:
        key = (definition["kind"], definition["metadata"]["name"])
        if key in seen:
            raise OperatorError(
                f"{' '.join(key)} is defined twice",
                expected="one definition of each object",
                untouched=untouched,
                next_step="give one of the two another name (workload in airflow_components), or take it out",
            )
        seen.add(key)
