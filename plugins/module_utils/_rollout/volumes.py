# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

from .._common.failure import OperatorError

Object = dict[str, Any]


def refuse_loss_of_volumes(live: Object, untouched: str, *, deleted: bool = False) -> None:
    """Raises OperatorError for a StatefulSet whose controller deletes its volumes when it is scaled to 0 or `deleted`.

    A replaced StatefulSet is stopped first. If it is already at 0, a stop loses nothing more.
    """
    spec = live["spec"]
    if live["kind"] != "StatefulSet" or not spec.get("volumeClaimTemplates"):
        return
    policy = spec.get("persistentVolumeClaimRetentionPolicy", {})
    asked = {"whenScaled": "scaled to 0"} if spec.get("replicas", 1) else {}
    asked |= {"whenDeleted": "deleted and replaced"} if deleted else {}
    lossy = [field for field in asked if policy.get(field) == "Delete"]
    if not lossy:
        return
    name, namespace = live["metadata"]["name"], live["metadata"].get("namespace")
    change = json.dumps({"spec": {"persistentVolumeClaimRetentionPolicy": dict.fromkeys(lossy, "Retain")}})
    raise OperatorError(
        f"StatefulSet {name} would be {' and '.join(asked[field] for field in lossy)}, and its volumes with it "
        f"(persistentVolumeClaimRetentionPolicy: {', '.join(f'{field} Delete' for field in lossy)})",
        expected="a StatefulSet that retains its volumes",
        untouched=untouched,
        next_step=f"kubectl {f'-n {namespace} ' if namespace else ''}patch statefulset {name} --type merge "
        f"-p '{change}', then run the same command again",
    )
