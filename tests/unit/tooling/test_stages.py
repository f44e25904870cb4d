# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys

import pytest

from ansible_collections.hopsworks.airflow.tests import stages
from ansible_collections.hopsworks.airflow.tests.stages import Stage

JUNIT = """<testsuites><testsuite tests="7" failures="1" errors="1" skipped="2"/></testsuites>"""


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs stages of `make test`; returns the exit code, the last line and everything that was printed."""

    def run(*given, names=(), bed=lambda: False):
        monkeypatch.setattr(stages, "STAGES", given)
        monkeypatch.setattr(stages, "bed_is_running", bed)
        monkeypatch.setattr(sys, "argv", ["stages.py", *names])
        code = stages.main()
        printed = capfd.readouterr().out
        return code, printed.splitlines()[-1], printed

    return run


def stage(name, *commands):
    return Stage(name, f"headline of {name}", commands, f"what {name} left")


def test_each_stage_without_tests_counts_as_one(run):
    code, last, printed = run(stage("one", "true"), stage("two", "true", "true"))
    assert (code, last) == (0, "2 passed, 0 failed")
    assert "=== 1/2 one: headline of one" in printed


def test_the_first_failure_stops_and_says_where_to_look(run):
    code, last, printed = run(stage("one", "true"), stage("two", "false", "echo later"), stage("three", "echo later"))
    assert (code, last) == (1, "1 passed, 1 failed")
    assert "two failed. Look at: what two left." in printed
    assert "not run: three" in printed
    assert "later" not in printed


def test_tests_of_a_stage_are_counted(run):
    write = f"""sh -c 'echo "{JUNIT.replace('"', chr(92) + '"')}" > {{junit}}; exit 1'"""
    code, last, printed = run(stage("unit", write))
    assert (code, last) == (1, "3 passed, 2 failed")
    assert "skipped: 2 tests" in printed


def test_only_what_is_named_runs(run):
    code, last, printed = run(stage("one", "false"), stage("two", "true"), names=["two"])
    assert (code, last) == (0, "1 passed, 0 failed")
    assert "=== 1/1 two" in printed


def test_an_unknown_name_is_refused(run):
    with pytest.raises(SystemExit):
        run(stage("one", "true"), names=["another"])


@pytest.mark.parametrize(("found", "taken_down"), [(True, False), (False, True)])
def test_only_a_bed_of_our_own_is_taken_down(run, monkeypatch, tmp_path, found, taken_down):
    tool = tmp_path / ".venv/bin/ansible-playbook"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho ran $1\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setattr(stages, "ROOT", tmp_path)
    _code, last, printed = run(stage("bed", "true"), bed=lambda: found)
    assert ("ran sandbox/destroy.yml" in printed) == taken_down
    assert last == "1 passed, 0 failed"


def test_a_bed_stays_to_look_at_when_a_stage_fails(run):
    _code, _last, printed = run(stage("bed", "true"), stage("upgrade", "false"))
    assert "taking it down" not in printed
