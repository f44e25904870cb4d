# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.progress import PROGRESS_FILE, Progress
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import from_api

PARTS = {"expected": "that", "untouched": "all", "next_step": "look"}


def test_a_failure_has_four_parts_and_its_evidence():
    error = OperatorError("this", **PARTS, evidence=("one", "two"))
    assert str(error).splitlines() == [
        "Found: this",
        "Expected: that",
        "Untouched: all",
        "Next: look",
        "Evidence:",
        "  one",
        "  two",
    ]
    assert error.as_result() == {"found": "this", **PARTS, "evidence": ["one", "two"]}
    assert "Evidence" not in str(OperatorError("this", **PARTS))


@pytest.mark.parametrize(
    "body", ['{"message": "secrets is forbidden", "details": {"x": "CANARY"}}', "CANARY not JSON", None, "[]"]
)
def test_of_an_api_servers_refusal_only_the_message_is_kept(body):
    refusal = ApiException(status=403, reason="Forbidden")
    refusal.body = body
    error = from_api(refusal)
    assert "403" in error.found
    assert "CANARY" not in str(error)
    assert ("secrets is forbidden" if body and "message" in body else "Forbidden") in error.found


def test_progress_is_a_line_each_for_who_listens(tmp_path, monkeypatch):
    file = tmp_path / "progress"
    monkeypatch.setenv(PROGRESS_FILE, str(file))
    for number in range(3):
        Progress("workloads")(f"line {number}\nand more")
    lines = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    assert [line["message"] for line in lines] == [f"line {number}\nand more" for number in range(3)]
    assert {line["source"] for line in lines} == {"workloads"}


def test_progress_without_a_listener_does_nothing(monkeypatch):
    monkeypatch.delenv(PROGRESS_FILE, raising=False)
    Progress("workloads")("line")
