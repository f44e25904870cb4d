# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`ansible-playbook` itself, with an action that loses its lock, its server or its worker."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from .playing import after, keep, notes, playbook, results

LEASE = "/apis/coordination.k8s.io/v1/namespaces/lab/leases/airflow-runbook"


def test_an_action_with_the_lock_ends_as_any_other(tmp_path, server):
    found = results(playbook(tmp_path, server, [keep("one"), {**keep("two"), "check_mode": True}]))
    assert "mind the gap" in found["one"]["warnings"]
    assert not found["one"]["failed"]
    assert notes(server) == ["one", "two"]


def test_the_rescue_runs_when_the_lock_is_lost(tmp_path, server):
    def taken_over():
        with server.lock:
            lease = server.objects[LEASE]
            server.store(LEASE, {**lease, "spec": {**lease["spec"], "holderIdentity": "bob"}}, {})

    after(server, "begun", taken_over)
    rescue = {"name": "rescue", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.failure.found }}"}}
    block = {"block": [keep("begun", seconds=600)], "rescue": [rescue]}
    found = results(playbook(tmp_path, server, [block]))
    assert found["begun"]["failed"]
    assert "bob is working on this deployment" in found["rescue"]["msg"]
    assert "mind the gap" in found["begun"]["warnings"]
    assert notes(server) == ["begun"]


def test_the_way_back_waits_for_a_server_that_was_away_for_longer_than_the_lock_lasts(tmp_path, server):
    def away():
        server.away = "refuse"
        threading.Timer(8, lambda: setattr(server, "away", None)).start()

    after(server, "begun", away)
    block = {"block": [keep("begun", seconds=600)], "rescue": [keep("put-back")]}
    found = results(playbook(tmp_path, server, [block]))
    assert "has not confirmed this run's lock" in found["begun"]["failure"]["found"]
    assert not found["put-back"]["failed"]
    assert notes(server) == ["begun", "put-back"]


@pytest.mark.parametrize(("victim", "check_mode"), [("action", False), ("action", True), ("keeper", False)])
def test_the_rescue_runs_when_a_process_crashes(tmp_path, server, victim, check_mode):
    """Strategy `free`, as of the playbooks, would wait for ever for a worker that crashed."""
    crashing = {**keep("begun", crash=victim, seconds=600), "check_mode": check_mode}
    rescue = {"name": "rescue", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.failure.found }}"}}
    block = {"block": [crashing], "rescue": [rescue]}
    found = results(playbook(tmp_path, server, [block, keep("afterwards")], strategy="ansible.builtin.free"))
    assert found["rescue"]["msg"].startswith(f"the process of this action was killed by signal {int(signal.SIGSEGV)}")
    assert not found["afterwards"]["failed"]
    assert notes(server) == ["afterwards", "begun"]


def test_nothing_acts_after_its_playbook_was_killed(tmp_path, server):
    process = playbook(tmp_path, server, [keep("begun", seconds=3)])
    after(server, "begun", process.kill).join()
    process.communicate()
    # Longer than it sleeps: what was not killed would write by then.
    time.sleep(4)
    assert notes(server) == ["begun"]
