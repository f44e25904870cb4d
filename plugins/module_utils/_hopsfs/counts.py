# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .client import Status, WebHdfs
from .failure import HopsfsError
from .manifest import Entry
from .scan import ancestors, in_parallel, unless_gone, walk


@dataclass
class Totals:
    """How many files there are in a folder, and their bytes, without replication.

    Directories are not compared: file systems differ in whether a folder counts itself.
    """

    files: int = 0
    length: int = 0

    def __str__(self) -> str:
        return f"{self.files} files with {self.length} bytes"


def totals(tops: Iterable[str], found: Iterable[Entry | Status]) -> dict[str, Totals]:
    """The counts by top folder."""
    counted = {top: Totals() for top in tops}
    for each in found:
        if each.kind == "file":
            top = next(path for path in (each.path, *ancestors(each.path)) if path in counted)
            counted[top].files += 1
            counted[top].length += each.length
    return counted


def agree(hdfs: WebHdfs, tops: Iterable[Status], found: Iterable[Entry], workers: int) -> bool | None:
    """Whether the counts match those of HopsFS itself in these folders; None if it does not count.

    False if the folders change in the meantime. If they do not, raises HopsfsError, because a copy would be incomplete.
    """
    paths = [top.path for top in tops]
    counted = dict(zip(paths, in_parallel(workers, lambda path: _summary(hdfs, path), paths), strict=True))
    if any(count is None for count in counted.values()):
        return None
    differing = [path for path, total in totals(paths, found).items() if total != counted[path]]
    for path in differing:
        top = hdfs.status(path)
        if top is None:
            continue
        listed = totals([path], walk(hdfs, [top], workers))[path]
        if listed != counted[path] and _summary(hdfs, path) == counted[path]:
            raise HopsfsError(
                f"in {path} HopsFS lists {listed}, and counts {counted[path]}",
                expected="the same numbers twice, and no file that is still being written: a copy holds what is listed",
                next_step=(
                    f"compare hdfs dfs -count {path} with hdfs dfs -ls -R {path}, find out what is missing, and run "
                    "the same command again"
                ),
            )
    return not differing


def _summary(hdfs: WebHdfs, path: str) -> Totals | None:
    """The NameNode's counts; nothing for a folder that is gone. None if it does not count."""
    gone = True

    def ask() -> Totals | None:
        nonlocal gone
        summary = hdfs.content_summary(path)
        gone = False
        if summary is None:
            return None
        return Totals(summary["fileCount"], summary["length"])

    counted = unless_gone(hdfs, path, ask)
    return Totals() if gone else counted
