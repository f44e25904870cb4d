# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The frame of every runbook: what was paused is unpaused by whichever run ends, and the way back says what is true."""

from __future__ import annotations

import re
import socket

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.names import record_name
from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CLOSED, DATABASE, RECORD

PAUSE = {"hopsworks.airflow.quiesce": {"state": "quiesced"}, "register": "paused"}
KEEP = {"ansible.builtin.set_fact": {"airflow_phase_facts": {"paused": "{{ paused.paused }}"}}}
FAIL = {"ansible.builtin.fail": {"msg": "the phase went wrong"}}
OLD = {**DATABASE, "stage": "old", "moved": False}


@pytest.fixture
def run(stage):
    """Runs phases of these tasks in the frame."""

    return stage.frame


def test_what_a_phase_has_paused_is_unpaused_when_it_has_ended(run):
    """A later phase may wait for an hour."""
    played = run({"pausing": [PAUSE, KEEP], "waiting": [{"hopsworks.airflow.signing_keys": {"state": "retired"}}]})

    assert played.code == 0, played.output
    assert played.actions("quiesce", "signing_keys") == [
        "quiesce:quiesced",
        "quiesce:resumed",
        "signing_keys:retired",
        "quiesce:resumed",
    ]


def test_all_of_a_run_and_its_way_back_stay_with_the_cluster_that_it_began_on(run):
    """A kubeconfig may get another current context while the run works."""
    played = run({"failing": [PAUSE, KEEP, FAIL]}, {"metadata_info": OLD}, run_replaces=True)

    # The report is of this machine alone.
    begun, *later = [entry for entry in played.asked if entry["action"] != "run_report"]
    assert (begun["action"], begun.get("cluster")) == ("cluster_info", None)
    assert later[-1]["action"] == "run_lock"
    assert {(entry["action"], entry["cluster"]["context"]) for entry in later} == {
        (entry["action"], "production") for entry in later
    }


def test_a_run_that_has_paused_nothing_unpauses_what_another_has_left(run):
    """Killed while one phase had everything paused, ended by a run of other phases."""
    played = run({"other": [{"hopsworks.airflow.signing_keys": {"state": "replaced"}}]})

    assert played.code == 0, played.output
    assert played.actions("quiesce", "signing_keys") == ["signing_keys:replaced", "quiesce:resumed"]
    phases = [entry.get("begin") for entry in played.asked if entry["action"] == "run_record"]
    assert phases == [None, "other", "resume", None]


def test_a_run_without_a_phase_unpauses_too(run):
    played = run({})
    assert played.code == 0, played.output
    assert played.actions("quiesce", "run_record") == [
        "run_record",
        "run_record:open",
        "quiesce:resumed",
        "run_record:finished",
    ]


def test_a_new_deployment_is_proved_before_anything_is_unpaused(run):
    proof = {"hopsworks.airflow.airflow_health": {"url": "x"}}
    played = run({"pausing": [PAUSE, KEEP], "proving": [proof]}, run_replaces=True)

    assert played.code == 0, played.output
    assert played.actions("quiesce", "airflow_health") == ["quiesce:quiesced", "airflow_health", "quiesce:resumed"]
    timeouts = [int(entry["timeout"]) for entry in played.asked if entry.get("state") == "resumed"]
    assert timeouts == [120]


@pytest.mark.parametrize("stage_of_it", ["absent", "empty", "old", "foreign"])
def test_the_way_back_goes_by_whether_anything_was_moved(run, stage_of_it):
    answers = {"metadata_info": {**OLD, "stage": stage_of_it}}
    played = run({"failing": [PAUSE, KEEP, FAIL]}, answers, run_replaces=True)

    assert played.code != 0
    assert played.actions("quiesce", "workloads", "run_record")[-3:] == [
        "workloads:started",
        "quiesce:resumed",
        "run_record:failed",
    ]
    assert "the phase went wrong" in played.output
    assert "WHERE THEY ARE. The old workloads run again" in played.output


@pytest.mark.parametrize("stage_of_it", ["moving", "installed", "foreign"])
def test_what_was_moved_stays_where_it_is(run, stage_of_it):
    answers = {"metadata_info": {**DATABASE, "stage": stage_of_it}}
    played = run({"failing": [PAUSE, KEEP, FAIL]}, answers, run_replaces=True)

    assert played.code != 0
    assert played.actions("quiesce", "workloads") == ["quiesce:quiesced"]
    assert "WHERE THEY ARE. The same command continues from there." in played.output


def test_a_failure_of_what_replaces_nothing_unpauses_and_starts_nothing(run):
    played = run({"failing": [PAUSE, KEEP, FAIL]})

    assert played.code != 0
    assert played.actions("quiesce", "workloads") == ["quiesce:quiesced", "quiesce:resumed"]
    assert "WHERE THEY ARE" not in played.output


