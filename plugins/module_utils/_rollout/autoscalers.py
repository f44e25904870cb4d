# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.objects import FIELD_MANAGER, listed_if_allowed
from .._pods.definition import stopped_from
from .writing import as_read

if TYPE_CHECKING:
    from .._kubernetes.objects import Objects

Object = dict[str, Any]
# KEDA creates a HorizontalPodAutoscaler for each ScaledObject that is not paused.
KINDS = ("HorizontalPodAutoscaler", "ScaledObject")
PAUSED = "autoscaling.keda.sh/paused"
PAUSED_REPLICAS = "autoscaling.keda.sh/paused-replicas"
# As KEDA reads it (Go's ParseBool); any other value pauses.
NOT_PAUSED = ("0", "f", "F", "false", "FALSE", "False")


def replicas_of(live: Object) -> int:
    """The replicas that a workload has, or had before it was stopped; at least one, because it is going to run."""
    before = stopped_from(live)
    return max(live["spec"].get("replicas", 1) if before is None else before, 1)


def release_replicas(objects: Objects, kind: str, name: str) -> None:
    """Release the number of replicas that an earlier definition has set.

    Omitting an owned field sets it to its default: all pods but one would end for a moment.
    """

    def change(live: Object) -> Object | None:
        managed = copy.deepcopy(live["metadata"].get("managedFields", []))
        owned = False
        for entry in managed:
            if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
                fields = entry.get("fieldsV1", {}).get("f:spec", {})
                owned = owned or fields.pop("f:replicas", None) is not None
        if not owned:
            return None
        version = live["metadata"]["resourceVersion"]
        return objects.patch(kind, name, {"metadata": {"resourceVersion": version, "managedFields": managed}})

    as_read(objects, kind, name, change)


class Autoscalers:
    """The autoscalers of workloads; read on first use."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._found: list[Object] | None = None

    def refuse_fixed(self, definition: Object) -> None:
        """Raises OperatorError for a definition that sets a number that an autoscaler manages."""
        if "replicas" not in definition["spec"]:
            return
        kind, name = definition["kind"], definition["metadata"]["name"]
        for found in self._all():
            if _targets(found, kind, name):
                raise OperatorError(
                    f"{found['kind']} {found['metadata']['name']} manages the replicas of {kind} {name}, but its "
                    f"definition sets them, too ({definition['spec']['replicas']})",
                    expected="replicas set by the autoscaler or by the definition, not by both",
                    untouched="all workloads",
                    next_step=(
                        "remove `replicas` from the component in airflow_components, so that the autoscaler manages "
                        "them. A scheduler always has one replica unless airflow_row_locks is set: delete its "
                        "autoscaler"
                    ),
                )

    def waking(self, kind: str, name: str) -> list[str]:
        """ScaledObjects of KEDA that may start pods of a workload that is at 0; a HorizontalPodAutoscaler doesn't."""
        return [
            found["metadata"]["name"]
            for found in self._all()
            if found["kind"] == "ScaledObject" and _targets(found, kind, name) and not _is_paused(found)
        ]

    def _all(self) -> list[Object]:
        if self._found is None:
            self._found = [{**item, "kind": kind} for kind in KINDS for item in listed_if_allowed(self._objects, kind)]
        return self._found


def _is_paused(found: Object) -> bool:
    """Whether KEDA leaves a workload at 0. The annotation with a number takes precedence over the other one."""
    annotations: dict[str, str] = found["metadata"].get("annotations") or {}
    if PAUSED_REPLICAS in annotations:
        return annotations[PAUSED_REPLICAS] == "0"
    return annotations.get(PAUSED, "false") not in NOT_PAUSED


def _targets(found: Object, kind: str, name: str) -> bool:
    target = found["spec"].get("scaleTargetRef", {})
    return (target.get("kind", "Deployment"), target.get("name")) == (kind, name)
