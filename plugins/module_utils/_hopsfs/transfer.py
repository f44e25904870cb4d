# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from .client import WebHdfs
from .failure import HopsfsError
from .manifest import Entry, differences
from .scan import digest_of


class Passing:
    """The body of an upload: the pieces of a download as they arrive, hashed at the same time."""

    def __init__(self, pieces: Iterator[bytes], length: int) -> None:
        self._pieces = pieces
        self._length = length
        self._rest = b""
        self._digest = hashlib.sha256()
        self.passed = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(1 << 17):
            yield piece

    def read(self, size: int) -> bytes:
        piece = self._rest or next(self._pieces, b"")
        if not piece and self.passed < self._length:
            # The other end waits for the rest of the announced length: abort instead.
            raise HopsfsError(
                f"a download ended after {self.passed} of {self._length} bytes",
                expected="the complete file",
                next_step="run the same command again",
                temporary=True,
            )
        piece, self._rest = piece[:size], piece[size:]
        self._digest.update(piece)
        self.passed += len(piece)
        return piece

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def copy_content(hdfs: WebHdfs, source: Entry, target: str) -> tuple[int, str]:
    """Copy a file's content and read it back. Returns its length in bytes and SHA-256.

    Raises HopsfsError if the source is gone (`missing`) or the written content does not read back the same.
    """

    def attempt() -> tuple[int, str]:
        with hdfs.open(source.path) as (pieces, length):
            body = Passing(pieces, source.length if length is None else length)
            # An empty body with a length would be sent in chunks.
            content = body if len(body) else b""
            hdfs.create(target, content, replication=source.replication, block_size=source.block_size)
        written = (body.passed, body.sha256)
        if digest_of(hdfs, target) != written:
            raise HopsfsError(
                f"{target} does not read back as it was written",
                expected=f"SHA-256 {body.sha256}",
                next_step="check the health of the DataNodes (hdfs fsck), then run the same command again",
                temporary=True,
            )
        return written

    return hdfs.repeating(attempt)


def apply_metadata(hdfs: WebHdfs, wanted: Entry, target: str, found: Entry | None, *, inherits: bool = True) -> None:
    """Set the metadata of `wanted` on `target`; `found` is its current metadata (None: just created). `inherits` says
    whether a new file may have inherited entries from a default ACL of its directory.

    The order matters: SETACL also sets the permission's digits, of which the group's is the mask, so the permission
    comes after it; times are last, because a new owner or ACL may change them. A directory's time is not set here,
    because later changes in the directory modify it.
    """
    fields = differences(wanted, found) if found else ("owner", "group", "acl", "permission", "xattrs")
    if "owner" in fields or "group" in fields:
        hdfs.set_owner(target, wanted.owner, wanted.group)
    if "acl" in fields and (wanted.acl or found or inherits):
        hdfs.set_acl(target, wanted.acl, wanted.permission)
    if "permission" in fields or "acl" in fields:
        hdfs.set_permission(target, wanted.permission)
    if "xattrs" in fields:
        present = dict(found.xattrs) if found else {}
        for name in sorted(set(present) - {name for name, _value in wanted.xattrs}):
            hdfs.remove_xattr(target, name)
        for name, value in wanted.xattrs:
            if present.get(name) != value:
                hdfs.set_xattr(target, name, value)
    if wanted.kind == "file":
        hdfs.set_modified(target, wanted.modified)
