# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]


def without_gone_owners(objects: Objects, kept: Object) -> tuple[Object, list[str]]:
    """A kept object without those of its owners that are gone, and warnings about its owners.

    The garbage collector deletes an object whose owners are gone; one of the same name with another uid doesn't count.
    """
    name = f"{kept['kind']} {kept['metadata']['name']}"
    left, warnings = [], []
    references = kept["metadata"].get("ownerReferences", [])
    for reference in references:
        owner = f"owner {reference['kind']} {reference['name']}"
        gone = _is_gone(objects, reference)
        if gone is None:
            warnings.append(
                f"whether {owner} of {name} still exists can't be looked at: if it is gone, Kubernetes deletes {name} "
                "again. Then put it back once more without metadata.ownerReferences"
            )
        if gone:
            warnings.append(
                f"{name} comes back without its {owner}, which is gone: with it, Kubernetes would delete {name} again"
            )
        else:
            left.append(reference)
    if left == references:
        return kept, warnings
    metadata = {key: value for key, value in kept["metadata"].items() if key != "ownerReferences"}
    if left:
        metadata["ownerReferences"] = left
    return {**kept, "metadata": metadata}, warnings


def _is_gone(objects: Objects, reference: Object) -> bool | None:
    """None where it can't be seen."""
    try:
        found = objects.read_any(reference["apiVersion"], reference["kind"], reference["name"])
    except ApiException as error:
        # No right to look at it, or a kind that is not served any more.
        if error.status not in (403, 404):
            raise
        return None
    return found is None or found["metadata"]["uid"] != reference["uid"]
