# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An API server that holds one Secret, and has a clock of its own."""

from __future__ import annotations

import base64
import datetime
import email.utils
from types import SimpleNamespace

from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.modules import signing_keys, signing_keys_info

NAME = "hopsworks-airflow-keys"
SIGNERS = ("api-server", "scheduler")


class KilledError(Exception):
    """The run ends here, at a request that writes."""


class Server:
    def __init__(self, entries=None, annotations=None):
        self.now = self.created = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)
        self.entries, self.annotations = entries, dict(annotations or {})
        self.version, self.immutable = 1, False
        self.labels, self.owners = {}, []
        self.requests, self.said, self.warned = [], [], []
        # What happens at the next request that writes: a function, called before it is carried out.
        self.at_write = lambda: None
        # What happens after it was carried out, before it is answered.
        self.after_write = lambda: None

    def pass_time(self, seconds):
        self.now += datetime.timedelta(seconds=seconds)

    def keys(self, *, check_mode=False, **options):
        """The result of `signing_keys`."""
        params = {"secret": NAME, "signers": list(SIGNERS), "state": "present", "minimum_age": 0}
        params |= {
            "rotation": None,
            "retire_after": None,
            "token_life": None,
            "wait": False,
            "managed_by_others": "refuse",
        }
        params |= {"workloads": [], **options}
        return signing_keys.act(self._call(params, check_mode))

    def info(self, **options):
        """The result of `signing_keys_info`."""
        return signing_keys_info.act(
            self._call(
                {"secret": NAME, "signers": list(SIGNERS), "minimum_age": 0, "workloads": [], **options},
                check_mode=False,
            )
        )

    def _call(self, params, check_mode):
        cluster = SimpleNamespace(core=self, namespace="lab")
        return Call(params, check_mode, cluster, self.said.append, self.warned.append)

    def read_namespaced_secret_with_http_info(self, name, namespace):
        headers = {"Date": email.utils.format_datetime(self.now, usegmt=True)}
        if name != NAME or self.entries is None:
            missing = ApiException(status=404)
            missing.headers = headers
            raise missing
        meta = SimpleNamespace(
            resource_version=str(self.version),
            annotations=dict(self.annotations) or None,
            labels=self.labels,
            owner_references=[SimpleNamespace(**owner) for owner in self.owners],
            creation_timestamp=self.created,
        )
        data = {key: base64.b64encode(value).decode() for key, value in self.entries.items()}
        return SimpleNamespace(data=data, immutable=self.immutable, metadata=meta), 200, headers

    def create_namespaced_secret(self, namespace, body, dry_run=None):
        self._write(body, dry_run, exists=False)

    def patch_namespaced_secret(self, name, namespace, body, dry_run=None):
        self._write(body, dry_run, exists=True)

    def _write(self, body, dry_run, *, exists):
        self.requests.append((body, dry_run))
        if dry_run:
            return
        self.at_write()
        if exists and body["metadata"]["resourceVersion"] != str(self.version):
            raise ApiException(status=409)
        self.version += 1
        self.entries = self.entries or {}
        data = {key: value and base64.b64decode(value) for key, value in body.get("data", {}).items()}
        merge(self.entries, data)
        merge(self.annotations, body["metadata"].get("annotations", {}))
        self.after_write()


def merge(target, patch):
    """A JSON merge patch (RFC 7386) of a flat object."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value
