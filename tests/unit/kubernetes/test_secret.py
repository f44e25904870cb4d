# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.secret import StoredSecret, copied_value
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.troubles import why
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.writing import refused
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import from_api

DATE = {"Date": "Sun, 22 Nov 2026 19:30:00 GMT"}
CREATED = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)


def refusal(status, message=None):
    error = ApiException(status=status)
    error.headers = DATE
    error.body = f'{{"message": "{message}"}}' if message else None
    return error


class Core:
    """One Secret `keys` with an entry, and a ConfigMap `settings`."""

    def __init__(self, *, immutable=False, reading=None, writing=None, headers=None):
        self.immutable, self.reading, self.writing, self.sent = immutable, reading, writing, []
        self.headers = DATE if headers is None else headers

    def read_namespaced_secret_with_http_info(self, name, _namespace):
        if self.reading is not None:
            raise self.reading
        if name != "keys":
            raise refusal(404)
        data = {"theirs": base64.b64encode(b"1").decode(), "empty": ""}
        meta = SimpleNamespace(resource_version="7", annotations={"kept": "a"}, creation_timestamp=CREATED)
        return SimpleNamespace(data=data, immutable=self.immutable, metadata=meta), 200, self.headers

    def read_namespaced_config_map(self, name, _namespace):
        if name != "settings":
            raise refusal(404)
        return SimpleNamespace(data={"fernet": " value\n"})

    def patch_namespaced_secret(self, name, _namespace, body, **arguments):
        self._write("patch", name, body, arguments)

    def create_namespaced_secret(self, _namespace, body, **arguments):
        self._write("create", body["metadata"]["name"], body, arguments)

    def _write(self, *request):
        self.sent.append(request)
        if self.writing is not None:
            raise self.writing


def cluster(core):
    def find(read, name):
        try:
            return read(name, "lab")
        except ApiException:
            return None

    def secret_entries(name):
        found = find(core.read_namespaced_secret_with_http_info, name)
        return found and {key: base64.b64decode(value) for key, value in found[0].data.items()}

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
    assert body["metadata"] == {"name": "keys", "namespace": "lab", "resourceVersion": "7"}
    assert arguments == {}


def test_entries_and_annotations_are_set_and_removed_in_one_request():
    core = Core()
    secret = StoredSecret(cluster(core), "keys")
    assert secret.annotations == {"kept": "a"}
    secret.write({"ours": b"2"}, remove=["theirs", "gone already"], annotations={"kept": None, "state": "published"})
    [(_action, _name, body, _arguments)] = core.sent
    assert body["data"] == {"ours": base64.b64encode(b"2").decode(), "theirs": None}
    assert body["metadata"]["annotations"] == {"kept": None, "state": "published"}
    assert body["metadata"]["resourceVersion"] == "7"


def test_an_annotation_alone_leaves_the_entries_out():
    core = Core()
    StoredSecret(cluster(core), "keys").write({}, annotations={"state": "steady"})
    assert "data" not in core.sent[0][2]


def test_a_secret_that_does_not_exist_is_created():
    core = Core()
    secret = StoredSecret(cluster(core), "new")
    assert not secret.exists
    assert secret.created is None
    assert secret.write({"ours": b"2"}, dry_run=True) is None
    assert core.sent[0][0] == "create"
    assert "resourceVersion" not in core.sent[0][2]["metadata"]
    assert core.sent[0][3] == {"dry_run": "All"}


@pytest.mark.parametrize("name", ["keys", "new"])
def test_a_webhook_that_answers_no_dry_run_forbids_no_secret(name):
    message = "admission webhook 'audit' does not support dry run"
    core = Core(writing=refusal(400, message))
    told = StoredSecret(cluster(core), name).write({"ours": b"2"}, dry_run=True)
    assert told == f"Secret {name}: {message}; whether it can be written is only known when it is written"
    with pytest.raises(ApiException):
        StoredSecret(cluster(core), name).write({"ours": b"2"})


@pytest.mark.parametrize(
    "arguments", [{}, {"remove": ["gone already"]}, {"annotations": {"kept": "a"}}, {"annotations": {"gone": None}}]
)
def test_nothing_to_write_writes_nothing(arguments):
    core = Core(immutable=True)
    StoredSecret(cluster(core), "keys").write({}, **arguments)
    assert core.sent == []


