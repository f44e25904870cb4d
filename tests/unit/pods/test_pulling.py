# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module that pulls does with the uses of an image."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import pulling
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.images import Outcome, Pull
from ansible_collections.hopsworks.airflow.plugins.modules import image_pull

IMAGE, OTHER = "image:1", "image:2"
USER = {
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {"template": {"spec": {"containers": [{"name": "w", "image": IMAGE}, {"name": "x", "image": OTHER}]}}},
}


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
    monkeypatch.setattr(pulling, "Puller", Puller)
    monkeypatch.setattr(pulling, "Admission", lambda *_arguments, **_settings: SimpleNamespace(look=tried.append))
    monkeypatch.setattr(pulling, "told", lambda _call, _verdict: None)

    def act(*, check_mode=False, on_demand=False, images=(IMAGE,), **outcome):
        monkeypatch.setattr(Puller, "outcome", Outcome(**outcome))
        defaults = {name: option.get("default") for name, option in image_pull.ACTION.argument_spec.items()}
        params = {**defaults, "deployment": "demo", "images": images, "workloads": [USER]}
        params["nodes_on_demand"] = on_demand
        call = SimpleNamespace(params=params, cluster=None, progress=None, warn=warnings.append, check_mode=check_mode)
        return pulling.act(call), warnings, tried

    return act


def test_a_node_that_was_only_asked_again_is_no_change(act):
    found, warnings, _tried = act(pulled={"asked": True, "new": False, "full": False})
    assert not found["changed"]
    assert set(found["images"][IMAGE].values()) == {"present"}
    assert warnings == []


def test_a_node_that_was_left_out_is_told(act):
    found, warnings, _tried = act(pulled={"asked": True, "new": True}, left_out={"full": "OutOfpods"})
    assert found["changed"]
    assert found["images"][IMAGE] == {"there": "present", "asked": "present", "new": "pulled", "full": "missing"}
    assert [each["after"]["full"] for each in found["diff"]] == ["missing"]
    assert "node full has no room" in warnings[0]


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_is_not_tried_for_want_of_a_node_is_told(act, check_mode):
    _found, warnings, _tried = act(check_mode=check_mode, on_demand=True)
    assert warnings == [*Puller.untried]


def test_a_plan_needs_room_for_one_pod(act):
    """A quota of 20 pods in a cluster of 50 nodes: they are made as there is room."""
    found, _warnings, tried = act(check_mode=True)
    assert found["changed"]
    assert found["images"][IMAGE] == {"there": "present", "asked": "present", "new": "missing", "full": "missing"}
    assert [[coming.count for coming in look] for look in tried] == [[1]]


def test_a_plan_of_nothing_needs_no_room_for_a_pod(act, monkeypatch):
    """A quota may have room for just the pods that are there."""
    monkeypatch.setattr(Puller, "needed", ())
    _found, _warnings, tried = act(check_mode=True)
    assert tried == []


def test_each_image_is_pulled_and_told_apart(act):
    found, _warnings, _tried = act(images=[IMAGE, OTHER], pulled={"new": True, "full": True})
    assert list(found["images"]) == found["pulled"] == [IMAGE, OTHER]
    assert [each["after_header"] for each in found["diff"]] == [f"image {IMAGE}", f"image {OTHER}"]
