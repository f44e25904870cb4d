# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import network

THERE = ("127.0.0.1", 40306)


def pod(name, ready="True", leaving=None, ip=None):
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name, deletion_timestamp=leaving),
        status=client.V1PodStatus(pod_ip=ip, conditions=[client.V1PodCondition(type="Ready", status=ready)]),
        spec=client.V1PodSpec(
            containers=[client.V1Container(name="x", ports=[client.V1ContainerPort(name="sql", container_port=13306)])],
        ),
    )


class Core:
    """Service `mysql` in namespace `hopsworks`, port 3306 to a named port, 9870 to itself; others of other kinds."""

    def __init__(self, *pods):
        self.pods = pods
        self.asked = 0
        ports = [client.V1ServicePort(port=3306, target_port="sql"), client.V1ServicePort(port=9870)]
        of_pods = {"ports": ports, "selector": {"app": "mysqlds"}}
        both = ["10.43.0.5", "fd00:0:0::5"]
        self.services = {
            "mysql": client.V1ServiceSpec(cluster_ip=both[0], cluster_i_ps=both, **of_pods),
            "headless": client.V1ServiceSpec(cluster_ip="None", cluster_i_ps=["None"], **of_pods),
            "outside": client.V1ServiceSpec(type="ExternalName", external_name="db.example.org"),
            "alias": client.V1ServiceSpec(type="ExternalName", external_name="mysql.hopsworks.svc.cluster.local"),
            "loop": client.V1ServiceSpec(type="ExternalName", external_name="loop.hopsworks.svc.cluster.local"),
            "bare": client.V1ServiceSpec(cluster_ip="10.43.0.8", cluster_i_ps=["10.43.0.8"]),
            "written": client.V1ServiceSpec(cluster_ip="None", cluster_i_ps=["None"]),
        }
        self.may_read_endpoints = True
        self.closed = ("example",)

    def read_namespaced_service(self, name, namespace):
        self.asked += 1
        if namespace in self.closed:
            raise ApiException(status=403)
        if name not in self.services or namespace != "hopsworks":
            raise ApiException(status=404)
        return client.V1Service(metadata=client.V1ObjectMeta(name=name), spec=self.services[name])

    def read_namespaced_endpoints(self, name, namespace):
        assert (name, namespace) in (("bare", "hopsworks"), ("written", "hopsworks"))
        if not self.may_read_endpoints:
            raise ApiException(status=403)
        return client.V1Endpoints(
            subsets=[client.V1EndpointSubset(addresses=[client.V1EndpointAddress(ip="192.0.2.4")])]
        )

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
    """Names that this machine's name server was asked for; it knows only `here`."""
    asked = []

    def getaddrinfo(host, port, **_options):
        asked.append(host)
        if host != "here":
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(network, "Tunnel", Tunnel)
    return asked


def net(*pods):
    return network.Network(SimpleNamespace(namespace="hopsworks", core=Core(*pods)))


@pytest.fixture
def means(monkeypatch):
    """Give every name a meaning on this machine."""
    monkeypatch.setattr(network, "Tunnel", Tunnel)

    def set_meaning(*addresses):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 3306)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: found)

    return set_meaning


NAMES = ["mysql", "mysql.hopsworks", "mysql.hopsworks.svc", "mysql.hopsworks.svc.cluster.local."]


@pytest.mark.parametrize("host", NAMES)
@pytest.mark.parametrize("here", [["10.96.0.9"], ["203.0.113.9"], ["10.43.0.5", "10.96.0.9"]])
def test_a_service_is_not_taken_for_what_its_name_means_on_this_machine(means, host, here):
    """In a pod of another cluster that has a Service of that name, or where a search domain has such a host."""
    means(*here)
    assert net(pod("mysqlds-0", ip="10.42.0.9")).address(host, 3306) == THERE


@pytest.mark.parametrize("host", NAMES)
@pytest.mark.parametrize("here", [["10.43.0.5"], ["10.43.0.5", "fd00::5"]])
def test_inside_the_cluster_a_service_is_reached_directly(means, host, here):
    means(*here)
    assert net(pod("mysqlds-0", ip="10.42.0.9")).address(host, 3306) == (host, 3306)


def test_a_headless_service_is_reached_directly_where_its_name_means_its_pods(means):
    pods = [pod("mysqlds-0", ip="10.42.0.9"), pod("mysqlds-1", ip="10.42.1.9")]
    for here in (["10.42.0.9"], ["10.42.0.9", "10.42.1.9"]):
        means(*here)
        assert net(*pods).address("headless", 3306) == ("headless", 3306)
    means("10.42.0.10")
    assert net(*pods).address("headless", 3306) == THERE


def test_the_name_of_a_pod_is_reached_directly_where_it_means_that_pod(means):
    host = "mysqlds-1.mysql.hopsworks.svc.cluster.local"
    pods = [pod("mysqlds-0", ip="10.42.0.9"), pod("mysqlds-1", ip="10.42.1.9")]
    means("10.42.1.9")
    assert net(*pods).address(host, 3306) == (host, 3306)
    means("10.42.0.9")
    assert net(*pods).address(host, 3306) == THERE


def test_a_service_without_a_selector_is_reached_directly_where_its_name_means_its_addresses(means):
    for host, address in (("bare", "10.43.0.8"), ("written", "192.0.2.4")):
        means(address)
        assert net().address(host, 3306) == (host, 3306)
        means("10.96.0.9")
        with pytest.raises(OperatorError, match="has no selector"):
            net().address(host, 3306)
    means("192.0.2.4")
    one = net()
    one._cluster.core.may_read_endpoints = False
    with pytest.raises(OperatorError, match="has no selector"):
        one.address("written", 3306)


@pytest.mark.parametrize("host", ["db.hopsworks.svc", "db-0.db.hopsworks.svc.cluster.local", "db.other.SVC.example"])
def test_a_service_that_only_another_cluster_has_is_refused(means, host):
    means("10.96.0.9")
    with pytest.raises(OperatorError, match="there is no Service db"):
        net().address(host, 3306)


def test_a_service_that_is_another_name_is_its_host_whatever_the_name_means_here(means):
    means("10.96.0.9")
    assert net().address("outside.hopsworks.svc", 3306) == ("db.example.org", 3306)


def test_a_service_that_is_another_name_for_a_service_is_that_one_of_the_same_cluster(means):
    means("10.96.0.9")
    assert net(pod("mysqlds-0", ip="10.42.0.9")).address("alias", 3306) == THERE
    assert net().address("loop", 3306) == ("loop.hopsworks.svc.cluster.local", 3306)


@pytest.mark.parametrize("host", ["10.42.0.9", "fd00::9", "localhost", "mysql.hopsworks.svc.clusterset.local"])
def test_no_service_is_looked_for_behind_what_can_be_none(means, host):
    means("10.42.0.9")
    one = net()
    assert one.address(host, 3306) == (host, 3306)
    assert one._cluster.core.asked == 0


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
    assert questions == []
    assert one._cluster.core.asked <= 1


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
