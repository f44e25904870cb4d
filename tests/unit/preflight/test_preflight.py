# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight import preflight as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight.preflight import Preflight


def checks(**core):
    core.setdefault("read_namespaced_secret", lambda _name: None)
    cluster = SimpleNamespace(
        core=SimpleNamespace(**core), api=None, namespace="lab", find=lambda method, *arguments: method(*arguments)
    )
    return Preflight(cluster, lambda _line: None)


@pytest.mark.parametrize(
    ("major", "minor", "good"),
    [("1", "34", True), ("1", "30", True), ("1", "30+", True), ("1", "29", False), ("2", "0", True)],
)
def test_the_oldest_kubernetes(monkeypatch, major, minor, good):
    version = SimpleNamespace(major=major, minor=minor, git_version=f"v{major}.{minor}.0")
    monkeypatch.setattr(subject.client, "VersionApi", lambda _api: SimpleNamespace(get_code=lambda: version))
    assert [found.ok for found in checks().version()] == [good]


def refuse(status):
    def read(*_arguments):
        raise ApiException(status=status, reason="Forbidden")

    return read


def test_who_may_act_in_a_namespace_need_not_read_it():
    assert list(checks(read_namespace=refuse(403)).namespace()) == []
    assert [found.ok for found in checks(read_namespace=refuse(404)).namespace()] == [False]


def test_a_namespace_that_is_ending_will_not_do():
    ending = SimpleNamespace(status=SimpleNamespace(phase="Terminating"))
    found = next(checks(read_namespace=lambda _name: ending).namespace())
    assert not found.ok
    assert "terminating" in found.found


def node(name, ready):
    conditions = [SimpleNamespace(type="Ready", status=ready)]
    return SimpleNamespace(metadata=SimpleNamespace(name=name), status=SimpleNamespace(conditions=conditions))


@pytest.mark.parametrize(
    ("states", "ok", "level"),
    [(["True"], True, "warning"), (["True", "Unknown"], False, "warning"), (["False"], False, "error")],
)
def test_a_lost_node_is_a_warning_while_another_is_left(states, ok, level):
    nodes = [node(f"n{index}", state) for index, state in enumerate(states)]
    found = next(checks(list_node=lambda: SimpleNamespace(items=nodes)).nodes())
    assert (found.ok, found.level) == (ok, level)


@pytest.mark.parametrize(("immutable", "ok"), [(None, True), (False, True), (True, False)])
def test_a_secret_that_is_to_be_changed_can_be(monkeypatch, immutable, ok):
    monkeypatch.setattr(subject, "missing_on", lambda *_arguments: [])
    checks_ = checks(read_namespaced_secret=lambda _name: SimpleNamespace(data={"x": "eA=="}, immutable=immutable))
    (found,) = checks_.secret({"name": "keys", "keys": ["x"], "written": True})
    assert found.ok is ok
    (read_only,) = checks_.secret({"name": "keys", "keys": ["x"]})
    assert read_only.ok


@pytest.mark.parametrize(("accepted", "level"), [(False, "error"), (True, "warning")])
def test_who_restarts_a_workload_when_a_secret_is_changed_is_found_before(monkeypatch, accepted, level):
    volumes = [{"name": "keys", "secret": {"secretName": "keys"}}]
    scheduler = {
        "kind": "Deployment",
        "metadata": {"name": "scheduler", "annotations": {"reloader.stakater.com/auto": "true"}},
        "spec": {"template": {"metadata": {}, "spec": {"containers": [], "volumes": volumes}}},
    }
    monkeypatch.setattr(subject, "find", lambda _objects, _name: scheduler)
    keys = SimpleNamespace(metadata=SimpleNamespace(annotations=None))
    preflight = checks(read_namespaced_secret=lambda _name: keys)
    (found,) = preflight.reloaded(["scheduler"], ["keys"], accepted=accepted)
    assert (found.ok, found.level) == (False, level)
    assert "Reloader" in found.found
    assert "reloader.stakater.com/ignore=true" in found.next_step
    keys.metadata.annotations = {"reloader.stakater.com/ignore": "true"}
    assert preflight.reloaded(["scheduler"], ["keys"], accepted=accepted) == []


def test_a_workload_of_another_deployment_is_refused(monkeypatch):
    labels = {"app.kubernetes.io/managed-by": "hopsworks.airflow", "app.kubernetes.io/instance": "a"}
    found = {"kind": "Deployment", "metadata": {"name": "web", "labels": labels}}
    monkeypatch.setattr(subject, "find_all", lambda _objects, _name: [found])
    (refused,) = checks().workload("web", "b")
    assert (refused.ok, refused.level) == (False, "error")
    assert "belongs to deployment 'a'" in refused.found


def test_a_secret_that_another_deployment_uses_is_not_changed(monkeypatch):
    def made(name, deployment, *secrets):
        labels = {"app.kubernetes.io/managed-by": "hopsworks.airflow", "app.kubernetes.io/instance": deployment}
        volumes = [{"projected": {"sources": [{"secret": {"name": secret}}]}} for secret in secrets]
        template = {"spec": {"containers": [], "volumes": volumes}}
        return {"metadata": {"name": name, "labels": labels}, "spec": {"template": template}}

    live = {
        "Deployment": [made("a-web", "a", "keys", "other"), made("b-web", "b", "keys"), made("c-web", "c", "other")],
        "StatefulSet": [],
    }
    monkeypatch.setattr(subject.Objects, "list", lambda _objects, kind: {"items": live[kind]})
    (found,) = checks().shared(["keys", "runtime"], "b")
    assert (found.ok, found.level) == (False, "error")
    assert "Secret keys is used by Deployment a-web of deployment 'a'" in found.found
    assert "airflow_keys_secret" in found.next_step
    assert checks().shared(["runtime"], "b") == checks().shared([], "b") == checks().shared(["keys"], None) == []


def test_a_check_that_is_forbidden_is_a_finding_and_the_others_go_on(monkeypatch):
    version = SimpleNamespace(major="1", minor="34", git_version="v1.34.4")
    monkeypatch.setattr(subject.client, "VersionApi", lambda _api: SimpleNamespace(get_code=lambda: version))
    preflight = checks(read_namespace=refuse(403), list_node=refuse(403))
    found = preflight.run(workloads=[], secrets=[{"name": "absent", "keys": ["x"]}], services=[], runbook=None)
    assert [(item.check, item.ok) for item in found] == [
        ("kubernetes", True),
        ("nodes", False),
        ("secret absent", False),
    ]
    assert "403" in found[1].found
