# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster

try:
    from kubernetes.client.exceptions import ApiException
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception


class StoredSecret:
    """One Secret as it was read, and the way to change some of its entries and no others.

    `entries` are the decoded entries; `exists` says whether there is such a Secret.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster, self.name = cluster, name
        self._found: Any | None = cluster.find(cluster.core.read_namespaced_secret, name)
        data = (self._found.data or {}) if self._found is not None else {}
        self.entries: dict[str, bytes] = {key: base64.b64decode(value) for key, value in data.items()}

    @property
    def exists(self) -> bool:
        return self._found is not None

    def write(self, entries: dict[str, bytes], *, dry_run: bool = False) -> None:
        """Add or replace these entries, unless somebody changed the Secret since it was read.

        With `dry_run` the API server checks the request and stores nothing.
        Raises OperatorError for a Secret that is immutable, and for one changed in between.
        """
        if not entries:
            return
        if self._found is not None and self._found.immutable:
            raise OperatorError(
                f"Secret {self.name} is immutable and lacks {', '.join(sorted(entries))}",
                expected="a Secret that can be completed",
                untouched="the Secret, and every pod that uses it",
                next_step=f"save it, delete it, create it again without `immutable: true`: kubectl -n "
                f"{self._cluster.namespace} get secret {self.name} -o yaml",
            )
        body: dict[str, Any] = {
            "metadata": {"name": self.name, "namespace": self._cluster.namespace},
            "data": {key: base64.b64encode(value).decode("ascii") for key, value in entries.items()},
        }
        arguments: dict[str, Any] = {"dry_run": "All"} if dry_run else {}
        try:
            if self._found is None:
                body["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "hopsworks.airflow"}
                body["type"] = "Opaque"
                self._cluster.core.create_namespaced_secret(self._cluster.namespace, body, **arguments)
            else:
                body["metadata"]["resourceVersion"] = self._found.metadata.resource_version
                self._cluster.core.patch_namespaced_secret(self.name, self._cluster.namespace, body, **arguments)
        except ApiException as error:
            if error.status != 409:
                raise
            raise OperatorError(
                f"somebody else changed Secret {self.name} at the same moment",
                expected="the Secret as it was read",
                untouched="what the other one wrote; nothing of this run was stored",
                next_step="run the same command again: it reads the Secret anew",
            ) from None


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
