# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said at the end of a run, of what the record knows."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.record import RunRecord
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer

UI = {
    "requests": 800,
    "failures": 80,
    "away_seconds": 4711.5,
    "longest_gap_seconds": 4711.5,
    "unobserved_seconds": 0.0,
    "absences": [],
    "not_measured": None,
    "reconnects": 0,
    "latency_seconds": {"longest": 0.1, "median": 0.1, "p99": 0.1},
}
PHASES = {
    "backup": {"path": "/runs/r1/dump.sql.gz", "bytes": 7, "tables": 45, "sha256": "x"},
    "cut_over": {"availability": {"ui": UI}, "set_aside": "airflow_before_r1"},
    "verify": {"version": "3.99.7", "dags": 12, "import_errors": [], "canary": None},
}


@pytest.fixture
def record():
    """A run whose first attempt has come to its last phase."""
    server = ApiServer()
    record = RunRecord(server.cluster(), "airflow-runbook-demo", "demo")
    record.open("r1", "upgrade", "alice")
    for phase, facts in PHASES.items():
        record.begin(phase)
        record.end(phase, facts)
    record.begin("resume")
    yield record
    server.stop()


@pytest.fixture
def said(stage):
    """The real report of a run."""

    def say(record, answers=None):
        tasks = [
            {"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True}},
            {"ansible.builtin.include_role": {"name": "hopsworks.airflow.report"}},
        ]
        closed = {"run": record.run, "facts": record.facts()}
        played = stage.play(
            tasks, answers, airflow_closed=closed, airflow_run_files=str(stage.folder), airflow_run="r1"
        )
        assert played.code == 0, played.output
        (page,) = [entry["page"] for entry in played.asked if entry["action"] == "run_report"]
        return played.output, page

    return say


def test_a_failure_tells_of_no_attempt_before_it(record, said):
    """The UI is down: how long it was away an hour ago, and which Airflow answered then, would be read as now."""
    record.fail("resume", "the database was away")
    record.open("r2", "upgrade", "alice")
    record.begin("cut_over")
    record.fail("cut_over", "Deployment airflow-webserver does not become healthy: ErrImagePull")
    output, page = said(record)

    assert "FAILED" in output
    for text in (output, page):
        assert "4711.5" not in text
        assert "3.99.7" not in text
        assert "/runs/r1/dump.sql.gz" in text
        assert "airflow_before_r1" in text


def test_the_last_attempt_tells_what_all_of_them_did(record, said):
    record.end("resume", {"resumed": [], "unknown": [], "broken": [], "gone": []})
    record.finish()
    output, page = said(record)

    assert "The UI was down for 4711.5 s" in output
    assert "Airflow 3.99.7 answers; 12 DAGs known so far" in output
    for text in (output, page):
        assert "4711.5" in text
        assert "/runs/r1/dump.sql.gz" in text


def test_a_report_that_can_not_be_written_does_not_fail_what_is_done(record, said):
    record.end("resume", {"resumed": [], "unknown": [], "broken": [], "gone": []})
    record.finish()
    output, _page = said(record, {"run_report": {"failed": True, "msg": "Found: no room"}})

    assert "Upgrade of demo: finished" in output
    assert "Report:      not written. Found: no room" in output