def test_the_way_back_begins_with_a_lock_and_with_servers_that_answer(run):
    """It may be the API server or the database that the phase failed by, and nothing can be put back without them."""
    played = run({"failing": [PAUSE, KEEP, FAIL]}, {"metadata_info": OLD}, run_replaces=True)

    (look,) = [entry for entry in played.asked if entry["action"] == "metadata_info"]
    assert look["timeout"] == 3600
    assert look["lock"]["holder"]
    asked = played.actions("run_lock", "workloads", "deployment_objects")
    assert asked == [
        "run_lock",
        "run_lock:confirmed",
        "deployment_objects:restored",
        "workloads:started",
        "run_lock:released",
    ]


STEPS = {
    "deployment_objects:restored": "no such policy",
    "workloads:started": "no node",
    "quiesce:resumed": "no such table",
}


def test_each_step_of_the_way_back_is_taken_whatever_becomes_of_the_others(run):
    """Failed between the pause and the putting back of the old rows: without the last step, all DAGs stay paused."""
    failed = {step: {"failed": True, "msg": text} for step, text in STEPS.items()}
    played = run({"failing": [PAUSE, KEEP, FAIL]}, {"metadata_info": OLD, **failed}, run_replaces=True)

    assert played.code != 0
    asked = played.actions("deployment_objects", "workloads", "quiesce", "run_record", "run_lock")
    assert asked[-5:] == [*STEPS, "run_record:failed", "run_lock:released"]
    said = played.output.split("Fail with the reason")[1]
    words = ["the phase went wrong", "WHERE THEY ARE.", "the rollback failed as well", *STEPS.values()]
    assert [text for text in words if text not in said] == []
    assert "the paused DAGs are unpaused" not in said


def test_a_way_back_that_can_not_begin_says_so(run):
    answers = {"metadata_info": {"failed": True, "msg": "no such host"}}
    played = run({"failing": [PAUSE, KEEP, FAIL]}, answers, run_replaces=True)

    assert played.code != 0
    said = played.output.split("Fail with the reason")[1]
    words = [
        "the phase went wrong",
        "The location of the tables could not be read.",
        "The rollback stopped",
        "no such host",
    ]
    assert [text for text in words if text not in said] == []
    assert played.actions("deployment_objects", "workloads", "quiesce") == ["quiesce:quiesced"]


@pytest.mark.parametrize(
    ("report", "answers"),
    [
        ({"ansible.builtin.debug": {"msg": "report"}}, {"run_record:failed": {"failed": True, "msg": "no record"}}),
        ({"ansible.builtin.fail": {"msg": "no report"}}, {}),
    ],
    ids=["no record", "no report"],
)
def test_what_stopped_the_run_is_said_whatever_becomes_of_its_record_and_report(run, report, answers):
    played = run({"failing": [FAIL]}, answers, report=report)

    assert played.code != 0
    assert "the phase went wrong" in played.output.split("Fail with the reason")[1]
    assert played.actions("run_lock")[-1] == "run_lock:released"


LOOP = {
    "hopsworks.airflow.image_pull": {"images": ["{{ item }}"], "name": "x", "deployment": "x"},
    "loop": ["one", "two"],
}


@pytest.mark.parametrize("replaces", [True, False])
def test_why_an_item_of_a_loop_failed_is_recorded_and_said(run, replaces):
    """A loop says of itself only that one or more items failed."""
    answers = {"metadata_info": OLD, "image_pull": {"failed": True, "msg": "node n1: ErrImagePull: denied"}}
    played = run({"pulling": [LOOP]}, answers, run_replaces=replaces)

    (record,) = [entry for entry in played.asked if entry.get("state") == "failed"]
    assert record["failure"] == "node n1: ErrImagePull: denied"
    assert record["failure"] in played.output.split("Fail with the reason")[1]


def test_what_never_pauses_does_not_ask_the_database(run):
    """A rotation whose tasks have pods of their own, beside a database that this collection may not even know."""
    answers = {"quiesce:resumed": {"failed": True, "msg": "no such host"}, "metadata_info": {"failed": True}}
    played = run({"other": []}, answers, run_quiesces=False)
    assert played.code == 0, played.output
    played = run({"other": [FAIL]}, answers, run_quiesces=False)
    assert "the phase went wrong" in played.output
    assert "The rollback stopped" not in played.output
    assert played.actions("quiesce", "metadata_info") == []


def test_a_run_that_could_not_be_opened_says_why_and_closes_nothing(run):
    answers = {"run_record": RECORD, "run_record:open": {"failed": True, "msg": "another run is unfinished"}}
    played = run({"other": [FAIL]}, answers, run_replaces=True)

    assert played.code != 0
    assert "another run is unfinished" in played.output.split("Fail with the reason")[1]
    assert played.actions("run_record", "quiesce", "workloads") == ["run_record", "run_record:open"]


