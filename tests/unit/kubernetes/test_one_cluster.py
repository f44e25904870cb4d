# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""A run stays with the API server that it began on, however it is reached."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.modules import cluster_info, run_lock
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer
from ansible_collections.hopsworks.airflow.tests.unit.kubernetes.support import kubeconfig

pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture
def staging():
    made = ApiServer()
    yield made
    made.stop()


def perform(module, **given):
    params = {"namespace": "lab", "lock": None, **given}
    return module.ACTION.perform("test", params, check_mode=False, warn=print)


def lock(**given):
    return perform(run_lock, name="airflow-runbook", holder="alice", state="held", timeout=0, **given)


def file_of(path, current, **servers):
    """A kubeconfig with a context for each server."""
    made = kubeconfig(**{"current-context": current})
    made["clusters"] = [{"name": name, "cluster": {"server": server.host}} for name, server in servers.items()]
    made["contexts"] = [{"name": name, "context": {"cluster": name, "user": "u"}} for name in servers]
    path.write_text(yaml.safe_dump(made), encoding="utf-8")


@pytest.mark.parametrize("given", ["option", "variable", "home"])
def test_another_current_context_leads_no_later_action_elsewhere(server, staging, tmp_path, monkeypatch, given):
    file = tmp_path / ".kube" / "config"
    file.parent.mkdir()
    options = {"kubeconfig": str(file)} if given == "option" else {}
    if given == "variable":
        monkeypatch.setenv("K8S_AUTH_KUBECONFIG", str(file))
    file_of(file, "production", production=server, staging=staging)
    cluster = perform(cluster_info, **options)["cluster"]
    assert cluster == {"server": server.host, "context": "production"}
    assert server.requests == []

    file_of(file, "staging", production=server, staging=staging)
    assert not lock(cluster=cluster, **options).get("failed")
    assert staging.requests == []
    # Also the one that is asked for again.
    assert perform(cluster_info, cluster=cluster, **options)["cluster"] == cluster


def test_a_context_that_means_another_server_by_now_is_refused(server, staging, tmp_path):
    file = tmp_path / "config"
    file_of(file, "production", production=server)
    cluster = perform(cluster_info, kubeconfig=str(file))["cluster"]
    file_of(file, "production", production=staging)
    refused = lock(cluster=cluster, kubeconfig=str(file))["failure"]
    assert server.host in refused["found"]
    assert staging.host in refused["found"]
    assert "no request was sent" in refused["untouched"]
    assert (server.requests, staging.requests) == ([], [])


def test_other_options_or_variables_are_refused_as_well(server, staging, monkeypatch):
    monkeypatch.setenv("K8S_AUTH_API_KEY", "canary")
    monkeypatch.setenv("K8S_AUTH_HOST", server.host)
    cluster = perform(cluster_info)["cluster"]
    assert cluster == {"server": server.host, "context": None}
    assert not lock(cluster=cluster).get("failed")
    before = list(server.requests)
    monkeypatch.setenv("K8S_AUTH_HOST", staging.host)
    assert "this run started on" in lock(cluster=cluster)["failure"]["found"]
    assert (server.requests, staging.requests) == (before, [])


def test_a_context_that_was_given_counts(server, staging, tmp_path):
    """`airflow_context`, also with a current one that is another."""
    file = tmp_path / "config"
    file_of(file, "staging", production=server, staging=staging)
    options = {"kubeconfig": str(file), "context": "production"}
    cluster = perform(cluster_info, **options)["cluster"]
    assert not lock(cluster=cluster, **options).get("failed")
    assert (cluster["context"], staging.requests) == ("production", [])
