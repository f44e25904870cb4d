# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration that pods start with stays as long as anything may start with it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import states
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.configurations import (
    configurations_of,
    remove_unused,
)
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import by

MAPS = "/api/v1/namespaces/lab/configmaps"


class Forbidding(ApiServer):
    """Refuses each request to a path that ends with one of these."""

    forbidden = ()

    def perform(self, method, path, query, body):
        if (method, path.rpartition("/")[2]) in self.forbidden:
            return 403, {"kind": "Status", "code": 403, "message": "forbidden: no right"}
        return super().perform(method, path, query, body)


@pytest.fixture
def server():
    server = Forbidding()
    for name in ("web-launcher-a", "web-launcher-b"):
        configuration(server, name)
    yield server
    server.stop()


@pytest.fixture
def objects(server):
    return Objects(server.cluster())


def configuration(server, name, deployment="demo", **fields):
    metadata = {"name": name, "labels": by(deployment)}
    server.store(f"{MAPS}/{name}", {"metadata": metadata, "immutable": True, **fields}, {})


def spec_with(name):
    return {"containers": [], "volumes": [{"name": "launcher", "configMap": {"name": name}}]}


def uses(server, kind, name, configuration):
    base = "/api/v1" if kind == "pods" else "/apis/apps/v1"
    spec = spec_with(configuration)
    spec = spec if kind == "pods" else {"template": {"spec": spec}}
    server.store(f"{base}/namespaces/lab/{kind}/{name}", {"metadata": {"name": name}, "spec": spec}, {})


def left(server):
    return sorted(path.rpartition("/")[2] for path in server.objects if path.startswith(MAPS))


@pytest.mark.parametrize("kind", ["deployments", "statefulsets", "replicasets", "pods"])
def test_what_nothing_uses_is_removed_and_what_anything_may_start_with_stays(server, objects, kind):
    uses(server, kind, "web", "web-launcher-b")
    assert remove_unused(objects, "demo") == ["web-launcher-a"]
    assert left(server) == ["web-launcher-b"]


def test_only_configuration_of_this_deployment_is_removed(server, objects):
    configuration(server, "other-launcher-a", deployment="other")
    configuration(server, "airflow-runbook-demo", immutable=None)
    server.store(f"{MAPS}/chart", {"metadata": {"name": "chart"}, "immutable": True}, {})
    remove_unused(objects, "demo")
    assert left(server) == ["airflow-runbook-demo", "chart", "other-launcher-a"]


def test_one_that_is_made_meanwhile_is_not_removed(server, objects):
    def perform(method, path, query, body, perform=server.perform):
        if path.endswith("/replicasets"):
            configuration(server, "web-launcher-c")
        return perform(method, path, query, body)

    server.perform = perform
    remove_unused(objects, "demo")
    assert left(server) == ["web-launcher-c"]


def test_without_the_right_to_list_them_all_stay(server, objects):
    server.forbidden = [("GET", "configmaps")]
    assert remove_unused(objects, "demo") == []
    assert len(left(server)) == 2


def test_those_of_a_workload_are_told(server, objects):
    configuration(server, "other-launcher-a", deployment="other")
    configuration(server, "mutable", immutable=None)
    for name, found in (("web-launcher-a", 1), ("other-launcher-a", 0), ("mutable", 0), ("gone", 0)):
        workload = {"metadata": {"name": "web", "labels": by("demo")}, "spec": {"template": {"spec": spec_with(name)}}}
        assert [each["metadata"]["name"] for each in configurations_of(objects, workload)] == [name] * found
        assert configurations_of(objects, {**workload, "metadata": {"name": "web"}}) == []


@pytest.fixture
def roll_out(server, monkeypatch):
    """The action, with a rollout that does nothing."""
    warnings = []

    def call(action, *, check_mode=False):
        step = SimpleNamespace(
            action=action, name="web", kind="Deployment", definition={"metadata": {"labels": by("demo")}}, diff=dict
        )
        applier = SimpleNamespace(
            plan=lambda _definitions: [step],
            roll_out=lambda _steps, **_options: {},
            warnings=lambda _steps: [],
            pods_of=lambda _steps: ([], []),
        )
        monkeypatch.setattr(states, "Applier", lambda *_arguments, **_options: applier)
        monkeypatch.setattr(states, "grace_of_interrupted", lambda _step: None)
        given = {"state": "applied", "definitions": [], "replace": True, "backup_secret": None, "provided": []}
        given |= {"nodes_on_demand": True, "timeout": 1, "wait_for_old": True}
        return states.act(
            SimpleNamespace(
                params=given,
                check_mode=check_mode,
                cluster=server.cluster(),
                progress=lambda _line: None,
                warn=warnings.append,
            )
        )

    call.warnings = warnings
    return call


@pytest.mark.parametrize(
    ("action", "check_mode", "count"), [("configured", False, 1), ("configured", True, 2), ("unchanged", False, 2)]
)
def test_it_is_removed_after_a_rollout(server, roll_out, action, check_mode, count):
    uses(server, "replicasets", "web", "web-launcher-b")
    roll_out(action, check_mode=check_mode)
    assert len(left(server)) == count


def test_what_can_not_be_removed_is_no_reason_to_fail_after_a_rollout(server, roll_out):
    server.forbidden = [("DELETE", "web-launcher-a")]
    assert roll_out("configured")["changed"]
    assert "forbidden: no right" in roll_out.warnings[0]
