# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of DAGs that a run has left paused, and whether there is something to do for them."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CHECKOUT, LOOK

STATUS = "{{ lookup('ansible.builtin.template', '%s') }}" % (CHECKOUT / "roles/status/templates/status.txt.j2")
TEXT = "{{ (airflow_effects | selectattr('phase', 'equalto', 'resume') | first).text | split | join(' ') }}"
DUE = "{{ airflow_effects | selectattr('phase', 'equalto', 'resume') | map(attribute='due') | first }}"
NOTHING: dict[str, list[str]] = {"now": [], "waiting": [], "runs": []}
UNCHANGED = {"changed": False}


@pytest.fixture
def said(stage):
    """What a text with variables becomes."""

    def say(text, paused, **variables):
        tasks = [
            {"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True}},
            {"ansible.builtin.include_vars": str(CHECKOUT / "roles/upgrade/vars/main/plan.yml")},
            {"ansible.builtin.debug": {"msg": text}},
        ]
        given = {
            "airflow_database_state": {**LOOK, "paused": paused},
            "airflow_found_workloads": {"workloads": []},
            "airflow_snapshots": {"snapshots": []},
            "airflow_keys": {"problem": None, "exists": False},
            "airflow_record": {"run": None},
            "airflow_heartbeats": {"skipped": True},
            "status_elsewhere": False,
            "airflow_run_files": "/runs",
            "airflow_stage": "installed",
            "airflow_workloads": [],
            "plan_reset": UNCHANGED,
            "plan_objects": UNCHANGED,
            "airflow_snapshot": UNCHANGED,
            "plan_keys": UNCHANGED,
            "plan_secrets": {"changed": False, "entries": {}},
            "airflow_pulled": {"changed": False, "images": {}, "pulled": []},
            "plan_workloads": {"changed": False, "workloads": []},
            **variables,
        }
        played = stage.play(tasks, **given)
        assert played.code == 0, played.output
        return played.output

    return say


def test_the_status_names_what_an_interrupted_run_has_left_paused(said):
    output = said(STATUS, {"now": ["one", "two"], "waiting": ["late"], "runs": ["20261122t030000"]})
    assert "paused by run 20261122t030000; the next run that finishes will unpause: 2 DAGs (one, two)" in output
    assert "not in the new Airflow yet; a later run that finds them will unpause: 1 DAGs (late)" in output


def test_the_status_says_nothing_of_paused_dags_where_there_are_none(said):
    assert "paused" not in said(STATUS, NOTHING)


@pytest.mark.parametrize(
    ("kinds", "due"),
    [
        (None, False),
        (["resumed"], True),
        (["unknown"], True),
        (["resumed", "broken"], True),
        # It may stay so for ever.
        (["broken"], False),
        (["gone"], False),
    ],
)
def test_an_upgrade_is_due_as_long_as_dags_may_be_unpaused(said, kinds, due):
    found = {kind: ["a_dag"] if kind in (kinds or ()) else [] for kind in ("resumed", "unknown", "broken", "gone")}
    given = {"plan_resume": {"skipped": True} if kinds is None else {"changed": False, **found}}
    paused = {**NOTHING, "waiting": kinds or []}
    output = said(DUE, paused, **given)
    assert f"msg: {'true' if due else 'false'}" in output.lower().replace('"', "").replace("=>", ":")


def test_the_plan_says_which_dags_will_stay_paused(said):
    found = {"resumed": ["one"], "unknown": ["late"], "broken": ["only_old"], "gone": ["deleted"]}
    output = said(TEXT, {**NOTHING, "waiting": ["one"]}, plan_resume=found)
    assert "unpauses 1 DAGs that were paused, and waits for 1 that are not parsed yet; 2 stay paused" in output
