# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import network
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError


def pod(name, ready="True", leaving=None):
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name, deletion_timestamp=leaving),
        status=SimpleNamespace(conditions=[SimpleNamespace(type="Ready", status=ready)]),
        spec=SimpleNamespace(
            containers=[SimpleNamespace(ports=[SimpleNamespace(name="sql", container_port=13306)])],
            init_containers=None,
        ),
    )


class Core:
    """Service `mysql` in namespace `hopsworks`, port 3306 to a named port, 9870 to itself."""

    def __init__(self, *pods):
        self.pods = pods
        self.asked = 0
        # Services of another kind, and namespaces that may not be looked into.
        self.others = {
            ("outside", "hopsworks"): SimpleNamespace(external_name="db.example.org", selector=None, ports=None),
            ("bare", "hopsworks"): SimpleNamespace(external_name=None, selector=None, ports=[]),
        }
        self.closed = ("example",)

    def read_namespaced_service(self, name, namespace):
        self.asked += 1
        if (name, namespace) in self.others:
            return SimpleNamespace(spec=self.others[name, namespace])
        if namespace in self.closed:
            raise ApiException(status=403)
        if (name, namespace) != ("mysql", "hopsworks"):
            raise ApiException(status=404)
        ports = [
            SimpleNamespace(port=3306, target_port="sql"),
            SimpleNamespace(port=9870, target_port=None),
        ]
        return SimpleNamespace(spec=SimpleNamespace(ports=ports, selector={"app": "mysqlds"}, external_name=None))

    def list_namespaced_pod(self, _namespace, label_selector):
        assert label_selector == "app=mysqlds"
        return SimpleNamespace(items=self.pods)


class Tunnel:
    def __init__(self, _cluster, namespace, name, port, *, find):
        self.target = (namespace, name, port)
        self.find = find
        self.address = ("127.0.0.1", 40000 + port % 1000)

    def close(self):
        pass


@pytest.fixture
def questions(monkeypatch):
    """Names that a name server was asked for; it knows only `here`."""
    asked = []

    def getaddrinfo(host, port, **_options):
        asked.append(host)
        if host != "here":
            raise socket.gaierror(-2, "Name or service not known")
        return [(host, port)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(network, "Tunnel", Tunnel)
    return asked


def net(*pods):
    return network.Network(SimpleNamespace(namespace="hopsworks", core=Core(*pods)))


@pytest.mark.parametrize("suffix", ["", ".hopsworks", ".hopsworks.svc", ".hopsworks.svc.cluster.local"])
def test_a_service_is_reached_through_a_ready_pod(questions, suffix):
    host = f"mysql{suffix}"
    one = net(pod("leaving", leaving="now"), pod("starting", ready="False"), pod("mysqlds-0"))
    for _each in range(3):
        assert one.address(host, 3306) == ("127.0.0.1", 40306)
    assert one._tunnels[host, 3306].target == ("hopsworks", "mysqlds-0", 13306)
    assert questions == [host], "a name server is asked once"
    assert one._cluster.core.asked == 2


def test_a_pod_of_a_stateful_set_is_reached_by_its_own_name(questions):
    one = net(pod("mysqlds-0"), pod("mysqlds-1"))
    host = "mysqlds-1.mysql.hopsworks.svc.cluster.local"
    one.address(host, 9870)
    assert one._tunnels[host, 9870].target == ("hopsworks", "mysqlds-1", 9870)
    assert questions == [host]
    with pytest.raises(OperatorError, match="no ready pod called mysqlds-7"):
        one.address("mysqlds-7.mysql.hopsworks.svc.cluster.local", 9870)


def test_a_tunnel_finds_the_next_pod(questions):
    one = net(pod("mysqlds-0"))
    one.address("mysql", 3306)
    one._cluster.core.pods = [pod("mysqlds-9")]
    assert one._tunnels["mysql", 3306].find() == ("mysqlds-9", 13306)
    assert questions


@pytest.mark.parametrize("host", ["here", "elsewhere", "db.example.org", "a.b.c.example.org", "db.example"])
def test_any_other_name_is_left_alone(questions, host):
    one = net(pod("mysqlds-0"))
    for _each in range(3):
        assert one.address(host, 3306) == (host, 3306)
    assert questions == [host]


@pytest.mark.usefixtures("questions")
def test_a_service_without_a_ready_pod_is_asked_again_next_time():
    one = net(pod("mysqlds-0", ready="False"))
    with pytest.raises(OperatorError, match="no ready pod"):
        one.address("mysql", 3306)
    one._cluster.core.pods = [pod("mysqlds-0")]
    assert one.address("mysql", 3306)[0] == "127.0.0.1"


@pytest.mark.usefixtures("questions")
def test_a_service_that_is_another_name_is_the_host_it_names():
    for host in ("outside", "outside.hopsworks.svc"):
        assert net().address(host, 3306) == ("db.example.org", 3306)


@pytest.mark.usefixtures("questions")
def test_a_service_without_a_selector_is_told():
    with pytest.raises(OperatorError, match="has no selector"):
        net().address("bare", 3306)


@pytest.mark.usefixtures("questions")
def test_a_namespace_of_ones_own_that_may_not_be_looked_into_is_an_error():
    one = net()
    one._cluster.core.closed = ("hopsworks",)
    with pytest.raises(ApiException):
        one.address("db", 3306)
