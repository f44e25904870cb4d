# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .client import WebHdfs
from .counts import agree
from .manifest import Entry, Manifest, compare
from .scan import ATTEMPTS, above, describe, digest_of, matching, walk
from .store import Store


def inspect(
    hdfs: WebHdfs,
    store: Store,
    name: str | None,
    *,
    verify: bool,
    compare_live: bool,
    workers: int,
    progress: Callable[[str], object],
) -> list[dict[str, Any]]:
    """What the module `hopsfs_snapshot_info` returns about each snapshot, or about the one called `name`."""
    names = store.names()
    found = []
    for each in [known for known in names if name in (None, known)]:
        state = store.state(each)
        described: dict[str, Any] = {"name": each, "path": store.path(each), "whole": state.manifest is not None}
        manifest = state.manifest
        if manifest is None:
            found.append({**described, "flaw": state.flaw})
            continue
        described |= {
            "created": manifest.created,
            "sources": list(manifest.sources),
            "files": manifest.files,
            "directories": manifest.directories,
            "bytes": manifest.length,
            "manifest_sha256": state.fingerprint,
        }
        if verify:
            progress(f"reading back {manifest.files} files of snapshot {each}")
            damage = damages(store, each, manifest, workers)
            described |= {"verified": not damage, "damage": as_list(damage)}
        if compare_live:
            progress(f"comparing snapshot {each} with the live folders")
            changes = changes_since(hdfs, manifest, workers)
            described |= {"equal": not changes, "changes": as_list(changes)}
        found.append(described)
    return found


def damages(store: Store, name: str, manifest: Manifest, workers: int) -> dict[str, tuple[str, ...]]:
    """The differences between the copy and its manifest, by live path; every file is read and hashed."""
    copies = store.copies(name, {}, {}, workers)
    holders = above(manifest.entries).difference(manifest.entries)
    return compare(manifest.entries, {path: entry for path, entry in copies.items() if path not in holders})


def changes_since(hdfs: WebHdfs, manifest: Manifest, workers: int) -> dict[str, tuple[str, ...]]:
    """The differences between the live folders and the manifest, by path; every file is read and hashed."""
    return compare(manifest.entries, live(hdfs, manifest.sources, workers))


def live(hdfs: WebHdfs, patterns: tuple[str, ...], workers: int) -> Mapping[str, Entry]:
    for _attempt in range(ATTEMPTS):
        tops = matching(hdfs, patterns, or_none=True)
        found = describe(hdfs, walk(hdfs, tops, workers), workers, lambda status: digest_of(hdfs, status.path)[1])
        # Read again if the folders changed in the meantime.
        if agree(hdfs, tops, found.values(), workers) is not False:
            break
    return found


def as_list(differing: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    return [{"path": path, "differs": list(fields)} for path, fields in differing.items()]
