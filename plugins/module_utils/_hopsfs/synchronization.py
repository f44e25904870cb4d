# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import posixpath
import threading
import time
from collections.abc import Callable, Mapping

from .client import WebHdfs
from .manifest import Entry
from .scan import in_parallel, topmost, unless_gone
from .store import Store
from .transfer import apply_metadata, copy_content

# The differences that require a new copy of the content; all others are metadata.
CONTENT = frozenset({"missing", "type", "content"})
Differences = Mapping[str, tuple[str, ...]]


class Synchronization:
    """Makes a copied tree equal to the live one, difference by difference, and records its changes.

    `verified` holds the SHA-256 of every file that was copied and read back, `copied` their lengths in bytes,
    `adjusted` the paths that got metadata only, `removed` those deleted from the copy; all by live path.
    """

    def __init__(self, hdfs: WebHdfs, store: Store, name: str, workers: int, progress: Callable[[str], object]) -> None:
        self._hdfs, self._store, self._name, self._workers = hdfs, store, name, workers
        self._progress = progress
        self._counting = threading.Lock()
        self._said = time.monotonic()
        self.verified: dict[str, str] = {}
        self.copied: dict[str, int] = {}
        self.adjusted: set[str] = set()
        self.removed: set[str] = set()

    def apply(self, work: Differences, source: Mapping[str, Entry], found: Mapping[str, Entry]) -> None:
        """Apply the differences `work` between the live tree `source` and the copy `found`."""
        gone = removals(work)
        self.removed |= gone
        in_parallel(self._workers, lambda path: self._hdfs.delete(self._target(path)), sorted(gone))
        contents = [path for path, fields in work.items() if path in source and CONTENT & set(fields)]
        new_directories = [path for path in contents if source[path].kind == "directory"]
        in_parallel(self._workers, lambda path: self._hdfs.mkdirs(self._target(path)), new_directories)
        files = [source[path] for path in contents if source[path].kind == "file"]
        total = (len(files), sum(entry.length for entry in files))
        done = len(self.copied)
        in_parallel(self._workers, lambda entry: self._copy(entry, found, total, done), files)
        others = [path for path in work if path in source and path not in contents and source[path].kind == "file"]
        in_parallel(self._workers, lambda path: self._adjust(source[path], found.get(path)), others)
        # Each creation and deletion changes its directory, so directories come last.
        touched = {posixpath.dirname(path) for path in [*contents, *gone]} | set(work)
        directories = [path for path in touched if path in source and source[path].kind == "directory"]
        fresh = set(new_directories)
        in_parallel(
            self._workers,
            lambda path: self._adjust(source[path], None if path in fresh else found.get(path)),
            directories,
        )
        in_parallel(
            self._workers,
            lambda path: self._hdfs.set_modified(self._target(path), source[path].modified),
            directories,
        )
        self.adjusted |= {path for path in work if path in source and path not in contents}

    def _target(self, path: str) -> str:
        return self._store.copy_of(self._name, path)

    def _copy(self, source: Entry, found: Mapping[str, Entry], total: tuple[int, int], done: int) -> None:
        self.verified.pop(source.path, None)
        target = self._target(source.path)
        copied = unless_gone(self._hdfs, source.path, lambda: copy_content(self._hdfs, source, target))
        if copied is None:
            # The next pass over the folders resolves it.
            return
        length, digest = copied
        parent = found.get(posixpath.dirname(source.path))
        inherits = parent is not None and any(entry.startswith("default:") for entry in parent.acl)
        apply_metadata(self._hdfs, source, target, None, inherits=inherits)
        with self._counting:
            self.verified[source.path] = digest
            self.copied[source.path] = length
            if time.monotonic() - self._said > 2:
                self._said = time.monotonic()
                self._progress(f"copied {len(self.copied) - done} of {total[0]} files ({total[1]} bytes in all)")

    def _adjust(self, source: Entry, found: Entry | None) -> None:
        apply_metadata(self._hdfs, source, self._target(source.path), found)


def removals(work: Differences) -> set[str]:
    """Paths to delete from the copy: deleted entries and those with another type; only the topmost ones."""
    gone = {path for path, fields in work.items() if "extra" in fields or "type" in fields}
    return topmost(gone)
