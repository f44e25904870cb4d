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
    """The owners of saved objects, each read once, because a failed read may take a minute."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        # Uids by API version, kind and name: None if it does not exist, or the error of the read.
        self._seen: dict[tuple[str, str, str], str | Exception | None] = {}

    def without_gone(self, kept: Object) -> tuple[Object, list[str]]:
        """A saved object without those of its owners that no longer exist, and warnings about its owners.

        The garbage collector deletes an object whose owners are gone; an owner with the same name and another uid does
        not count.
        """
        name = f"{kept['kind']} {kept['metadata']['name']}"
        left, warnings = [], []
        references = kept["metadata"].get("ownerReferences", [])
        for reference in references:
            owner = f"owner {reference['kind']} {reference['name']}"
            uid = self._uid(reference)
            if isinstance(uid, Exception):
                warnings.append(
                    f"it is unknown whether {owner} of {name} still exists ({why(uid)}): if it does not, Kubernetes "
                    f"deletes {name} again. In that case, create it again without metadata.ownerReferences"
                )
            elif uid != reference["uid"]:
                warnings.append(
                    f"{name} is restored without its {owner}, which is gone: otherwise Kubernetes would delete {name} "
                    "again"
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
                # The right to read it is missing, its kind is no longer served, or its webhook does not answer.
                self._seen[key] = error
        return self._seen[key]
