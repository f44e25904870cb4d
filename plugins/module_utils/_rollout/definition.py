# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import FIELD_MANAGER
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.redaction import redact

Object = dict[str, Any]

# Replicas of a workload that this collection scaled to 0.
STOPPED_ANNOTATION = "hopsworks.airflow/replicas-before-stop"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# What changes by itself, or with every change of the rest.
BOOKKEEPING = frozenset({"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"})
NOT_SHOWN = "(not shown)"


def is_ours(live: Object) -> bool:
    """Whether the object was made by this collection: by server-side apply of its field manager.

    Its other changes to objects (scaling to 0, a restart) are updates under another name.
    """
    return any(
        entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        for entry in live["metadata"].get("managedFields", [])
    )


def comparable(obj: Object) -> Object:
    """What of an object somebody decided: without status and bookkeeping."""
    rest = copy.deepcopy({key: value for key, value in obj.items() if key != "status"})
    rest["metadata"] = {key: value for key, value in rest["metadata"].items() if key not in BOOKKEEPING}
    return rest


def prepared(definition: Object, namespace: str) -> Object:
    """A definition as it is sent: in its namespace, without what the API server keeps."""
    body = comparable(definition)
    body["metadata"]["namespace"] = namespace
    return body


def saved(live: Object) -> Object:
    """A live object as a definition that makes it again, with the replicas it had before it was stopped."""
    body = comparable(live)
    annotations = body["metadata"].get("annotations", {})
    replicas = annotations.pop(STOPPED_ANNOTATION, None)
    if replicas is not None:
        body["spec"]["replicas"] = int(replicas)
    for name in (LAST_APPLIED, "deployment.kubernetes.io/revision"):
        annotations.pop(name, None)
    body["metadata"].pop("deletionTimestamp", None)
    body["metadata"].pop("deletionGracePeriodSeconds", None)
    body["metadata"].pop("finalizers", None)
    return body


def shown(before: Object | None, after: Object) -> tuple[Object | str, Object]:
    """Two states of a workload for a diff, without what may be secret.

    Values of the environment and of annotations are left out (that they differ is said), texts are redacted.
    """
    earlier = _environment(before) if before is not None else {}
    left: Object | str = _hidden(before, {}) if before is not None else ""
    return left, _hidden(after, earlier)


def _environment(obj: Object) -> dict[str, str]:
    return {
        f"{container['name']}/{variable['name']}": str(variable["value"])
        for container in _containers(obj)
        for variable in container.get("env", [])
        if "value" in variable
    }


def _containers(obj: Object) -> list[Object]:
    spec = obj["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec.get("containers", [])]


def _hidden(obj: Object, earlier: dict[str, str]) -> Object:
    rest = comparable(obj)
    rest["metadata"].get("annotations", {}).pop(LAST_APPLIED, None)
    for container in _containers(rest):
        for variable in container.get("env", []):
            if "value" in variable:
                before = earlier.get(f"{container['name']}/{variable['name']}", variable["value"])
                variable["value"] = NOT_SHOWN if before == variable["value"] else f"{NOT_SHOWN}, another value"
    redacted: Object = _redacted(rest)
    return redacted


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return redact(value) if isinstance(value, str) else value
