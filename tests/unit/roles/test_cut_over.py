# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""New settings for a deployment that is installed: its tasks are not killed by them."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import DATABASE

HEAD = "fe199e1abd77"
INSTALLED = {
    **DATABASE,
    "revision": HEAD,
    "installed": {"image": "apache/airflow:3.0.6", "revision": HEAD},
    "sessions": [],
    "tables": [],
    "bytes": 0,
}
TASK = "etl.load (running 900 s)"
ANSWERS = {
    "metadata_info": INSTALLED,
    "image_revision_info": {"revision": HEAD, "version": "3.0.6", "asked": True},
    "deployment_objects:applied": {"objects": []},
    "image_pull": {"images": {"airflow": {"n": "present"}}, "pulled": []},
    "generated_secret": {"entries": {}},
    "signing_keys": {"signers": {}, "written_entries": []},
    "availability_probe:summary": {"urls": {}, "problems": []},
    "airflow_health": {"version": "3.0.6", "dags": 1, "import_errors": 0, "canary": None},
    "airflow_configuration_info": {"executor": "LocalExecutor", "tasks_in_scheduler": True},
    "quiesce:quiesced": {
        "paused": ["etl"],
        "running": [TASK],
        "expected_seconds": {"running": 3600.0, "longest": 3600.0},
    },
}
QUIESCE, ROLL_OUT, UNPAUSE = "quiesce:quiesced", "workloads:applied", "quiesce:resumed"


def scheduler(grace, action="configured"):
    workload = {"name": "airflow-scheduler", "kind": "Deployment", "action": action, "grace_seconds": grace}
    return {"workloads:applied": {"changed": action != "unchanged", "workloads": [workload]}}


@pytest.fixture
def settings_changed(stage):
    """Runs the upgrade's cut-over with new settings; returns what it did in earnest, and all that it said."""

    def run(*answers, code=0, phases=("cut_over", "verify")):
        stage.role("report", {"ansible.builtin.debug": {"msg": "report"}})
        frame = {"run_playbook": "upgrade", "run_replaces": True, "run_phases": list(phases)}
        given = dict(ANSWERS)
        for answer in answers:
            given |= answer
        played = stage.play(
            [{"ansible.builtin.include_role": {"name": "hopsworks.airflow.run"}, "vars": frame}],
            given,
            airflow_objects=[],
            airflow_workloads=[],
            airflow_confirm="demo",
        )
        assert played.code == code, played.output
        played.asked = [entry for entry in played.asked if not entry["check"]]
        return played

    return run


def test_tasks_that_outlast_the_grace_of_the_scheduler_are_waited_for(settings_changed):
    played = settings_changed(scheduler(600))
    assert f"cut_over   pauses 1 DAGs and waits for {TASK}, which may outlast the 600 s" in played.output
    assert "airflow-scheduler is configured" in played.output
    assert played.actions("quiesce", "workloads", "deployment_objects") == [
        QUIESCE,
        "deployment_objects:applied",
        ROLL_OUT,
        UNPAUSE,
    ]
    (asked,) = [entry for entry in played.asked if entry.get("state") == "quiesced"]
    assert int(asked["grace"]) == 600
    (asked,) = [entry for entry in played.asked if entry["action"] == "workloads"]
    assert int(asked["timeout"]) == 1200, "it may drain for its grace, then the new one starts"


def test_the_plan_names_the_tasks_that_end_within_the_grace(settings_changed):
    within = {"paused": [], "running": [TASK], "expected_seconds": {"running": 48.0, "longest": 50.0}}
    said = settings_changed(scheduler(600), {"quiesce:quiesced": within}).output
    assert f"{TASK} may finish, expected within 48 s, before the scheduler is replaced" in said


@pytest.mark.parametrize(
    "answers",
    [
        [scheduler(None)],
        [scheduler(600), {"airflow_configuration_info": {"tasks_in_scheduler": False}}],
    ],
    ids=["no pod ends", "tasks run elsewhere"],
)
def test_nothing_is_waited_for_where_no_task_is_ended(settings_changed, answers):
    assert settings_changed(*answers).actions("quiesce", "workloads") == [ROLL_OUT, UNPAUSE]


@pytest.mark.parametrize(
    "answer", [{"failed": True, "msg": "no pod serves"}, {"tasks_in_scheduler": None}], ids=["no answer", "not known"]
)
def test_tasks_are_waited_for_where_it_is_not_known_where_they_run(settings_changed, answer):
    played = settings_changed(scheduler(600), {"airflow_configuration_info": answer})
    assert played.actions("quiesce", "workloads") == [QUIESCE, ROLL_OUT, UNPAUSE]


@pytest.mark.parametrize(
    ("listed", "last"),
    [
        ({}, UNPAUSE),
        ({"now": ["from the old Airflow"]}, ROLL_OUT),
        # It was not there when the others were unpaused, after the proof.
        ({"waiting": ["renamed"]}, UNPAUSE),
    ],
)
def test_a_failing_run_unpauses_what_an_earlier_run_has_proved(settings_changed, listed, last):
    """DAGs that still wait for the proof of their deployment go on to wait for it."""
    paused = {**INSTALLED["paused"], **listed}
    answers = {
        "metadata_info": {**INSTALLED, "paused": paused},
        "airflow_health": {"failed": True, "msg": "no heartbeat"},
    }
    played = settings_changed(scheduler(600), answers, code=2)
    assert played.actions("quiesce", "workloads")[-1] == last
    assert ("The paused DAGs are unpaused again." in played.output) is (last == UNPAUSE)


@pytest.mark.parametrize("due", [True, False])
def test_what_the_plan_says_of_the_tables_is_done_where_they_are_installed(settings_changed, due):
    """A run died right before its end, or the ConfigMap that remembers it is lost."""
    answer = {"changed": due, "stage": "installed", "run": "r0", "set_aside": "airflow_before_r0"}
    played = settings_changed(scheduler(None), {"metadata_swap": answer})

    assert ("records that the new tables are in their place" in played.output) is due
    assert played.actions("metadata_swap", "workloads") == ["metadata_swap:reset", ROLL_OUT]
    (closed,) = [
        entry for entry in played.asked if entry["action"] == "run_record" and entry.get("state") == "finished"
    ]
    assert "airflow_before_r0" not in str(closed), "this run has set nothing aside"


@pytest.mark.parametrize(
    ("answers", "life"),
    [
        ([scheduler(600), {"airflow_configuration_info": {"longest_token_seconds": 86410}}], 86410),
        ([scheduler(None), {"airflow_configuration_info": {"longest_token_seconds": 86410}}], 86410),
        ([scheduler(600), {"airflow_configuration_info": {"failed": True, "msg": "no pod serves"}}], None),
    ],
    ids=["all pods are replaced", "the scheduler is not", "no answer"],
)
def test_how_long_tokens_of_the_settings_before_live_is_kept_with_the_keys(settings_changed, answers, life):
    """A rotation after that retires no key too early, whatever the new settings say."""
    played = settings_changed(*answers, phases=("keys", "cut_over", "verify"))
    (asked,) = [entry for entry in played.asked if entry["action"] == "signing_keys"]
    # Before ansible-core 2.19, a number between braces becomes a text.
    assert str(asked.get("token_life")) == str(life)
    assert played.actions("signing_keys", "workloads") == ["signing_keys", ROLL_OUT]
