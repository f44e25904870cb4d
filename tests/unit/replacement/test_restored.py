# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back as the module `deployment_objects` tells of it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import Backup
from ansible_collections.hopsworks.airflow.plugins.modules import deployment_objects
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import (
    NEW,
    NEW_WORKLOADS,
    SECRET,
    apply,
    content,
    quiet,
    roll_out,
)

NEW_ONE = "ConfigMap new-one"


@pytest.fixture
def restored(old):
    def act(check_mode=False, **params):
        given = {"namespace": "lab", "backup_secret": SECRET, "missing_ok": False, "timeout": 5, **params}
        return deployment_objects.restored(Call(given, check_mode, old.cluster, quiet, pytest.fail))

    return act


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
