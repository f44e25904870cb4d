# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""An action is killed as soon as its run can't prove that it holds the lock, whatever the action is doing."""

from __future__ import annotations

import gc
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryPolicy
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import child as child_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import keeper as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import lock as lock_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.keeper import Keeper
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import Lock
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer
from ansible_collections.hopsworks.airflow.tests.unit.waiting import has_ended, until

ROOT = pathlib.Path(__file__).resolve().parents[3]
LEASE = "/apis/coordination.k8s.io/v1/namespaces/lab/leases/airflow-runbook"
NOTES = "/api/v1/namespaces/lab/configmaps"
LATER = 6


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """A Lease of seconds: 2 s after the last renewal it can't be proven any more."""
    monkeypatch.setattr(subject, "DURATION_SECONDS", 3)
    monkeypatch.setattr(subject, "MARGIN_SECONDS", 1)
    monkeypatch.setattr(subject, "RENEWAL_SECONDS", 0.2)
    monkeypatch.setattr(subject, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(subject, "RENEWAL_TIMEOUT", (1, 1))
    monkeypatch.setattr(subject, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(child_module, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(lock_module, "ORPHAN_GRACE_SECONDS", 0)


@pytest.fixture
def cluster(server):
    made = server.cluster(RetryPolicy(reached=True))
    Lock(made, "airflow-runbook").acquire("alice", "another-machine/boot/1/1")
    return made


def perform(cluster, act, warn=None):
    return Keeper(cluster, "airflow-runbook", "alice").perform(act, warn or (lambda _text: None))


def note(cluster, name):
    cluster.core.create_namespaced_config_map(cluster.namespace, {"metadata": {"name": name}})


def taken_over(server):
    with server.lock:
        lease = server.objects[LEASE]
        server.store(LEASE, {**lease, "spec": {**lease["spec"], "holderIdentity": "bob"}}, {})


def writes(server):
    return sorted(path.rpartition("/")[2] for path in server.objects if path.startswith(NOTES))


def in_a_sleep(_cluster):
    time.sleep(600)


def in_a_call_that_waits(_cluster):
    one, _other = socket.socketpair()
    one.recv(1)


def in_a_call_that_lets_no_thread_run(_cluster):
    """As a C library may that computes: a thread of this process would never get its turn."""
    sys.setswitchinterval(600)
    while True:
        gc.collect()


WAITING = [in_a_sleep, in_a_call_that_waits, in_a_call_that_lets_no_thread_run]


@pytest.mark.parametrize("wait", WAITING)
def test_an_action_that_waits_is_killed_when_another_run_has_the_lock(no_children, server, cluster, wait):
    def act(cluster, _warn):
        note(cluster, "before")
        wait(cluster)
        for number in range(LATER):
            note(cluster, f"later-{number}")
        return {}

    def take():
        until(lambda: writes(server) == ["before"])
        taken_over(server)

    thread = threading.Thread(target=take)
    thread.start()
    with pytest.raises(OperatorError, match="bob is working on this deployment") as failure:
        perform(cluster, act)
    thread.join()
    assert "the action was stopped" in failure.value.found
    assert "a server may still finish" in failure.value.untouched
    assert writes(server) == ["before"]
    assert no_children()


@pytest.mark.parametrize(
    ("fault", "why"), [("hang", "in time"), ("refuse", ""), (503, "(503: fault)"), (403, "(403: fault)"), (401, "401")]
)
def test_an_action_is_killed_when_the_server_stops_confirming_the_lock(no_children, server, cluster, fault, why):
    """In the middle of a renewal, too: whoever waits for an answer doesn't see that time is up."""

    def act(cluster, _warn):
        note(cluster, "before")
        server_is_away()
        time.sleep(600)
        note(cluster, "later")
        return {}

    away, told = os.pipe()

    def server_is_away():
        os.write(told, b"x")

    def watch():
        os.read(away, 1)
        server.away = fault

    # The pipe is the test's own; whatever else is the parent's the action gives up.
    threading.Thread(target=watch, daemon=True).start()
    with keeping(told), pytest.raises(OperatorError) as failure:
        perform(cluster, act)
    assert "has not confirmed this run's lock for" in failure.value.found
    assert why in failure.value.found
    assert ("log in again" in failure.value.next_step) == (fault == 401)
    assert "run the same command again" in failure.value.next_step
    assert writes(server) == ["before"]
    assert no_children()
    # The run goes on when its server is back: nobody took the lock.
    server.away = None
    server.wake.set()
    assert perform(cluster, lambda cluster, _warn: {"put": note(cluster, "back")}) == {"put": None}


class keeping:  # noqa: N801  reads as what it does
    """Lets the action have a descriptor of the test."""

    def __init__(self, descriptor):
        self._descriptor, self._plain = descriptor, child_module.let_go

    def __enter__(self):
        child_module.let_go = lambda keep: self._plain({*keep, self._descriptor})

    def __exit__(self, *_given):
        child_module.let_go = self._plain


@pytest.mark.parametrize("skew", [-600, 600])
def test_the_clocks_of_two_machines_do_not_matter(server, cluster, skew):
    server.skew = skew

    def act(cluster, _warn):
        time.sleep(3.5)
        note(cluster, "done")
        return {"done": True}

    assert perform(cluster, act) == {"done": True}
    assert writes(server) == ["done"]
    with pytest.raises(OperatorError, match="alice is working"):
        Lock(cluster, "airflow-runbook").acquire("bob", "another-machine/boot/2/2")


def test_renewals_that_cross_others_go_on(server, cluster):
    """Two actions of one run at the same time, as in the background: each renewal may find a newer Lease."""
    plain = server.perform
    crossed = []

    def perform_after_another(method, path, query, body):
        if method == "PATCH" and path == LEASE and len(crossed) < 10:
            crossed.append(path)
            server.store(LEASE, dict(server.objects[LEASE]), {})
        return plain(method, path, query, body)

    server.perform = perform_after_another
    assert perform(cluster, lambda _cluster, _warn: time.sleep(1) or {"done": True}) == {"done": True}
    assert len(crossed) == 10


def test_an_action_without_the_lock_does_not_begin(server, cluster):
    taken_over(server)
    with pytest.raises(OperatorError, match="bob is working"):
        perform(cluster, lambda cluster, _warn: note(cluster, "begun"))
    assert writes(server) == []


def test_an_action_that_begins_while_the_server_is_away_waits_for_it(server, cluster):
    server.faults = ["refuse", 503, "lose", 503]
    server.faulty = lambda _method, path: path == LEASE
    assert perform(cluster, lambda _cluster, _warn: {"done": True}) == {"done": True}


def test_warnings_of_an_action_that_is_killed_are_kept(server, cluster):
    said = []

    def act(_cluster, warn):
        warn("so far")
        time.sleep(600)
        return {}

    threading.Timer(0.5, taken_over, [server]).start()
    with pytest.raises(OperatorError):
        perform(cluster, act, said.append)
    assert said == ["so far"]


@pytest.mark.parametrize("status", [401, 403])
def test_an_action_that_begins_when_the_server_is_just_back_waits_for_the_roles(server, cluster, status):
    server.faults = [status] * 3
    perform(cluster, lambda cluster, _warn: note(cluster, "done"))
    assert writes(server) == ["done"]


def test_what_a_killed_action_has_sent_does_not_arrive_later(cluster):
    """The system would go on sending it, after another run took the lock. A reset tells that it gave up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def act(_cluster, _warn):
            with socket.create_connection(listener_address) as connection:
                connection.sendall(b"x")
                os.kill(os.getpid(), signal.SIGKILL)

        listener_address = listener.getsockname()
        perform(cluster, act)
        received, _peer = listener.accept()
        with received:
            received.recv(1)
            with pytest.raises(ConnectionResetError):
                received.recv(1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_whoever_is_interrupted_kills_the_action(no_children, server, cluster, monkeypatch, error):
    def interrupted(self):
        if writes(server):
            raise error

    monkeypatch.setattr(Keeper, "_check", interrupted)

    def act(cluster, _warn):
        note(cluster, "begun")
        time.sleep(600)
        note(cluster, "later")

    with pytest.raises(error):
        perform(cluster, act)
    assert no_children()
    assert writes(server) == ["begun"]


PROGRAM = """
import os, sys, time
sys.path[:0] = {path!r}
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryingClient
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import child, keeper
import kubernetes.client

configuration = kubernetes.client.Configuration()
configuration.host, configuration.retries, configuration.proxy = {host!r}, False, None
for name, value in {settings!r}.items():
    setattr(keeper, name, value)
child.TICK_SECONDS = {tick!r}

def act(cluster, _warn):
    cluster.core.create_namespaced_config_map("lab", {{"metadata": {{"name": str(os.getpid())}}}})
    time.sleep(600)

cluster = Cluster(RetryingClient(configuration), "lab")
keeper.Keeper(cluster, "airflow-runbook", "alice").perform(act, print)
"""


def begun(server, tick=0.25, **settings):
    """A process that keeps the lock for an action, and the action's own process."""
    path = [str(ROOT / ".collections"), *[entry for entry in sys.path if entry]]
    program = PROGRAM.format(path=path, host=server.host, settings=settings, tick=tick)
    process = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: writes(server) or process.poll() is not None)
    assert process.poll() is None
    return process, int(writes(server)[0])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_action_ends_with_its_keeper(server, number):
    process, child = begun(server)
    process.send_signal(number)
    process.wait()
    until(lambda: has_ended(child))


@pytest.mark.usefixtures("cluster")
def test_the_action_ends_itself_when_its_keeper_is_stopped(server):
    """By the terminal, or by a debugger: a keeper that doesn't run renews nothing and kills nobody."""
    process, child = begun(server, DURATION_SECONDS=2, MARGIN_SECONDS=1, RENEWAL_SECONDS=0.2, tick=0.1)
    process.send_signal(signal.SIGSTOP)
    until(lambda: has_ended(child))
    process.kill()
    process.wait()


def test_no_change_is_sent_after_a_sleep_before_the_lock_is_proven(server, cluster, monkeypatch, tmp_path):
    """The machine slept: the clock jumps for both processes at once, and the child may run first."""
    offset = 100.0
    marker = tmp_path / "asleep"
    plain = subject.elapsed
    monkeypatch.setattr(subject, "elapsed", lambda: plain() + (offset if marker.exists() else 0))
    monkeypatch.setattr(Keeper, "_keep", lambda _self: None)

    def act(cluster, _warn):
        note(cluster, "before")
        marker.touch()
        note(cluster, "later")

    with pytest.raises(OperatorError, match="has not confirmed"):
        perform(cluster, act)
    assert writes(server) == ["before"]


def test_what_counts_goes_on_while_the_machine_sleeps(monkeypatch):
    asked = []
    monkeypatch.setattr(lock_module.time, "clock_gettime", lambda clock: asked.append(clock) or 1.0)
    lock_module.elapsed()
    assert asked == [getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)]


def test_two_runs_never_write_at_the_same_time(cluster):
    """The first is cut off; the second takes over when the Lease has run out, and finds the first ended."""
    del cluster
    server = ApiServer()
    try:
        first = server.cluster(RetryPolicy(reached=True))
        Lock(first, "airflow-runbook").acquire("alice", "another-machine/boot/1/1")
        threading.Timer(0.5, lambda: setattr(server, "away", "refuse")).start()
        with pytest.raises(OperatorError):
            perform(first, lambda *_given: time.sleep(600))
        # A renewal that is under way would end with the process, and here it has to end by itself.
        until(lambda: all(thread.name != "renewal of the lock" for thread in threading.enumerate()))
        server.away = None
        with server.lock:
            server.objects[LEASE]["metadata"]["managedFields"][0]["time"] = "2026-01-01T00:00:00Z"
        assert Lock(server.cluster(), "airflow-runbook").acquire("bob", "x/y/1/1") == "alice"
        with pytest.raises(OperatorError, match="bob is working"):
            perform(first, lambda cluster, _warn: note(cluster, "later"))
        assert writes(server) == []
    finally:
        server.stop()
