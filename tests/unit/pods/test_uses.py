# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which uses workloads make of an image, and what the module does with them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import account
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.images import Outcome, Pull
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.uses import Use, uses_of
from ansible_collections.hopsworks.airflow.plugins.modules import image_pull

STRICT = {"runAsNonRoot": True}


def workload(name, *containers, init=(), **spec):
    template = {"spec": {**spec, "containers": list(containers), "initContainers": list(init)}}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": template}}


def container(name, image="image:1", **settings):
    return {"name": name, "image": image, "command": ["run"], **settings}


@pytest.fixture(autouse=True)
def accounts(monkeypatch):
    """The namespace has one service account."""
    objects = SimpleNamespace(read=lambda kind, name: {} if (kind, name) == ("ServiceAccount", "old") else None)
    monkeypatch.setattr(account, "Objects", lambda _cluster: objects)


def test_containers_that_differ_in_nothing_that_matters_are_one_use():
    own = {"securityContext": STRICT, "imagePullPolicy": "Always"}
    found = uses_of(
        None,
        "image:1",
        [
            workload("web", container("web", **own), container("other", "other:1"), nodeSelector={}, volumes=[{}]),
            workload("scheduler", container("scheduler", **own), init=[container("sync")]),
        ],
    )
    assert found == [Use("", {}, own), Use("", {}, {})]
    assert [use.name for use in found] == ["container web of Deployment web", "container sync of Deployment scheduler"]


def test_a_use_has_what_decides_of_the_pod():
    decides = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "imagePullSecrets": [{"name": "registry"}],
        "securityContext": STRICT,
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
    }
    (use,) = uses_of(None, "image:1", [workload("web", container("web"), **decides, terminationGracePeriodSeconds=5)])
    assert use.pod_spec == decides


@pytest.mark.parametrize(("name", "used"), [("old", {"serviceAccountName": "old"}), ("airflow", {})])
def test_an_account_that_is_not_there_yet_is_not_asked_for(name, used):
    (use,) = uses_of(None, "image:1", [workload("web", container("web"), serviceAccountName=name)])
    assert use.pod_spec == used


def test_an_image_that_no_container_has_is_refused():
    with pytest.raises(OperatorError, match="no container of 1 workloads has image image:2"):
        uses_of(None, "image:2", [workload("web", container("web"))])


class Puller:
    """Two nodes report the image, two don't."""

    outcome = Outcome()
    needed = ("new", "full")
    untried = ("none of 4 nodes may run container sync of Deployment scheduler",)

    def __init__(self, _cluster, _progress, _deployment, _image, uses, *_settings, nodes_on_demand):
        self._uses = uses
        self.untried = self.untried if nodes_on_demand else ()

    def nodes(self):
        return {"there": True, "asked": True, "new": False, "full": False}

    def pulls(self):
        return [Pull(name, self._uses[0], trial=name not in self.needed) for name in ("asked", "new", "full")]

    def pull(self, _pulls, **_arguments):
        return self.outcome

    def pod(self, pull, _timeout):
        return {"metadata": {}, "spec": {"nodeName": pull.node}}


@pytest.fixture
def act(monkeypatch):
    """The module, and what it warned of and tried."""
    tried, warnings = [], []
    monkeypatch.setattr(image_pull, "Puller", Puller)
    monkeypatch.setattr(image_pull, "Admission", lambda *_arguments, **_settings: SimpleNamespace(look=tried.append))
    monkeypatch.setattr(image_pull, "told", lambda _call, _verdict: None)

    def act(*, check_mode=False, on_demand=False, **outcome):
        monkeypatch.setattr(Puller, "outcome", Outcome(**outcome))
        defaults = {name: option.get("default") for name, option in image_pull.ACTION.argument_spec.items()}
        params = {**defaults, "deployment": "demo", "image": "image:1", "workloads": [workload("web", container("w"))]}
        params["nodes_on_demand"] = on_demand
        call = SimpleNamespace(params=params, cluster=None, progress=None, warn=warnings.append, check_mode=check_mode)
        return image_pull.act(call), warnings, tried

    return act


def test_a_node_that_was_only_asked_again_is_no_change(act):
    found, warnings, _tried = act(pulled={"asked": True, "new": False, "full": False})
    assert not found["changed"]
    assert set(found["nodes"].values()) == {"present"}
    assert warnings == []


def test_a_node_that_was_left_out_is_told(act):
    found, warnings, _tried = act(pulled={"asked": True, "new": True}, left_out={"full": "OutOfpods"})
    assert found["changed"]
    assert found["nodes"] == {"there": "present", "asked": "present", "new": "pulled", "full": "missing"}
    assert found["diff"]["after"]["full"] == "missing"
    assert "node full has no room" in warnings[0]


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_not_tried_for_want_of_a_node_is_told(act, check_mode):
    _found, warnings, _tried = act(check_mode=check_mode, on_demand=True)
    assert warnings == [*Puller.untried]


def test_a_plan_needs_room_for_one_pod(act):
    """A quota of 20 pods in a cluster of 50 nodes: they are made as there is room."""
    found, _warnings, tried = act(check_mode=True)
    assert found["changed"]
    assert found["nodes"] == {"there": "present", "asked": "present", "new": "missing", "full": "missing"}
    assert [[coming.count for coming in look] for look in tried] == [[1]]


def test_a_plan_of_nothing_needs_no_room_for_a_pod(act, monkeypatch):
    """A quota may have room for just the pods that are there."""
    monkeypatch.setattr(Puller, "needed", ())
    _found, _warnings, tried = act(check_mode=True)
    assert tried == []
