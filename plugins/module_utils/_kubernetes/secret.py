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


# What the API server says where a quota is full.
FULL = "exceeded quota"


class StoredSecret:
    """One Secret as it was read, and the way to change some of its entries and annotations and no others.

    `entries` are the decoded entries, `annotations` those of the metadata; `exists` says whether there is one.
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
        """What says who else writes it, as `metadata_of` gives it; empty where there is no such Secret."""
        return metadata_of(self._found)

    @property
    def created(self) -> datetime.datetime | None:
        """When it was made, by the API server's clock; None where there is no such Secret."""
        created: datetime.datetime | None = None
        if self._found is not None:
            created = self._found.metadata.creation_timestamp
        return created

    @property
    def read_at(self) -> datetime.datetime:
        """When it was read, by the API server's clock. Raises OperatorError where the server does not tell."""
        if self._answered is None:
            raise OperatorError(
                "the API server's answer has no Date header",
                expected="the time by the API server's own clock; that of this machine is not used, it may be wrong",
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
        """Add or replace these entries, and remove others, unless somebody changed the Secret since it was read.

        An annotation whose value is None is removed. All of it is one request, so it is done as a whole or not at all.
        With `dry_run` the API server checks the request and stores nothing; returned is why it could not be checked.
        Raises OperatorError for a Secret that is immutable, for one changed in between, and for missing rights.
        """
        removed = sorted(name for name in remove if name in self.entries)
        annotations = {
            name: value for name, value in (annotations or {}).items() if self.annotations.get(name) != value
        }
        if not (entries or removed or annotations):
            return None
        # Annotations can be changed all the same.
        if self._found is not None and self._found.immutable and (entries or removed):
            raise OperatorError(
                f"Secret {self.name} is immutable, but {', '.join(sorted({*entries, *removed, *annotations}))} would "
                "have to change",
                expected="a Secret that can be changed",
                untouched="the Secret, and every pod that uses it",
                next_step=f"save it, delete it, create it again without `immutable: true`: kubectl -n "
                f"{self._cluster.namespace} get secret {self.name} -o yaml",
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
                return f"Secret {self.name}: {words_of(error)}; whether it may be written shows only when it is"
            if error.status == 403:
                raise self._forbidden("create" if self._found is None else "patch", error) from None
            if error.status != 409:
                raise
            raise OperatorError(
                f"somebody else changed Secret {self.name} at the same moment",
                expected="the Secret as it was read",
                untouched="what the other one wrote; nothing of this run was stored",
                next_step="run the same command again: it rereads the Secret",
            ) from None
        return None

    def _forbidden(self, verb: str, error: ApiException) -> OperatorError:
        evidence: tuple[str, ...] = ()
        with contextlib.suppress(TypeError, ValueError, KeyError):
            evidence = (redact(str(parse(error.body)["message"])),)
        if FULL in "".join(evidence):
            # Said in the same way as a right that is missing.
            return OperatorError(
                f"a quota of namespace {self._cluster.namespace} has no room for Secret {self.name}",
                expected="quotas with room for the Secrets that are made",
                untouched="the Secret, and every pod that uses it",
                next_step="have the quota raised, or delete Secrets that are not needed any more (those of finished "
                "runs, airflow-before-..., among them); then run the same command again",
                evidence=evidence,
            )
        return OperatorError(
            f"whoever runs this may not {verb} Secret {self.name} in namespace {self._cluster.namespace}",
            expected=f"the verb {verb} on secrets, for the name {self.name}, and no admission policy against it",
            untouched="the Secret, and every pod that uses it",
            next_step="grant it by a Role in that namespace, and run the same command again",
            evidence=evidence,
        )


def _without_entries(error: ApiException, secret: dict[str, Any]) -> str:
    """The answer to a Secret that was sent, without what is secret in it: a policy may quote what it refuses."""
    entries = {key: base64.b64decode(coded) for key, coded in (secret.get("data") or {}).items() if coded}
    return json.dumps({"message": hide(message_of(error), secret_texts(entries))})


def metadata_of(secret: Any) -> dict[str, Any]:
    """What says who else writes a Secret of the API, named as there; of None nothing."""
    meta = getattr(secret, "metadata", None)
    owners = getattr(meta, "owner_references", None) or []
    return {
        "labels": dict(getattr(meta, "labels", None) or {}),
        "annotations": dict(getattr(meta, "annotations", None) or {}),
        "ownerReferences": [{"kind": one.kind, "name": one.name, "controller": one.controller} for one in owners],
        "managedFields": [{"manager": one.manager} for one in getattr(meta, "managed_fields", None) or []],
    }


def copied_value(cluster: Cluster, from_secret: dict[str, str] | None, from_config_map: dict[str, str] | None) -> bytes:
    """One entry of a Secret or of a ConfigMap, given as {name, key}. Raises OperatorError where there is none."""
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
            expected="the value that the earlier deployment works with",
            untouched="everything; the value was to be copied",
            next_step=f"name the right one, after: kubectl -n {cluster.namespace} get secrets,configmaps",
        )
    return value
