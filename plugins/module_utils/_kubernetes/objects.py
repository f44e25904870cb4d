# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

FIELD_MANAGER = "hopsworks.airflow"
# Of an object that is being replaced as a whole; it is on no object whose replacement is finished.
REPLACING_MANAGER = f"{FIELD_MANAGER}.replacement"
# How long an API server may be away (a restart, a new leader) before an action gives up.
PATIENCE_SECONDS = 60.0
REQUEST_TIMEOUT = (10, 60)
# A header that may stand several times (RFC 7234, 5.5).
WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
COLLECTIONS = {
    "Deployment": ("/apis/apps/v1", "deployments"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "ControllerRevision": ("/apis/apps/v1", "controllerrevisions"),
    "Job": ("/apis/batch/v1", "jobs"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "LimitRange": ("/api/v1", "limitranges"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "ScaledObject": ("/apis/keda.sh/v1alpha1", "scaledobjects"),
}

Object = dict[str, Any]
# What would be made, and what the API server warns of.
DryRun = tuple[Object, list[str]]


def is_malformed(error: ApiException) -> bool:
    """Whether the API server found fault with the object itself. Server-side apply answers unknown fields with 500."""
    return error.status in (400, 422) or (
        error.status == 500 and "failed to create typed patch object" in str(error.body)
    )


def is_passing(error: Exception) -> bool:
    """Whether an error is one of an API server that is away or overloaded, so that the same request may work soon."""
    if isinstance(error, ApiException):
        return error.status in (429, 500, 502, 503, 504) and not is_malformed(error)
    return isinstance(error, HTTPError)


def patiently(request: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """The answer to a request that may be sent twice; sent again, ever more slowly, while the API server is away.

    One that is just back may forbid everything until it knows the roles again.
    """
    deadline = time.monotonic() + seconds
    pause = 0.25
    was_away = False
    while True:
        try:
            return request()
        except (ApiException, HTTPError) as error:
            back = was_away and isinstance(error, ApiException) and error.status in (401, 403)
            was_away = was_away or is_passing(error)
            if not (back or is_passing(error)) or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 5.0)


class Objects:
    """Objects of one namespace exactly as the API server writes them: no field is lost that a client doesn't know."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self, kind: str, name: str) -> Object | None:
        """One object, or None where there is none of that name."""
        try:
            return self._call("GET", kind, name)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, **arguments: Any) -> Any:
        """A list object, by `label_selector` and `field_selector`.

        With `watch`, `resource_version`, `timeout_seconds` and `_preload_content` it is what
        `kubernetes.watch.Watch().stream` calls.
        """
        if arguments.get("watch"):
            return self._send("GET", kind, None, arguments)
        return patiently(lambda: self._send("GET", kind, None, arguments))

    def apply(self, definition: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply: what the object is, or would be, afterwards."""
        arguments: Object = {"field_manager": FIELD_MANAGER, "force": True, "field_validation": "Strict"}
        return self._call(
            "PATCH",
            definition["kind"],
            definition["metadata"]["name"],
            {**arguments, **_dry(dry_run)},
            body=definition,
            content_type="application/apply-patch+yaml",
        )

    def create(self, definition: Object, *, dry_run: bool = False) -> Object:
        """Not sent twice: the second would be told that the object exists."""
        arguments: Object = {"field_manager": FIELD_MANAGER, "field_validation": "Strict", **_dry(dry_run)}
        created: Object = self._send("POST", definition["kind"], None, arguments, definition, "application/json")
        return created

    def replace(self, definition: Object, *, dry_run: bool = False) -> Object:
        """The object becomes exactly this, beside what the API server allocates (addresses, ports) and defaults.

        With metadata.resourceVersion in it, only of the object as it was read.
        """
        return self._call(
            "PUT",
            definition["kind"],
            definition["metadata"]["name"],
            {"field_manager": REPLACING_MANAGER, "field_validation": "Strict", **_dry(dry_run)},
            body=definition,
            content_type="application/json",
        )

    def create_dry(self, definition: Object) -> DryRun:
        """What would be created, and what the API server warns of. May be sent twice; creates nothing."""
        arguments: Object = {"field_manager": FIELD_MANAGER, "field_validation": "Strict", "_with_headers": True}
        answer, _status, headers = self._send(
            "POST", definition["kind"], None, {**arguments, **_dry(dry_run=True)}, definition, "application/json"
        )
        warnings = WARNING.findall(headers.get("Warning") or "")
        return answer, [re.sub(r"\\(.)", r"\1", text) for text in warnings]

    def patch(self, kind: str, name: str, change: Object, *, dry_run: bool = False) -> Object:
        """A JSON merge patch: null removes. With metadata.resourceVersion in it, only of the object as it was read."""
        return self._call(
            "PATCH",
            kind,
            name,
            {"field_manager": f"{FIELD_MANAGER}.actions", **_dry(dry_run)},
            body=change,
            content_type="application/merge-patch+json",
        )

    def delete(
        self,
        kind: str,
        name: str,
        *,
        uid: str | None = None,
        propagation: str = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        """Delete the object, only if it is the one with this `uid`. One that is gone already is no error."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self._call("DELETE", kind, name, body=body, content_type="application/json")
        except ApiException as error:
            if error.status not in (404, 409):
                raise

    def _call(
        self,
        method: str,
        kind: str,
        name: str | None,
        arguments: Object | None = None,
        body: Object | None = None,
        content_type: str | None = None,
    ) -> Object:
        answer: Object = patiently(lambda: self._send(method, kind, name, arguments or {}, body, content_type))
        return answer

    def _send(
        self,
        method: str,
        kind: str,
        name: str | None,
        arguments: Object,
        body: Object | None = None,
        content_type: str | None = None,
    ) -> Any:
        group, plural = COLLECTIONS[kind]
        path = f"{group}/namespaces/{self._cluster.namespace}/{plural}" + (f"/{name}" if name else "")
        arguments = dict(arguments)
        preload = arguments.pop("_preload_content", True)
        with_headers = arguments.pop("_with_headers", False)
        query = [(_camel(key), _text(value)) for key, value in arguments.items() if value not in (None, "")]
        headers = {"Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        wait = arguments.get("timeout_seconds")
        return self._cluster.api.call_api(
            path,
            method,
            query_params=query,
            header_params=headers,
            body=body,
            response_type="object",
            auth_settings=["BearerToken"],
            _return_http_data_only=not with_headers,
            _preload_content=preload,
            # A watch that the server doesn't end in time is one whose connection is dead.
            _request_timeout=(REQUEST_TIMEOUT[0], wait + 15) if wait else REQUEST_TIMEOUT,
        )


def _dry(dry_run: bool) -> Object:
    return {"dry_run": "All"} if dry_run else {}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
