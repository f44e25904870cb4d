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


# Room
