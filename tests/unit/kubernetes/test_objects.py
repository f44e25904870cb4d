# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import objects as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects, patiently
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.rights import RIGHTS, rules
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.secret import StoredSecret, copied_value
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Time passes only by sleeping, which takes none."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(subject.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(subject.time, "sleep", lambda seconds: setattr(clock, "now", clock.now + seconds))
    return clock


def failing(*errors):
    queue = list(errors)

    def request():
        if queue:
            raise queue.pop(0)
        return "answer"

    return request


TYPED = ApiException(status=500)
TYPED.body = '{"message": "failed to create typed patch object: .spec.x: field not declared in schema"}'


def test_an_api_server_that_is_away_for_a_while_is_waited_for():
    errors = [MaxRetryError(None, "/"), ApiException(status=503), ApiException(status=429), ApiException(status=500)]
    assert patiently(failing(*errors)) == "answer"


def test_patience_has_an_end(no_pauses):
    with pytest.raises(MaxRetryError):
        patiently(failing(*[MaxRetryError(None, "/")] * 1000))
    assert 50 < no_pauses.now <= 60


@pytest.mark.parametrize("error", [ApiException(status=404), ApiException(status=409), ApiException(status=422), TYPED])
def test_a_refusal_is_told_at_once(error, no_pauses):
    with pytest.raises(ApiException):
        patiently(failing(error))
    assert no_pauses.now == 0


class Api:
    def __init__(self, answer=None, error=None):
        self.calls, self._answer, self._error = [], answer, error

    def call_api(self, path, method, **arguments):
        self.calls.append((method, path, dict(arguments["query_params"]), arguments))
        if self._error is not None:
            raise self._error
        return self._answer


def objects(api):
    return Objects(SimpleNamespace(api=api, namespace="lab"))


def test_apply_is_server_side_forced_and_strict():
    api = Api({})
    definition = {"kind": "Deployment", "metadata": {"name": "web"}}
    objects(api).apply(definition, dry_run=True)
    method, path, query, arguments = api.calls[0]
    assert (method, path) == ("PATCH", "/apis/apps/v1/namespaces/lab/deployments/web")
    assert query == {"fieldManager": "hopsworks.airflow", "force": "true", "fieldValidation": "Strict", "dryRun": "All"}
    assert arguments["header_params"]["Content-Type"] == "application/apply-patch+yaml"
    assert arguments["body"] == definition


def test_other_changes_go_under_another_name_so_that_applying_leaves_them():
    api = Api({})
    objects(api).patch("Pod", "p", {"metadata": {}})
    assert api.calls[0][2] == {"fieldManager": "hopsworks.airflow.actions"}


def test_a_missing_object_is_none():
    assert objects(Api(error=ApiException(status=404))).read("Pod", "p") is None


@pytest.mark.parametrize("status", [404, 409])
def test_deleting_what_is_gone_or_another_by_now_is_no_error(status):
    api = Api(error=ApiException(status=status))
    objects(api).delete("Pod", "p", uid="1", propagation="Foreground", grace_seconds=0)
    body = api.calls[0][3]["body"]
    assert body["preconditions"] == {"uid": "1"}
    assert body["propagationPolicy"] == "Foreground"
    assert body["gracePeriodSeconds"] == 0


def test_a_watch_is_not_sent_again_and_has_a_dead_line_of_its_own():
    api = Api(error=ApiException(status=503))
    with pytest.raises(ApiException):
        objects(api).list("Pod", watch=True, timeout_seconds=30, _preload_content=False)
    assert len(api.calls) == 1
    assert api.calls[0][3]["_request_timeout"] == (10, 45)
    assert api.calls[0][3]["_preload_content"] is False


