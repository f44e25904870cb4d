# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """One file or directory of a DAG folder, with everything a restore has to bring back.

    `path` is its absolute path in the live tree, `kind` `file` or `directory`, `length` in bytes (0 for directories),
    `permission` four octal digits with the sticky bit, `acl` and `xattrs` as the client returns them, `modified` in
    milliseconds since 1970, `sha256` over the content (None: not read, or a directory).
    """

    path: str
    kind: str
    length: int
    owner: str
    group: str
    permission: str
    modified: int
    acl: tuple[str, ...] = ()
    xattrs: tuple[tuple[str, str], ...] = ()
    sha256: str | None = None
    # How the file is stored; a property of the storage rather than of the file.
    replication: int = field(default=1, compare=False)
    block_size: int = field(default=0, compare=False)

    def as_line(self) -> dict[str, Any]:
        line: dict[str, Any] = {
            "path": self.path,
            "type": self.kind,
            "owner": self.owner,
            "group": self.group,
            "permission": self.permission,
            "acl": list(self.acl),
            "mtime": self.modified,
            "xattrs": dict(self.xattrs),
        }
        if self.kind == "file":
            line |= {"length": self.length, "sha256": self.sha256}
        return line

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Entry:
        return cls(
            path=line["path"],
            kind=line["type"],
            length=line.get("length", 0),
            owner=line["owner"],
            group=line["group"],
            permission=line["permission"],
            modified=line["mtime"],
            acl=tuple(line["acl"]),
            xattrs=tuple(sorted(line["xattrs"].items())),
            sha256=line.get("sha256"),
        )


def differences(wanted: Entry | None, found: Entry | None) -> tuple[str, ...]:
    """In what `found` differs: `missing`, `extra`, `type`, or any of `content`, `owner`, `group`, `permission`,
    `acl`, `xattrs`, `mtime`. Content that was not read on one side counts as different."""
    if wanted is None or found is None:
        return () if wanted is found else (("missing",) if found is None else ("extra",))
    if wanted.kind != found.kind:
        return ("type",)
    same = {
        "owner": wanted.owner == found.owner,
        "group": wanted.group == found.group,
        "permission": wanted.permission == found.permission,
        "acl": wanted.acl == found.acl,
        "xattrs": wanted.xattrs == found.xattrs,
        "mtime": wanted.modified == found.modified,
    }
    if wanted.kind == "file":
        same["content"] = wanted.sha256 is not None and wanted.sha256 == found.sha256 and wanted.length == found.length
    return tuple(name for name, equal in same.items() if not equal)


def compare(wanted: Mapping[str, Entry], found: Mapping[str, Entry]) -> dict[str, tuple[str, ...]]:
    """`differences` of two trees by path, sorted; paths without any are omitted."""
    both = sorted(set(wanted) | set(found))
    every = {path: differences(wanted.get(path), found.get(path)) for path in both}
    return {path: fields for path, fields in every.items() if fields}


@dataclass(frozen=True)
class Manifest:
    """The content of a complete snapshot: the commit mark, and everything that verification and restore need.

    JSON lines in UTF-8. The first holds `format` (1), `name`, `created` (RFC 3339, UTC), `sources` (patterns), and
    the totals `files`, `directories`, `bytes`; then one line per entry, sorted by path, with `path` (of the live
    tree), `type`, `owner`, `group`, `permission`, `acl`, `mtime` (ms), `xattrs` (`0x` and hexadecimal digits), and
    for files `length` and `sha256`; the last is `{(
        "sha256"
    ): …}` over all bytes before it. A manifest with another last line, or that does not match it, is invalid.
    """

    name: str
    created: str
    sources: tuple[str, ...]
    entries: Mapping[str, Entry]

    @property
    def files(self) -> int:
        return sum(entry.kind == "file" for entry in self.entries.values())

    @property
    def directories(self) -> int:
        return len(self.entries) - self.files

    @property
    def length(self) -> int:
        """Bytes of all files together."""
        return sum(entry.length for entry in self.entries.values())

    def encoded(self) -> tuple[bytes, str]:
        """The manifest's bytes and its fingerprint: the SHA-256 of its last line."""
        header = {
            "format": FORMAT,
            "name": self.name,
            "created": self.created,
            "sources": list(self.sources),
            "files": self.files,
            "directories": self.directories,
            "bytes": self.length,
        }
        lines = [header, *(self.entries[path].as_line() for path in sorted(self.entries))]
        body = b"".join(_line(line) for line in lines)
        fingerprint = hashlib.sha256(body).hexdigest()
        return body + _line({"sha256": fingerprint}), fingerprint

    @classmethod
    def decoded(cls, content: bytes) -> tuple[Manifest, str]:
        """A manifest and its fingerprint. Raises ValueError with the reason if these bytes are not a complete
        manifest."""
        body, newline, last = content.removesuffix(b"\n").rpartition(b"\n")
        try:
            fingerprint = json.loads(last)["sha256"]
        except (ValueError, LookupError, TypeError):
            raise ValueError("its last line is missing") from None
        if hashlib.sha256(body + newline).hexdigest() != fingerprint:
            raise ValueError("its content does not match its own SHA-256")
        lines = [json.loads(line) for line in body.split(b"\n")]
        header = lines[0]
        if header.get("format") != FORMAT:
            raise ValueError(f"its format {header.get('format')!r} is unknown to this version of the collection")
        entries = _by_path(Entry.from_line(line) for line in lines[1:])
        return cls(header["name"], header["created"], tuple(header["sources"]), entries), fingerprint


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8") + b"\n"


def _by_path(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.path: entry for entry in entries}
