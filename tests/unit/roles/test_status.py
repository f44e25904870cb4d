# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What status.yml says of components that Airflow itself calls healthy."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from urllib3.exceptions import NewConnectionError

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.unreachable import unreachable
from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CHECKOUT, LOOK

TASKS = [
    {"ansible.builtin.include_role": {"name": f"hopsworks.airflow.{role}", "public": True}}
    for role in ("deployment", "status")
]
SILENT = "the heartbeat of the scheduler does not advance, within 60 s"


@pytest.fixture
def status(stage):
    def play(health, database=None, workloads=(), fails=(), more=None, **variables):
        answers = {
            "metadata_db_info": {**LOOK, **(database or {})},
            "airflow_health": health,
            "workloads_info": {"workloads": list(workloads)},
            "signing_keys_info": {"problem": None, "exists": False},
            "hopsfs_snapshot_info": {"snapshots": []},
            **{action: {"failed": True, "msg": "long", "failure": {"found": f"{action} is away"}} for action in fails},
            **(more or {}),
        }
        played = stage.play(TASKS, answers, **variables)
        assert (played.code != 0) == bool(fails), played.output
        if "run_record" not in fails:
            assert "Last run: x.yml r1, done" in played.output, "it says all the rest, too"
        return played

    return play


def test_a_heart_that_has_stopped_is_said_and_ends_nothing(status):
    said = status({"failed": True, "msg": "a long text", "failure": {"found": SILENT, "next": "look"}}).output
    assert f"Heartbeats: {SILENT}" in said
    assert "Heartbeats: a long text" not in said


def test_what_could_not_be_asked_at_all_is_said(status):
    assert "Heartbeats: no such host" in status({"failed": True, "msg": "no such host"}).output


def test_when_hearts_beat_last_is_said(status):
    beats = {"scheduler": "2026-11-22T03:00:06+00:00", "dag_processor": "2026-11-22T03:00:07+00:00"}
    said = status({"heartbeats": beats}).output
    assert "Heartbeats: scheduler 2026-11-22T03:00:06+00:00, dag_processor 2026-11-22T03:00:07+00:00" in said


@pytest.mark.parametrize("more", [[], ["triggerer"]], ids=["the usual ones", "a triggerer"])
def test_every_heart_that_the_deployment_has_is_listened_to(status, more):
    defaults = yaml.safe_load((CHECKOUT / "roles/deployment/defaults/main.yml").read_text(encoding="utf-8"))
    usual = defaults["airflow_components"]
    added = [{**usual[2], "name": name, "workload": f"airflow-{name}", "command": [name]} for name in more]
    played = status({"heartbeats": {}}, airflow_components=[{**each, "grace_seconds": 60} for each in usual + added])
    (asked,) = [entry for entry in played.asked if entry["action"] == "airflow_health"]
    assert asked["components"] == ["metadatabase", "scheduler", "dag_processor", *more]


WEB = {
    "name": "airflow-webserver",
    "kind": "Deployment",
    "replicas": 2,
    "ready": 1,
    "stopped_from": None,
    "images": ["airflow:3", "proxy:1"],
}
ABSENT: dict[str, Any] = {"kind": None, "replicas": 0, "ready": 0, "stopped_from": None, "images": []}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ({}, "airflow-webserver 1/2 ready airflow:3"),
        ({"kind": "StatefulSet"}, "airflow-webserver 1/2 ready airflow:3 (StatefulSet)"),
        ({"replicas": 0, "ready": 0}, "airflow-webserver 0/0 ready airflow:3"),
        (
            {"replicas": 0, "ready": 0, "stopped_from": 2},
            "airflow-webserver 0/0 ready airflow:3 stopped by a run, had 2 replicas",
        ),
        # Scaled up again by hand.
        ({"stopped_from": 2}, "airflow-webserver 1/2 ready airflow:3"),
        (ABSENT, "airflow-webserver absent"),
    ],
)
def test_each_workload_is_shown_as_it_is(status, found, line):
    played = status({"heartbeats": {}}, workloads=[{**WEB, **found}])
    (asked,) = [entry for entry in played.asked if entry["action"] == "workloads_info"]
    assert asked["names"] == ["airflow-webserver", "airflow-scheduler", "airflow-dag-processor"]
    shown = [" ".join(each.split()) for each in played.output.replace("\\n", "\n").splitlines()]
    assert line in shown, played.output


@pytest.mark.parametrize("where", ["old", "moving"])
def test_no_other_airflow_is_asked_for_heartbeats(status, where):
    played = status({"heartbeats": {"scheduler": "x"}}, {"stage": where})
    assert played.actions("airflow_health") == []
    assert "Heartbeats" not in played.output


