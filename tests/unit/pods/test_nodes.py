# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import nodes as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.nodes import Nodes, problem_of


def node(status="True", *, taints=(), **condition):
    return {
        "status": {
            "conditions": [
                {"type": "DiskPressure", "status": "False"},
                {"type": "Ready", "status": status, **condition},
            ]
        },
        "spec": {"taints": [{"key": taint} for taint in taints]},
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (node(), None),
        (node(taints=["node.kubernetes.io/unschedulable"]), None),
        (node("Unknown", message="Kubelet stopped posting node status."), "Unknown: Kubelet stopped"),
        (node("False", reason="KubeletNotReady"), "False: KubeletNotReady"),
        (node(taints=["node.kubernetes.io/unreachable"]), "unreachable"),
        (node(taints=["node.kubernetes.io/out-of-service"]), "out-of-service"),
    ],
)
def test_what_is_wrong_with_a_node(found, words):
    problem = problem_of(found)
    assert problem is None if words is None else words in problem


class Core:
    """Answers by name of the node; an exception in an answer's place is raised."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def list_node(self, field_selector):
        name = field_selector.partition("=")[2]
        self.asked.append(name)
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return {"items": [answer] if answer else []}


def nodes(core):
    return Nodes(SimpleNamespace(core=core, plain=lambda found: found))


def test_good_lost_and_vanished_nodes(monkeypatch):
    core = Core(good=node(), silent=node("Unknown"))
    looked = nodes(core)
    found = looked.look({"good", "silent", "gone"})
    assert found["good"] is None
    assert "Unknown" in found["silent"]
    assert "no longer" in found["gone"]
    looked.look({"good"})
    assert core.asked.count("good") == 1
    monkeypatch.setattr(subject, "KNOWN_FOR_SECONDS", -1.0)
    core.answers["good"] = node("Unknown")
    assert looked.look({"good"})["good"]


def test_who_may_not_list_nodes_asks_once_and_knows_nothing():
    core = Core(one=ApiException(status=403), two=node())
    looked = nodes(core)
    assert looked.look({"one"}) == {}
    assert looked.look({"one", "two"}) == {}
    assert core.asked == ["one"]


def test_an_api_server_that_is_away_is_asked_again():
    core = Core(one=ApiException(status=503))
    looked = nodes(core)
    assert looked.look({"one"}) == {}
    core.answers["one"] = node()
    assert looked.look({"one"}) == {"one": None}
