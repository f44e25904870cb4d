# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.test_store import TOP, take


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