class Core:
    """One Secret `keys` with an entry, and a ConfigMap `settings`."""

    def __init__(self, *, immutable=False, conflict=False):
        self.immutable, self.conflict, self.sent = immutable, conflict, []

    def read_namespaced_secret(self, name, _namespace):
        if name != "keys":
            raise ApiException(status=404)
        data = {"theirs": base64.b64encode(b"1").decode(), "empty": ""}
        meta = SimpleNamespace(resource_version="7")
        return SimpleNamespace(data=data, immutable=self.immutable, metadata=meta)

    def read_namespaced_config_map(self, name, _namespace):
        if name != "settings":
            raise ApiException(status=404)
        return SimpleNamespace(data={"fernet": " value\n"})

    def patch_namespaced_secret(self, name, _namespace, body, **arguments):
        self.sent.append(("patch", name, body, arguments))
        if self.conflict:
            raise ApiException(status=409)

    def create_namespaced_secret(self, _namespace, body, **arguments):
        self.sent.append(("create", body["metadata"]["name"], body, arguments))
        if self.conflict:
            raise ApiException(status=409)


def cluster(core):
    def find(read, name):
        try:
            return read(name, "lab")
        except ApiException:
            return None

    def secret_entries(name):
        found = find(core.read_namespaced_secret, name)
        return found and {key: base64.b64decode(value) for key, value in found.data.items()}

    return SimpleNamespace(core=core, namespace="lab", find=find, secret_entries=secret_entries)


def test_only_the_given_entries_are_written_and_only_over_what_was_read():
    core = Core()
    secret = StoredSecret(cluster(core), "keys")
    assert secret.exists
    assert secret.entries["theirs"] == b"1"
    secret.write({"ours": b"2"})
    action, name, body, arguments = core.sent[0]
    assert (action, name) == ("patch", "keys")
    assert body["data"] == {"ours": base64.b64encode(b"2").decode()}
    assert body["metadata"]["resourceVersion"] == "7"
    assert arguments == {}


def test_a_secret_that_does_not_exist_is_created():
    core = Core()
    secret = StoredSecret(cluster(core), "new")
    assert not secret.exists
    secret.write({"ours": b"2"}, dry_run=True)
    assert core.sent[0][0] == "create"
    assert core.sent[0][3] == {"dry_run": "All"}


def test_nothing_to_write_writes_nothing():
    core = Core(immutable=True)
    StoredSecret(cluster(core), "keys").write({})
    assert core.sent == []


def test_an_immutable_secret_is_refused_before_it_is_tried():
    core = Core(immutable=True)
    with pytest.raises(OperatorError, match="immutable"):
        StoredSecret(cluster(core), "keys").write({"ours": b"2"})
    assert core.sent == []


@pytest.mark.parametrize("name", ["keys", "new"])
def test_a_change_by_somebody_else_in_between_is_told(name):
    secret = StoredSecret(cluster(Core(conflict=True)), name)
    with pytest.raises(OperatorError, match="somebody else"):
        secret.write({"ours": b"2"})


def test_values_are_copied_without_the_blanks_of_an_editor():
    assert copied_value(cluster(Core()), None, {"name": "settings", "key": "fernet"}) == b"value"
    assert copied_value(cluster(Core()), {"name": "keys", "key": "theirs"}, None) == b"1"


@pytest.mark.parametrize(
    ("secret", "config_map"),
    [
        ({"name": "keys", "key": "absent"}, None),
        ({"name": "keys", "key": "empty"}, None),
        ({"name": "absent", "key": "x"}, None),
        (None, {"name": "settings", "key": "absent"}),
        (None, {"name": "absent", "key": "x"}),
    ],
)
def test_a_source_that_is_not_there_is_refused(secret, config_map):
    with pytest.raises(OperatorError, match="has no entry"):
        copied_value(cluster(Core()), secret, config_map)


def test_rights_name_each_resource_once_and_as_a_role_would():
    names = [(right.group, right.resource) for right in RIGHTS]
    assert len(names) == len(set(names))
    in_namespace, cluster_wide = rules(), rules(cluster_wide=True)
    assert len(in_namespace) + len(cluster_wide) == len(RIGHTS)
    assert {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]} in cluster_wide
    # Whatever can be read and written by name is never listed: no look at other people's Secrets.
    secrets = next(rule for rule in in_namespace if rule["resources"] == ["secrets"])
    assert not {"list", "watch", "delete"} & set(secrets["verbs"])
