# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run record: what a next run, on any machine, reads of the ones before."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
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
        binary = dict(body.get("binaryData", {}))
        size = sum(map(len, body["data"].values())) + sum(len(base64.b64decode(text)) for text in binary.values())
        assert size <= 1024 * 1024, "as the API server refuses it"
        self.found = SimpleNamespace(data=dict(body["data"]), binary_data=binary, metadata=metadata)
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
    assert run["attempts"][-1]["ended"] == run["ended"]
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
    # Nobody can tell any more how long a killed one lasted.
    assert [phase["status"] for phase in record.run["phases"]] == [
        "done",
        "failed" if failed else "interrupted",
        "running",
    ]
    assert record.facts() == {"keys": {"kids": ["a"]}}


def test_another_playbook_does_not_begin_over_an_unfinished_run(read):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.begin("cut_over")
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
@pytest.mark.parametrize("before", ["nothing", "done", "failed"])
def test_phases_need_an_open_run(read, action, before):
    if before != "nothing":
        record = read()
        record.open("r1", "upgrade", "alice")
        record.begin("keys")
        if before == "done":
            record.finish()
        else:
            record.fail("keys", "no room")
        record.write()
    with pytest.raises(OperatorError, match="no run is open"):
        action(read())


@pytest.mark.parametrize("phases", [[], ["snapshot"], ["snapshot", "backup", "keys", "images", "schema"]])
def test_a_run_of_another_playbook_that_only_prepared_is_not_in_the_way(read, phases):
    record = read()
    record.open("r1", "upgrade", "alice")
    for phase in phases:
        record.begin(phase)
    record.write()
    assert read().in_the_way("rotate") is None
    assert read().abandoned_by("rotate")["id"] == "r1"
    assert read().open("r2", "rotate", "bob")["id"] == "r2"


def test_a_record_without_a_run_is_at_no_other(read):
    with pytest.raises(OperatorError, match="is at no run"):
        read().refuse_other("r1")


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


def dags(number):
    return [f"p_project_{each:05d}__daily_feature_pipeline_{each % 7}" for each in range(number)]


def test_a_record_of_many_dags_is_written_and_read_as_a_whole(read, core):
    core.create_namespaced_config_map("lab", {"data": {"installed": "{}"}, "binaryData": {"of-others": "eA=="}})
    record = read()
    record.open("r1", "upgrade", "alice")
    for _attempt in range(3):
        record.begin("cut_over")
        record.end("cut_over", {"paused": dags(12_000), "set_aside": "airflow_before_r1"})
        record.begin("resume")
        record.end("resume", {"resumed": dags(12_000)})
    record.write()
    assert read().run == record.run
    assert read().facts()["resume"]["resumed"] == dags(12_000)
    # What people see of it without a tool.
    shown = json.loads(core.found.data["run"])["phases"][0]
    assert (shown["status"], shown["facts"]["set_aside"]) == ("done", "airflow_before_r1")
    assert shown["facts"]["paused"] == dags(20)
    assert (core.found.data["installed"], core.found.binary_data["of-others"]) == ("{}", "eA==")
    record.finish()
    record.open("r2", "upgrade", "alice")
    record.write()
    assert core.found.binary_data == {"of-others": "eA=="}
    assert read().run["id"] == "r2"


def test_what_is_too_much_even_when_packed_is_cut_off(read):
    ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
    record = read()
    record.open("r1", "upgrade", "alice")
    record.begin("cut_over")
    record.end("cut_over", {"paused": ids, "by": {"team": ids}, "seconds": 3})
    record.write()
    facts = read().facts()["cut_over"]
    assert facts["paused"] == facts["by"]["team"] == ids[:1000]
    assert facts["seconds"] == 3


def test_a_correction_by_hand_of_what_is_shown_counts(read, core):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.begin("cut_over")
    record.end("cut_over", {"paused": dags(12_000)})
    record.write()
    core.found.data["run"] = core.found.data["run"].replace('"running"', '"done"')
    assert read().unfinished() is None


def test_a_run_of_many_attempts_keeps_the_first_and_the_last_and_all_that_they_told(read):
    for number in range(1, 301):
        record = read()
        record.open("r1", "rotate", f"job {number}")
        record.begin("publish")
        record.end("publish", {"kid": "a" if number == 1 else None, "at": number, "once": "b" if number == 7 else None})
        record.begin("activate")
        record.fail("activate", "x" * 50_000)
        record.write()
    run = read().run
    numbers = [1, *range(282, 301)]
    assert [attempt["number"] for attempt in run["attempts"]] == numbers
    assert [attempt["by"] for attempt in run["attempts"]] == [f"job {number}" for number in numbers]
    assert [phase["attempt"] for phase in run["phases"] if phase["name"] == "activate"] == numbers
    assert len([phase for phase in run["phases"] if phase["name"] == "publish"]) == len(numbers) + 1
    assert read().facts()["publish"] == {"kid": "a", "at": 300, "once": "b"}


def test_a_record_of_before_without_numbers_goes_on(read, core):
    record = read()
    record.open("r1", "upgrade", "alice")
    for number in range(30):
        record.run["attempts"].append({"by": f"job {number}", "begun": "x", "ended": None})
        record.run["phases"].append({"name": "keys", "status": "done", "attempt": number + 2, "facts": {}})
    del record.run["attempts"][0]["number"]
    record.write()
    core.found.binary_data = None
    record = read()
    record.open("r2", "upgrade", "bob")
    assert [attempt["number"] for attempt in record.run["attempts"]] == [1, *range(14, 33)]
    record.begin("images")
    assert record.run["phases"][-1]["attempt"] == 32


RUN = {"id": "x", "playbook": "upgrade", "deployment": "airflow", "status": "done"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"id": "x"}',
        json.dumps({**RUN, "attempts": [], "phases": []}),
        json.dumps({**RUN, "attempts": [{"begun": "x"}], "phases": [{"name": "keys"}]}),
        json.dumps({**RUN, "attempts": ["x"], "phases": []}),
        json.dumps({**RUN, "attempts": [{"begun": "x"}], "phases": [{"name": "a", "status": "done", "facts": 1}]}),
    ],
)
def test_a_record_that_is_no_run_is_told_in_words(read, core, text):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.write()
    core.found.data["run"] = text
    with pytest.raises(OperatorError, match="is invalid") as refused:
        read()
    assert "airflow-runbook" in refused.value.next_step


@pytest.mark.parametrize(
    ("entry", "text"), [("history", "{"), ("history", "{}"), ("history", "[1]"), ("history", '[{"attempts": [1]}]')]
)
def test_a_history_that_is_none_is_told_in_words(read, core, entry, text):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.write()
    core.found.data[entry] = text
    with pytest.raises(OperatorError, match="is invalid"):
        read()


# A header of gzip, and nothing that could be unpacked behind it.
NO_DEFLATE = base64.b64encode(gzip.compress(b"", mtime=0)[:10] + b"\xff" * 30).decode()


@pytest.mark.parametrize("text", ["?", "eA==", base64.b64encode(b"\x1f\x8b\x08").decode(), NO_DEFLATE])
def test_a_packed_run_that_is_damaged_is_told_in_words(read, core, text):
    record = read()
    record.open("r1", "upgrade", "alice")
    record.begin("cut_over")
    record.end("cut_over", {"paused": dags(12_000)})
    record.write()
    core.found.binary_data["run.json.gz"] = text
    with pytest.raises(OperatorError, match="is invalid"):
        read()
