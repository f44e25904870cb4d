# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from typing import Any

from .retrying_client import RetryPolicy

try:
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException
except ImportError:  # reported by the module's own requirement check
    client = None
    ApiException = Exception


class Cluster:
    """One namespace of a Kubernetes cluster, with typed clients for it.

    `api` is a `RetryingClient`: every request, also of the typed clients, has a timeout and is repeated while
    the API server does not answer. Streaming calls (exec, port-forward) replace methods of the client while they run,
    so each of them gets a separate client from `fresh_api()`.
    """

    def __init__(self, api: Any, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.core = client.CoreV1Api(api)
        self.apps = client.AppsV1Api(api)
        self.batch = client.BatchV1Api(api)
        self.coordination = client.CoordinationV1Api(api)
        self.authorization = client.AuthorizationV1Api(api)

    @property
    def server(self) -> str:
        return str(self.api.configuration.host)

    @property
    def trouble(self) -> str:
        """The error of the last search for credentials; empty if there was none."""
        credentials = self.api.credentials
        return credentials.trouble if credentials is not None else ""

    def fresh_api(self) -> Any:
        """A second client with the same configuration and default headers, not shared with any thread."""
        fresh = client.ApiClient(self.api.configuration)
        fresh.default_headers.update(self.api.default_headers)
        return fresh

    def another(self, retry_policy: RetryPolicy | None = None) -> Cluster:
        """The same namespace over separate connections, for another process or with another policy."""
        return Cluster(self.api.another(retry_policy), self.namespace)

    def plain(self, obj: Any) -> Any:
        """An object of the typed client in the API server's notation: dicts, lists and strings."""
        return self.api.sanitize_for_serialization(obj)

    def find(self, read: Any, name: str) -> Any | None:
        """`read(name, namespace)`, or None if the object does not exist."""
        try:
            return read(name, self.namespace)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def secret_entries(self, name: str) -> dict[str, bytes] | None:
        """The decoded entries of a Secret, or None if it does not exist."""
        secret = self.find(self.core.read_namespaced_secret, name)
        if secret is None:
            return None
        return {key: base64.b64decode(value) for key, value in (secret.data or {}).items()}
