# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Job in which the database's client tools run, wherever the database is."""

from __future__ import annotations

import json
import types

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database import client_job as client_job_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.address import Address
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.client_job import (
    CONTAINER,
    LABEL_TARGET,
    client_job,
    client_of,
    client_tools,
    try_client,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.tls import option_lines
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.tls import TLS_FOLDER, Tls
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import account
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.admission import Verdict
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.own_job import Pod
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD

ADDRESS = Address("db.example.com", 3306, "airflow", "airflow", PASSWORD.encode())
RUN = "20261122t030000"


def database_pod(namespace="hopsworks", **specification):
    container = client.V1Container(
        name="mysqld", image="rondb:24", security_context=specification.pop("container", None)
    )
    other = client.V1Container(name="tools", image="tools:1")
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name="mysqlds-0", namespace=namespace),
        spec=client.V1PodSpec(containers=[container, other], **specification),
    )


class Cluster:
    """A cluster with pods by label selector and one Service."""

    def __init__(self, pods=None, service=None, refused=404):
        self.namespace, self.core = "hopsworks", self
        self._pods, self._service, self._refused = pods or {}, service, refused
        self._api = client.ApiClient()

    def plain(self, obj):
        return self._api.sanitize_for_serialization(obj)

    def list_namespaced_pod(self, namespace, label_selector):
        return types.SimpleNamespace(items=self._pods.get((namespace, label_selector), []))

    def read_namespaced_service(self, name, namespace):
        if (namespace, name) != self._service:
            raise ApiException(status=self._refused)
        return client.V1Service(spec=client.V1ServiceSpec(selector={"app": "db"}))


def chosen(cluster, host="db.example.com", **params):
    address = Address(host, 3306, "airflow", "airflow", b"x")
    given = {"client_image": None, "pod_selector": "app=mysqlds", "container": None, "pod": {}, **params}
    return client_of(cluster, address, given)


@pytest.mark.parametrize(("named", "image"), [("tools", "tools:1"), ("gone", "rondb:24"), (None, "rondb:24")])
def test_the_container_that_the_databases_pod_names_has_the_tools(named, image):
    """A mesh that puts its own container first says so."""
    pod = database_pod()
    pod.metadata.annotations = named and {"kubectl.kubernetes.io/default-container": named}
    cluster = Cluster({("hopsworks", "app=mysqlds"): [pod]})
    assert chosen(cluster)[0] == image
    assert chosen(cluster, container="mysqld")[0] == "rondb:24"


def test_the_image_that_is_given_needs_no_pod_of_the_database():
    image, pod = chosen(Cluster(), client_image="mariadb:10.11", pod={"node_selector": {"disk": "ssd"}})

    assert (image, pod.node_selector) == ("mariadb:10.11", {"disk": "ssd"})


def test_if_omitted_it_is_that_of_the_databases_pod_and_so_is_the_pod():
    own = database_pod(
        node_selector={"db": "yes"},
        tolerations=[client.V1Toleration(key="db")],
        image_pull_secrets=[client.V1LocalObjectReference(name="registry")],
        security_context=client.V1PodSecurityContext(run_as_user=1, fs_group=7),
        container=client.V1SecurityContext(run_as_user=1000, privileged=True),
    )

    image, pod = chosen(Cluster({("hopsworks", "app=mysqlds"): [own]}))

    assert image == "rondb:24"
    assert pod.node_selector == {"db": "yes"}
    assert pod.tolerations == [{"key": "db"}]
    assert pod.image_pull_secrets == [{"name": "registry"}]
    assert pod.security_context == {"runAsUser": 1000, "fsGroup": 7, "runAsNonRoot": True}
    assert chosen(Cluster({("hopsworks", "app=mysqlds"): [own]}), container="tools")[0] == "tools:1"


SETTINGS = {
    "security_context": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "container_security_context": {"readOnlyRootFilesystem": True},
    "resources": {"limits": {"memory": "1Gi"}},
    "labels": {"policy": "database"},
    "annotations": {"sidecar.istio.io/inject": "false"},
    "priority_class": "high",
    "runtime_class": "gvisor",
    "image_pull_policy": "Always",
    "image_pull_secrets": [{"name": "ours"}],
}


