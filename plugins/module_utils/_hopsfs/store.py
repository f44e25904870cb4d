# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._common.failure import OperatorError
from .client import Status, WebHdfs
from .failure import HopsfsError
from .manifest import Entry, Manifest
from .scan import describe, digest_of, is_below, walk

# Where the Hopsworks reconciler looks for DAGs: a snapshot there would become DAGs.
DAG_FOLDERS = "/Projects/*/Airflow"
MANIFEST = "manifest.jsonl"
UNFINISHED_MANIFEST = "manifest.jsonl.unfinished"
FILES = "files"
# Some servers misread a path with one of these as another path, and would delete something else.
UNSAFE = re.compile(r"[%+;?#\\\x00-\x1f\x7f]")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class State:
    """The state of a snapshot: missing (`exists` false), unfinished (`manifest` None, `flaw` says why), or complete
    with its manifest and fingerprint."""

    exists: bool
    manifest: Manifest | None = None
    fingerprint: str = ""
    flaw: str = ""

    @property
    def found(self) -> str:
        if not self.exists:
            return "absent"
        return "unfinished" if self.manifest is None else "whole"


class Store:
    """The directory of all snapshots, and one snapshot's place in it.

    ROOT/                        mode 0700: what is below keeps its owners and permissions, yet nobody gets there
      NAME/                      mode 0700
        manifest.jsonl           the commit mark, written last (`Manifest`); without it the snapshot is unfinished
        files/Projects/P/Airflow the copy, at the path of the original below `files`, with the original's metadata;
                                 directories between `files` and a source's top are mode 0700 and not in the manifest
    """

    def __init__(self, hdfs: WebHdfs, root: str) -> None:
        self.hdfs = hdfs
        self.root = checked_root(root)

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def copy_of(self, name: str, path: str) -> str:
        """The path of the copy of a live path."""
        return f"{self.path(name)}/{FILES}{path}"

    # Reading

    def names(self) -> list[str]:
        if self.hdfs.status(self.root) is None:
            return []
        listing = self.hdfs.listing(self.root)
        return sorted(posixpath.basename(status.path) for status in listing if status.kind == "directory")

    def state(self, name: str) -> State:
        if self.hdfs.status(self.path(name)) is None:
            return State(exists=False)
        try:
            content = self.hdfs.repeating(lambda: self._read(f"{self.path(name)}/{MANIFEST}"))
            manifest, fingerprint = Manifest.decoded(content)
        except HopsfsError as error:
            if error.missing:
                return State(exists=True, flaw="it has no manifest: it was never finished, or is being refreshed")
            raise
        except (ValueError, LookupError, TypeError) as error:
            return State(exists=True, flaw=f"its manifest is invalid: {error}")
        return State(exists=True, manifest=manifest, fingerprint=fingerprint)

    def _read(self, path: str) -> bytes:
        with self.hdfs.open(path) as (pieces, _length):
            return b"".join(pieces)

    def copies(
        self, name: str, known: Mapping[str, Entry], verified: Mapping[str, str], workers: int
    ) -> dict[str, Entry]:
        """The copied tree by live path. A file's SHA-256 comes from `verified`, or from `known` (a manifest) if length
        and modification time still match, or else the file is read."""
        top = self.hdfs.status(f"{self.path(name)}/{FILES}")
        if top is None:
            return {}
        prefix = top.path

        def digest(status: Status) -> str:
            path = status.path.removeprefix(prefix)
            entry = known.get(path)
            if path in verified:
                return verified[path]
            if entry and entry.sha256 and (entry.length, entry.modified) == (status.length, status.modified):
                return entry.sha256
            return digest_of(self.hdfs, status.path)[1]

        below = [status for status in walk(self.hdfs, [top], workers) if status.path != prefix]
        found = describe(self.hdfs, below, workers, digest)
        live = {path.removeprefix(prefix): entry for path, entry in found.items()}
        return {path: replace(entry, path=path) for path, entry in live.items()}

    def check_place(self, patterns: list[str], tops: list[str]) -> None:
        """Raises an error for a root that is inside a DAG folder or contains one, or that others could enter."""
        for pattern in [*patterns, DAG_FOLDERS]:
            if overlaps(self.root, pattern):
                raise OperatorError(
                    f"snapshot_root {self.root} and the DAG folders {pattern} overlap",
                    expected="a separate directory, because every *.py in a DAG folder becomes a DAG",
                    untouched="everything; nothing was written",
                    next_step="choose a snapshot_root outside of every DAG folder, such as /airflow-snapshots",
                )
        for top in tops:
            if top == self.root or is_below(top, self.root) or is_below(self.root, top):
                raise OperatorError(
                    f"snapshot_root {self.root} and the source {top} overlap",
                    expected="a directory outside of the copied folders",
                    untouched="everything; nothing was written",
                    next_step="choose another snapshot_root",
                )
        status = self.hdfs.status(self.root)
        if status is None:
            return
        user = self.hdfs.user()
        if status.kind != "directory" or status.permission[-3:] != "700" or status.owner != user:
            raise OperatorError(
                f"snapshot_root {self.root} is a {status.kind} of {status.owner} with mode {status.permission}",
                expected=(
                    f"a directory of {user} with mode 0700, because DAG files may contain secrets and copies keep "
                    "their own permissions, so only this directory keeps other users out"
                ),
                untouched="everything; nothing was written",
                next_step=f"hdfs dfs -chown {user} {self.root}; hdfs dfs -chmod 0700 {self.root}; or choose another",
            )

    # Writing

    def begin(self, name: str) -> None:
        """Create missing directories of the snapshot, and remove its commit mark."""
        self.hdfs.mkdirs(f"{self.path(name)}/{FILES}", "700")
        self.hdfs.delete(f"{self.path(name)}/{MANIFEST}")

    def commit(self, name: str, manifest: Manifest) -> str:
        """Write the manifest, read it back, and move it into place. Returns its fingerprint."""
        content, fingerprint = manifest.encoded()
        unfinished = f"{self.path(name)}/{UNFINISHED_MANIFEST}"

        def attempt() -> None:
            self.hdfs.create(unfinished, content)
            length, digest = digest_of(self.hdfs, unfinished)
            if (length, digest) != (len(content), hashlib.sha256(content).hexdigest()):
                raise HopsfsError(
                    f"{unfinished} does not read back as it was written",
                    expected="the manifest",
                    next_step="check the health of the DataNodes (hdfs fsck), then run the same command again",
                    temporary=True,
                )

        self.hdfs.repeating(attempt)
        self.hdfs.rename(unfinished, f"{self.path(name)}/{MANIFEST}")
        return fingerprint

    def remove(self, name: str) -> None:
        """Delete a snapshot, commit mark first. Raises OperatorError for a directory that is not a snapshot."""
        path = self.path(name)
        strangers = [
            status.path
            for status in self.hdfs.listing(path)
            if posixpath.basename(status.path) not in (MANIFEST, UNFINISHED_MANIFEST, FILES)
        ]
        if strangers:
            raise OperatorError(
                f"{path} is not a snapshot: it contains {strangers[0]}",
                expected=f"nothing but {MANIFEST} and {FILES}",
                untouched="everything; nothing was deleted",
                next_step="check the directory; delete it by hand if it is yours",
            )
        self.hdfs.delete(f"{path}/{MANIFEST}")
        self.hdfs.delete(path)


def checked_root(root: str) -> str:
    """An absolute, normal path below `/`, or an OperatorError."""
    normal = posixpath.normpath(root)
    strange = UNSAFE.search(root)
    if not root.startswith("/") or root.startswith("//") or ".." in root.split("/") or normal == "/" or strange:
        raise OperatorError(
            f"snapshot_root is {root!r}",
            expected="an absolute path below /, without .. and without characters that have a meaning in URLs",
            untouched="everything; nothing was written",
            next_step="correct the option snapshot_root",
        )
    return normal


def checked_name(name: str) -> str:
    """A name that is one path component, or an OperatorError."""
    if not NAME.fullmatch(name):
        raise OperatorError(
            f"the snapshot's name is {name!r}",
            expected="up to 128 letters, digits, dots, underscores and hyphens, beginning with a letter or digit",
            untouched="everything; nothing was written",
            next_step="correct the option name",
        )
    return name


def overlaps(path: str, pattern: str) -> bool:
    """Whether `path` could be, contain, or be inside a match of `pattern`."""
    components = zip(path.strip("/").split("/"), pattern.strip("/").split("/"), strict=False)
    return all(fnmatch.fnmatchcase(component, part) for component, part in components)
