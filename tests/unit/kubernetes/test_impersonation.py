# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every request is made as the same somebody: those of the typed client, commands in pods, and port-forwards."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.config import kube_config

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.connection import connect
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.execute import execute
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryPolicy
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.tunnel import port_forward

REQUESTS = {
    "typed": lambda cluster: cluster.core.read_namespaced_secret("keys", "lab"),
    "command": lambda cluster: execute(cluster, "web", None, ["true"]),
    "port-forward": lambda cluster: port_forward(cluster, "lab", "web", 8080),
    "in another process": lambda cluster: execute(cluster.another(), "web", None, ["true"]),
}
CAROL = {"as": "carol", "as-groups": ["ops", "on call"], "as-uid": 7, "as-user-extra": {"a/b": ["x", "y"], "C": ["z"]}}
AS_CAROL = [
    ("impersonate-extra-a%2fb", "x"),
    ("impersonate-extra-a%2fb", "y"),
    ("impersonate-extra-c", "z"),
    ("impersonate-group", "on call"),
    ("impersonate-group", "ops"),
    ("impersonate-uid", "7"),
    ("impersonate-user", "carol"),
]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "K8S_AUTH_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def kubeconfig(server, user, *, name="x"):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server.host}}],
        "users": [{"name": name, "user": {"token": "admin", **user}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def asked_as(server, request, **options):
    """The headers of one request that say as whom it is to be done."""
    cluster = Cluster(connect(options, RetryPolicy()), "lab")
    with contextlib.suppress(ApiException):
        request(cluster)
    assert len(server.requests) == 1
    assert ("authorization", "Bearer admin") in [(name.lower(), value) for name, value in server.headers]
    return sorted((name.lower(), value) for name, value in server.headers if name.lower().startswith("impersonate"))


@pytest.mark.parametrize("request_of", REQUESTS)
@pytest.mark.parametrize("given", ["mapping", "file", "default", "two files"])
def test_as_in_a_kubeconfig_holds_for_every_request(server, tmp_path, monkeypatch, request_of, given):
    content = kubeconfig(server, CAROL)
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    other = tmp_path / "other"
    other.write_text(yaml.safe_dump(kubeconfig(server, {"as": "mallory"}, name="other")), encoding="utf-8")
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    monkeypatch.setenv("KUBECONFIG", str(file))
    options = {
        "mapping": {"kubeconfig": content},
        "file": {"kubeconfig": str(file)},
        "default": {},
        "two files": {"kubeconfig": f"{other}:{file}", "context": "x"},
    }[given]
    assert asked_as(server, REQUESTS[request_of], **options) == AS_CAROL


@pytest.mark.parametrize("request_of", REQUESTS)
def test_options_come_before_a_kubeconfig(server, request_of):
    options = {"impersonate_user": "dave", "impersonate_groups": ["a", "b"]}
    asked = asked_as(server, REQUESTS[request_of], kubeconfig=kubeconfig(server, CAROL), **options)
    assert [each for each in asked if "extra" not in each[0] and "uid" not in each[0]] == [
        ("impersonate-group", "a"),
        ("impersonate-group", "b"),
        ("impersonate-user", "dave"),
    ]


@pytest.mark.parametrize("request_of", REQUESTS)
def test_options_alone_are_enough(server, request_of):
    options = {"host": server.host, "api_key": "admin", "impersonate_user": "dave"}
    assert asked_as(server, REQUESTS[request_of], **options) == [("impersonate-user", "dave")]


@pytest.mark.parametrize("request_of", REQUESTS)
@pytest.mark.parametrize("user", [{}, {"as": ""}, {"as": None, "as-groups": ["ops"]}])
def test_nobody_else_is_nobody_else(server, request_of, user):
    assert asked_as(server, REQUESTS[request_of], kubeconfig=kubeconfig(server, user)) == []


@pytest.mark.parametrize("wrong", [{"as-user-extra": ["x"]}, {"as-user-extra": "x"}, {"as-user-extra": 3}])
def test_what_is_wrong_in_a_kubeconfig_is_said(server, wrong):
    with pytest.raises(OperatorError, match="as-user-extra"):
        connect({"kubeconfig": kubeconfig(server, {"as": "carol", **wrong})}, RetryPolicy())


@pytest.mark.parametrize("request_of", REQUESTS)
def test_letters_of_any_script_are_sent_as_kubectl_sends_them(server, request_of):
    options = {"impersonate_user": "łukasz", "impersonate_groups": ["ops", "größe"]}
    asked = asked_as(server, REQUESTS[request_of], kubeconfig=kubeconfig(server, {}), **options)
    sent = [(name, value.encode("latin-1").decode()) for name, value in asked]
    assert sent == sorted(
        [("impersonate-user", "łukasz"), ("impersonate-group", "ops"), ("impersonate-group", "größe")]
    )


def test_a_line_break_in_a_name_is_said(server):
    with pytest.raises(OperatorError, match="Impersonate-User has a line break"):
        connect({"kubeconfig": kubeconfig(server, {"as": "a\nb"})}, RetryPolicy())
