# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs in the execution environment, with the rights of the service account, on the bed with Airflow 3."""

from __future__ import annotations

import os
import stat

import pytest
import yaml
from kubernetes import client, config

pytestmark = pytest.mark.bed

STATUS = "Airflow: status"
# Any of its bytes would do; the whole is never in one place by accident.
CANARY = "CANARY-db-p"


def assert_kept_secrets(job, kubeconfig):
    token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    kept = job.artifacts()
    assert job.folder.joinpath("artifacts").is_dir()
    for secret in (CANARY, token, token.split(".")[2], "PRIVATE KEY"):
        assert secret not in kept


def written(kubeconfig):
    """The versions of what a rotation writes: keys, record, and definitions of workloads."""
    config.load_kube_config(str(kubeconfig))
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    objects = [
        core.read_namespaced_secret("hopsworks-airflow-keys", "hopsworks"),
        core.read_namespaced_config_map("airflow-runbook-sandbox", "hopsworks"),
    ]
    workloads = apps.list_namespaced_deployment("hopsworks").items
    versions = [each.metadata.resource_version for each in objects]
    return versions, {each.metadata.name: each.metadata.generation for each in workloads}


@pytest.mark.parametrize("name", [STATUS, "Airflow: rotate keys"])
def test_job_on_an_execution_node_changes_nothing(launch, service_account, name):
    """As root, in a checkout of this repository: shown, or rehearsed, whatever may be due."""
    before = written(service_account)
    job = launch(name, kubeconfig=service_account, check=name != STATUS).on_execution_node()
    assert job.status == 0, job.output[-4000:]
    assert job.recap["failed"] == job.recap["unreachable"] == 0
    # What a rehearsal predicts counts as changed.
    assert name != STATUS or job.recap["changed"] == 0
    assert written(service_account) == before
    assert_kept_secrets(job, service_account)


def test_status_in_a_pod(launch, service_account):
    """As a user that no image knows, with the collection of the image."""
    job = launch(STATUS, kubeconfig=service_account, own_project=True).in_pod()
    assert job.status == 0, job.output[-4000:]
    assert job.recap["changed"] == job.recap["failed"] == 0
    assert "airflow-webserver" in job.output
    assert_kept_secrets(job, service_account)


def test_rotation_in_a_pod(launch, service_account):
    """Keys of any age are replaced; the same job again finds them too young and leaves them alone."""
    answers = {"airflow_keys_minimum_age": 0}
    job = launch("Airflow: rotate keys", kubeconfig=service_account, own_project=True, answers=answers).in_pod(1800)
    assert job.status == 0, job.output[-4000:]
    assert job.recap["failed"] == 0
    assert job.recap["changed"] > 0
    assert_kept_secrets(job, service_account)
    config.load_kube_config(str(service_account))
    record = client.CoreV1Api().read_namespaced_config_map("airflow-runbook-sandbox", "hopsworks")
    assert '"operator@awx-job-1"' in record.data["run"]
    again = launch("Airflow: rotate keys", kubeconfig=service_account, own_project=True).in_pod()
    assert again.status == 0, again.output[-4000:]
    assert again.recap["changed"] == 0


def test_replacement_without_the_typed_name_is_refused(launch, service_account):
    job = launch("Airflow: replace compromised keys", kubeconfig=service_account).on_execution_node()
    assert job.status != 0
    assert job.recap["changed"] == 0
    assert "not confirmed" in job.output
    assert "Untouched: everything" in job.output


def test_job_without_a_credential_is_refused(launch):
    job = launch(STATUS).on_execution_node()
    assert job.status != 0
    assert "Found: no kubeconfig" in job.output
    assert job.recap["changed"] == 0


def test_upgrade_without_a_volume_is_refused(launch, service_account):
    job = launch("Airflow: upgrade from 1.x to 3.x", kubeconfig=service_account).on_execution_node()
    assert job.status != 0
    assert "Expected: a volume there" in job.output
    assert job.recap["changed"] == 0


def test_kubeconfig_is_for_its_owner_only(service_account):
    assert stat.S_IMODE(os.stat(service_account).st_mode) == 0o600


@pytest.mark.parametrize(
    ("verb", "group", "resource", "name"),
    [
        ("get", "", "secrets", ""),
        ("list", "", "secrets", ""),
        ("create", "", "secrets", ""),
        ("delete", "", "secrets", "hopsworks-airflow-keys"),
        ("patch", "", "secrets", "mysql-users-secrets"),
        ("create", "", "pods", ""),
        ("delete", "", "pods", ""),
        ("create", "apps", "deployments", ""),
        ("delete", "apps", "deployments", "airflow-webserver"),
        ("delete", "apps", "statefulsets", "mysqlds"),
        ("create", "rbac.authorization.k8s.io", "roles", ""),
        ("create", "", "serviceaccounts/token", ""),
    ],
)
def test_account_may_not(service_account, verb, group, resource, name):
    kind, _slash, subresource = resource.partition("/")
    attributes = {"namespace": "hopsworks", "verb": verb, "group": group, "resource": kind, "name": name}
    api = config.new_client_from_config(str(service_account))
    review = client.AuthorizationV1Api(api).create_self_subject_access_review(
        {"spec": {"resourceAttributes": {**attributes, "subresource": subresource}}}
    )
    assert not review.status.allowed
