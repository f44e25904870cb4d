# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.names import DEPLOYMENT_ANNOTATION, another, refuse_another

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

try:
    from kubernetes.client.exceptions import ApiException
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception

KEY = "installed"
INSTALLED, UNDONE = "installed", "undone"


@dataclass(frozen=True)
class Remembered:
    """What the cluster remembers of the last reset, whatever has happened to the database since."""

    state: str
    deployment: str
    run: str
    schema: str
    at: str


class Memory:
    """Entry `installed` of the run record's ConfigMap: what the cluster remembers outside the database.

    A database that was restored from an old backup, or replaced, looks as if it had never been installed. The memory
    shows that it was. Other entries of the ConfigMap are not touched.
    """

    def __init__(self, cluster: Cluster, config_map: str, deployment: str) -> None:
        self._cluster, self.config_map, self._deployment = cluster, config_map, deployment

    def read(self) -> Remembered | None:
        """Raises OperatorError if the entry can't be parsed, or is another deployment's."""
        found = self._cluster.find(self._cluster.core.read_namespaced_config_map, self.config_map)
        refuse_another(found, self.config_map, self._deployment)
        text = (found.data or {}).get(KEY) if found is not None else None
        if text is None:
            return None
        try:
            value: dict[str, Any] = json.loads(text)
            remembered = Remembered(*(str(value[entry.name]) for entry in fields(Remembered)))
        except (ValueError, KeyError, TypeError) as error:
            raise OperatorError(
                f"entry {KEY} of ConfigMap {self.config_map} can't be parsed ({type(error).__name__})",
                expected="the entry of an earlier reset, or no such entry",
                untouched="everything",
                next_step=f"look at it: kubectl -n {self._cluster.namespace} get configmap {self.config_map} -o yaml",
            ) from None
        if remembered.deployment != self._deployment:
            raise another(self.config_map, remembered.deployment, self._deployment)
        return remembered

    def write(self, remembered: Remembered) -> None:
        """Raises OperatorError if another deployment has its entry there."""
        self.read()
        metadata: dict[str, Any] = {"annotations": {DEPLOYMENT_ANNOTATION: self._deployment}}
        body = {"metadata": metadata, "data": {KEY: json.dumps(asdict(remembered))}}
        try:
            self._cluster.core.patch_namespaced_config_map(self.config_map, self._cluster.namespace, body)
        except ApiException as error:
            if error.status != 404:
                raise
            labels = {"app.kubernetes.io/managed-by": "hopsworks.airflow"}
            metadata |= {"name": self.config_map, "namespace": self._cluster.namespace, "labels": labels}
            whole = {"apiVersion": "v1", "kind": "ConfigMap", **body}
            self._cluster.core.create_namespaced_config_map(self._cluster.namespace, whole)
