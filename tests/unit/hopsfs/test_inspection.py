# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import snapshot
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.inspection import inspect

PATTERNS = ["/Projects/*/Airflow"]
TOP = "/Projects/demo/Airflow"
COPY = f"/airflow-snapshots/one/files{TOP}"
MANIFEST = "/airflow-snapshots/one/manifest.jsonl"


@pytest.fixture
def taken(hopsfs, hdfs, store):
    hopsfs.put(f"{TOP}/a.py", "FILE", "0644", b"KEY = 'CANARY-dag-file'")
    hopsfs.put(f"{TOP}/sub/b.py", "FILE", "0644", b"b")
    hopsfs.nodes[f"{TOP}/a.py"].xattrs["user.note"] = "0x" + b"CANARY-attribute".hex()
    take(hdfs, store)
    return hopsfs


def take(hdfs, store, name="one", **options):
    return snapshot.present(hdfs, store, name, PATTERNS, workers=2, progress=[].append, **options)


def look(hdfs, store, name=None, verify=True, live=True):
    return inspect(hdfs, store, name, verify=verify, compare_live=live, workers=2, progress=[].append)


def test_without_a_root_there_are_no_snapshots(hdfs, store):
    assert look(hdfs, store) == []


@pytest.mark.usefixtures("taken")
def test_an_intact_snapshot(hdfs, store):
    [found] = look(hdfs, store)
    assert (found["verified"], found["damage"], found["equal"], found["changes"]) == (True, [], True, [])
    assert (found["files"], found["directories"], found["bytes"]) == (2, 2, 24)
    assert "verified" not in look(hdfs, store, verify=False)[0]
    assert "equal" not in look(hdfs, store, live=False)[0]


@pytest.mark.usefixtures("taken")
def test_one_is_looked_at_when_one_is_named(hdfs, store):
    take(hdfs, store, "two")
    assert [found["name"] for found in look(hdfs, store)] == ["one", "two"]
    assert [found["name"] for found in look(hdfs, store, "two")] == ["two"]
    assert look(hdfs, store, "three") == []


def tamper_content(nodes):
    """The same length, the same time: only reading it tells."""
    nodes[f"{COPY}/a.py"].content = nodes[f"{COPY}/a.py"].content.replace(b"C", b"D")


@pytest.mark.parametrize(
    ("tamper", "damage"),
    [
        (tamper_content, {"path": f"{TOP}/a.py", "differs": ["content"]}),
        (lambda nodes: nodes.pop(f"{COPY}/sub/b.py"), {"path": f"{TOP}/sub/b.py", "differs": ["missing"]}),
        (
            lambda nodes: nodes.update({f"{COPY}/new.py": nodes[f"{COPY}/a.py"]}),
            {"path": f"{TOP}/new.py", "differs": ["extra"]},
        ),
        (lambda nodes: setattr(nodes[COPY], "permission", "0777"), {"path": TOP, "differs": ["permission"]}),
        (
            lambda nodes: nodes[f"{COPY}/a.py"].xattrs.clear(),
            {"path": f"{TOP}/a.py", "differs": ["xattrs"]},
        ),
        (
            lambda nodes: setattr(nodes[f"{COPY}/sub"], "entries", ("user:x:r--",)),
            {"path": f"{TOP}/sub", "differs": ["acl"]},
        ),
        (lambda nodes: setattr(nodes[f"{COPY}/sub"], "modified", 5), {"path": f"{TOP}/sub", "differs": ["mtime"]}),
    ],
)
def test_damage_is_found(taken, hdfs, store, tamper, damage):
    tamper(taken.nodes)
    [found] = look(hdfs, store)
    assert found["verified"] is False
    assert found["damage"] == [damage]
    assert found["equal"] is True


@pytest.mark.parametrize("gone", [True, False])
def test_changes_of_the_live_folders_are_found(taken, hdfs, store, gone):
    if gone:
        taken.do_delete(TOP, {}, b"")
    else:
        taken.nodes[f"{TOP}/a.py"].content = b"KEY = 'DANARY-dag-file'"
    [found] = look(hdfs, store)
    assert found["verified"] is True
    assert found["equal"] is False
    changed = [change["path"] for change in found["changes"]]
    assert changed == ([TOP, f"{TOP}/a.py", f"{TOP}/sub", f"{TOP}/sub/b.py"] if gone else [f"{TOP}/a.py"])


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage\n", None, "cut"])
def test_without_a_true_manifest_it_is_not_whole_and_a_new_run_makes_it_so(taken, hdfs, store, content):
    if content is None:
        del taken.nodes[MANIFEST]
    else:
        node = taken.nodes[MANIFEST]
        node.content = node.content[:-100] if content == "cut" else content
    [found] = look(hdfs, store)
    assert found["whole"] is False
    assert found["flaw"]
    assert "verified" not in found
    outcome = take(hdfs, store)
    assert (outcome.before.found, outcome.changed, outcome.copied_files) == ("unfinished", True, 0)
    assert look(hdfs, store)[0]["verified"] is True


def test_a_damaged_copy_is_repaired_by_the_next_run(taken, hdfs, store):
    del taken.nodes[f"{COPY}/sub/b.py"]
    assert take(hdfs, store, check_mode=True).copied_files == 1
    assert take(hdfs, store).copied_files == 1
    assert look(hdfs, store)[0]["verified"] is True


@pytest.mark.usefixtures("taken")
def test_other_patterns_for_the_same_files_are_recorded(hdfs, store):
    outcome = snapshot.present(hdfs, store, "one", ["/Projects/demo/Airflow"], workers=2, progress=[].append)
    assert (outcome.changed, outcome.copied_files) == (True, 0)
    assert look(hdfs, store)[0]["sources"] == ["/Projects/demo/Airflow"]


def test_results_hold_no_content_and_no_attribute(taken, hdfs, store):
    secrets = ["CANARY", b"CANARY-attribute".hex()]
    taken.nodes[f"{TOP}/a.py"].xattrs["user.other"] = "0x" + b"CANARY-attribute".hex()
    for check_mode in (True, False):
        result = repr(take(hdfs, store, check_mode=check_mode).as_result(store, "one"))
        assert not any(secret in result for secret in secrets)
    assert not any(secret in repr(look(hdfs, store)) for secret in secrets)


def test_deleting_one_takes_its_commit_mark_first_and_leaves_the_others(taken, hdfs, store):
    take(hdfs, store, "two")
    taken.writes.clear()
    assert snapshot.absent(store, "one", check_mode=True).found == "whole"
    assert taken.writes == []
    assert snapshot.absent(store, "one").found == "whole"
    assert taken.writes == [("DELETE", MANIFEST), ("DELETE", "/airflow-snapshots/one")]
    assert [found["name"] for found in look(hdfs, store)] == ["two"]
    assert snapshot.absent(store, "one").found == "absent"


def test_a_directory_that_is_no_snapshot_is_not_deleted(taken, store):
    taken.put("/airflow-snapshots/mine/thesis.tex", "FILE", "0600", b"years of work")
    taken.writes.clear()
    with pytest.raises(OperatorError, match=r"thesis\.tex"):
        snapshot.absent(store, "mine")
    assert taken.writes == []
