# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from .retrying_client import REQUEST_TIMEOUT

if TYPE_CHECKING:
    from .cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException

FIELD_MANAGER = "hopsworks.airflow"
# Marks an object that is being replaced; removed when the replacement is complete.
REPLACING_MANAGER = f"{FIELD_MANAGER}.replacement"
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
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "ScaledObject": ("/apis/keda.sh/v1alpha1", "scaledobjects"),
}

Object = dict[str, Any]
# The object that would be created, and the API server's warnings.
DryRun = tuple[Object, list[str]]


def listed_if_allowed(objects: Objects, kind: str) -> list[Object]:
    """All objects of a kind; none if the right to list them is missing or the API server does not know the kind."""
    try:
        found: list[Object] = list(objects.list(kind)["items"])
    except ApiException as error:
        if error.status not in (403, 404):
            raise
        return []
    return found


class Objects:
    """Objects of one namespace exactly as the API server writes them, so that unknown fields are kept."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self, kind: str, name: str) -> Object | None:
        """One object, or None if it does not exist."""
        try:
            found: Object = self._send("GET", kind, name, {})
            return found
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def read_any(self, api_version: str, kind: str, name: str) -> Object | None:
        """One object of any kind, in the namespace or cluster-wide, or None if it does not exist.

        Raises ApiException with status 404 if the API server does not know the kind.
        """
        group = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        served = self._call(group, "GET", {})["resources"]
        resource = next((each for each in served if each["kind"] == kind and "/" not in each["name"]), None)
        if resource is None:
            raise ApiException(status=404, reason=f"{api_version} has no kind {kind}")
        place = f"/namespaces/{self._cluster.namespace}" if resource["namespaced"] else ""
        try:
            found: Object = self._call(f"{group}{place}/{resource['name']}/{name}", "GET", {})
            return found
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, **arguments: Any) -> Any:
        """A list object, by `label_selector` and `field_selector`.

        With `watch`, `resource_version`, `timeout_seconds` and `_preload_content` it is called by
        `kubernetes.watch.Watch().stream`.
        """
        return self._send("GET", kind, None, arguments)

    def apply(self, definition: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply. Returns the object as it is, or would be, afterwards."""
        arguments: Object = {"field_manager": FIELD_MANAGER, "force": True, "field_validation": "Strict"}
        applied: Object = self._send(
            "PATCH",
            definition["kind"],
            definition["metadata"]["name"],
            {**arguments, **_dry(dry_run)},
            body=definition,
            content_type="application/apply-patch+yaml",
        )
        return applied

    def create(self, definition: Object, *, dry_run: bool = False) -> Object:
        arguments: Object = {"field_manager": FIELD_MANAGER, "field_validation": "Strict", **_dry(dry_run)}
        created: Object = self._send("POST", definition["kind"], None, arguments, definition, "application/json")
        return created

    def replace(self, definition: Object, *, dry_run: bool = False) -> Object:
        """Replaces the object by exactly this, except for values that the API server allocates (addresses, ports) and
        defaults.

        With metadata.resourceVersion in it, only if the object has not changed since it was read.
        """
        replaced: Object = self._send(
            "PUT",
            definition["kind"],
            definition["metadata"]["name"],
            {"field_manager": REPLACING_MANAGER, "field_validation": "Strict", **_dry(dry_run)},
            body=definition,
            content_type="application/json",
        )
        return replaced

    def create_dry(self, definition: Object) -> DryRun:
        """The object that would be created, and the API server's warnings. May be sent twice; creates nothing."""
        arguments: Object = {"field_manager": FIELD_MANAGER, "field_validation": "Strict", "_with_headers": True}
        answer, _status, headers = self._send(
            "POST", definition["kind"], None, {**arguments, **_dry(dry_run=True)}, definition, "application/json"
        )
        warnings = WARNING.findall(headers.get("Warning") or "")
        return answer, [re.sub(r"\\(.)", r"\1", text) for text in warnings]

    def patch(self, kind: str, name: str, change: Object, *, dry_run: bool = False) -> Object:
        """A JSON merge patch: null removes. With metadata.resourceVersion, only if the object has not changed since it
        was read."""
        patched: Object = self._send(
            "PATCH",
            kind,
            name,
            {"field_manager": f"{FIELD_MANAGER}.actions", **_dry(dry_run)},
            body=change,
            content_type="application/merge-patch+json",
        )
        return patched

    def delete(
        self,
        kind: str,
        name: str,
        *,
        uid: str | None = None,
        propagation: str = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        """Delete the object, only if it has this `uid`. It is not an error if it is already gone."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self._send("DELETE", kind, name, {}, body=body, content_type="application/json")
        except ApiException as error:
            if error.status not in (404, 409):
                raise

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
        return self._call(path, method, arguments, body, content_type)

    def _call(
        self, path: str, method: str, arguments: Object, body: Object | None = None, content_type: str | None = None
    ) -> Any:
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
            # If the server does not end a watch in time, the connection is dead.
            _request_timeout=(REQUEST_TIMEOUT[0], wait + 15) if wait else REQUEST_TIMEOUT,
        )


def _dry(dry_run: bool) -> Object:
    return {"dry_run": "All"} if dry_run else {}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def label_selector(selector: Object) -> str:
    """A selector of an object (matchLabels, matchExpressions) as a query parameter."""
    terms = [f"{key}={value}" for key, value in sorted(selector.get("matchLabels", {}).items())]
    for expression in selector.get("matchExpressions", []):
        key, operator = expression["key"], expression["operator"]
        if operator in ("In", "NotIn"):
            terms.append(f"{key} {operator.lower()} ({','.join(expression['values'])})")
        else:
            terms.append(key if operator == "Exists" else f"!{key}")
    return ",".join(terms)