def test_the_databases_own_pod_says_the_user_and_the_place_and_the_deployment_the_rest():
    """An image of root in a pod that must not be root's is refused by the kubelet."""
    nodes = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "db", "operator": "Exists"}]}]}
    of_nodes = {"requiredDuringSchedulingIgnoredDuringExecution": nodes}
    own = database_pod(
        tolerations=[client.V1Toleration(key="db")],
        image_pull_secrets=[client.V1LocalObjectReference(name="registry")],
        affinity=client.V1Affinity(
            node_affinity=of_nodes,
            pod_anti_affinity={"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "host"}]},
        ),
    )
    cluster = Cluster({("hopsworks", "app=mysqlds"): [own]})

    _image, pod = chosen(cluster, pod=SETTINGS)

    assert pod.security_context == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert (pod.tolerations, pod.affinity) == ([{"key": "db"}], {"nodeAffinity": of_nodes})
    assert pod.image_pull_secrets == [{"name": "ours"}, {"name": "registry"}]
    for name in ("container_security_context", "resources", "labels", "annotations", "priority_class"):
        assert getattr(pod, name) == SETTINGS[name]

    # A place is a whole: half of each would be a place where no node is.
    _image, pod = chosen(cluster, pod={"node_selector": {"team": "data"}})
    assert (pod.node_selector, pod.tolerations, pod.affinity) == ({"team": "data"}, [], {})


@pytest.mark.parametrize(("user", "context"), [(27, {"runAsUser": 27, "runAsNonRoot": True}), (0, {"runAsUser": 0})])
def test_a_user_that_is_not_root_is_said_to_be_none(user, context):
    """The Pod Security Standard `restricted` wants it said."""
    own = database_pod(security_context=client.V1PodSecurityContext(run_as_user=user))
    assert chosen(Cluster({("hopsworks", "app=mysqlds"): [own]}))[1].security_context == context


def test_an_account_that_is_not_there_yet_is_not_asked_for(monkeypatch):
    """The first installation makes it, after the pods of the Jobs."""
    there = {"ServiceAccount/old"}
    objects = types.SimpleNamespace(read=lambda kind, name: {} if f"{kind}/{name}" in there else None)
    monkeypatch.setattr(account, "Objects", lambda _cluster: objects)
    for name, used in (("old", "old"), ("airflow", None)):
        _image, pod = chosen(Cluster(), client_image="mariadb:10.11", pod={"service_account": name})
        assert pod.service_account == used


@pytest.mark.parametrize("host", ["mysql.databases", "mysql.databases.svc", "mysql.databases.svc.cluster.local"])
def test_without_such_pods_it_is_that_of_the_service(host):
    own = database_pod("databases", image_pull_secrets=[client.V1LocalObjectReference(name="registry")])

    image, pod = chosen(Cluster({("databases", "app=db"): [own]}, ("databases", "mysql")), host)

    assert image == "rondb:24"
    # A Secret of another namespace can't be used here.
    assert pod.image_pull_secrets == []


@pytest.mark.parametrize(
    ("host", "refused"),
    [("db", 404), ("db.example", 404), ("db.example", 403), ("db.example.com", 404), ("10.0.0.7", 404)],
)
def test_where_neither_is_known_it_says_what_to_set(host, refused):
    with pytest.raises(OperatorError, match="no image with the database's client tools") as caught:
        chosen(Cluster(refused=refused), host)

    assert "airflow_database_client_image" in caught.value.next_step


def test_a_container_that_is_not_there_is_told():
    with pytest.raises(OperatorError, match="has no container x"):
        chosen(Cluster({("hopsworks", "app=mysqlds"): [database_pod()]}), container="x")


def test_the_job_carries_no_secret_and_ends_by_itself():
    made = client_job(ADDRESS, "mariadb:10.11", Pod(), RUN, 900)
    specification = made["spec"]["template"]["spec"]

    assert "CANARY" not in json.dumps(made)
    assert made["spec"]["activeDeadlineSeconds"] == 900
    assert made["spec"]["backoffLimit"] == 0
    assert specification["automountServiceAccountToken"] is False
    assert specification["volumes"] == specification["containers"][0]["volumeMounts"] == []
    assert len({client_job(ADDRESS, "x", Pod(), "r" * 32, 9)["metadata"]["name"] for _attempt in range(50)}) == 50
    assert len(client_job(ADDRESS, "x", Pod(), "r" * 32, 9)["metadata"]["name"]) <= 63


def test_the_job_is_as_all_pods_of_the_deployment():
    template = client_job(ADDRESS, "mariadb:10.11", Pod(**SETTINGS, affinity={"nodeAffinity": {}}), RUN, 9)["spec"][
        "template"
    ]
    specification, container = template["spec"], template["spec"]["containers"][0]

    assert template["metadata"]["labels"]["policy"] == "database"
    assert template["metadata"]["labels"][LABEL_TARGET]
    assert template["metadata"]["annotations"] == SETTINGS["annotations"]
    assert (specification["priorityClassName"], specification["runtimeClassName"]) == ("high", "gvisor")
    assert specification["affinity"] == {"nodeAffinity": {}}
    assert specification["securityContext"] == SETTINGS["security_context"]
    assert container["securityContext"] == SETTINGS["container_security_context"]
    assert container["resources"] == SETTINGS["resources"]
    assert container["imagePullPolicy"] == "Always"


def test_the_plan_tries_the_job(monkeypatch):
    tried = []

    class Admission:
        def __init__(self, _cluster, _made, *, nodes_on_demand):
            assert nodes_on_demand

        def job(self, manifest):
            tried.append(manifest)
            return Verdict(["pods of Job x would be refused: runAsNonRoot"], ["unknown"])

    warnings = []
    monkeypatch.setattr(client_job_module, "Admission", Admission)
    call = types.SimpleNamespace(cluster=None, warn=warnings.append)

    with pytest.raises(OperatorError, match="runAsNonRoot"):
        try_client(call, ADDRESS, "mariadb:10.11", Pod(nodes_on_demand=True), RUN, 60)

    assert tried[0]["spec"]["template"]["spec"]["containers"][0]["image"] == "mariadb:10.11"
    assert warnings == ["unknown"]


def test_files_for_tls_are_mounted_where_the_tools_look_for_them():
    sources = {name: {"name": "db-tls", "key": name} for name in ("ca", "certificate", "private_key")}
    encrypted = Address("db", 3306, "airflow", "airflow", b"x", Tls("verify_identity", sources))
    specification = client_job(encrypted, "x", Pod(), RUN, 9)["spec"]["template"]["spec"]

    assert specification["containers"][0]["volumeMounts"][0]["mountPath"] == TLS_FOLDER
    paths = [source["secret"]["items"][0]["path"] for source in specification["volumes"][0]["projected"]["sources"]]
    assert all(f"{TLS_FOLDER}/{path}" in option_lines(encrypted.tls, TLS_FOLDER) for path in paths)


def test_leftovers_of_another_database_in_the_same_run_are_not_removed():
    other = Address("db.example.com", 3306, "airflow_b", "airflow", b"x")

    labels = [
        client_job(address, "x", Pod(), RUN, 9)["metadata"]["labels"][LABEL_TARGET] for address in (ADDRESS, other)
    ]

    assert labels[0] != labels[1]


def test_tools_are_in_the_jobs_container_and_the_job_goes_whatever_happens(monkeypatch):
    events = []

    class FakeJob:
        def __init__(self, cluster, manifest, progress, secrets):
            self._name = manifest["metadata"]["name"]
            assert PASSWORD in secrets

        def started(self, timeout_seconds):
            del timeout_seconds
            return self

        def __enter__(self):
            events.append("started")
            return f"{self._name}-x"

        def __exit__(self, *exc):
            events.append("removed")

    monkeypatch.setattr(client_job_module, "Job", FakeJob)
    monkeypatch.setattr(client_job_module, "remove_leftovers", lambda *arguments: events.append(arguments[1]))

    def used():
        with client_tools(None, ADDRESS, "mariadb:10.11", Pod(), RUN, 60, quiet) as tools:
            assert tools.container == CONTAINER
            assert tools.pod.startswith("airflow-database-client-20261122t030000-")
            raise OperatorError("x", expected="", untouched="", next_step="")

    with pytest.raises(OperatorError):
        used()

    assert events[1:] == ["started", "removed"]
    assert f"hopsworks.airflow/run={RUN}" in events[0]
