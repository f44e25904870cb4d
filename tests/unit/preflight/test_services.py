# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a database before it is connected to is what whoever connects finds."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.network import Network
from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight.preflight import Preflight

# Of the Service without a selector, whose endpoints are those of a database elsewhere.
CLUSTER_IP = "10.96.0.10"


class Core:
    def __init__(self, *, ready):
        self.ready = "True" if ready else "False"

    def read_namespaced_service(self, name, namespace):
        specs = {
            "mysql": {"selector": {"app": "mysqlds"}, "cluster_ip": "10.96.0.9"},
            "elsewhere": {"cluster_ip": CLUSTER_IP, "cluster_i_ps": [CLUSTER_IP]},
            "outside": {"external_name": "db.example.org"},
        }
        if name not in specs or namespace != "lab":
            raise ApiException(status=404)
        spec = client.V1ServiceSpec(ports=[client.V1ServicePort(port=3306)], **specs[name])
        return client.V1Service(metadata=client.V1ObjectMeta(name=name), spec=spec)

    def list_namespaced_pod(self, _namespace, label_selector):
        assert label_selector == "app=mysqlds"
        conditions = [client.V1PodCondition(type="Ready", status=self.ready)]
        container = client.V1Container(name="mysql")
        pod = client.V1Pod(
            metadata=client.V1ObjectMeta(name="mysqlds-0"),
            spec=client.V1PodSpec(containers=[container]),
            status=client.V1PodStatus(conditions=conditions),
        )
        return client.V1PodList(items=[pod])


@pytest.fixture
def found(monkeypatch):
    """The finding about a host, with the names that this machine knows."""

    def look(host, known=(), *, ready=True):
        def getaddrinfo(name, port, *_given, **_options):
            if name not in known:
                raise socket.gaierror(-2, "Name or service not known")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (CLUSTER_IP, port))]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        cluster = SimpleNamespace(namespace="lab", core=Core(ready=ready), api=None)
        (finding,) = Preflight(cluster, lambda _line: None).service({"name": host, "port": 3306})
        if finding.ok:
            with Network(cluster) as network:
                assert network.address(host, 3306)
        return finding

    return look


@pytest.mark.parametrize(
    ("host", "known", "words"),
    [
        ("mysql", [], "Service mysql has a ready pod"),
        ("mysql", ["mysql"], "Service mysql has a ready pod"),
        ("mysql.lab.svc.cluster.local", [], "mysql.lab.svc.cluster.local is reached as 127.0.0.1"),
        ("outside", [], "Service outside is reached as db.example.org"),
        # In the cluster, as in AWX's pods, or with its network here.
        ("elsewhere", ["elsewhere"], "Service elsewhere is reached as elsewhere"),
        # By a search domain of this machine and of the cluster's nodes.
        ("db", ["db"], "db is a host, not a Service"),
        ("db.example.org", [], "db.example.org is reached as db.example.org"),
        ("fd00::10", [], "fd00::10 is reached as fd00::10"),
        ("192.0.2.7", [], "192.0.2.7 is reached as 192.0.2.7"),
    ],
)
def test_what_can_be_connected_to_passes(found, host, known, words):
    finding = found(host, known)
    assert (finding.ok, finding.found) == (True, words)


@pytest.mark.parametrize(
    ("host", "known", "ready", "words", "advice"),
    [
        ("mysql", [], False, "Service mysql in namespace lab has no ready pod", "-n lab get pods -l 'app=mysqlds'"),
        # Its pods reach it by this name alone.
        ("mysql", ["mysql"], False, "Service mysql in namespace lab has no ready pod", "get pods"),
        ("mysql.lab.svc", [], False, "Service mysql in namespace lab has no ready pod", "get pods"),
        ("elsewhere", [], True, "Service elsewhere in namespace lab has no selector", "use the host name"),
        (
            "db",
            [],
            True,
            "there is no Service db, and no host of that name is known on this machine",
            "correct the name",
        ),
    ],
)
def test_what_can_not_be_connected_to_is_told_with_what_to_do(found, host, known, ready, words, advice):
    finding = found(host, known, ready=ready)
    assert (finding.ok, finding.level) == (False, "error")
    assert finding.found.startswith(words)
    assert advice in finding.next_step
