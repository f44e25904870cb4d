# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs of a deployment although its description has changed: other names, another database."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight.preflight import Preflight
from ansible_collections.hopsworks.airflow.tests.unit.pod_objects import pod_of

APPS = "/apis/apps/v1/namespaces/lab"
DESCRIBED = ["web", "production-scheduler"]


@pytest.fixture
def preflight(api_server):
    return Preflight(api_server.cluster(), lambda _line: None)


def runs(api_server, name, *, deployment="demo", managed_by="hopsworks.airflow", kind="deployments", **spec):
    labels = {"app.kubernetes.io/managed-by": managed_by, "app.kubernetes.io/instance": deployment}
    api_server.objects[f"{APPS}/{kind}/{name}"] = {
        "metadata": {"name": name, "labels": labels, "uid": name},
        "spec": spec,
    }


def add_pod(api_server, name, phase="Running"):
    made = pod_of(f"{name}-1", f"{name}-1-x", status={"phase": phase})
    api_server.objects[f"/api/v1/namespaces/lab/pods/{name}-1-x"] = made


def test_a_renamed_scheduler_does_not_run_beside_the_new_one(api_server, preflight):
    runs(api_server, "scheduler", replicas=1)
    (found,) = preflight.undescribed(DESCRIBED, "demo")
    assert (found.ok, found.level) == (False, "error")
    assert "Deployment scheduler of deployment 'demo' runs, and airflow_components does not name it" in found.found
    assert "two schedulers run tasks twice" in found.found
    assert "kubectl -n lab scale deployment/scheduler --replicas=0; wait" in found.next_step
    assert found.next_step.endswith("kubectl -n lab delete deployment/scheduler")


def test_replicas_that_nothing_is_said_about_are_one(api_server, preflight):
    runs(api_server, "triggerer", kind="statefulsets")
    (found,) = preflight.undescribed(DESCRIBED, "demo")
    assert "scale statefulset/triggerer" in found.next_step


def test_one_that_is_stopped_is_waited_for(api_server, preflight):
    runs(api_server, "scheduler", replicas=0)
    add_pod(api_server, "scheduler")
    (found,) = preflight.undescribed(DESCRIBED, "demo")
    assert "has pods that have not ended yet" in found.found
    assert "--replicas=0" not in found.next_step


def test_what_does_not_run_beside_the_described_workloads_is_none_of_its_business(api_server, preflight):
    runs(api_server, "web", replicas=1)
    runs(api_server, "other-scheduler", deployment="other", replicas=1)
    runs(api_server, "chart-scheduler", managed_by="Helm", replicas=1)
    runs(api_server, "scheduler", replicas=0)
    add_pod(api_server, "scheduler", phase="Succeeded")
    add_pod(api_server, "another")
    assert preflight.undescribed(DESCRIBED, "demo") == []


def test_it_is_asked_for_a_deployment_and_its_workloads(api_server, preflight):
    runs(api_server, "scheduler", replicas=1)
    assert preflight.undescribed(DESCRIBED, None) == preflight.undescribed([], "demo") == []
    assert api_server.requests == []


@pytest.mark.parametrize("stage", ["absent", "empty", "old"])
def test_a_deployment_that_runs_does_not_get_another_database_unseen(api_server, preflight, stage):
    runs(api_server, "web", replicas=1)
    runs(api_server, "production-scheduler", replicas=1)
    (found,) = preflight.elsewhere(stage, DESCRIBED, "demo")
    assert (found.ok, found.level) == (False, "error")
    assert f"the described database is {stage}: they use another one" in found.found
    assert "airflow_database_name" in found.next_step
    assert "kubectl -n lab delete deployment/web deployment/production-scheduler" in found.next_step


def test_one_that_is_stopped_may_get_another_database(api_server, preflight):
    runs(api_server, "web", replicas=0)
    runs(api_server, "chart-scheduler", managed_by="Helm", replicas=1)
    assert preflight.elsewhere("old", [*DESCRIBED, "chart-scheduler"], "demo") == []


@pytest.mark.parametrize("stage", ["installed", "moving", "migratable", None])
def test_a_database_of_airflow_3_is_the_one_that_runs(api_server, preflight, stage):
    runs(api_server, "web", replicas=1)
    assert preflight.elsewhere(stage, DESCRIBED, "demo") == preflight.elsewhere("old", DESCRIBED, None) == []


@pytest.mark.parametrize("stage", ["absent", "empty"])
@pytest.mark.parametrize("managed_by", ["Helm", "hand"])
def test_an_airflow_of_others_is_not_replaced_beside_a_database_that_it_can_not_use(
    api_server, preflight, stage, managed_by
):
    """A name mistyped for install.yml: the old one would be stopped in its tasks, and its DAGs be gone."""
    runs(api_server, "web", managed_by=managed_by, replicas=1)
    runs(api_server, "production-scheduler", managed_by=managed_by, replicas=0)
    runs(api_server, "worker", managed_by=managed_by, replicas=1)
    (found,) = preflight.elsewhere(stage, DESCRIBED, "demo")
    assert (found.ok, found.level) == (False, "error")
    assert found.found.startswith(f"deployment/web of others run, and the described database is {stage}")
    assert "upgrade.yml" in found.next_step
    assert found.next_step.endswith("kubectl -n lab scale --replicas=0 deployment/web")


@pytest.mark.parametrize("stage", ["old", "migratable", "moving", "installed"])
def test_an_airflow_of_others_may_use_a_database_with_tables(api_server, preflight, stage):
    runs(api_server, "web", managed_by="Helm", replicas=1)
    assert preflight.elsewhere(stage, DESCRIBED, "demo") == []
