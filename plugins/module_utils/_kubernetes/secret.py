# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .._common.documents import parse
from .._common.failure import OperatorError
from .._common.redaction import redact
from .._common.secret_texts import hide, secret_texts
from .clock import server_time
from .unreachable import message_of, needs_a_real_request, words_of

if TYPE_CHECKING:
    import datetime

    from .cluster import Cluster

try:
    from kubernetes.client.exceptions import ApiException
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception


# The API server's message if a quota is full.
FULL = "exceeded quota"


class StoredSecret:
    """One Secret as it was read. Changes some of its entries and annotations and no others.

    `entries` are the decoded entries, `annotations` those of the metadata; `exists` says whether the Secret exists.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster, self.name = cluster, name
        self._found: Any | None = None
        try:
            answer = cluster.core.read_namespaced_secret_with_http_info(name, cluster.namespace)
            self._found, _status, headers = answer
        except ApiException as error:
            if error.status == 403:
                raise self._forbidden("get", error) from None
            if error.status != 404:
                raise
            headers = error.headers
        self._answered = server_time(headers)
        data = (self._found.data or {}) if self._found is not None else {}
        self.entries: dict[str, bytes] = {key: base64.b64decode(value) for key, value in data.items()}
        annotations = self._found.metadata.annotations if self._found is not None else None
        self.annotations: dict[str, str] = dict(annotations or {})

    @property
    def exists(self) -> bool:
        return self._found is not None

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata that shows other writers, as from `metadata_of`; empty if the Secret does not exist."""
        return metadata_of(self._found)

    @property
    def created(self) -> datetime.datetime | None:
        """When it was created, by the API server's clock; None if it does not exist."""
        created: datetime.datetime | None = None
        if self._found is not None:
            created = self._found.metadata.creation_timestamp
        return created

    @property
    def read_at(self) -> datetime.datetime:
        """When it was read, by the API server's clock. Raises OperatorError if the server does not send it."""
        if self._answered is None:
            raise OperatorError(
                "the API server's response has no Date header",
                expected=(
                    "the time by the API server's own clock; the clock of this machine is not used, because it may be "
                    "wrong"
                ),
                untouched=f"Secret {self.name}, and every pod that uses it",
                next_step="reach the API server without the proxy that removes the header, and run the same command "
                "again",
            )
        return self._answered

    def write(
        self,
        entries: dict[str, bytes],
        *,
        remove: Iterable[str] = (),
        annotations: dict[str, str | None] | None = None,
        dry_run: bool = False,
    ) -> str | None:
        """Add or replace these entries, and remove others, unless the Secret has changed since it was read.

        An annotation whose value is None is removed. All changes are one request, so they are atomic. With `dry_run`
        the API server checks the request and stores nothing; if it could not be checked, the reason is returned. Raises
        OperatorError if the Secret is immutable, if it has changed in between, and if rights are missing.
        """
        removed = sorted(name for name in remove if name in self.entries)
        annotations = {
            name: value for name, value in (annotations or {}).items() if self.annotations.get(name) != value
        }
        if not (entries or removed or annotations):
            return None
        # Annotations can still be changed.
        if self._found is not None and self._found.immutable and (entries or removed):
            raise OperatorError(
                f"Secret {self.name} is immutable, but {', '.join(sorted({*entries, *removed, *annotations}))} would "
                "have to change",
                expected="a Secret that can be changed",
                untouched="the Secret, and every pod that uses it",
                next_step=(
                    "save it, delete it, and create it again without `immutable: true`: kubectl -n "
                    f"{self._cluster.namespace} get secret {self.name} -o yaml"
                ),
            )
        body: dict[str, Any] = {"metadata": {"name": self.name, "namespace": self._cluster.namespace}}
        # In a merge patch null removes.
        if entries or removed:
            body["data"] = {key: base64.b64encode(value).decode("ascii") for key, value in entries.items()}
            body["data"].update(dict.fromkeys(removed))
        if annotations:
            body["metadata"]["annotations"] = annotations
        return self._send(body, {"dry_run": "All"} if dry_run else {})

    def _send(self, body: dict[str, Any], arguments: dict[str, Any]) -> str | None:
        core, namespace = self._cluster.core, self._cluster.namespace
        try:
            if self._found is None:
                body["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "hopsworks.airflow"}
                body["type"] = "Opaque"
                core.create_namespaced_secret(namespace, body, **arguments)
            else:
                body["metadata"]["resourceVersion"] = self._found.metadata.resource_version
                core.patch_namespaced_secret(self.name, namespace, body, **arguments)
        except ApiException as error:
            error.body = _without_entries(error, body)
            if arguments and needs_a_real_request(error):
                return (
                    f"Secret {self.name}: {words_of(error)}; whether it can be written is only known when it is written"
                )
            if error.status == 403:
                raise self._forbidden("create" if self._found is None else "patch", error) from None
            if error.status != 409:
                raise
            raise OperatorError(
                f"Secret {self.name} was changed at the same moment by another client",
                expected="the Secret as it was read",
                untouched="the other client's change; this run has stored nothing",
                next_step="run the same command again: it reads the Secret again",
            ) from None
        return None

    def _forbidden(self, verb: str, error: ApiException) -> OperatorError:
        evidence: tuple[str, ...] = ()
        with contextlib.suppress(TypeError, ValueError, KeyError):
            evidence = (redact(str(parse(error.body)["message"])),)
        if FULL in "".join(evidence):
            # The API server reports it like a missing right.
            return OperatorError(
                f"a quota of namespace {self._cluster.namespace} has no room for Secret {self.name}",
                expected="quotas with room for the Secrets that the run creates",
                untouched="the Secret, and every pod that uses it",
                next_step=(
                    "have the quota raised, or delete Secrets that are no longer needed (such as airflow-before-... "
                    "of finished runs); then run the same command again"
                ),
                evidence=evidence,
            )
        return OperatorError(
            f"the user of this run may not {verb} Secret {self.name} in namespace {self._cluster.namespace}",
            expected=f"the verb {verb} on secrets, for the name {self.name}, and no admission policy against it",
            untouched="the Secret, and every pod that uses it",
            next_step="grant it by a Role in that namespace, and run the same command again",
            evidence=evidence,
        )


def _without_entries(error: ApiException, secret: dict[str, Any]) -> str:
    """The response to a Secret that was sent, without its secrets: a policy may quote what it rejects."""
    entries = {key: base64.b64decode(coded) for key, coded in (secret.get("data") or {}).items() if coded}
    return json.dumps({"message": hide(message_of(error), secret_texts(entries))})


def metadata_of(secret: Any) -> dict[str, Any]:
    """The metadata that shows other writers of a Secret, in the API's notation; empty for None."""
    meta = getattr(secret, "metadata", None)
    owners = getattr(meta, "owner_references", None) or []
    return {
        "labels": dict(getattr(meta, "labels", None) or {}),
        "annotations": dict(getattr(meta, "annotations", None) or {}),
        "ownerReferences": [{"kind": one.kind, "name": one.name, "controller": one.controller} for one in owners],
        "managedFields": [{"manager": one.manager} for one in getattr(meta, "managed_fields", None) or []],
    }


def copied_value(cluster: Cluster, from_secret: dict[str, str] | None, from_config_map: dict[str, str] | None) -> bytes:
    """One entry of a Secret or of a ConfigMap, given as {name, key}. Raises OperatorError if it does not exist."""
    if from_secret is not None:
        where, source = f"Secret {from_secret['name']}", from_secret
        entries = cluster.secret_entries(source["name"]) or {}
    else:
        source = from_config_map or {}
        where = f"ConfigMap {source['name']}"
        found = cluster.find(cluster.core.read_namespaced_config_map, source["name"])
        texts: dict[str, str] = (found.data or {}) if found is not None else {}
        entries = {key: text.encode() for key, text in texts.items()}
    value = entries.get(source["key"], b"").strip()
    if not value:
        raise OperatorError(
            f"{where} in namespace {cluster.namespace} has no entry {source['key']}",
            expected="the value that the earlier deployment uses",
            untouched="everything; the value was not copied",
            next_step=f"find the correct entry: kubectl -n {cluster.namespace} get secrets,configmaps",
        )
    return value