PARTS = {
    "metadata_db_info": ("Metadata database airflow", "the metadata database"),
    "workloads_info": ("Workloads", "the workloads"),
    "signing_keys_info": ("Signing keys", "the signing keys"),
    "run_record": ("Last run", "the record of runs"),
    "hopsfs_snapshot_info": ("Copies of the DAG folders", "the copies of the DAG folders"),
}


@pytest.mark.parametrize("away", PARTS)
def test_what_cannot_be_read_is_said_and_hides_nothing_else(status, away):
    line, part = PARTS[away]
    said = status({"heartbeats": {"scheduler": "x"}}, workloads=[WEB], fails=[away]).output
    assert f"{line}: not read: {away} is away" in said
    assert f"Found: {part} could not be read." in said
    assert "Heartbeats: scheduler x" in said
    for other, (other_line, _part) in PARTS.items():
        assert other == away or f"{other_line}: not read" not in said


def test_where_nothing_can_be_read_all_of_it_is_said(status):
    said = status({"failed": True, "msg": "no such host"}, fails=list(PARTS)).output
    assert all(f"{line}: not read: {away} is away" in said for away, (line, _part) in PARTS.items())
    assert "Heartbeats: no such host" in said
    assert f"Found: {', '.join(part for _line, part in PARTS.values())} could not be read." in said


def test_an_api_server_that_is_away_is_waited_for_once(status):
    found = unreachable(NewConnectionError(None, "refused"), "https://production:6443").found
    away = {"failed": True, "msg": "long", "failure": {"found": found}}
    through_it = ("workloads_info", "metadata_db_info", "signing_keys_info", "run_record", "hopsfs_snapshot_info")
    played = status({"heartbeats": {"scheduler": "x"}}, fails=through_it, more={"workloads_info": away})
    assert [name for name in (*through_it, "run_lock") if played.actions(name)] == ["workloads_info"]
    assert f"Workloads: not read: {found}" in played.output
    assert "Last run: not read: for the same reason as the workloads" in played.output
    assert "Heartbeats: scheduler x" in played.output
    assert "the metadata database, the workloads, the signing keys, the record of runs, the copies" in played.output


@pytest.mark.parametrize(
    ("locked", "said"),
    [
        ({"failed": True, "msg": "long", "failure": {"found": "bob works on it"}}, "r2, running: bob works on it"),
        ({"process_id": 1}, "r2, running, and no run is in progress: run rotate.yml again to finish it"),
    ],
)
def test_whether_anybody_is_at_work_on_an_unfinished_run_is_said(stage, locked, said):
    run = {"id": "r2", "playbook": "rotate", "status": "running"}
    played = stage.play(
        TASKS,
        {
            "metadata_db_info": LOOK,
            "airflow_health": {"heartbeats": {}},
            "workloads_info": {"workloads": [WEB]},
            "signing_keys_info": {"problem": None, "exists": False},
            "hopsfs_snapshot_info": {"snapshots": []},
            "run_record": {"run": run, "unfinished": True},
            "run_lock": locked,
        },
    )
    assert played.code == 0, played.output
    assert f"Last run: rotate.yml {said}" in played.output


@pytest.mark.parametrize(
    ("workloads", "heartbeats", "elsewhere"),
    [([ABSENT], {"scheduler": "x"}, True), ([ABSENT, WEB], {"scheduler": "x"}, False), ([ABSENT], {}, False)],
)
def test_an_airflow_of_another_namespace_is_not_taken_for_this_one(status, workloads, heartbeats, elsewhere):
    said = status({"heartbeats": heartbeats}, workloads=[{"name": "airflow-x", **each} for each in workloads]).output
    assert ("an Airflow answers at this address: correct airflow_namespace" in said) == elsewhere


HERE = "Signing keys: there is no Secret hopsworks-airflow-keys in namespace hopsworks"
GONE = (
    f"{HERE}, and no pod of this Airflow starts without it: correct airflow_keys_secret or airflow_namespace, restore"
)
NONE_YET = f"{HERE} yet"


@pytest.mark.parametrize(("where", "line"), [("installed", GONE), ("old", NONE_YET), ("absent", NONE_YET)])
def test_keys_that_are_gone_are_said(status, where, line):
    """The pods that run have their copies: nothing else tells of it before the next one starts."""
    assert line in " ".join(status({"heartbeats": {}}, database={"stage": where}).output.split())