@pytest.mark.parametrize(
    "arguments",
    [{"entries": {"theirs": b"2"}}, {"remove": ["theirs"]}, {"remove": ["theirs"], "annotations": {"state": "steady"}}],
)
def test_an_immutable_secret_is_refused_before_it_is_tried(arguments):
    core = Core(immutable=True)
    with pytest.raises(OperatorError, match="immutable"):
        StoredSecret(cluster(core), "keys").write(**{"entries": {}, **arguments})
    assert core.sent == []


def test_annotations_of_an_immutable_secret_can_be_changed():
    """ValidateSecretUpdate compares the entries only."""
    core = Core(immutable=True)
    StoredSecret(cluster(core), "keys").write({}, annotations={"state": "steady"})
    assert [body["metadata"]["annotations"] for _action, _name, body, _rest in core.sent] == [{"state": "steady"}]


@pytest.mark.parametrize("name", ["keys", "new"])
def test_a_change_by_somebody_else_in_between_is_told(name):
    secret = StoredSecret(cluster(Core(writing=refusal(409))), name)
    with pytest.raises(OperatorError, match="by another client"):
        secret.write({"ours": b"2"})


@pytest.mark.parametrize(("name", "verb"), [("keys", "patch"), ("new", "create")])
def test_a_missing_right_to_write_is_named(name, verb):
    secret = StoredSecret(cluster(Core(writing=refusal(403, "denied by policy"))), name)
    with pytest.raises(OperatorError, match=f"may not {verb} Secret {name} in namespace lab") as refused:
        secret.write({"ours": b"CANARY"})
    assert f"verb {verb} on secrets" in refused.value.expected
    assert refused.value.evidence == ("denied by policy",)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize("status", [400, 403, 422, 500])
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_a_policy_quotes_of_a_secret_is_not_shown(status, dry_run):
    """A webhook that refuses it says why in any words."""
    content = "CANARY-1\nCANARY-2\n"
    coded = base64.b64encode(content.encode()).decode()
    # As a policy has it that looks at a part of it.
    other = base64.b64encode(b"CANARY-2").decode().rstrip("=")
    text = f"policy: key ours may not be {coded} (CANARY-1\\nCANARY-2, {other}); token=CANARY-3;"
    text += " does not support dry run"
    secret = StoredSecret(cluster(Core(writing=refusal(status, text))), "keys")
    try:
        told = str(secret.write({"ours": content.encode()}, dry_run=dry_run))
    except OperatorError as error:
        told = str(error)
    except ApiException as error:
        told = f"{from_api(error)} {why(error)} {refused(error, '') if status in (400, 422) else ''}"
    assert "policy: key ours may not be" in told
    assert "CANARY" not in told
    assert coded not in told
    assert other not in told


def test_a_full_quota_is_no_missing_right():
    text = "secrets new is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=20, limited: secrets=20"
    secret = StoredSecret(cluster(Core(writing=refusal(403, text))), "new")
    with pytest.raises(OperatorError, match="a quota of namespace lab has no room for Secret new") as refused:
        secret.write({"ours": b"CANARY"}, dry_run=True)
    assert "Role" not in refused.value.next_step
    assert "quota raised" in refused.value.next_step
    assert refused.value.evidence == (text,)


def test_a_missing_right_to_read_is_named():
    with pytest.raises(OperatorError, match="may not get Secret keys") as refused:
        StoredSecret(cluster(Core(reading=refusal(403))), "keys")
    assert refused.value.evidence == ()


def test_other_answers_are_left_to_whoever_tells_them():
    with pytest.raises(ApiException):
        StoredSecret(cluster(Core(reading=refusal(500))), "keys")
    with pytest.raises(ApiException):
        StoredSecret(cluster(Core(writing=refusal(422))), "keys").write({"ours": b"2"})


@pytest.mark.parametrize("name", ["keys", "new"])
def test_the_time_is_that_of_the_api_server(name):
    secret = StoredSecret(cluster(Core()), name)
    assert secret.read_at == datetime.datetime(2026, 11, 22, 19, 30, tzinfo=datetime.UTC)
    assert secret.created == (CREATED if name == "keys" else None)


def test_without_the_servers_time_none_is_made_up():
    secret = StoredSecret(cluster(Core(headers={})), "keys")
    with pytest.raises(OperatorError, match="Date"):
        _now = secret.read_at


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
