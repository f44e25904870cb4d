# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which uses workloads make of an image."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import account
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.uses import Use, uses_of

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
