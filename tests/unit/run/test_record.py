# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run record: what a next run, on any machine, reads of the ones before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.record import HISTORY_LENGTH, RunRecord


class Core:
    """One ConfigMap, with versions."""

    def __init__(self):
        self.found = None

    def read_namespaced_config_map(self, _name, _namespace):
        return self.found

    def create_namespaced_config_map(self, _namespace, body):
        assert self.found is None
        return self._store(body, "1")

    def replace_namespaced_config_map(self, _name, _namespace, body):
        version = self.found.metadata.resource_version
        if body["metadata"]["resourceVersion"] != version:
            raise ApiException(status=409)
        return self._store(body, str(int(version) + 1))

    def _store(self, body, version):
        annotations = body.get("metadata", {}).get("annotations")
        metadata = SimpleNamespace(resource_version=version, annotations=annotations)
        self.found = SimpleNamespace(data=dict(body["data"]), metadata=metadata)
        return self.found


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def read(core):
    """The record as a next module reads it."""
    cluster = SimpleNamespace(core=core, namespace="lab", find=lambda read, name: read(name, "lab"))
    return lambda deployment="airflow": RunRecord(cluster, "airflow-runbook", deployment)


def test_nothing_ran_before(read):
    record = read()
    assert (record.run, record.history, record.facts(), record.unfinished()) == (None, [], {}, None)


def test_a_run_from_begin_to_end(read):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.begin("keys")
    record.write()
    assert read().run["phases"][0]["status"] == "running"
    record.end("keys", {"kids": ["a"]})
    record.finish()
    record.write()
    run = read().run
    assert (run["id"], run["status"]) == ("r1", "done")
    assert [(phase["name"], phase["status"]) for phase in run["phases"]] == [("keys", "done")]
    assert run["phases"][0]["begun"] <= run["phases"][0]["ended"] <= run["ended"]
    assert read().facts() == {"keys": {"kids": ["a"]}}
    assert read().unfinished() is None


@pytest.mark.parametrize("failed", [True, False], ids=["failed", "killed"])
def test_an_unfinished_run_is_gone_on_with_under_its_own_id(read, failed):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.begin("keys")
    record.end("keys", {"kids": ["a"]})
    record.begin("images")
    if failed:
        record.fail("images", "no registry")
    record.write()
    record = read()
    assert record.unfinished()["id"] == "r1"
    assert record.open("r2", "upgrade", "bob")["id"] == "r1"
    record.begin("images")
    assert [attempt["by"] for attempt in record.run["attempts"]] == ["alice", "bob"]
    assert record.run["phases"][-1]["attempt"] == 2
    assert record.facts() == {"keys": {"kids": ["a"]}}


def test_another_playbook_does_not_begin_over_an_unfinished_run(read):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.write()
    with pytest.raises(OperatorError, match=r"upgrade\.yml is unfinished"):
        read().open("r2", "install", "bob")


def test_facts_of_an_earlier_attempt_are_kept_where_a_later_one_has_none(read):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.begin("schema")
    record.end("schema", {"tables": 45, "seconds": 9})
    record.begin("schema")
    record.end("schema", {"tables": None, "seconds": 1})
    assert record.facts() == {"schema": {"tables": 45, "seconds": 1}}


def test_history_is_short_newest_first_and_without_phases(read):
    for number in range(HISTORY_LENGTH + 5):
        record = read()
        record.open(f"r{number}", "upgrade", "alice")
        record.begin("keys")
        record.end("keys", {})
        record.finish()
        record.write()
    history = read().history
    assert len(history) == HISTORY_LENGTH
    assert history[0]["id"] == f"r{HISTORY_LENGTH + 3}"
    assert "phases" not in history[0]


def test_entries_of_others_stay(read, core):
    core.create_namespaced_config_map("lab", {"data": {"installed": "{}"}})
    record = read()
    record.open("r1", "upgrade", "alice")
    record.write()
    assert core.found.data["installed"] == "{}"


def test_a_record_that_somebody_else_wrote_meanwhile_is_not_overwritten(read):
    first, second = read(), read()
    first.open("r1", "upgrade", "alice")
    first.write()
    third, fourth = read(), read()
    third.begin("keys")
    third.write()
    fourth.begin("images")
    with pytest.raises(ApiException):
        fourth.write()
    with pytest.raises(AssertionError):
        second.write()


@pytest.mark.parametrize("action", [lambda r: r.begin("x"), lambda r: r.end("x", {}), lambda r: r.finish()])
def test_phases_need_an_open_run(read, action):
    with pytest.raises(OperatorError, match="no run is open"):
        action(read())


@pytest.mark.parametrize("status", ["running", "failed", "done"])
def test_the_record_of_another_deployment_is_refused(read, core, status):
    """Neither continued nor closed, nor is a run of its own begun in it."""
    record = read()
    record.open("r1", "upgrade", "alice")
    if status != "running":
        record.fail(None, "x") if status == "failed" else record.finish()
    record.write()
    before = core.found

    with pytest.raises(OperatorError, match="is the record of deployment 'airflow'"):
        read("another")

    # However it came there: by hand, or by a version that did not annotate.
    core.found.metadata.annotations = None
    with pytest.raises(OperatorError, match="is the record of deployment 'airflow'"):
        read("another")
    assert core.found is before


def test_a_record_without_a_run_says_whose_it_is_too(read, core):
    annotations = {"hopsworks.airflow/deployment": "another"}
    core.create_namespaced_config_map("lab", {"metadata": {"annotations": annotations}, "data": {"installed": "{}"}})
    with pytest.raises(OperatorError, match="is the record of deployment 'another'"):
        read()
    assert read("another").run is None
