# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
from typing import Any

from .._common.failure import OperatorError
from .._kubernetes.objects import FIELD_MANAGER, REPLACING_MANAGER
from .hiding import hidden

Object = dict[str, Any]

# Replicas of a workload that this collection scaled to 0.
STOPPED_ANNOTATION = "hopsworks.airflow/replicas-before-stop"
# Fields that change by themselves or with every other change.
BOOKKEEPING = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
# Fields of an object that is being deleted.
DELETION = frozenset({"deletionTimestamp", "deletionGracePeriodSeconds"})
DELETION_FINALIZERS = frozenset({"foregroundDeletion", "orphan"})


def is_ours(live: Object) -> bool:
    """Whether this collection created the object, by server-side apply with its field manager.

    Its other changes to objects (scaling to 0, a restart) use another name. An object whose replacement was interrupted
    does not count.
    """
    return not is_half_replaced(live) and any(
        entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        for entry in live["metadata"].get("managedFields", [])
    )


def is_half_replaced(live: Object) -> bool:
    """Whether its replacement was started and not finished: it may have the old or the new content."""
    return any(entry.get("manager") == REPLACING_MANAGER for entry in live["metadata"].get("managedFields", []))


def managers(live: Object) -> list[str]:
    """The field managers of the object, without this collection and Kubernetes' own controllers."""
    names = {str(entry.get("manager")) for entry in live["metadata"].get("managedFields", [])}
    return sorted(name for name in names if not name.startswith(FIELD_MANAGER) and name != "kube-controller-manager")


def stopped_from(live: Object) -> int | None:
    """The replicas that a workload had before this collection stopped it; None if it did not.

    Raises OperatorError if the annotation is invalid.
    """
    annotations = live["metadata"].get("annotations", {})
    if STOPPED_ANNOTATION not in annotations:
        return None
    kept = annotations[STOPPED_ANNOTATION]
    if re.fullmatch(r"[0-9]{1,9}", kept):
        return int(kept)
    name = live["metadata"]["name"]
    raise OperatorError(
        f"{name} has {kept!r} in its annotation {STOPPED_ANNOTATION}",
        expected="the number of replicas before it was stopped, as this collection writes it",
        untouched=name,
        next_step=(
            f"set the annotation of {name} to the number of replicas to restore, or remove it if it was not stopped; "
            "then run the same command again"
        ),
    )


def comparable(obj: Object) -> Object:
    """The configured part of an object, without status and bookkeeping."""
    rest = copy.deepcopy({key: value for key, value in obj.items() if key != "status"})
    rest["metadata"] = {key: value for key, value in rest["metadata"].items() if key not in BOOKKEEPING}
    return rest


def prepared(definition: Object, namespace: str) -> Object:
    """A definition as it is sent: in its namespace, without fields that the API server manages."""
    body = comparable(definition)
    body["metadata"]["namespace"] = namespace
    return body


def saved(live: Object) -> Object:
    """A live object as a definition that recreates it, with the replicas it had before it was stopped."""
    body = comparable(live)
    metadata = {key: value for key, value in body["metadata"].items() if key not in DELETION}
    annotations = dict(metadata.get("annotations", {}))
    replicas = stopped_from(live)
    annotations.pop(STOPPED_ANNOTATION, None)
    if replicas is not None:
        body["spec"]["replicas"] = replicas
    annotations.pop("deployment.kubernetes.io/revision", None)
    finalizers = [name for name in metadata.get("finalizers", []) if name not in DELETION_FINALIZERS]
    for key, value in (("annotations", annotations), ("finalizers", finalizers)):
        if key in metadata:
            metadata[key] = value
        if not value:
            metadata.pop(key, None)
    return {**body, "metadata": metadata}


def shown(before: Object | None, after: Object) -> tuple[Object | str, Object]:
    """Two states of an object for a diff. Values that may be secret are replaced, but differences in them are
    marked."""
    left, right = comparable(before) if before is not None else None, comparable(after)
    return hidden(left) if left is not None else "", hidden(right, left)


def without_nulls(value: Any) -> Any:
    """A copy as the API server reads it: null values are omitted."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value
