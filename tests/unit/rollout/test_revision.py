# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.revision import merge_change, previous_template

OLD = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"prometheus.io/scrape": "true"}},
    "spec": {"containers": [{"name": "main", "image": "web:1"}], "terminationGracePeriodSeconds": 30},
}


def restarted(template, run="one"):
    after = copy.deepcopy(template)
    after["metadata"].setdefault("annotations", {})["hopsworks.airflow/restarted-by"] = run
    return after


def deployment(template, revision="2", *, seen=True):
    return {
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "uid": "u",
            "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": revision},
        },
        "spec": {"template": template},
        "status": {"observedGeneration": 2 if seen else 1},
    }


def replica_set(template, revision, owner="u"):
    kept = copy.deepcopy(template)
    kept["metadata"]["labels"]["pod-template-hash"] = f"hash{revision}"
    return {
        "metadata": {
            "name": f"web-{revision}",
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": owner}],
        },
        "spec": {"template": kept},
    }


def controller_revision(template, number, owner="u"):
    """As the StatefulSet controller keeps it, with the null of older API servers."""
    kept = copy.deepcopy(template)
    kept["metadata"]["creationTimestamp"] = None
    return {
        "metadata": {"name": f"web-{number}", "ownerReferences": [{"uid": owner}]},
        "revision": number,
        "data": {"spec": {"template": {**kept, "$patch": "replace"}}},
    }


def applied(target, change):
    """RFC 7386, section 2."""
    result = copy.deepcopy(target)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = applied(result.get(key) if isinstance(result.get(key), dict) else {}, value)
        else:
            result[key] = value
    return result


def test_the_replica_set_before_the_present_one():
    older = restarted(OLD, "zero")
    sets = [
        replica_set(OLD, 1),
        replica_set(restarted(OLD), 12),
        replica_set(older, 9),
        replica_set({**OLD}, 99, "other"),
    ]
    assert previous_template(deployment(restarted(OLD), "12"), sets) == older


def test_of_a_change_that_the_controller_has_not_seen_the_newest_kept():
    sets = [replica_set(restarted(OLD, "zero"), 1), replica_set(OLD, 2)]
    assert previous_template(deployment(restarted(OLD), "2", seen=False), sets) == OLD


def test_nothing_is_kept_of_a_first_revision():
    assert previous_template(deployment(OLD, "1"), [replica_set(OLD, 1)]) is None


def test_defaults_of_a_newer_api_server_make_no_previous_revision():
    """The present revision's own ReplicaSet may lack a field that the Deployment got since."""
    present = copy.deepcopy(OLD)
    present["spec"]["schedulerName"] = "default-scheduler"
    assert previous_template(deployment(present, "1"), [replica_set(OLD, 1)]) is None


def test_a_stateful_set_has_controller_revisions():
    workload = deployment(restarted(OLD))
    workload.update(kind="StatefulSet", status={"observedGeneration": 2, "updateRevision": "web-3"})
    kept = [controller_revision(OLD, 2), controller_revision(restarted(OLD), 3), controller_revision(OLD, 9, "other")]
    assert previous_template(workload, kept) == OLD


EMPTY: dict[str, dict] = {"metadata": {}, "spec": {"containers": []}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (OLD, OLD),
        (restarted(OLD), OLD),
        (OLD, restarted(OLD)),
        (restarted(OLD, "two"), restarted(OLD, "one")),
        (restarted(EMPTY), EMPTY),
        (EMPTY, restarted(OLD)),
        (OLD, {**OLD, "spec": {"containers": [{"name": "other"}], "volumes": [{"name": "x", "emptyDir": {}}]}}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": "text"}}),
        ({"a": "text"}, {"a": {"b": {"c": 1}}}),
    ],
)
def test_the_change_makes_one_of_the_other(before, after):
    assert applied(before, merge_change(before, after)) == after


def test_only_what_differs_is_changed():
    assert merge_change(restarted(OLD), OLD) == {"metadata": {"annotations": {"hopsworks.airflow/restarted-by": None}}}
    assert merge_change(OLD, OLD) == {}


def test_a_recorded_update_has_the_first_template_before_it():
    """Real ReplicaSets have the revisions that this reads."""
    document = json.loads((Path(__file__).parents[1] / "pods" / "recordings" / "deployment-update.json").read_text())
    last = document["states"][-1]
    workload = document["objects"][last["workload"]]
    sets = [document["objects"][position] for position in last["replica_sets"]]
    assert {entry["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for entry in sets} == {"1", "2"}
    workload["spec"]["template"] = restarted(OLD)
    for entry in sets:
        entry["spec"]["template"] = {"metadata": {"labels": dict(entry["metadata"]["labels"])}, "spec": {}}
    previous = next(e for e in sets if e["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1")
    previous["spec"]["template"]["spec"] = {"first": True}
    assert previous_template(workload, sets)["spec"] == {"first": True}
