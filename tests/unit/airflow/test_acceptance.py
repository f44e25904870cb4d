# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import acceptance
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.acceptance import (
    Answer,
    Question,
    ask,
    ask_each,
    check,
    question,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.rest import AirflowApi
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.modules import key_acceptance
from ansible_collections.hopsworks.airflow.tests.unit.airflow.fake import BASE
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import pod_of, ready

AUDIENCE = "urn:airflow.apache.org:task"


@pytest.fixture
def asked(keys):
    signers = dict(zip(("api-server", "scheduler", "scheduler-next"), keys, strict=True))
    return lambda *expected: Question(signers, frozenset(expected), AUDIENCE)


def trust(airflow, keys):
    airflow.trusted = {key.kid: key.private.public_key() for key in keys}


def test_a_pod_that_started_with_both_generations_accepts_both(airflow, keys, asked):
    trust(airflow, keys)
    answer = ask(airflow.api(), "pod-1", asked())
    assert answer.accepted == ["kid-0", "kid-1", "kid-2"]
    assert answer.refused == []
    assert answer.forged == {"unknown_kid": 403, "wrong_signature": 403}
    check([answer], asked("kid-0", "kid-1", "kid-2"))


def test_a_pod_that_started_earlier_is_named_with_what_it_refuses(airflow, keys, asked):
    trust(airflow, keys[:2])
    answer = ask(airflow.api(), "pod-1", asked())
    check([answer], asked("kid-0", "kid-1"))
    with pytest.raises(OperatorError, match=r"Found: pod-1 refuses tokens of scheduler-next \(kid kid-2\)\n") as raised:
        check([answer], asked("kid-0", "kid-1", "kid-2"))
    assert "nothing else" in raised.value.expected


def test_a_pod_that_still_trusts_what_it_must_not(airflow, keys, asked):
    trust(airflow, keys)
    with pytest.raises(OperatorError, match="pod-1 accepts tokens of scheduler-next"):
        check([ask(airflow.api(), "pod-1", asked())], asked("kid-0", "kid-1"))


def test_one_of_several_pods_is_enough_to_fail(airflow, keys, asked):
    trust(airflow, keys)
    new = ask(airflow.api(), "new", asked())
    trust(airflow, keys[:2])
    old = ask(airflow.api(), "old", asked())
    with pytest.raises(OperatorError, match="Found: old refuses"):
        check([new, old], asked("kid-0", "kid-1", "kid-2"))


def test_a_server_that_accepts_everything_is_found(airflow, asked, monkeypatch):
    monkeypatch.setattr(airflow, "route", lambda *_arguments: (200, {"version": "3.0.6"}, []))
    answer = ask(airflow.api(), "pod-1", asked())
    with pytest.raises(OperatorError, match="accepts a forged token"):
        check([answer], asked("kid-0", "kid-1", "kid-2"))


def test_a_pod_that_trusts_nothing_at_all(airflow, asked):
    airflow.trusted.clear()
    answer = ask(airflow.api(), "pod-1", asked())
    assert (answer.accepted, answer.forged) == ([], {})
    with pytest.raises(OperatorError, match="pod-1 refuses"):
        check([answer], asked("kid-0"))


def test_something_else_than_airflow_is_no_refusal(airflow, asked):
    elsewhere = AirflowApi(airflow.url + "/elsewhere")
    with pytest.raises(OperatorError, match="pod-1 answered 404"):
        ask(elsewhere, "pod-1", asked())


def test_an_error_of_the_server_is_no_refusal(airflow, asked, monkeypatch):
    usual = airflow.route
    monkeypatch.setattr(
        airflow, "route", lambda path, *rest: (500, {}, []) if "execution" in path else usual(path, *rest)
    )
    with pytest.raises(OperatorError, match="pod-1 answered 500"):
        ask(airflow.api(), "pod-1", asked())


def test_a_tunnel_that_breaks_is_tried_again_some_times(asked, monkeypatch):
    monkeypatch.setattr(acceptance, "RETRY_SECONDS", 0)
    tries = []

    class Broken:
        def send(self, *_arguments, **_options):
            tries.append(1)
            raise OperatorError("no answer", expected="", untouched="", next_step="")

    with pytest.raises(OperatorError, match="no answer"):
        ask(Broken(), "pod-1", asked())
    assert len(tries) == acceptance.ATTEMPTS


@pytest.fixture
def entries(keys, monkeypatch):
    monkeypatch.setattr(pair, "KEY_BITS", 2048)
    pems = [pair.private_pem(key.private) for key in keys]
    return {
        "api-server-private.pem": pems[0],
        "api-server.kid": b"kid-0",
        "scheduler-private.pem": pems[1],
        "scheduler.kid": b"kid-1",
        "jwks.json": json.dumps({"keys": [{"kid": "kid-0"}, {"kid": "kid-1"}, {"kid": "of-before"}]}).encode(),
        "internal-shared-secret": b"CANARY",
    }


def asking(entries, *, signers=("api-server", "scheduler"), expected=None):
    return question(entries, "keys", signers=signers, expected=expected, audience=AUDIENCE, issuer=None)


def test_the_secret_says_what_must_be_accepted(entries):
    found = asking(entries)
    assert {signer: key.kid for signer, key in found.keys.items()} == {"api-server": "kid-0", "scheduler": "kid-1"}
    assert found.expected == {"kid-0", "kid-1", "of-before"}


def test_keys_of_before_have_no_private_half_to_ask_with_and_that_is_no_failure(airflow, keys, entries):
    trust(airflow, keys[:2])
    found = asking(entries)
    check([ask(airflow.api(), "pod-1", found)], found)


def test_a_kid_that_was_asked_for_and_cannot_be_proven_is_refused(entries):
    with pytest.raises(OperatorError, match="no private key of kid of-before"):
        asking(entries, expected=["kid-0", "of-before"])


@pytest.mark.parametrize("document", [None, b"", b"CANARY", b"[]", b'{"keys": [{}]}'])
def test_a_secret_without_a_key_set_is_refused(entries, document):
    entries.pop("jwks.json")
    if document is not None:
        entries["jwks.json"] = document
    with pytest.raises(OperatorError, match=r"no entry jwks\.json") as raised:
        asking(entries)
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize("missing", ["api-server", "scheduler"])
def test_a_secret_without_the_key_of_a_signer_is_refused(entries, missing):
    del entries[f"{missing}-private.pem"]
    with pytest.raises(OperatorError, match=rf"Secret keys has no entry {missing}-private\.pem"):
        asking(entries)


def test_next_keys_are_asked_about_where_they_are_published(entries, keys):
    entries["scheduler-next-private.pem"] = pair.private_pem(keys[2].private)
    assert list(asking(entries).keys) == ["api-server", "scheduler", "scheduler-next"]
    entries["scheduler-next-private.pem"] = b"\n"
    assert list(asking(entries).keys) == ["api-server", "scheduler"]


@pytest.mark.parametrize("content", ["another", b"", b"not a key", b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n"])
@pytest.mark.parametrize("name", ["webhook-private.pem", "webhook-next-private.pem"])
def test_private_keys_of_others_in_the_secret_are_none_of_ours(entries, keys, name, content):
    entries[name] = pair.private_pem(keys[2].private) if content == "another" else content
    assert list(asking(entries).keys) == ["api-server", "scheduler"]


def test_signers_whose_entries_are_the_same_are_refused(entries):
    with pytest.raises(OperatorError, match="the next key of signer scheduler has the entry of signer scheduler-next"):
        asking(entries, signers=["scheduler", "scheduler-next"])


class Pods:
    """Pods of an api-server: `lists` one after the other, the last one for ever. `gone` end while they are asked."""

    def __init__(self, *lists, gone=()):
        self.lists, self.gone, self.asked = list(lists), set(gone), []

    def serving(self):
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]

    def ask(self, pod):
        self.asked.append(pod)
        if pod in self.gone:
            raise OperatorError(f"{pod} got no answer", expected="", untouched="", next_step="")
        return Answer(pod)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(acceptance, "RETRY_SECONDS", 0)


def names(answers):
    return [answer.pod for answer in answers]


def test_a_pod_that_ends_while_it_is_asked_is_none_any_more():
    pods = Pods(["a", "b"], ["b", "c"], gone={"a"})
    assert names(ask_each(pods.serving, pods.ask)) == ["b", "c"]
    assert pods.asked == ["a", "b", "c"]


def test_a_pod_that_answered_and_ended_is_not_judged_and_one_that_came_is():
    pods = Pods(["a", "b"], ["b", "c"])
    assert names(ask_each(pods.serving, pods.ask)) == ["b", "c"]


def test_a_pod_that_serves_and_does_not_answer_fails():
    pods = Pods(["a", "b"], gone={"b"})
    with pytest.raises(OperatorError, match="b got no answer"):
        ask_each(pods.serving, pods.ask)


def test_pods_that_never_stay_are_told():
    numbers = iter(range(1000))
    with pytest.raises(OperatorError, match="changed each time"):
        ask_each(lambda: [f"pod-{next(numbers)}"], Answer)


@pytest.fixture
def namespace(entries):
    """An API server with the Secret and the api-server's Deployment; `serve` says which of its pods are ready."""
    server, name = ApiServer(), key_acceptance.ACTION.argument_spec["workload"]["default"]
    core = "/api/v1/namespaces/lab"
    server.objects[f"{core}/secrets/keys"] = {
        "metadata": {"name": "keys"},
        "data": {key: base64.b64encode(value).decode() for key, value in entries.items()},
    }
    server.objects[f"/apis/apps/v1/namespaces/lab/deployments/{name}"] = {
        "metadata": {"name": name, "uid": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}},
    }

    def serve(*pods):
        for path in [path for path in server.objects if path.startswith(f"{core}/pods/")]:
            del server.objects[path]
        for pod in pods:
            server.objects[f"{core}/pods/{pod}"] = pod_of(f"{name}-1", pod, uid="set", status=ready())

    yield SimpleNamespace(cluster=server.cluster(), serve=serve)
    server.stop()


def test_the_proof_is_of_the_pods_that_serve_at_its_end(airflow, keys, namespace, monkeypatch):
    """A pod that ends while it is asked doesn't stop a rotation, and the one in its place is asked as well."""
    trust(airflow, keys[:2])
    namespace.serve("ends", "stays")

    def tunnel(_cluster, _namespace, pod, _port):
        airflow.in_front = [None] * 1000 if pod == "ends" else []
        if pod == "ends":
            namespace.serve("stays", "new")
        address = urlsplit(airflow.url)
        return SimpleNamespace(address=(address.hostname, address.port), close=lambda: None)

    monkeypatch.setattr(key_acceptance, "Tunnel", tunnel)
    options = {name: entry.get("default") for name, entry in key_acceptance.ACTION.argument_spec.items()}
    told = []

    result = key_acceptance.act(
        Call({**options, "secret": "keys", "path": BASE}, False, namespace.cluster, told.append, told.append)
    )

    assert [pod["name"] for pod in result["pods"]] == ["stays", "new"]
    assert [pod["accepted"] for pod in result["pods"]] == [["kid-0", "kid-1"]] * 2
    assert result["keys"] == {"api-server": "kid-0", "scheduler": "kid-1"}
