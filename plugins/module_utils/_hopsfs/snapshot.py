# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .._common.failure import OperatorError
from .client import WebHdfs
from .counts import agree
from .manifest import Entry, Manifest, compare
from .room import Room, check_room
from .scan import above, describe, digest_of, matching, walk
from .store import State, Store, checked_name
from .synchronization import CONTENT, Synchronization, removals

# How often a copy is updated if the folders change while they are copied, before giving up.
ROUNDS = 5


@dataclass
class Look:
    """The live folders and the copy side by side, and how they differ. `counted` is as `agree` returns it."""

    source: dict[str, Entry]
    found: dict[str, Entry]
    work: dict[str, tuple[str, ...]]
    counted: bool | None

    @property
    def settled(self) -> bool:
        """Whether the copy equals the folders completely."""
        return not self.work and self.counted is not False

    @property
    def to_copy(self) -> list[Entry]:
        """The entries to write: missing and changed files, missing directories."""
        return [self.source[path] for path, names in self.work.items() if path in self.source and CONTENT & set(names)]


@dataclass
class Outcome:
    """What `present` did, or would do in check mode: numbers of files, and sizes in bytes."""

    changed: bool
    before: State
    manifest: Manifest | None
    fingerprint: str
    copied_files: int = 0
    copied_bytes: int = 0
    adjusted: int = 0
    removed: int = 0
    source: Mapping[str, Entry] = field(default_factory=dict)
    room: Room | None = None
    counted: bool | None = None

    def as_result(self, store: Store, name: str) -> dict[str, Any]:
        """Counts, sizes and fingerprints as the module returns them, with the diff, without any file content."""
        after = self.manifest or Manifest(name, "", (), self.source)
        snapshot = {
            "name": name,
            "path": store.path(name),
            "files": after.files,
            "directories": after.directories,
            "bytes": after.length,
            "created": after.created or None,
            "manifest_sha256": self.fingerprint or None,
        }
        result: dict[str, Any] = {
            "changed": self.changed,
            "found": self.before.found,
            "snapshot": snapshot,
            "copied_files": self.copied_files,
            "copied_bytes": self.copied_bytes,
            "adjusted": self.adjusted,
            "removed": self.removed,
            "diff": {
                "before": summary(name, self.before.found, self.before.manifest, self.before.fingerprint),
                "after": summary(name, "whole", after, self.fingerprint or "known after the copy"),
            },
        }
        if self.room:
            result["room"] = asdict(self.room)
        return result


def summary(name: str, found: str, manifest: Manifest | None, fingerprint: str) -> str:
    """A snapshot in a few lines, for a diff."""
    lines = [f"snapshot {name}: {found}"]
    if manifest is not None:
        lines += [
            f"directories: {manifest.directories}",
            f"files: {manifest.files}",
            f"bytes: {manifest.length}",
            f"manifest SHA-256: {fingerprint}",
        ]
    return "\n".join(lines) + "\n"


def present(
    hdfs: WebHdfs,
    store: Store,
    name: str,
    patterns: list[str],
    *,
    workers: int,
    progress: Callable[[str], object],
    check_mode: bool = False,
) -> Outcome:
    """Make the snapshot `name` complete and equal to the live DAG folders.

    A copy is not atomic: after copying, the folders are read again with all their content, and differences are copied
    again, until one pass finds both sides equal; the manifest records this pass. An unfinished snapshot is continued; a
    complete one is compared, and updated if the folders have changed since. Raises OperatorError if there is no room,
    the place is unsuitable, or the folders keep changing.
    """
    checked_name(name)
    before = store.state(name)
    # If this snapshot already has a copy of a source, the source is not a mistake: it was deleted since.
    had = before.manifest.sources if before.manifest else ()
    tops = matching(hdfs, patterns, needed=set(patterns) - set(had))
    store.check_place(patterns, [top.path for top in tops])
    known = before.manifest.entries if before.manifest else {}
    sync = Synchronization(hdfs, store, name, workers, progress)

    def look() -> Look:
        found = store.copies(name, known, sync.verified, workers)
        return compared(hdfs, patterns, found, workers)

    progress(f"reading {', '.join(top.path for top in tops[:5])}{' …' if len(tops) > 5 else ''}")
    now = look()
    recorded = before.manifest
    whole = recorded is not None and recorded.sources == tuple(patterns) and not compare(now.source, recorded.entries)
    if whole and now.settled:
        return Outcome(False, before, recorded, before.fingerprint, source=now.source, counted=now.counted)
    room = check_room(hdfs, store.path(name), now.to_copy, workers)
    if check_mode:
        files = [entry for entry in now.to_copy if entry.kind == "file"]
        return Outcome(
            True,
            before,
            None,
            "",
            copied_files=len(files),
            copied_bytes=sum(entry.length for entry in files),
            adjusted=sum(path in now.source and not CONTENT & set(fields) for path, fields in now.work.items()),
            removed=len(removals(now.work)),
            source=now.source,
            room=room,
            counted=now.counted,
        )
    store.begin(name)
    for _round in range(ROUNDS):
        if now.settled:
            break
        progress(f"copying: {len(now.work)} of {len(now.source)} files and directories differ")
        sync.apply(now.work, now.source, now.found)
        progress("reading the folders again")
        now = look()
    if not now.settled:
        raise unsettled(now, name)
    created = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest = Manifest(name, created, tuple(patterns), now.source)
    fingerprint = store.commit(name, manifest)
    return Outcome(
        True,
        before,
        manifest,
        fingerprint,
        copied_files=len(sync.copied),
        copied_bytes=sum(sync.copied.values()),
        adjusted=len(sync.adjusted - set(sync.copied)),
        removed=len(sync.removed),
        source=now.source,
        room=room,
        counted=now.counted,
    )


def compared(hdfs: WebHdfs, patterns: list[str], found: dict[str, Entry], workers: int) -> Look:
    """The live folders and a copy. Content is only read if there is a copy to compare it with."""
    tops = matching(hdfs, patterns)
    statuses = walk(hdfs, tops, workers)

    source = describe(
        hdfs, statuses, workers, lambda status: digest_of(hdfs, status.path)[1] if status.path in found else None
    )
    # Directories above the tops exist in the copy only to hold it.
    holders = above(top.path for top in tops)
    mine = {path: entry for path, entry in found.items() if path not in holders}
    return Look(source, mine, compare(source, mine), agree(hdfs, tops, source.values(), workers))


def unsettled(now: Look, name: str) -> OperatorError:
    """The folders and their copy still differ after the last round."""
    lines = [f"{path}: {', '.join(fields)}" for path, fields in list(now.work.items())[:10]]
    if not now.work:
        lines = ["the number of files or their bytes changed while they were read"]
    return OperatorError(
        f"after {ROUNDS} copies {len(now.work)} files or directories still differ from snapshot {name}",
        expected="DAG folders that do not change while they are copied, and a HopsFS that keeps all metadata",
        untouched="the DAG folders; the snapshot stays unfinished and does not count as complete",
        next_step=(
            "find out which paths change (below), stop their writers, and run the same command again: it continues"
        ),
        evidence=tuple(lines),
    )


def absent(store: Store, name: str, *, check_mode: bool = False) -> State:
    """Delete a snapshot, complete or not. Returns its former state."""
    checked_name(name)
    before = store.state(name)
    if before.exists and not check_mode:
        store.remove(name)
    return before
