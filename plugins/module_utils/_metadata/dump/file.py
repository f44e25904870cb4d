# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._common.failure import OperatorError
from ..._database.description import Content
from ..._database.engines import ENGINE

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
CHUNK_BYTES = 1 << 20
REPORT_BYTES = 16 << 20
# A dump must have this share of the rows of a table that is written to, except for a few.
MOSTLY, A_FEW_ROWS = 0.9, 100


@dataclass(frozen=True)
class Entry:
    """What a dump has of one table. `steady`: it was the same before and after the dump.

    `rows`: if it isn't steady, the smaller of the two numbers. `largest`: bytes of its longest row, at least.
    `definition`: empty in manifests of earlier versions, and if it changed during the dump.
    """

    rows: int
    sum: str
    steady: bool
    largest: int = 0
    definition: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Describes a dump. If it is there, the dump is complete. Its name is that of the dump with the suffix `.json`."""

    database: str
    run: str
    server: str
    charset: str
    collation: str
    bytes: int
    sha256: str
    created_at: str
    tables: Mapping[str, Entry] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"
        with open_private(path) as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())


def manifest_of(dump: Path) -> Path:
    return dump.with_name(dump.name + ".json")


def open_private(path: Path) -> Any:
    """A new file that only its owner can read, whatever the umask; it replaces one that a killed run has left."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def read_manifest(dump: Path) -> Manifest:
    """The manifest of a dump. Raises OperatorError if the dump isn't complete."""
    try:
        values: dict[str, Any] = json.loads(manifest_of(dump).read_bytes())
        if values.pop("format") != FORMAT:
            raise ValueError("unknown format")
        tables = {
            name: Entry(**{**entry, "definition": tuple(entry.get("definition", ()))})
            for name, entry in values.pop("tables").items()
        }
        return Manifest(tables=tables, **values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_whole(dump, f"its manifest can't be read ({type(error).__name__})") from None


def verify(dump: Path, manifest: Manifest) -> None:
    """Read a dump from end to end. Raises OperatorError if it differs from its manifest, or isn't complete."""
    digest, size = hashlib.sha256(), 0
    unpack, tail = zlib.decompressobj(zlib.MAX_WBITS | 16), b""
    try:
        for chunk in chunks_of(dump):
            digest.update(chunk)
            size += len(chunk)
            tail = (tail + unpack.decompress(chunk))[-400:]
    except zlib.error as error:
        raise _not_whole(dump, f"it can't be read ({type(error).__name__})") from None
    if (size, digest.hexdigest()) != (manifest.bytes, manifest.sha256):
        raise _not_whole(dump, f"its {size} bytes are not the {manifest.bytes} that were written (SHA-256)")
    if not unpack.eof or ENGINE.dump_ends_with not in tail:
        raise _not_whole(dump, "its last line is missing")


def whole(dump: Path) -> Manifest | None:
    """The manifest of a dump that is there and complete, else None."""
    try:
        manifest = read_manifest(dump)
        verify(dump, manifest)
    except OperatorError:
        return None
    return manifest


def chunks_of(dump: Path) -> Iterator[bytes]:
    """A dump from end to end. Raises OperatorError if it can't be read."""
    try:
        with dump.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _not_whole(dump, f"it can't be read ({type(error).__name__})") from None


def _not_whole(dump: Path, what: str) -> OperatorError:
    return OperatorError(
        f"{dump} is not a complete dump: {what}",
        expected="a dump as metadata_dump wrote it, with its manifest in the same folder",
        untouched="everything",
        next_step="dump again, or name another dump",
    )


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Words the reason why a file can't be written."""
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"{path} can't be written: {error.strerror or error}",
            expected="enough free space, and the right to write there",
            untouched="the database, and an earlier dump of that name",
            next_step=f"free space in {path.parent}, or name another folder (`directory`), then run the same command"
            " again",
        ) from None


class DumpFile:
    """A dump while it is written: under another name, private, with a running digest."""

    def __init__(self, path: Path, progress: Callable[[str], None]) -> None:
        self.path, self._progress = path, progress
        self._part = path.with_name(path.name + ".part")
        self._manifest_part = manifest_of(path).with_name(manifest_of(path).name + ".part")
        self._digest, self.bytes, self._reported = hashlib.sha256(), 0, 0
        with _writing(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._stream = open_private(self._part)

    def write(self, data: bytes) -> None:
        with _writing(self.path):
            self._stream.write(data)
        self._digest.update(data)
        self.bytes += len(data)
        if self.bytes - self._reported >= REPORT_BYTES:
            self._reported = self.bytes
            self._progress(f"{self.bytes / 1e6:.0f} MB dumped (compressed)")

    def commit(self, manifest: Callable[[int, str], Manifest]) -> Manifest:
        """Remove an earlier manifest, give the dump its name, and then the manifest, which makes the dump valid.

        Both are written before that, so without enough space an earlier dump stays as it is.
        """
        with _writing(self.path):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
        made = manifest(self.bytes, self._digest.hexdigest())
        verify(self._part, made)
        with _writing(manifest_of(self.path)):
            made.write(self._manifest_part)
            manifest_of(self.path).unlink(missing_ok=True)
            self._part.replace(self.path)
            self._manifest_part.replace(manifest_of(self.path))
        return made

    def discard(self) -> None:
        """Remove its files, whatever ended it."""
        with contextlib.suppress(OSError):  # it writes its buffer, and there may be no space for that
            self._stream.close()
        for part in (self._part, self._manifest_part):
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def entries_of(before: Mapping[str, Content], after: Mapping[str, Content]) -> dict[str, Entry]:
    """The entries of a dump. It has exactly the content of a table that is the same before and after it."""
    return {
        table: Entry(
            min(content.rows, after[table].rows if table in after else 0),
            content.sum,
            steady=after.get(table) == content,
            largest=content.largest,
            definition=content.definition if table in after and after[table].definition == content.definition else (),
        )
        for table, content in before.items()
    }


def differs(restored: Content, entry: Entry) -> bool:
    """Whether a restored table differs from the dumped one.

    For a table that changed during the dump: whether it lacks more rows than may have been missing for a moment.
    Airflow replaces some (import errors, serialized DAGs) by deleting and inserting them.
    """
    if entry.steady:
        return restored.sum != entry.sum
    return restored.rows < MOSTLY * entry.rows - A_FEW_ROWS
