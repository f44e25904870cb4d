# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each request to the API server: repeated while the server is away, and only where that does no harm."""

from __future__ import annotations

import socket
import ssl

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError, ProtocolError, ProxyError, SSLError

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import retrying_client as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import (
    RETRY_SECONDS,
    RetryPolicy,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.secret import StoredSecret
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.unreachable import reason, unreachable
from ansible_collections.hopsworks.airflow.tests.unit.api_server import Clock

LEASES = "/apis/coordination.k8s.io/v1/namespaces/lab/leases"
SECRETS = "/api/v1/namespaces/lab/secrets"
MAPS = "/api/v1/namespaces/lab/configmaps"
AWAY = ["refuse", "lose", 429, 500, 502, 503, 504]
SECRET = {"metadata": {"name": "keys"}, "data": {"a": "QQ=="}}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(subject, "time", made)
    return made


@pytest.fixture
def cluster(server):
    return server.cluster()


def test_the_typed_clients_wait_as_well(server, cluster):
    server.store(f"{SECRETS}/keys", dict(SECRET), {})
    server.faults = list(AWAY)
    assert cluster.secret_entries("keys") == {"a": b"A"}
    assert len(server.requests) == len(AWAY) + 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_is_just_back_may_not_know_the_roles_yet(server, cluster, status):
    server.store(f"{SECRETS}/keys", dict(SECRET), {})
    server.faults = ["refuse", status, status]
    assert cluster.secret_entries("keys") == {"a": b"A"}


def test_a_server_that_goes_on_forbidding_is_believed(server, cluster, clock):
    server.faults = ["refuse", *[403] * 1000]
    with pytest.raises(ApiException, match="403"):
        cluster.secret_entries("keys")
    assert RETRY_SECONDS - 10 < clock.now <= RETRY_SECONDS


@pytest.mark.parametrize("status", [401, 403])
def test_however_long_a_server_was_away_it_may_not_know_the_roles_yet(server, cluster, clock, status):
    server.store(f"{SECRETS}/keys", dict(SECRET), {})
    server.away = "refuse"
    with pytest.raises(HTTPError):
        cluster.secret_entries("keys")
    clock.now += 600
    server.away = None
    server.faults = [status] * 5
    assert cluster.secret_entries("keys") == {"a": b"A"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_told_at_once(server, cluster, clock, status):
    server.faults = [status]
    with pytest.raises(ApiException):
        cluster.core.read_namespaced_secret("keys", "lab")
    assert (len(server.requests), clock.now) == (1, 0)


@pytest.mark.parametrize("fault", ["refuse", 503])
def test_patience_has_an_end(server, cluster, clock, fault):
    server.away = fault
    with pytest.raises((HTTPError, ApiException)):
        cluster.core.read_namespaced_secret("keys", "lab")
    assert RETRY_SECONDS - 10 < clock.now <= RETRY_SECONDS
    # Who asks next does not wait the same time once more.
    with pytest.raises((HTTPError, ApiException)):
        cluster.core.read_namespaced_secret("keys", "lab")
    assert clock.now <= RETRY_SECONDS


def test_a_server_that_answers_others_is_not_asked_for_ever(server, cluster, clock, monkeypatch):
    server.faulty = lambda _method, path: path.startswith(SECRETS)
    server.faults = [500] * 1000
    answered = Clock.sleep

    def sleep(self, seconds):
        answered(self, seconds)
        cluster.wait_of_others = cluster.core.list_namespaced_config_map("lab")

    monkeypatch.setattr(Clock, "sleep", sleep)
    with pytest.raises(ApiException):
        cluster.core.read_namespaced_secret("keys", "lab")
    assert RETRY_SECONDS - 10 < clock.now <= RETRY_SECONDS


def test_it_waits_as_long_as_the_server_says(server, cluster, clock):
    server.store(f"{SECRETS}/keys", dict(SECRET), {})
    server.faults, server.retry_after = [429, 503], "7"
    cluster.secret_entries("keys")
    assert clock.now == 14


def test_each_request_has_a_time_out_and_keeps_its_own(server, cluster, monkeypatch):
    given = []
    plain = cluster.api.rest_client.pool_manager.request
    monkeypatch.setattr(
        cluster.api.rest_client.pool_manager,
        "request",
        lambda *args, timeout, **named: given.append(timeout) or plain(*args, timeout=timeout, **named),
    )
    cluster.core.list_namespaced_secret("lab")
    cluster.core.list_namespaced_secret("lab", _request_timeout=(1, 2))
    Objects(cluster).list("Pod")
    assert [(entry.connect_timeout, entry.read_timeout) for entry in given] == [(10, 60), (1, 2), (10, 60)]


def test_a_server_that_hangs_is_given_up(server):
    server.away = "hang"
    with pytest.raises(HTTPError) as error:
        server.cluster(RetryPolicy(0.0, (1, 1))).core.list_namespaced_secret("lab")
    assert reason(error.value) == "no answer in time"


def test_what_streams_is_asked_for_once(server, cluster):
    server.faults = [503]
    with pytest.raises(ApiException):
        cluster.core.read_namespaced_pod_log("web", "lab", follow=True, _preload_content=False)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", AWAY)
def test_a_write_with_a_version_is_stored_once(server, cluster, fault):
    server.store(f"{SECRETS}/keys", dict(SECRET), {})
    stored = StoredSecret(cluster, "keys")
    server.faults = [fault]
    stored.write({"b": b"B"})
    assert server.objects[f"{SECRETS}/keys"]["data"] == {"a": "QQ==", "b": "Qg=="}
    assert server.objects[f"{SECRETS}/keys"]["metadata"]["resourceVersion"] == "2"


@pytest.mark.parametrize("fault", ["refuse", 503])
def test_the_change_of_another_is_not_taken_for_the_own(server, cluster, fault):
    server.store(f"{MAPS}/record", {"metadata": {"name": "record"}, "data": {"a": "1"}}, {})
    version = server.objects[f"{MAPS}/record"]["metadata"]["resourceVersion"]

    def faulty(_method, _path):
        item = server.objects[f"{MAPS}/record"]
        server.store(f"{MAPS}/record", {**item, "data": {"a": "2", "b": "another's"}}, {})
        return True

    server.faulty, server.faults = faulty, [fault]
    body = {"metadata": {"name": "record", "resourceVersion": version}, "data": {"a": "2"}}
    with pytest.raises(ApiException, match="409"):
        cluster.core.replace_namespaced_config_map("record", "lab", body)
    assert server.objects[f"{MAPS}/record"]["data"] == {"a": "2", "b": "another's"}


@pytest.mark.parametrize("fault", AWAY)
def test_a_replacement_whose_answer_is_lost_has_its_answer(server, cluster, fault):
    server.store(f"{MAPS}/record", {"metadata": {"name": "record"}, "data": {"a": "1"}}, {})
    server.faults = [fault]
    body = {"metadata": {"name": "record", "resourceVersion": "1"}, "data": {"a": "2"}}
    assert cluster.core.replace_namespaced_config_map("record", "lab", body).metadata.resource_version == "2"


@pytest.mark.parametrize("fault", AWAY)
def test_an_object_is_created_once(server, cluster, fault):
    server.faults = [fault]
    assert cluster.core.create_namespaced_config_map("lab", {"metadata": {"name": "m"}, "data": {"a": "1"}}).data
    assert len([path for path in server.objects if path.startswith(MAPS)]) == 1


@pytest.mark.parametrize("fault", ["refuse", 503])
def test_an_object_of_another_is_not_taken_for_the_own(server, cluster, fault):
    server.store(f"{LEASES}/lock", {"metadata": {"name": "lock"}, "spec": {"holderIdentity": "bob"}}, {})
    server.faults = [fault]
    with pytest.raises(ApiException, match="409"):
        cluster.coordination.create_namespaced_lease(
            "lab", {"metadata": {"name": "lock"}, "spec": {"holderIdentity": "alice"}}
        )


@pytest.mark.parametrize(("fault", "attempts"), [("lose", 1), (503, 1), (429, 2)])
def test_what_gets_its_name_from_the_server_is_not_created_twice(server, cluster, fault, attempts):
    server.faults = [fault, 422]
    with pytest.raises((ApiException, HTTPError)):
        cluster.core.create_namespaced_pod("lab", {"metadata": {"generateName": "x-"}, "spec": {"containers": []}})
    assert len(server.requests) == attempts


@pytest.mark.parametrize("fault", AWAY)
@pytest.mark.parametrize("precondition", [{}, {"uid": "1"}, {"resourceVersion": "1"}])
def test_a_deletion_whose_answer_is_lost_is_done(server, cluster, fault, precondition):
    server.store(f"{LEASES}/lock", {"metadata": {"name": "lock", "uid": "1"}}, {})
    server.faults = [fault]
    body = {"preconditions": precondition}
    assert cluster.coordination.delete_namespaced_lease("lock", "lab", body=body).status == "Success"
    assert not server.objects


@pytest.mark.parametrize("precondition", [{"uid": "1"}, {"resourceVersion": "1"}])
def test_the_next_object_of_that_name_is_not_deleted(server, cluster, precondition):
    server.store(f"{LEASES}/lock", {"metadata": {"name": "lock", "uid": "1"}}, {})
    server.faults = ["lose"]

    def deleted(method, _path):
        return method == "DELETE"

    server.faulty = deleted
    perform = server.perform

    def and_made_again(method, path, query, body):
        answer = perform(method, path, query, body)
        if method == "DELETE" and answer[0] == 200:
            server.store(path, {"metadata": {"name": "lock", "uid": "2"}, "spec": {"holderIdentity": "bob"}}, {})
        return answer

    server.perform = and_made_again
    body = {"preconditions": precondition}
    if "uid" in precondition:
        assert cluster.coordination.delete_namespaced_lease("lock", "lab", body=body).status == "Success"
    else:
        # Whether it was deleted, or changed by another, nobody can tell.
        with pytest.raises(ApiException, match="409"):
            cluster.coordination.delete_namespaced_lease("lock", "lab", body=body)
    assert server.objects[f"{LEASES}/lock"]["metadata"]["uid"] == "2"


@pytest.mark.parametrize("fault", AWAY)
def test_reviews_and_dry_runs_store_nothing_and_are_repeated(server, cluster, fault):
    server.faults = [fault]
    assert cluster.authorization.create_self_subject_access_review({"spec": {}}).status.allowed
    server.faults = [fault]
    definition = {"kind": "Pod", "metadata": {"generateName": "x-", "name": "x"}}
    assert Objects(cluster).create(definition, dry_run=True)["kind"] == "Pod"
    assert not server.objects


def test_a_json_patch_is_not_sent_twice(server, cluster):
    server.faults = [503]
    with pytest.raises(ApiException):
        cluster.core.patch_namespaced_secret("keys", "lab", [{"op": "add", "path": "/data/x", "value": "QQ=="}])
    assert len(server.requests) == 1


def test_nothing_is_written_while_it_is_not_allowed(server):
    def forbid():
        raise AssertionError("asked")

    cluster = server.cluster(RetryPolicy(allow=forbid))
    cluster.core.list_namespaced_secret("lab")
    with pytest.raises(AssertionError, match="asked"):
        cluster.core.create_namespaced_secret("lab", dict(SECRET))
    assert server.writes() == []


def raised(outer, inner):
    try:
        raise outer from inner
    except Exception as error:  # noqa: BLE001  whatever was given
        return error


CERTIFICATE = SSLError(ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"))
CUT_OFF = SSLError(ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"))
NAME = raised(HTTPError("x"), socket.gaierror(-2, "Name or service not known"))
PROXY = ProxyError("Unable to connect to proxy", ConnectionRefusedError(111, "Connection refused"))
GATEWAY = ProxyError("Unable to connect to proxy", OSError("Tunnel connection failed: 503 Service Unavailable"))
NOT_AUTHENTICATED = ProxyError("Unable to connect to proxy", OSError("Tunnel connection failed: 407 Auth Required"))
RESET = ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))


@pytest.mark.parametrize(
    ("error", "words", "seconds"),
    [
        (CERTIFICATE, "self-signed certificate", 0),
        (CUT_OFF, "EOF occurred", 60),
        (NAME, "its name does not resolve", 5),
        (PROXY, "the proxy", 0),
        (NOT_AUTHENTICATED, "407", 0),
        (GATEWAY, "503", 60),
        (RESET, "Connection reset", 60),
    ],
    ids=["certificate", "TLS cut off", "name", "proxy", "proxy wants a password", "proxy says 503", "reset"],
)
@pytest.mark.parametrize("reached", [False, True])
def test_what_never_passes_is_told_at_once_unless_the_server_has_answered_before(
    server, clock, monkeypatch, error, words, seconds, reached
):
    cluster = server.cluster(RetryPolicy(reached=reached))

    def fail(*_args, **_named):
        raise error

    monkeypatch.setattr(cluster.api.rest_client.pool_manager, "request", fail)
    with pytest.raises((HTTPError, ApiException)) as failure:
        cluster.core.list_namespaced_secret("lab")
    expected = RETRY_SECONDS if reached else seconds
    assert expected - 6 < clock.now <= expected
    told = unreachable(failure.value, server.host)
    assert words in told.found
    assert server.host in told.found
    assert told.next_step
