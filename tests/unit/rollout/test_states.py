# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module `workloads` tells of each of its states."""

from __future__ import annotations

import copy

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.admission import Verdict
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import states
from ansible_collections.hopsworks.airflow.plugins.modules import workloads
from ansible_collections.hopsworks.airflow.tests.unit.rollout.applying import workload

DEFAULTS = {name: option.get("default") for name, option in yaml.safe_load(workloads.DOCUMENTATION)["options"].items()}
DOCUMENTED = yaml.safe_load(workloads.RETURN)["workloads"]["sample"][0]


@pytest.fixture
def verdict(monkeypatch):
    """What admission says of the pods that it is asked about."""
    verdict = Verdict()
    verdict.asked = []

    class Admission:
        def __init__(self, _cluster, made, *, nodes_on_demand):
            verdict.asked.append((made, nodes_on_demand))

        def look(self, coming, freed):
            verdict.asked += [[pods.name for pods in coming], freed]
            return verdict

    monkeypatch.setattr(states, "Admission", Admission)
    return verdict


@pytest.fixture
def act(namespace):
    warnings = []

    def call(state, *, check_mode=False, **params):
        given = {**DEFAULTS, "state": state, "replace": True, "timeout": 1, **params}
        call = Call(copy.deepcopy(given), check_mode, namespace.cluster, lambda _line: None, warnings.append)
        return states.act(call)

    call.warnings = warnings
    return call


def actions(result):
    return {each["name"]: each["action"] for each in result["workloads"]}


def test_check_mode_tells_the_same_as_the_rollout(namespace, act, verdict):
    namespace.made(workload("web", "old", replicas=3))
    namespace.log.clear()
    definitions = [workload("web"), workload("scheduler")]
    verdict.warnings.append("what no dry run can tell")
    planned = act("applied", check_mode=True, definitions=definitions, provided=[definitions[0]])
    assert namespace.log == []
    assert act.warnings == ["what no dry run can tell"]
    assert verdict.asked == [({("Deployment", "web")}, False), ["web", "scheduler"], []]
    found = act("applied", definitions=definitions)
    assert actions(found) == actions(planned) == {"web": "replaced", "scheduler": "created"}
    assert found["diff"] == planned["diff"]
    assert [each["seconds"] for each in planned["workloads"]] == [None, None]
    assert all(each["seconds"] >= 0 for each in found["workloads"])
    again = act("applied", definitions=definitions)
    assert (again["changed"], again["diff"]) == (False, [])


def test_what_admission_objects_to_is_refused_in_check_mode(act, verdict):
    verdict.problems.append("exceeds the quota")
    with pytest.raises(OperatorError, match="exceeds the quota"):
        act("applied", check_mode=True, definitions=[workload()])


def test_workloads_are_stopped_and_started_as_check_mode_tells(namespace, act):
    names = ["web", "absent"]
    namespace.made(workload("web", "old", replicas=3))
    for state, running in (("stopped", 3), ("started", 0)):
        planned = act(state, check_mode=True, names=names)
        assert namespace.read("Deployment", "web")["spec"]["replicas"] == running
        assert act(state, names=names) == planned
        assert planned["changed"]
        assert actions(planned) == {"web": state, "absent": "absent"}
        assert planned["diff"] == {
            "before": {"Deployment web": {"replicas": running}},
            "after": {"Deployment web": {"replicas": 3 - running}},
        }
        assert not act(state, names=names)["changed"]


def test_all_that_a_rollout_returns_of_a_workload_is_documented(namespace, act):
    namespace.made(workload("web", "old"))
    (web,) = act("applied", definitions=[workload()])["workloads"]
    assert web.keys() == DOCUMENTED.keys()
