# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import copy
import hashlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

from .._common.failure import OperatorError
from .._kubernetes.objects import Objects
from .._kubernetes.unreachable import is_malformed, message_of, needs_a_real_request, words_of
from .._pods.quota import has_room_for_one_in_place_of_one

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
# Some requests return None.
Answer = TypeVar("Answer", "dict[str, Any]", "dict[str, Any] | None")
IMMUTABLE_WORDS = ("immutable", "cannot change", "may not change", "updates to statefulset")
ATTEMPTS = 20
# The controller recounts after each deletion.
COUNTED_SECONDS = 60
LOOK_AGAIN_SECONDS = 0.5
# The limit of a Service; other kinds may have longer names.
LONGEST_NAME = 63


def stand_in_name(name: str) -> str:
    """The name for the dry run of an existing object: similar, but not too long."""
    end = "-dry-run"
    if len(name) + len(end) <= LONGEST_NAME:
        return f"{name}{end}"
    end = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}{end}"
    return f"{name[: LONGEST_NAME - len(end)].rstrip('-.')}{end}"


def is_immutable(error: Any) -> bool:
    """Whether this is only possible in a new object."""
    return error.status == 422 and any(words in str(error.body) for words in IMMUTABLE_WORDS)


def refused(error: Any, untouched: str) -> Any:
    """The API server's rejection of a definition as an OperatorError; other errors are not changed."""
    if not is_malformed(error):
        return error
    return OperatorError(
        f"the API server rejects a definition: {words_of(error)}",
        expected="definitions that it accepts",
        untouched=untouched,
        next_step="correct the variables that this definition is made from, then run the same command again",
    )


class Predicted:
    """The results of dry runs. `untold` are the objects for which there is no result, with the reason.

    A webhook may only support real requests. This does not prevent them: the object is used as defined.
    """

    def __init__(self, untouched: str) -> None:
        self._untouched = untouched
        self.untold: list[str] = []

    def outcome(self, request: Callable[[], Answer], definition: Object) -> Answer | Object:
        """The response to a dry run. Raises OperatorError for a definition that the API server rejects."""
        try:
            return request()
        except ApiException as error:
            if not needs_a_real_request(error):
                raise refused(error, self._untouched) from None
            self.untold.append(
                f"{definition['kind']} {definition['metadata']['name']}: {words_of(error)}; whether it is accepted, "
                "and whether it changes anything, is only known when it is written"
            )
            return copy.deepcopy(definition)

    def possible(self, request: Callable[[], Object], definition: Object) -> Object | None:
        """The same, or None if this is only possible in a new object (immutable fields)."""

        def asked() -> Object | None:
            try:
                return request()
            except ApiException as error:
                if is_immutable(error):
                    return None
                raise

        return self.outcome(asked, definition)

    def in_its_place(self, request: Callable[[], Object], definition: Object) -> Object:
        """The response to the dry run of an object that replaces another one, under another name.

        A quota counts such an object as an additional one, although it will replace one. Quotas are checked after
        everything else has accepted an object
        (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#resourcequota), so in that case
        the object is used as defined.
        """
        try:
            return self.outcome(request, definition)
        except ApiException as error:
            if error.status != 403 or not has_room_for_one_in_place_of_one(message_of(error)):
                raise
            return copy.deepcopy(definition)


def once_counted(request: Callable[[], Object], seconds: float = COUNTED_SECONDS) -> Object:
    """Create an object whose predecessor was just deleted: quotas still count that one for a moment."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return request()
        except ApiException as error:
            full = error.status == 403 and has_room_for_one_in_place_of_one(message_of(error))
            if not full or time.monotonic() > deadline:
                raise
        time.sleep(LOOK_AGAIN_SECONDS)


def as_read(objects: Objects, kind: str, name: str, change: Callable[[Object], Object | None]) -> Object | None:
    """Change the current version of an object: `change` gets it and returns what was written, or None if nothing was.

    `change` is called again if others changed it in between. Returns None if there is no such object. Raises
    OperatorError if others keep changing it.
    """
    for _attempt in range(ATTEMPTS):
        live = objects.read(kind, name)
        if live is None:
            return None
        try:
            return change(live) or live
        except ApiException as error:
            if error.status != 409:
                raise
    raise OperatorError(
        f"others keep changing {kind} {name}",
        expected="no changes by others in the meantime",
        untouched="the object, as far as this action is concerned",
        next_step=(
            "find out who changes it (kubectl get --show-managed-fields -o yaml), then run the same command again"
        ),
    )


def own(objects: Objects, kind: str, name: str, wanted: Callable[[Object], bool], more: list[Object]) -> None:
    """Set only these field managers: those of the live object that are `wanted`, and `more`.

    Former owners of a field would continue to own it, so it could not be removed by omitting it. Subresources (the
    status) belong to controllers and remain theirs.
    """

    def change(live: Object) -> Object | None:
        present = live["metadata"].get("managedFields", [])
        managed = [entry for entry in present if "subresource" in entry or wanted(entry)] + more
        if managed == present or not managed:
            return None
        version = live["metadata"]["resourceVersion"]
        return objects.patch(kind, name, {"metadata": {"resourceVersion": version, "managedFields": managed}})

    as_read(objects, kind, name, change)
