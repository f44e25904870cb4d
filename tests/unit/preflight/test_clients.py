# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight import preflight as subject
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import pod_of
from ansible_collections.hopsworks.airflow.tests.unit.preflight.test_preflight import checks


def pod(name, address, owner, **spec):
    return pod_of(f"{owner}-1", name, spec=spec, status={"podIP": address, "podIPs": [{"ip": address}]})


def test_pods_that_use_the_database_and_are_not_stopped_are_warned_of(monkeypatch):
    preflight = checks()
    web = {"kind": "Deployment", "metadata": {"name": "web", "uid": "d"}}
    pods = [
        pod("web-1-a", "10.0.0.1", "web"),
        pod("worker-1-a", "10.0.0.2", "worker"),
        pod("flower-1-a", "fd00::3", "flower"),
        pod("idle-1-a", "10.0.0.4", "idle"),
        pod("agent-1-a", "10.0.0.5", "agent", hostNetwork=True),
    ]
    monkeypatch.setattr(subject, "find_all", lambda _objects, name: [web] if name == "web" else [])
    monkeypatch.setattr(subject.Objects, "list", lambda _objects, _kind: {"items": pods})
    hosts = ["10.0.0.1:40000", "::ffff:10.0.0.2:40001", "fd00::3:40002", "10-0-0-4.idle.lab.svc.cluster.local:40004"]
    found = preflight.sessions([{"host": host} for host in hosts], ["web", "scheduler"])
    assert [(each.ok, each.level) for each in found] == [(False, "warning")] * 3
    assert "pod worker-1-a of ReplicaSet worker-1 has a session" in found[0].found
    assert "pod flower-1-a" in found[1].found
    assert "pod idle-1-a" in found[2].found
    assert preflight.sessions([], ["web"]) == []


def test_whoever_uses_the_database_and_is_no_pod_is_warned_of(monkeypatch):
    """Such as a DBA's client, a report server, or a session whose pod is gone with its node."""
    web = {"kind": "Deployment", "metadata": {"name": "web", "uid": "d"}}
    pods = [
        pod("web-1-a", "10.0.0.1", "web"),
        pod("web-1-b", "10.0.0.8", "web", hostNetwork=True),
        pod("agent-1-a", "10.0.0.5", "agent", hostNetwork=True),
    ]
    monkeypatch.setattr(subject, "find_all", lambda _objects, name: [web] if name == "web" else [])
    monkeypatch.setattr(subject.Objects, "list", lambda _objects, _kind: {"items": pods})
    known = [("airflow", "10.0.0.1:40000"), ("airflow", "10.0.0.8:40001")]
    strangers = [("airflow", "10.0.0.5:1"), ("report", "bi.example.org:2"), ("report", "bi.example.org:3")]

    def found(*clients):
        return checks().sessions([{"user": user, "host": host} for user, host in clients], ["web"])

    (warned,) = found(*known, *strangers)
    assert (warned.ok, warned.level) == (False, "warning")
    assert "3 sessions on the live schema" in warned.found
    assert "airflow@10.0.0.5, report@bi.example.org (2)" in warned.found
    assert "with the address of a proxy or a node" not in warned.found
    assert found(*known) == []


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_has_no_session(monkeypatch, phase):
    """The address in its status may be that of another pod by now: of a scheduler, or of one that is not stopped."""
    web = {"kind": "Deployment", "metadata": {"name": "web", "uid": "d"}}
    ended = [pod("clean-1-a", "10.0.0.1", "clean"), pod("web-1-z", "10.0.0.2", "web")]
    for each in ended:
        each["status"]["phase"] = phase
    pods = [pod("web-1-a", "10.0.0.1", "web"), *ended]
    monkeypatch.setattr(subject, "find_all", lambda _objects, _name: [web])
    monkeypatch.setattr(subject.Objects, "list", lambda *_given: {"items": pods})
    assert checks().sessions([{"user": "airflow", "host": "10.0.0.1:1"}], ["web"]) == []
    (warned,) = checks().sessions([{"user": "airflow", "host": host} for host in ("10.0.0.1:1", "10.0.0.2:1")], ["web"])
    assert "1 sessions on the live schema belong to no pod: airflow@10.0.0.2" in warned.found


def test_a_server_that_sees_none_of_the_pods_is_told_as_such(monkeypatch):
    """Behind a proxy all clients have one address, and so has the deployment itself."""
    web = {"kind": "Deployment", "metadata": {"name": "web", "uid": "d"}}
    monkeypatch.setattr(subject, "find_all", lambda _objects, _name: [web])
    monkeypatch.setattr(subject.Objects, "list", lambda *_given: {"items": [pod("web-1-a", "10.0.0.1", "web")]})
    (warned,) = checks().sessions([{"user": "airflow", "host": "192.0.2.7:1"}], ["web"])
    assert "airflow@192.0.2.7" in warned.found
    assert "with the address of a proxy or a node" in warned.found
