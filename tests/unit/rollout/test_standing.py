# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.definition import (
    STOPPED_ANNOTATION,
    saved,
    stopped_from,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.autoscalers import replicas_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.standing import standing


class Objects:
    def __init__(self, *found):
        self._found = {(each["kind"], each["metadata"]["name"]): each for each in found}

    def read(self, kind, name):
        found = copy.deepcopy(self._found.get((kind, name)))
        # As a list holds its items: without their kind.
        return found and {key: value for key, value in found.items() if key != "kind"}


def workload(kind, name, replicas=None, ready=None, annotations=None, images=("airflow:3",)):
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {
        "kind": kind,
        "metadata": {"name": name, **({"annotations": annotations} if annotations is not None else {})},
        "spec": {
            **({"replicas": replicas} if replicas is not None else {}),
            "template": {"metadata": {}, "spec": {"containers": containers}},
        },
        **({"status": {"readyReplicas": ready}} if ready is not None else {}),
    }


def test_tells_what_stands_under_each_name_in_order():
    objects = Objects(
        workload("StatefulSet", "worker", 3, 2, images=("airflow:3", "proxy:1")),
        workload("Deployment", "web", 0, annotations={STOPPED_ANNOTATION: "2"}),
        workload("Deployment", "other", 1, 1),
    )
    assert standing(objects, ["web", "gone", "worker"]) == [
        {
            "name": "web",
            "kind": "Deployment",
            "replicas": 0,
            "ready": 0,
            "stopped_from": 2,
            "images": ["airflow:3"],
        },
        {"name": "gone", "kind": None, "replicas": 0, "ready": 0, "stopped_from": None, "images": []},
        {
            "name": "worker",
            "kind": "StatefulSet",
            "replicas": 3,
            "ready": 2,
            "stopped_from": None,
            "images": ["airflow:3", "proxy:1"],
        },
    ]


def test_a_name_of_two_workloads_is_told_twice():
    objects = Objects(workload("StatefulSet", "web", 0), workload("Deployment", "web", 1, 1))
    assert [(each["kind"], each["replicas"]) for each in standing(objects, ["web"])] == [
        ("Deployment", 1),
        ("StatefulSet", 0),
    ]


def test_replicas_that_nothing_is_said_about_are_one():
    assert standing(Objects(workload("Deployment", "web")), ["web"])[0]["replicas"] == 1


def shown(live):
    return standing(Objects(live), ["web"])


@pytest.mark.parametrize("kept", ["", "two", "-1", "1.5", "9999999999", "²"])
@pytest.mark.parametrize("reading", [stopped_from, saved, replicas_of, shown])
def test_an_annotation_that_was_edited_is_refused_in_words(kept, reading):
    with pytest.raises(OperatorError, match=f"web has {kept!r} in its annotation {STOPPED_ANNOTATION}"):
        reading(workload("Deployment", "web", 0, annotations={STOPPED_ANNOTATION: kept}))


def test_an_annotation_of_ours_is_read():
    stopped = workload("Deployment", "web", 0, annotations={STOPPED_ANNOTATION: "12"})
    assert stopped_from(stopped) == 12
    assert replicas_of(stopped) == 12
    assert saved(stopped)["spec"]["replicas"] == 12
    assert STOPPED_ANNOTATION not in saved(stopped)["metadata"].get("annotations", {})
