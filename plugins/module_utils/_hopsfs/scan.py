# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import unquote_plus

from .._common.failure import OperatorError
from .client import Status, WebHdfs
from .failure import UNTOUCHED, HopsfsError
from .manifest import Entry

# How often an entry is requested that is listed but reported as missing.
ATTEMPTS = 3
T = TypeVar("T")
U = TypeVar("U")


def in_parallel(workers: int, work: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """`work` for each item in several threads; the first failure ends everything after the started items."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def ancestors(path: str) -> Iterator[str]:
    """The directories that hold a path, from the nearest up, without `/`."""
    while (path := path.rpartition("/")[0]) != "":
        yield path


def topmost(paths: Iterable[str]) -> set[str]:
    """Those of the paths that lie below no other of them."""
    paths = set(paths)
    return {path for path in paths if paths.isdisjoint(ancestors(path))}


def above(paths: Iterable[str]) -> set[str]:
    """All directories that hold one of the paths."""
    found: set[str] = set()
    for path in paths:
        for directory in ancestors(path):
            if directory in found:
                break
            found.add(directory)
    return found


def matching(
    hdfs: WebHdfs, patterns: Iterable[str], *, needed: Iterable[str] = (), or_none: bool = False
) -> list[Status]:
    """The matches of the patterns, sorted, without those below another match. `*`, `?` and `[…]` match within one
    component, as in a shell. Raises OperatorError if one of the `needed` patterns matches nothing, or, unless
    `or_none`, if all of them match nothing."""
    patterns, needed = list(patterns), frozenset(needed)
    found: dict[str, Status] = {}
    missing = []
    for pattern in patterns:
        level = ["/"]
        components = [part for part in pattern.split("/") if part]
        matched: list[Status] = []
        for component in components:
            matched = [status for path in level for status in _step(hdfs, path, component)]
            level = [status.path for status in matched if status.kind == "directory"]
        found |= {status.path: status for status in matched}
        if pattern in needed and not matched:
            missing.append(pattern)
    tops = topmost(found)
    if missing or (not tops and not or_none):
        raise OperatorError(
            f"no directory matches {', '.join(missing or patterns)}",
            expected=(
                "at least one DAG folder for each of the sources, because with a wrong source the copy would be "
                "incomplete"
            ),
            untouched=UNTOUCHED,
            next_step="correct airflow_dag_folders (option sources); `hdfs dfs -ls -d` shows what a pattern matches",
        )
    return [found[path] for path in sorted(tops)]


def _step(hdfs: WebHdfs, directory: str, component: str) -> list[Status]:
    path = posixpath.join(directory, component)
    if not any(letter in component for letter in "*?["):
        status = unless_gone(hdfs, path, lambda: hdfs.existing(path))
        return [status] if status else []
    return [
        status
        for status in _listing(hdfs, directory)
        if fnmatch.fnmatchcase(posixpath.basename(status.path), component)
    ]


def is_below(path: str, directory: str) -> bool:
    return path != directory and path.startswith(directory.rstrip("/") + "/")


def walk(hdfs: WebHdfs, tops: Iterable[Status], workers: int) -> list[Status]:
    """The given files and directories and all below them. Raises OperatorError for a symbolic link."""
    found: list[Status] = []
    level = list(tops)
    while level:
        for status in level:
            if status.kind not in ("file", "directory"):
                raise OperatorError(
                    f"{status.path} is a {status.kind}",
                    expected="files and directories only: a copy of a link would not contain its target",
                    untouched="everything; nothing was written",
                    next_step="replace it by a file, or remove its folder from the option sources",
                )
        found += level
        directories = [status.path for status in level if status.kind == "directory"]
        listings = in_parallel(workers, lambda path: _listing(hdfs, path), directories)
        level = [status for listing in listings for status in listing]
    _check_names(hdfs, [status.path for status in found])
    return found


def _listing(hdfs: WebHdfs, path: str) -> list[Status]:
    return unless_gone(hdfs, path, lambda: hdfs.listing(path)) or []


def unless_gone(hdfs: WebHdfs, path: str, work: Callable[[], T]) -> T | None:
    """`work()`, or None if it fails because `path` was deleted after its directory was listed.

    Raises HopsfsError if the server lists it but reports it as missing: a server that misreads the path does so, and a
    copy would lack it.
    """
    for _attempt in range(ATTEMPTS):
        try:
            return work()
        except HopsfsError as error:
            if not error.missing or path == "/":
                raise
            # It may just have been replaced, so list it again.
            if path not in (status.path for status in _listing(hdfs, posixpath.dirname(path))):
                return None
    raise _not_addressable(path, "HopsFS lists it, but reports that it does not exist")


def _check_names(hdfs: WebHdfs, paths: Iterable[str]) -> None:
    """Raises HopsfsError if the server would misread one of the paths as another one, which may exist as well."""
    other = next((path for path in paths if unquote_plus(path) != path), None)
    if other is not None and hdfs.decodes_twice():
        raise _not_addressable(other, f"HopsFS decodes paths twice, and reads it as {unquote_plus(other)}")


def _not_addressable(path: str, why: str) -> HopsfsError:
    return HopsfsError(
        f"{path} can't be read: {why}",
        expected=(
            "a WebHDFS that reads paths correctly; some versions decode them twice (HDFS-14423) or cut them off at a "
            "semicolon (HDFS-13176)"
        ),
        next_step="upgrade HopsFS, or have its owner give it a name without the characters % + ; and run the same "
        "command again",
    )


def describe(
    hdfs: WebHdfs, statuses: Iterable[Status], workers: int, digest: Callable[[Status], str | None]
) -> dict[str, Entry]:
    """Entries by path, with ACL and xattrs, without those deleted in the meantime. `digest` returns a file's SHA-256:
    read, already known, or None if it is not needed."""

    def entry(status: Status) -> Entry:
        return Entry(
            path=status.path,
            kind=status.kind,
            length=status.length,
            owner=status.owner,
            group=status.group,
            permission=status.permission,
            modified=status.modified,
            acl=hdfs.acl(status.path),
            xattrs=tuple(sorted(hdfs.xattrs(status.path).items())),
            sha256=digest(status) if status.kind == "file" else None,
            replication=status.replication,
            block_size=status.block_size,
        )

    def entry_of(status: Status) -> Entry | None:
        return unless_gone(hdfs, status.path, lambda: entry(status))

    return {found.path: found for found in in_parallel(workers, entry_of, statuses) if found is not None}


def digest_of(hdfs: WebHdfs, path: str) -> tuple[int, str]:
    """Length and SHA-256 of a file's content, read through a DataNode."""

    def attempt() -> tuple[int, str]:
        digest, length = hashlib.sha256(), 0
        with hdfs.open(path) as (pieces, _length):
            for piece in pieces:
                digest.update(piece)
                length += len(piece)
        return length, digest.hexdigest()

    return hdfs.repeating(attempt)
