# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from .._pods.definition import without_nulls
from .._pods.verdict import REVISION

Object = dict[str, Any]


def previous_template(workload: Object, revisions: list[Object]) -> Object | None:
    """The previous pod template of a workload; None if no revision of it is kept.

    `revisions` are the ReplicaSets of a Deployment or the ControllerRevisions of a StatefulSet; it may contain those of
    others. The result is the newest one whose template differs, because the controller may not have created one for the
    current template yet.
    """
    present = _comparable(workload["spec"]["template"])
    seen = workload.get("status", {}).get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    own = [
        revision
        for revision in revisions
        if any(owner["uid"] == workload["metadata"]["uid"] for owner in revision["metadata"].get("ownerReferences", []))
    ]
    for revision in sorted(own, key=_number, reverse=True):
        template = _comparable(_template(revision))
        if template != present and not (seen and _is_present(workload, revision)):
            return template
    return None


def merge_change(before: Object, after: Object) -> Object:
    """The JSON merge patch (RFC 7386) from `before` to `after`; neither may contain nulls."""
    change: Object = {key: None for key in before if key not in after}
    for key, value in after.items():
        if isinstance(value, dict) and isinstance(before.get(key), dict):
            if value != before[key]:
                change[key] = merge_change(before[key], value)
        elif key not in before or value != before[key]:
            change[key] = value
    return change


def _template(revision: Object) -> Object:
    template: Object = revision.get("data", revision)["spec"]["template"]
    return template


def _number(revision: Object) -> int:
    if "data" in revision:
        return int(revision["revision"])
    return int(revision["metadata"].get("annotations", {}).get(REVISION, 0))


def _is_present(workload: Object, revision: Object) -> bool:
    if "data" in revision:
        return bool(revision["metadata"]["name"] == workload.get("status", {}).get("updateRevision"))
    own = workload["metadata"].get("annotations", {}).get(REVISION)
    return bool(own is not None and revision["metadata"].get("annotations", {}).get(REVISION) == own)


def _comparable(template: Object) -> Object:
    """Without additions of the controllers to a stored template, and without nulls."""
    rest: Object = without_nulls(template)
    rest.pop("$patch", None)
    rest["metadata"].get("labels", {}).pop("pod-template-hash", None)
    return rest
