# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from .._rollout.troubles import why

if TYPE_CHECKING:
    from .._kubernetes.objects import Objects

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

Object = dict[str, Any]


class Owners:
    """The owners of kept objects, each looked at once: one that can't be read may take a minute to say so."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        # Uids by API version, kind and name: None where there is none, and what a look failed by.
        self._seen: dict[tuple[str, str, str], str | Exception | None] = {}

    def without_gone(self, kept: Object) -> tuple[Object, list[str]]:
        """A kept object without those of its owners that are gone, and warnings about its owners.

        The garbage collector deletes an object whose owners are gone; one of the same name with another uid doesn't
        count.
        """
        name = f"{kept['kind']} {kept['metadata']['name']}"
        left, warnings = [], []
        references = kept["metadata"].get("ownerReferences", [])
        for reference in references:
            owner = f"owner {reference['kind']} {reference['name']}"
            uid = self._uid(reference)
            if isinstance(uid, Exception):
                warnings.append(
                    f"whether {owner} of {name} still exists can't be looked at ({why(uid)}): if it is gone, Kubernetes"
                    f" deletes {name} again. Then put it back once more without metadata.ownerReferences"
                )
            elif uid != reference["uid"]:
                warnings.append(
                    f"{name} comes back without its {owner}, which is gone: with it, Kubernetes would delete {name}"
                    " again"
                )
                continue
            left.append(reference)
        if left == references:
            return kept, warnings
        metadata = {key: value for key, value in kept["metadata"].items() if key != "ownerReferences"}
        if left:
            metadata["ownerReferences"] = left
        return {**kept, "metadata": metadata}, warnings

    def _uid(self, reference: Object) -> str | Exception | None:
        key = (reference["apiVersion"], reference["kind"], reference["name"])
        if key not in self._seen:
            try:
                found = self._objects.read_any(*key)
                self._seen[key] = found["metadata"]["uid"] if found else None
            except (ApiException, HTTPError) as error:
                # No right to look at it, a kind that is not served any more, or one whose webhook does not answer.
                self._seen[key] = error
        return self._seen[key]
