# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import pods as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.pods import serving_pods
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import pod_of, ready


def pod(name, *, is_ready="True", owner="web-1", phase="Running", **metadata):
    return pod_of(owner, name, uid=owner, metadata=metadata, status={"phase": phase, **ready(is_ready)})


@pytest.fixture
def serving(monkeypatch):
    """Names of the pods that serve, of those that match the selector."""

    def serving(*pods, later=(), replicas=1):
        web = {
            "metadata": {"name": "web", "uid": "web"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}},
        }
        looks = [pods, later] if later else [pods]
        objects = SimpleNamespace(
            read=lambda kind, _name: web if kind == "Deployment" else None,
            list=lambda _kind, **_selectors: {"items": list(looks.pop(0) if len(looks) > 1 else looks[0])},
        )
        monkeypatch.setattr(subject, "Objects", lambda _cluster: objects)
        return [found["metadata"]["name"] for found in serving_pods(SimpleNamespace(namespace="lab"), "web")]

    return serving


def test_only_ready_pods_of_the_workload_serve(serving):
    found = serving(
        pod("good"),
        pod("starting", is_ready="False"),
        pod("ending", deletionTimestamp="2026-11-22T03:00:00Z"),
        # The kubelet of a node that was shut down may not have taken its readiness back.
        pod("finished", phase="Failed"),
        # Another Deployment whose labels this one's selector matches.
        pod("stranger", owner="canary-1"),
    )
    assert found == ["good"]


def test_one_that_misses_a_probe_is_waited_for(serving, monkeypatch):
    monkeypatch.setattr(subject, "LOOK_SECONDS", 0)
    assert serving(pod("busy", is_ready="False"), later=[pod("busy")]) == ["busy"]


def test_none_is_waited_for_where_none_is_to_be(serving, monkeypatch):
    monkeypatch.setattr(subject.time, "sleep", pytest.fail)
    with pytest.raises(OperatorError, match="has no ready pod"):
        serving(pod("ending", is_ready="False"), replicas=0)


def test_none_that_serves_is_told_of(serving, monkeypatch):
    monkeypatch.setattr(subject, "READY_SECONDS", 0.1)
    monkeypatch.setattr(subject, "LOOK_SECONDS", 0.02)
    with pytest.raises(OperatorError, match="has no ready pod"):
        serving(pod("evicted", is_ready="False", phase="Failed"))
