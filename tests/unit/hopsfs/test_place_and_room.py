# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import snapshot
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.store import Store, checked_name, overlaps

PATTERNS = ["/Projects/*/Airflow"]
TOP = "/Projects/demo/Airflow"


@pytest.fixture
def folders(hopsfs):
    for name in ("a.py", "b.py", "sub/c.py"):
        hopsfs.put(f"{TOP}/{name}", "FILE", "0644", b"x" * 100)
    return hopsfs


def take(hdfs, root="/airflow-snapshots", patterns=None, **options):
    options = {"workers": 2, "progress": [].append, **options}
    return snapshot.present(hdfs, Store(hdfs, root), "one", patterns or PATTERNS, **options)


@pytest.mark.parametrize(
    "root",
    [TOP, f"{TOP}/snapshots", f"{TOP}/a/b/c", "/Projects/other/Airflow/snapshots", "/Projects", "/Projects/demo"],
)
@pytest.mark.parametrize("patterns", [PATTERNS, ["/Projects/demo/Airflow"], ["/Projects/demo/Airflow/*"]])
def test_no_snapshot_inside_a_dag_folder_or_around_one(folders, hdfs, root, patterns):
    with pytest.raises(OperatorError, match="overlap"):
        take(hdfs, root, patterns)
    assert folders.writes == []


def test_sources_must_not_hold_the_snapshots(folders, hdfs):
    folders.put("/airflow-snapshots", "DIRECTORY", "0700")
    for patterns in (["/*"], ["/airflow-snapshots"], ["/airflow-snap*"]):
        with pytest.raises(OperatorError, match="overlap"):
            take(hdfs, "/airflow-snapshots/below", patterns)
    assert folders.writes == []


@pytest.mark.parametrize(
    ("path", "pattern", "answer"),
    [
        ("/Projects/x/Airflow", "/Projects/*/Airflow", True),
        ("/Projects/x/Airflow/s", "/Projects/*/Airflow", True),
        ("/Projects", "/Projects/*/Airflow", True),
        ("/Projects/x/Resources", "/Projects/*/Airflow", False),
        ("/snapshots", "/Projects/*/Airflow", False),
    ],
)
def test_overlaps(path, pattern, answer):
    assert overlaps(path, pattern) is answer


@pytest.mark.parametrize(
    ("permission", "owner"), [("0755", "hdfs"), ("0750", "hdfs"), ("0701", "hdfs"), ("0700", "airflow")]
)
def test_a_root_that_others_could_enter_is_refused(folders, hdfs, permission, owner):
    folders.put("/airflow-snapshots", "DIRECTORY", permission)
    folders.nodes["/airflow-snapshots"].owner = owner
    with pytest.raises(OperatorError, match=f"{owner} with mode {permission}") as refused:
        take(hdfs)
    assert "hdfs dfs -chmod 0700 /airflow-snapshots" in refused.value.next_step
    assert folders.writes == []


@pytest.mark.parametrize("root", ["airflow-snapshots", "/", "//", "/a/../b", "", "//a"])
def test_a_root_is_a_plain_absolute_path(hdfs, root):
    with pytest.raises(OperatorError, match="snapshot_root is"):
        Store(hdfs, root)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-a", ".hidden", "x" * 129, "a\n"])
def test_a_name_is_one_plain_component(name):
    with pytest.raises(OperatorError, match="name is"):
        checked_name(name)


def test_nothing_to_copy_is_a_mistake(hdfs):
    with pytest.raises(OperatorError, match="no directory matches"):
        take(hdfs)


@pytest.mark.parametrize("wrong", ["/Projects/demo/Airflo", "/Projcets/*/Airflow", "/Projects/demo/Airflow/none"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_source_that_names_nothing_beside_one_that_does_is_a_mistake(folders, hdfs, wrong, check_mode):
    with pytest.raises(OperatorError, match=r"no directory matches") as refused:
        take(hdfs, patterns=["/Projects/*/Airflow", wrong], check_mode=check_mode)
    assert refused.value.found.endswith(wrong)
    assert folders.writes == []


def test_a_source_that_was_copied_and_is_gone_since_is_no_mistake(folders, hdfs):
    folders.put("/Projects/other/Airflow/c.py", "FILE", "0644", b"c")
    both = ["/Projects/demo/Airflow", "/Projects/other/Airflow"]
    assert take(hdfs, patterns=both).manifest.files == 4
    folders.do_delete("/Projects/other", {}, b"")
    again = take(hdfs, patterns=both)
    assert (again.changed, again.manifest.files, again.removed) == (True, 3, 1)


def test_a_link_is_refused(folders, hdfs):
    folders.put(f"{TOP}/link", "SYMLINK", "0777")
    with pytest.raises(OperatorError, match="is a symlink"):
        take(hdfs)
    assert folders.writes == []


# Room


@pytest.mark.parametrize(("free", "enough"), [(300, True), (299, False)])
@pytest.mark.parametrize("check_mode", [False, True])
def test_free_space(folders, hdfs, free, enough, check_mode):
    folders.free = free
    if enough:
        room = take(hdfs, check_mode=check_mode).room
        assert (room.needed_bytes, room.free_bytes) == (300, 300)
        return
    with pytest.raises(OperatorError, match=r"needs 300 bytes.*leaves 299") as refused:
        take(hdfs, check_mode=check_mode)
    assert "nothing was written" in refused.value.untouched
    assert folders.writes == []


def test_replication_counts(folders, hdfs):
    folders.replication = 3
    folders.free = 899
    with pytest.raises(OperatorError, match="needs 900 bytes"):
        take(hdfs)


def test_unknown_free_space_is_said_and_not_refused(folders, hdfs):
    folders.free = None
    room = take(hdfs).room
    assert (room.free_bytes, room.limited_by) == (None, "unknown")


@pytest.mark.parametrize(("quota", "enough"), [(500, True), (499, False)])
@pytest.mark.parametrize("where", ["/backup", "/backup/airflow"])
def test_space_quota_of_the_root_and_above_it(folders, hdfs, quota, enough, where):
    """300 bytes and, as HDFS charges whole blocks while it writes, two open blocks of 100."""
    folders.put("/backup/airflow", "DIRECTORY", "0700")
    folders.space_quota[where] = quota
    if enough:
        assert take(hdfs, "/backup/airflow").room.limited_by == f"space quota of {where}"
        return
    with pytest.raises(OperatorError, match=f"space quota of {where} leaves 499"):
        take(hdfs, "/backup/airflow")
    assert folders.writes == []


def test_quota_on_names(folders, hdfs):
    folders.put("/airflow-snapshots", "DIRECTORY", "0700")
    folders.name_quota["/airflow-snapshots"] = 12
    with pytest.raises(OperatorError, match="name quota"):
        take(hdfs)
    assert folders.writes == []
    folders.name_quota["/airflow-snapshots"] = 14
    take(hdfs)
    assert len(folders.below("/airflow-snapshots")) <= 13


def test_a_refresh_needs_room_only_for_what_it_copies(folders, hdfs):
    take(hdfs)
    folders.nodes[f"{TOP}/a.py"].content = b"y" * 100
    folders.free = 100
    assert take(hdfs).copied_files == 1
