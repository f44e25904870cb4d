# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A namespace in memory: objects with owners of their fields, and Secrets, as far as replacing them goes.

What the real API server does with each kind is in tests/integration/rollout/test_objects.py.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
from types import SimpleNamespace

from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import (
    FIELD_MANAGER,
    REPLACING_MANAGER,
)


def refusal(status, message):
    error = ApiException(status=status, reason=message)
    error.body = json.dumps({"message": message})
    return error


def merged(old, new):
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return copy.deepcopy(new)


def without_nulls(value):
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(item) for key, item in value.items() if item is not None}


class Namespace:
    """`objects` takes the place of `Objects`, `cluster` that of `Cluster`. `log` has every write that was not dry."""

    def __init__(self):
        self.live, self.log, self.secrets = {}, [], {}
        self.numbers = itertools.count(1)
        self.before_write = None
        self.cluster = SimpleNamespace(namespace="lab", core=self)
        self.refuse = None
        # Quotas are None where they can't be listed, and so are autoscalers and network policies.
        self.pods, self.autoscalers, self.quotas, self.policies = [], [], [], []
        # Uids of objects that own others, by kind and name, and what the API server says where they can't be read.
        self.owners, self.unreadable = {}, []
        # Names of Secrets that a quota has no room for.
        self.full = set()
        # Names of workloads that do not become healthy.
        self.sick = set()

    def list(self, kind, **_arguments):
        if kind == "Pod":
            return {"items": self.pods}
        found = {"ResourceQuota": self.quotas, "NetworkPolicy": self.policies}.get(kind, self.autoscalers)
        if found is None:
            raise refusal(403, "forbidden")
        return {"items": [each for each in found if each["kind"] == kind]}

    # Objects, as `Objects` has them

    def read(self, kind, name):
        return copy.deepcopy(self.live.get((kind, name)))

    def read_any(self, _api_version, kind, name):
        for error in self.unreadable:
            raise error
        uid = self.owners.get((kind, name))
        return uid and {"metadata": {"name": name, "uid": uid}}

    def apply(self, definition, *, dry_run=False):
        before = self.live.get((definition["kind"], definition["metadata"]["name"]))
        after = merged(before or {}, definition)
        if (
            definition["kind"] == "PodDisruptionBudget"
            and len(after["spec"].keys() & {"minAvailable", "maxUnavailable"}) > 1
        ):
            raise refusal(422, "minAvailable and maxUnavailable cannot be both set")
        self._check_variables(definition)
        self._check_role(before, after)
        return self._write("apply", before, after, FIELD_MANAGER, "Apply", dry_run)

    def replace(self, definition, *, dry_run=False):
        before = self.live.get((definition["kind"], definition["metadata"]["name"]))
        if before is None:
            raise refusal(404, "not found")
        if (
            definition["metadata"].get("resourceVersion", before["metadata"]["resourceVersion"])
            != before["metadata"]["resourceVersion"]
        ):
            raise refusal(409, "the object has been modified")
        if self.refuse is not None and (error := self.refuse(definition)):
            raise error
        self._check_role(before, definition)
        after = copy.deepcopy(definition)
        if definition["kind"] == "Service":
            after["spec"].setdefault("clusterIP", before["spec"]["clusterIP"])
            if after["spec"]["clusterIP"] != before["spec"]["clusterIP"]:
                raise refusal(422, "spec.clusterIPs[0]: may not change once set")
        return self._write("replace", before, after, REPLACING_MANAGER, "Update", dry_run)

    def create(self, definition, *, dry_run=False, manager="hopsworks.airflow"):
        name = definition["metadata"]["name"]
        if (definition["kind"], name) in self.live:
            raise refusal(409, "exists")
        if self.refuse is not None and (error := self.refuse(definition)):
            raise error
        return self._write("create", None, copy.deepcopy(definition), manager, "Update", dry_run)

    def patch(self, kind, name, change, *, dry_run=False):
        before = self.live[kind, name]
        version = change["metadata"].get("resourceVersion")
        if version not in (None, before["metadata"]["resourceVersion"]):
            raise refusal(409, "the object has been modified")
        after = without_nulls(merged(before, change))
        managed = change["metadata"].get("managedFields", before["metadata"]["managedFields"])
        written = self._write("patch", before, after, None, None, dry_run)
        self.live[kind, name]["metadata"]["managedFields"] = copy.deepcopy(managed)
        return written

    def delete(self, kind, name, *, uid=None, propagation="Background"):
        del propagation
        if (kind, name) in self.live and uid in (None, self.live[kind, name]["metadata"]["uid"]):
            if self.before_write is not None:
                self.before_write("delete", kind, name)
            self.log.append(("delete", kind, name))
            del self.live[kind, name]

    def _check_variables(self, definition):
        """A list that is a map by `name`: it may be created with one of them twice, and can't be applied."""
        template = definition.get("spec", {}).get("template", {})
        for container in template.get("spec", {}).get("containers", []):
            names = [variable["name"] for variable in container.get("env", [])]
            if len(names) > len(set(names)):
                raise refusal(500, 'failed to create typed patch object: .env: duplicate entries for key [name="A"]')

    def _check_role(self, before, after):
        if before and before["kind"] == "RoleBinding" and before["roleRef"] != after["roleRef"]:
            raise refusal(422, "roleRef: Invalid value: cannot change roleRef")

    def _write(self, verb, before, after, manager, operation, dry_run):
        if not dry_run and self.before_write is not None:
            self.before_write(verb, after["kind"], after["metadata"]["name"])
        metadata = after["metadata"]
        managed = copy.deepcopy((before or {}).get("metadata", {}).get("managedFields", []))
        entry = {"manager": manager, "operation": operation}
        metadata["managedFields"] = managed if manager is None or entry in managed else [*managed, entry]
        metadata["uid"] = before["metadata"]["uid"] if before else f"uid-{next(self.numbers)}"
        metadata["resourceVersion"] = str(next(self.numbers))
        metadata["generation"] = 1
        metadata["namespace"] = "lab"
        if after["kind"] == "Deployment":
            after["spec"].setdefault("replicas", 1)
        if after["kind"] == "Service":
            after["spec"].setdefault("clusterIP", f"10.0.0.{next(self.numbers)}")
        if not dry_run:
            self.log.append((verb, after["kind"], metadata["name"]))
            self.live[after["kind"], metadata["name"]] = after
        return copy.deepcopy(after)

    def made(self, definition, manager="helm"):
        """As others have made it."""
        self.create({**definition, "metadata": {**definition["metadata"]}}, manager=manager)
        self.log.clear()

    # Secrets, as the typed client has them

    def read_namespaced_secret_with_http_info(self, name, _namespace):
        if name not in self.secrets:
            raise ApiException(status=404)
        return self.secrets[name], 200, {}

    def create_namespaced_secret(self, _namespace, body, **arguments):
        self._write_secret(SimpleNamespace(data={}, annotations={}), body, **arguments)

    def patch_namespaced_secret(self, name, _namespace, body, **arguments):
        found = self.secrets[name]
        assert body["metadata"]["resourceVersion"] == found.metadata.resource_version
        self._write_secret(SimpleNamespace(data=found.data, annotations=found.metadata.annotations), body, **arguments)

    def _write_secret(self, found, body, dry_run=None):
        name = body["metadata"]["name"]
        if name in self.full and not found.data:
            raise refusal(403, f'secrets "{name}" is forbidden: exceeded quota: q, requested: secrets=1')
        if dry_run is not None:
            return
        if self.before_write is not None:
            self.before_write("secret", "Secret", name)
        self.log.append(("secret", "Secret", name))
        data = {**found.data, **body.get("data", {})}
        annotations = {**found.annotations, **body["metadata"].get("annotations", {})}
        data = {key: value for key, value in data.items() if value is not None}
        size = sum(len(base64.b64decode(value)) for value in data.values())
        assert size <= 1024 * 1024, "as the API server refuses it"
        self.secrets[name] = SimpleNamespace(
            data=data,
            immutable=None,
            metadata=SimpleNamespace(
                annotations={key: value for key, value in annotations.items() if value is not None},
                resource_version=str(next(self.numbers)),
                creation_timestamp=None,
            ),
        )


class Watching:
    """What a Watcher is while nothing happens: it knows its workload."""

    def __init__(self, _cluster, _objects, live, _progress):
        self.workload = live["kind"], live["metadata"]["name"]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


def removed(objects, live, _progress, **_arguments):
    """In place of `remove`, which waits until the object is gone."""
    objects.delete(live["kind"], live["metadata"]["name"])
