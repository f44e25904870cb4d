# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Twice as many files take twice as many steps, not four times: steps are counted, nothing is timed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any, cast

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import snapshot
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.client import Status
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.inspection import damages
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.manifest import Entry, Manifest
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.scan import matching
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.synchronization import removals


def steps(work) -> int:
    """How many functions are called, built-in ones included, and values taken from a generator."""
    counted = 0

    def count(_frame, event, _argument) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def tree(files: int) -> dict[str, Entry]:
    paths = [f"/Projects/p{number % 40}/Airflow/{number}.py" for number in range(files)]
    file = Entry("", "file", 1, "hdfs", "hdfs", "0644", 1, sha256="ab" * 32)
    return {path: replace(file, path=path) for path in paths}


def verifying(files: int):
    entries = tree(files)
    folders = [f"/Projects/p{number}" for number in range(40)]
    found = entries | {path: Entry(path, "directory", 0, "hdfs", "hdfs", "0700", 1) for path in folders}
    manifest = Manifest("one", "", (), entries)
    store = type("Store", (), {"copies": lambda *_arguments: found})()

    def work() -> None:
        assert damages(store, "one", manifest, 1) == {}

    return work


def removing(files: int):
    gone = dict.fromkeys(tree(files), ("extra",))

    def work() -> None:
        assert removals({**gone, "/Projects/p0": ("extra",)}) == {path for path in gone if "/p0/" not in path} | {
            "/Projects/p0"
        }

    return work


class Listing:
    """A file system of directories side by side."""

    def __init__(self, count: int) -> None:
        self._statuses = [self.existing(f"/{number}") for number in range(count)]

    def existing(self, path: str) -> Status:
        return Status(path, "directory", 0, "hdfs", "hdfs", "0755", 1, 0, 0)

    def listing(self, _path: str) -> list[Status]:
        return self._statuses


def finding(count: int):
    hdfs = cast(Any, Listing(count))
    return lambda: matching(hdfs, ["/*"])


def comparing(files: int):
    """With as many sources as files."""
    hdfs = cast(Any, Listing(files))
    tops = [status.path for status in hdfs.listing("/")]
    source = {path: Entry(path, "directory", 0, "hdfs", "hdfs", "0755", 1) for path in tops}

    def work() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(snapshot, "walk", lambda *_arguments: [])
            patch.setattr(snapshot, "describe", lambda *_arguments: source)
            patch.setattr(snapshot, "agree", lambda *_arguments: True, raising=False)
            assert snapshot.compared(hdfs, ["/*"], source, 1).work == {}

    return work


@pytest.mark.parametrize("task", [verifying, removing, finding, comparing])
def test_steps_grow_as_files_do(task):
    assert steps(task(1600)) < 2.5 * steps(task(800))
