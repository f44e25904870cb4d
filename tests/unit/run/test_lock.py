# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run at a time: who gets the lock, who is refused, who succeeds whom."""

from __future__ import annotations

import datetime
import email.utils
import os
import pathlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.processes import (
    controller_process,
    process_is_gone,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryPolicy
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import lock as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import DURATION_SECONDS, Lock
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer

ROOT = pathlib.Path(__file__).resolve().parents[3]
ELSEWHERE = "another-machine/boot/4711/1"


class Coordination:
    """Leases of one namespace, with versions as the API server keeps them, and a clock of its own."""

    def __init__(self):
        self.lease = None
        self.clock = datetime.datetime(2026, 11, 22, 3, 0, 0, tzinfo=datetime.UTC)
        self.version = 0
        self.writes = 0
        self.before_write = None
        self.times = {}

    def pass_time(self, seconds):
        self.clock += datetime.timedelta(seconds=seconds)

    def read_namespaced_lease_with_http_info(self, _name, _namespace):
        if self.lease is None:
            raise ApiException(status=404)
        headers = {"Date": email.utils.format_datetime(self.clock, usegmt=True)}
        return SimpleNamespace(**vars(self.lease)), 200, headers

    def create_namespaced_lease(self, _namespace, body):
        self._written()
        if self.lease is not None:
            raise ApiException(status=409)
        self._store(body)

    def replace_namespaced_lease(self, _name, _namespace, body):
        self._checked(body)
        self._store(body)

    def patch_namespaced_lease(self, _name, _namespace, body):
        self._checked(body)
        self.times.update(body["spec"])
        self._stamp()

    def delete_namespaced_lease(self, _name, _namespace, body):
        self._checked({"metadata": body["preconditions"]})
        self.lease = None

    def _written(self):
        self.writes += 1
        if self.before_write is not None:
            action, self.before_write = self.before_write, None
            action()

    def _checked(self, body):
        self._written()
        if self.lease is None:
            raise ApiException(status=404)
        if body["metadata"]["resourceVersion"] != self.lease.metadata.resource_version:
            raise ApiException(status=409)

    def _store(self, body):
        self.times = {name: body["spec"][name] for name in ("acquireTime", "renewTime")}
        self.lease = SimpleNamespace(
            metadata=SimpleNamespace(annotations=body["metadata"]["annotations"]),
            spec=SimpleNamespace(
                holder_identity=body["spec"]["holderIdentity"],
                lease_duration_seconds=body["spec"]["leaseDurationSeconds"],
                renew_time=datetime.datetime.now(datetime.UTC),
            ),
        )
        self._stamp()

    def _stamp(self):
        self.version += 1
        self.lease.metadata.resource_version = str(self.version)
        self.lease.metadata.managed_fields = [SimpleNamespace(time=self.clock)]


@pytest.fixture(autouse=True)
def no_grace(monkeypatch):
    monkeypatch.setattr(subject, "ORPHAN_GRACE_SECONDS", 0)


@pytest.fixture
def server():
    return Coordination()


@pytest.fixture
def lock(server):
    def find(read, name):
        try:
            return read(name, "lab")
        except ApiException:
            return None

    return Lock(SimpleNamespace(coordination=server, namespace="lab", find=find), "airflow-runbook")


def holder(server):
    return server.lease and server.lease.spec.holder_identity


def test_a_free_lock_is_taken(lock, server):
    assert lock.acquire("alice", ELSEWHERE) is None
    assert holder(server) == "alice"


def test_the_holder_may_take_it_again(lock):
    lock.acquire("alice", ELSEWHERE)
    assert lock.acquire("alice", ELSEWHERE) is None
    assert lock.acquire("alice", ELSEWHERE, check_mode=True) is None


def test_a_second_run_is_refused_with_name_and_age(lock, server):
    lock.acquire("alice", ELSEWHERE)
    server.pass_time(20)
    with pytest.raises(OperatorError) as refusal:
        lock.acquire("bob", ELSEWHERE)
    assert "alice" in refusal.value.found
    assert "20 s ago" in refusal.value.found
    assert f"in {DURATION_SECONDS - 20} s" in refusal.value.next_step
    assert holder(server) == "alice"


def test_it_expires_unless_it_is_renewed(lock, server):
    lock.acquire("alice", ELSEWHERE)
    server.pass_time(DURATION_SECONDS - 1)
    lock.renew("alice")
    server.pass_time(DURATION_SECONDS - 1)
    with pytest.raises(OperatorError):
        lock.acquire("bob", ELSEWHERE)
    server.pass_time(1)
    assert lock.acquire("bob", ELSEWHERE) == "alice"
    assert holder(server) == "bob"


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_a_clock_that_goes_wrong_here_changes_nothing(lock, server, skew):
    """Both machines' clocks may be wrong: only the API server's counts."""
    lock.acquire("alice", ELSEWHERE)
    server.lease.spec.renew_time += datetime.timedelta(seconds=skew)
    server.pass_time(DURATION_SECONDS - 1)
    with pytest.raises(OperatorError):
        lock.acquire("bob", ELSEWHERE)
    server.pass_time(1)
    assert lock.acquire("bob", ELSEWHERE) == "alice"


def test_without_times_of_the_server_the_own_clock_counts(lock, server):
    lock.acquire("alice", ELSEWHERE)
    server.lease.metadata.managed_fields = None
    with pytest.raises(OperatorError):
        lock.acquire("bob", ELSEWHERE)
    server.lease.spec.renew_time -= datetime.timedelta(seconds=DURATION_SECONDS)
    assert lock.acquire("bob", ELSEWHERE) == "alice"


@pytest.fixture
def ended():
    """The name of a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = controller_process(process.pid)
    assert not process_is_gone(name)
    process.communicate(b"\n")
    return name


def test_a_run_that_died_on_this_machine_is_succeeded_at_once(lock, ended):
    lock.acquire("alice", ended)
    assert lock.acquire("bob", ELSEWHERE) == "alice"


def test_a_run_that_lives_on_this_machine_is_not(lock):
    lock.acquire("alice", controller_process(os.getpid()))
    with pytest.raises(OperatorError):
        lock.acquire("bob", ELSEWHERE)


def test_check_mode_refuses_and_predicts_but_writes_nothing(lock, server, ended):
    assert lock.acquire("alice", ended, check_mode=True) is None
    assert holder(server) is None
    lock.acquire("alice", ended)
    writes = server.writes
    assert lock.acquire("bob", ELSEWHERE, check_mode=True) == "alice"
    assert (holder(server), server.writes) == ("alice", writes)


def test_of_two_that_see_the_same_dead_holder_one_gets_it(lock, server, ended):
    lock.acquire("alice", ended)
    server.before_write = lambda: lock.acquire("carol", ELSEWHERE)
    with pytest.raises(OperatorError, match="carol"):
        lock.acquire("bob", ELSEWHERE)
    assert holder(server) == "carol"


def test_of_two_that_see_a_free_lock_one_gets_it(lock, server):
    server.before_write = lambda: lock.acquire("carol", ELSEWHERE)
    with pytest.raises(OperatorError, match="carol"):
        lock.acquire("bob", ELSEWHERE)
    assert holder(server) == "carol"


def test_only_the_holder_gives_it_back(lock, server):
    lock.acquire("alice", ELSEWHERE)
    assert not lock.release("bob")
    assert holder(server) == "alice"
    assert lock.release("alice")
    assert server.lease is None
    assert not lock.release("alice")


def test_who_has_lost_it_cannot_renew_it(lock, server):
    with pytest.raises(OperatorError, match="is free"):
        lock.renew("alice")
    lock.acquire("alice", ELSEWHERE)
    server.pass_time(DURATION_SECONDS)
    lock.acquire("bob", ELSEWHERE)
    with pytest.raises(OperatorError, match="bob"):
        lock.renew("alice")


def test_a_renewal_that_crosses_another_is_tried_again(lock, server):
    lock.acquire("alice", ELSEWHERE)
    server.before_write = lambda: lock.renew("alice")
    lock.renew("alice")
    assert server.version == 3


def test_a_renewal_that_crosses_a_take_over_is_refused(lock, server):
    lock.acquire("alice", ELSEWHERE)
    server.pass_time(DURATION_SECONDS)
    server.before_write = lambda: lock.acquire("bob", ELSEWHERE)
    with pytest.raises(OperatorError, match="bob"):
        lock.renew("alice")


@pytest.fixture
def away(monkeypatch):
    """An API server that went away while alice held the lock, and a client that doesn't wait by itself."""
    monkeypatch.setattr(subject, "CONFIRMATION_PAUSE_SECONDS", 0.02)
    server = ApiServer()
    Lock(server.cluster(), "airflow-runbook").acquire("alice", ELSEWHERE)
    server.away = "refuse"
    yield server
    server.stop()


def test_a_confirmation_waits_for_a_server_that_is_away(away):
    told = []

    def tell(line):
        told.append(line)
        if len(told) == 3:
            away.away = None

    Lock(away.cluster(RetryPolicy(0.0)), "airflow-runbook").confirm("alice", ELSEWHERE, 60, tell)
    assert len(told) == 3
    assert "waiting for it up to 60 s" in told[0]
    assert away.writes()[-1][0] == "PATCH"


@pytest.mark.parametrize("before", [[503], []], ids=["away", "not seen away"])
def test_a_confirmation_waits_for_a_server_that_is_back_and_does_not_know_the_roles_yet(away, before):
    told, faults = [], [*before, 403, 401, None]
    away.away = faults[0]

    def tell(line):
        told.append(line)
        away.away = faults[len(told)]

    Lock(away.cluster(RetryPolicy(0.0)), "airflow-runbook").confirm("alice", ELSEWHERE, 60, tell)
    assert len(told) == len(faults) - 1


def test_a_confirmation_that_goes_on_being_forbidden_ends(away, monkeypatch):
    monkeypatch.setattr(subject, "RETRY_SECONDS", 0.1)
    away.away = 403
    with pytest.raises(ApiException, match="403"):
        Lock(away.cluster(RetryPolicy(0.0)), "airflow-runbook").confirm("alice", ELSEWHERE, 60, [].append)


def test_a_confirmation_ends_when_its_time_is_over(away):
    told = []
    with pytest.raises(HTTPError):
        Lock(away.cluster(RetryPolicy(0.0)), "airflow-runbook").confirm("alice", ELSEWHERE, 0.1, told.append)
    assert told


def test_a_confirmation_of_what_another_run_has_taken_ends_at_once(away):
    away.away = None
    with pytest.raises(OperatorError, match="alice is working on this deployment"):
        Lock(away.cluster(), "airflow-runbook").confirm("bob", ELSEWHERE, 60, pytest.fail)


def test_a_confirmation_takes_a_lock_that_is_free_again(away):
    """It ran out between two actions; another run took it, was refused for another reason, and gave it back."""
    away.away = None
    away.skew += DURATION_SECONDS
    theirs, ours = (Lock(away.cluster(RetryPolicy(0.0)), "airflow-runbook") for _run in "ab")
    assert theirs.acquire("bob", ELSEWHERE) == "alice"
    assert theirs.release("bob")
    with pytest.raises(OperatorError, match="is free"):
        ours.renew("alice")

    process = controller_process(os.getpid())
    ours.confirm("alice", process, 60, pytest.fail)

    lease = ours.read()
    assert lease.spec.holder_identity == "alice"
    assert lease.metadata.annotations[subject.PROCESS_ANNOTATION] == process
    with pytest.raises(OperatorError, match="alice is working on this deployment"):
        theirs.acquire("bob", ELSEWHERE)


def test_a_confirmation_that_crosses_another_run_is_refused(lock, server):
    server.before_write = lambda: lock.acquire("bob", ELSEWHERE)
    with pytest.raises(OperatorError, match="bob is working on this deployment"):
        lock.confirm("alice", ELSEWHERE, 60, pytest.fail)
    assert holder(server) == "bob"


@pytest.fixture
def slept(monkeypatch):
    """How long it slept each time, instead of sleeping; with the grace that orphans have."""
    monkeypatch.setattr(subject, "ORPHAN_GRACE_SECONDS", 2)
    naps = []
    monkeypatch.setattr(subject, "time", SimpleNamespace(sleep=naps.append))
    monkeypatch.setattr(subject, "elapsed", lambda: 0.0)
    return naps


def test_orphans_of_a_dead_run_have_time_to_notice(lock, server, ended, slept):
    lock.acquire("alice", ended)
    assert (lock.acquire("bob", ELSEWHERE), slept) == ("alice", [2])
    assert holder(server) == "bob"


def test_nobody_waits_for_orphans_where_there_was_no_other_run(lock, slept):
    lock.acquire("alice", ELSEWHERE)
    lock.acquire("alice", ELSEWHERE)
    lock.release("alice")
    lock.acquire("bob", ELSEWHERE)
    assert slept == []


def failing(status):
    def fail():
        raise ApiException(status=status)

    return fail


@pytest.mark.parametrize("status", [403, 422, 500])
def test_what_the_server_refuses_otherwise_is_told(lock, server, status):
    server.before_write = failing(status)
    with pytest.raises(ApiException):
        lock.acquire("alice", ELSEWHERE)
    lock.acquire("alice", ELSEWHERE)
    for act in (lock.renew, lock.release):
        server.before_write = failing(status)
        with pytest.raises(ApiException):
            act("alice")
    assert holder(server) == "alice"


@pytest.mark.parametrize("status", [404, 409])
def test_a_lock_that_changes_while_it_is_given_back_is_looked_at_again(lock, server, status):
    lock.acquire("alice", ELSEWHERE)
    server.before_write = failing(status)
    assert lock.release("alice")
    assert server.lease is None


@pytest.mark.parametrize("again", ["renew", "release"])
def test_a_lease_that_somebody_deletes_meanwhile_is_not_held(lock, server, again):
    lock.acquire("alice", ELSEWHERE)
    server.before_write = lambda: setattr(server, "lease", None)
    if again == "release":
        assert not lock.release("alice")
    else:
        with pytest.raises(OperatorError, match="is free"):
            lock.renew("alice")


def test_a_lease_that_comes_and_goes_between_two_looks_is_nobodys(lock, server):
    server.before_write = failing(409)
    with pytest.raises(OperatorError, match="is free"):
        lock.acquire("alice", ELSEWHERE)


def test_a_renewal_says_when_it_was_sent_and_not_that_it_was_acquired(lock, server):
    lock.acquire("alice", ELSEWHERE)
    acquired = dict(server.times)
    assert set(acquired) == {"acquireTime", "renewTime"}
    before = subject.elapsed()
    sent = lock.renew("alice")
    assert before <= sent <= subject.elapsed()
    assert server.times["acquireTime"] == acquired["acquireTime"]
    assert server.times["renewTime"] > acquired["renewTime"]


@pytest.mark.parametrize(
    ("lasts", "age", "free"), [(600, 599, False), (600, 600, True), (10, 10, True), (None, 59, False), (None, 60, True)]
)
def test_a_lease_lasts_as_long_as_it_says(lock, server, lasts, age, free):
    """Those of other versions may last longer."""
    lock.acquire("alice", ELSEWHERE)
    server.lease.spec.lease_duration_seconds = lasts
    server.pass_time(age)
    if free:
        assert lock.acquire("bob", ELSEWHERE) == "alice"
    else:
        with pytest.raises(OperatorError, match=f"expires in {(lasts or DURATION_SECONDS) - age} s"):
            lock.acquire("bob", ELSEWHERE)


@pytest.mark.parametrize("nobody", ["", None])
def test_a_lease_without_a_holder_is_free(lock, server, nobody):
    lock.acquire("alice", ELSEWHERE)
    server.lease.spec.holder_identity = nobody
    with pytest.raises(OperatorError, match="is free"):
        lock.renew("alice")
    lock.confirm("alice", ELSEWHERE, 60, pytest.fail)
    assert holder(server) == "alice"
    server.lease.spec.holder_identity = nobody
    assert lock.acquire("bob", ELSEWHERE) is None


def test_a_lease_of_which_nothing_but_the_holder_is_known(lock, server):
    lock.acquire("alice", ELSEWHERE)
    server.lease.metadata.annotations = None
    with pytest.raises(OperatorError, match="alice"):
        lock.acquire("bob", ELSEWHERE)
    server.lease.metadata.managed_fields = None
    server.lease.spec.renew_time = None
    assert lock.acquire("bob", ELSEWHERE) == "alice"
