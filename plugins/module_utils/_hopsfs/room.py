# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from .._common.failure import OperatorError
from .client import WebHdfs
from .manifest import Entry


@dataclass(frozen=True)
class Room:
    """Space in bytes, including replication: what the copy needs, what is free (None if unknown), and the source of
    that."""

    needed_bytes: int
    free_bytes: int | None
    limited_by: str


def needed(entries: Iterable[Entry], workers: int) -> tuple[int, int, int]:
    """What writing these entries needs: bytes times replication, the blocks open at one time in bytes, and names.

    HDFS charges a complete block against a quota while a file is being written, and releases the rest at the end.
    """
    entries = list(entries)
    files = [entry for entry in entries if entry.kind == "file"]
    open_blocks = sorted((entry.block_size * entry.replication for entry in files if entry.length), reverse=True)
    return sum(entry.length * entry.replication for entry in files), sum(open_blocks[:workers]), len(entries)


def check_room(hdfs: WebHdfs, place: str, entries: Iterable[Entry], workers: int) -> Room:
    """Raises an error before anything is written if `place` has no room for the entries.

    Free space is the NameNode's own figure (its bean FSNamesystem; neither HopsFS nor older WebHDFS has an operation
    for it). Quotas come from GETCONTENTSUMMARY of `place` and its parents; not of `/`, as that would count the whole
    file system.
    """
    size, open_blocks, names = needed(entries, workers)
    if not names:
        return Room(0, None, "nothing to write")
    bean = hdfs.management_bean("Hadoop:service=NameNode,name=FSNamesystem")
    remaining = (bean or {}).get("CapacityRemaining")
    room = Room(size, None, "unknown")
    if isinstance(remaining, int):
        room = Room(size, remaining, "free space of the DataNodes")
        if remaining < size:
            raise no_room(room, place)
    directory = place
    while directory != "/":
        summary = hdfs.content_summary(directory) if hdfs.status(directory) is not None else None
        if summary is not None:
            space, quota = summary.get("spaceQuota", -1), summary.get("quota", -1)
            if space >= 0:
                free = space - summary["spaceConsumed"]
                limited = Room(size, free, f"space quota of {directory}")
                if free < size + open_blocks:
                    raise no_room(limited, place)
                room = limited if room.free_bytes is None or free < room.free_bytes else room
            # The directories above the copy, and the manifest's two names, come on top.
            free_names = quota - summary.get("fileCount", 0) - summary.get("directoryCount", 0)
            if quota >= 0 and free_names < names + 8:
                raise OperatorError(
                    f"the name quota of {directory} leaves {free_names} names; the snapshot needs {names + 8}",
                    expected="room for the whole snapshot before the first byte is written",
                    untouched="everything; nothing was written",
                    next_step=f"hdfs dfsadmin -setQuota N {directory}, or choose another snapshot_root",
                )
        directory = posixpath.dirname(directory)
    return room


def no_room(room: Room, place: str) -> OperatorError:
    return OperatorError(
        f"the snapshot needs {room.needed_bytes} bytes, replication included, and blocks to write them into; "
        f"the {room.limited_by} leaves {room.free_bytes}",
        expected="room for the whole snapshot before the first byte is written",
        untouched="everything; nothing was written",
        next_step=(
            f"free space or raise the quota, delete old snapshots next to {place}, or choose another snapshot_root"
        ),
    )
