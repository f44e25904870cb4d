# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module `deployment_objects` tells of each of its states."""

from __future__ import annotations

import copy
import functools
import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement import states
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import (
    NEW,
    NEW_WORKLOADS,
    SECRET,
    apply,
    content,
    quiet,
    roll_out,
)

DEFAULTS = {"namespace": "lab", "backup_secret": SECRET, "replace": True, "missing_ok": False, "timeout": 5}
NEW_ONE = "ConfigMap new-one"


@pytest.fixture
def act(old):
    def act(state, check_mode=False, warn=pytest.fail, **params):
        given = {**DEFAULTS, "state": state, **params}
        return states.act(Call(copy.deepcopy(given), check_mode, old.cluster, quiet, warn))

    return act


@pytest.fixture
def restored(act):
    return functools.partial(act, "restored")


@pytest.fixture
def upgraded(old):
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    apply(old)
    roll_out(old)
    return old


def test_check_mode_tells_the_same_and_changes_nothing(upgraded, restored):
    before = content(upgraded)
    upgraded.log.clear()
    planned = restored(check_mode=True)
    assert (content(upgraded), upgraded.log) == (before, [])
    assert restored() == planned
    assert planned["changed"]
    assert Backup(upgraded.cluster, SECRET).state == "restored"
    again = restored()
    assert (again["changed"], again["diff"]) == (False, [])


def test_what_comes_back_is_shown_and_no_value_of_it(upgraded, restored):
    found = restored()
    diffs = {diff["before_header"]: diff for diff in found["diff"]}
    assert diffs.keys() == {f"{each['kind']} {each['name']}" for each in found["objects"]}
    service = diffs["Service web"]
    assert service["before"]["spec"]["ports"][0]["targetPort"] == 81
    assert service["after"]["spec"]["ports"][0]["targetPort"] == "ui"
    # It was made by the run.
    assert diffs[NEW_ONE]["before"]["kind"] == "ConfigMap"
    assert diffs[NEW_ONE]["after"] == ""
    assert "CANARY" not in json.dumps(found)
    assert upgraded.read("ConfigMap", "airflow-launcher")["data"] == {"old.cfg": "CANARY"}


@pytest.mark.parametrize("check_mode", [True, False])
def test_another_name_than_that_of_a_backup_is_refused(upgraded, restored, check_mode):
    with pytest.raises(OperatorError, match="there is no Secret airflow-before-2 in namespace lab"):
        restored(check_mode, backup_secret="airflow-before-2")
    assert not restored(check_mode, backup_secret="airflow-before-2", missing_ok=True)["changed"]
    assert "airflow-before-2" not in upgraded.secrets


def test_what_is_saved_is_predicted_and_saved_once(old, act):
    definitions = NEW + NEW_WORKLOADS
    planned = act("saved", check_mode=True, definitions=definitions)
    assert old.secrets == {}
    assert act("saved", definitions=definitions) == planned
    assert planned["changed"]
    assert {each["action"] for each in planned["objects"]} == {"saved"}
    assert (planned["diff"]["before"], planned["diff"]["after"][-1]) == ([], "Deployment dag-processor")
    again = act("saved", definitions=definitions)
    assert not again["changed"]
    assert {each["action"] for each in again["objects"]} == {"unchanged"}
    assert again["diff"]["before"] == again["diff"]["after"]


def test_what_is_applied_is_predicted_with_its_losses_and_applied_once(old, act):
    before, warned, said = content(old), [], []
    planned = act("applied", check_mode=True, warn=warned.append, definitions=NEW)
    assert (content(old), old.log) == (before, [])
    found = act("applied", warn=said.append, definitions=NEW)
    assert (found["changed"], found["objects"]) == (True, planned["objects"])
    assert {"kind": "Service", "name": "web", "action": "replaced"} in found["objects"]
    assert warned == said
    assert [warning.partition(" no longer ")[0] for warning in warned] == ["RoleBinding airflow", "Service web"]
    again = act("applied", definitions=NEW)
    assert (again["changed"], again["diff"]) == (False, [])


def test_what_others_have_made_since_is_left_and_told(upgraded, restored):
    upgraded.delete("ConfigMap", "new-one")
    upgraded.made(NEW[-1])
    said = []
    assert {"kind": "ConfigMap", "name": "new-one", "action": "left"} in restored(warn=said.append)["objects"]
    assert said == [f"{NEW_ONE} was created or changed by others since, and is not changed"]
