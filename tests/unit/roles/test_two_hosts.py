# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several deployments in one run: none of them waits for another one, least of all while it is stopped."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CHECKOUT, DATABASE

OLD = {**DATABASE, "stage": "old", "moved": False}
STOP = {"hopsworks.airflow.workloads": {"state": "stopped", "names": ["web"]}}
FAIL_A = {"ansible.builtin.fail": {"msg": "the objects were refused"}, "when": "inventory_hostname == 'a'"}
MOVE = {"hopsworks.airflow.metadata_swap": {"state": "reset", "method": "set_aside"}}


@pytest.fixture
def run(stage):
    """Runs phases of these tasks for two deployments, in a play with what `upgrade.yml` has."""
    (play,) = yaml.safe_load((CHECKOUT / "playbooks/upgrade.yml").read_text(encoding="utf-8"))[1:]
    stage.hosts = ("a", "b")
    stage.keywords = {key: value for key, value in play.items() if key not in ("name", "tasks")}

    return lambda phases: stage.frame(
        phases,
        {"metadata_info": OLD},
        report={"ansible.builtin.debug": {"msg": "report of {{ airflow_name }}"}},
        run_replaces=True,
    )


def of(host, played, *names):
    return [
        f"{each['action']}:{each.get('state')}"
        for each in played.asked
        if each["host"] == host and each["action"] in names
    ]


def test_one_that_fails_goes_back_while_the_other_works(run, stage):
    """In production what the other does takes an hour: a dump, running tasks. Here it ends by the way back."""
    # The other has begun when the one fails, and works until the way back of the one is at its end.
    until = {"path": str(stage.folder / "asked"), "timeout": 600}
    begun = {"ansible.builtin.wait_for": {**until, "search_regex": '"workloads", "host": "b"'}}
    back = {"ansible.builtin.wait_for": {**until, "search_regex": '"run_lock", "host": "a".*"released"'}}
    work = [
        {**begun, "when": "inventory_hostname == 'a'"},
        FAIL_A,
        {**back, "when": "inventory_hostname == 'b'"},
        MOVE,
    ]
    played = run({"cut_over": [STOP, *work], "proving": [MOVE]})

    assert "the objects were refused" in played.output
    assert of("a", played, "workloads", "metadata_swap", "run_record")[-2:] == [
        "workloads:started",
        "run_record:failed",
    ]
    ended = of("b", played, "workloads", "metadata_swap", "run_record")
    assert ended[-1] == "run_record:finished", played.output
    assert "workloads:started" not in ended
    assert ended.count("metadata_swap:reset") == 2


def test_each_has_a_run_and_a_lock_of_its_own(run):
    played = run({"other": [MOVE]})

    assert played.code == 0, played.output
    for name in ("run_lock", "run_record"):
        records = {
            host: {each["name"] for each in played.asked if (each["action"], each["host"]) == (name, host)}
            for host in "ab"
        }
        assert len(records["a"]) == len(records["b"]) == 1
        assert records["a"] != records["b"]
    holders = {
        host: {each["lock"]["holder"] for each in played.asked if each["host"] == host and each.get("lock")}
        for host in "ab"
    }
    assert len(holders["a"]) == len(holders["b"]) == 1
    assert holders["a"] != holders["b"]
    assert of("a", played, "run_record") == of("b", played, "run_record")
    assert [f"report of {host}" in played.output for host in "ab"] == [True, True]


def test_no_more_are_begun_than_there_are_forks(run, stage):
    """One without a fork would wait, stopped, until another's long task ends."""
    stage.arguments = ("--forks", "1")
    played = run({"cut_over": [STOP, MOVE]})

    assert played.code == 0, played.output
    hosts = [each["host"] for each in played.asked]
    assert hosts == sorted(hosts)
    assert set(hosts) == {"a", "b"}


def test_where_all_that_were_begun_have_failed_the_rest_is_not_begun(run, stage):
    stage.arguments = ("--forks", "1")
    played = run({"cut_over": [STOP, FAIL_A, MOVE]})

    assert played.code != 0
    assert {each["host"] for each in played.asked} == {"a"}


def test_a_play_that_begins_more_than_there_are_forks_is_refused(run, stage):
    stage.arguments = ("--forks", "1")
    del stage.keywords["serial"]
    played = run({"other": [MOVE]})

    assert played.code != 0
    assert "Found: 2 deployments, and --forks 1" in played.output
    assert played.asked == []


def test_the_next_one_is_refused_after_the_first_has_left_the_play(run, stage):
    later = stage.folder / "later.yml"
    later.write_text(yaml.safe_dump([{"ansible.builtin.debug": {"msg": "not yet"}}] * 12))
    include = {"ansible.builtin.include_tasks": str(later), "when": "inventory_hostname == 'b'"}
    stage.arguments = ("--forks", "1")
    del stage.keywords["serial"]
    stage.keywords["pre_tasks"] = [include]
    played = run({"other": [MOVE]})

    assert played.output.count("failed=1") == 2
    assert played.asked == []