def test_two_deployments_that_begin_in_the_same_second_have_runs_of_their_own(run):
    """Schemas, Secrets and snapshots are named after the run."""
    runs = set()
    for namespace in ("one", "two"):
        played = run({}, airflow_namespace=namespace)
        (identifier,) = {entry["run"] for entry in played.asked if entry.get("state") == "open"}
        assert re.fullmatch(r"\d{8}t\d{6}x[0-9a-f]{4}", identifier)
        runs.add(identifier[-4:])
    assert len(runs) == 2


def test_record_and_lock_have_the_deployments_name(run):
    played = run({})
    name = record_name("demo")
    assert {entry["name"] for entry in played.asked if entry["action"] in ("run_record", "run_lock")} == {name}
    assert {entry["deployment"] for entry in played.asked if entry["action"] in ("run_record", "quiesce")} == {"demo"}


UNFINISHED = {"id": "r0", "playbook": "another", "status": "running", "attempts": [], "phases": []}
IN_THE_WAY = {**RECORD, "run": UNFINISHED, "unfinished": True, "in_the_way": "run r0 of another.yml is unfinished"}


@pytest.mark.parametrize("due", [True, False])
def test_the_unfinished_run_of_another_playbook_keeps_its_lock(run, due):
    """It may have run out while the run still works, and would be away when it goes back."""
    played = run({"other": [FAIL]}, {"run_record": IN_THE_WAY}, due=due)

    assert played.actions("run_lock", "run_record") == ["run_record"]
    assert (played.code != 0) == due
    if due:
        assert "run r0 of another.yml is unfinished" in played.output
    else:
        assert "Nothing to do: demo" in played.output
        assert "Run r0 of another.yml is unfinished: run another.yml again." in played.output


@pytest.mark.parametrize("unfinished", [True, False])
def test_a_run_without_work_closes_what_is_unfinished_of_its_own_kind_alone(run, unfinished):
    ours = {**RECORD, "run": {**UNFINISHED, "playbook": "x"}, "unfinished": unfinished}
    answers = {"run_record": ours, "run_record:finished": {**RECORD, "run": CLOSED}}
    played = run({}, answers, due=False)

    assert played.code == 0, played.output
    assert played.actions("run_lock") == (["run_lock", "run_lock:released"] if unfinished else [])


def test_a_run_acts_under_the_id_of_its_record_and_after_nobody_else(run):
    """Two began together: the other one has opened its run, failed and given the lock back, while this one planned."""
    theirs = {**RECORD, "run": {**UNFINISHED, "playbook": "x"}, "unfinished": True}
    answers = {"run_record": {**RECORD, "seen": "as it was"}, "run_record:open": theirs, "run_record:finished": theirs}
    keep = {"state": "saved", "definitions": [], "backup_secret": "{{ airflow_backup_secret }}"}
    played = run({"one": [], "keeping": [{"hopsworks.airflow.deployment_objects": keep}]}, answers)

    assert played.code == 0, played.output
    (opened,) = [entry for entry in played.asked if entry.get("state") == "open"]
    assert opened["seen"] == "as it was"
    (kept,) = [entry for entry in played.asked if entry["action"] == "deployment_objects"]
    assert kept["backup_secret"] == "airflow-before-r0"
    assert {entry["run"] for entry in played.asked if entry.get("state") in ("phase", "finished")} == {"r0"}


@pytest.mark.parametrize("due", [True, False])
def test_an_unfinished_run_that_only_prepared_is_given_up_where_something_is_due(run, due):
    """Keys were compromised, and an upgrade with a mistyped image has stopped."""
    left = {**IN_THE_WAY, "in_the_way": None, "abandons": "r0 of another.yml"}
    answers = {"run_record": left, "run_record:open": {**RECORD, "run": CLOSED}}
    answers["run_record:finished"] = answers["run_record:open"]
    played = run({"other": []}, answers, due=due)

    assert played.code == 0, played.output
    assert ("run_record:open" in played.actions("run_record")) == due
    assert ("Run r0 of another.yml is unfinished. It has only prepared a cut-over" in played.output) == due


def test_a_run_begins_with_a_look_at_the_folder_of_its_files(run):
    """The dump, the measurement or the report would fail later, in the middle of the run or after it."""
    played = run({"other": []}, {"run_report:possible": {"failed": True, "msg": "no room"}})

    assert played.code != 0
    assert [entry["action"] for entry in played.asked] == ["run_report"]
    assert played.asked[0]["path"].endswith("/runs/report.html")


def test_a_machine_without_the_program_hostname_has_a_name(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    played = run({})

    assert played.code == 0, played.output
    (opened,) = [entry for entry in played.asked if entry.get("state") == "open"]
    assert opened["by"].partition("@")[2] == socket.gethostname()
