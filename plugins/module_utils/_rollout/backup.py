# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.secret import StoredSecret
from .._pods.definition import is_half_replaced, is_ours, saved

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

Object = dict[str, Any]

# A Secret holds 1 MiB. A large object is split into several entries, and the entries go into as many Secrets as needed.
PART_BYTES = 400 * 1024
ROOM_BYTES = 900 * 1024
STATE_ANNOTATION = "hopsworks.airflow/backup"
WHOLE, RESTORED = "whole", "restored"
ENTRY = re.compile(r"(?P<object>.+)\.json\.gz\.(?P<part>\d+)-of-(?P<parts>\d+)")


@dataclass(frozen=True)
class Record:
    """One saved object: `object` is a definition that recreates it, None if it did not exist.

    `managed_fields` has the owners of its fields, `uid` identifies the object, `deployment` is the one that replaces
    it.
    """

    kind: str
    name: str
    object: Object | None = None
    uid: str | None = None
    managed_fields: list[Object] = field(default_factory=list)
    deployment: str | None = None

    @property
    def key(self) -> str:
        return f"{self.kind.lower()}-{self.name}"

    @property
    def is_replaced(self) -> bool:
        """Whether a run may have created it as a replacement: then the original was saved before."""
        live = {"metadata": {"managedFields": self.managed_fields}}
        return self.object is None or is_ours(live) or is_half_replaced(live)


def record_of(kind: str, name: str, live: Object | None, deployment: str | None = None) -> Record:
    """The saved form of a live object, or the fact that it is missing."""
    if live is None:
        return Record(kind, name, deployment=deployment)
    managed = [entry for entry in live["metadata"].get("managedFields", []) if "subresource" not in entry]
    return Record(kind, name, saved(live), live["metadata"].get("uid"), managed, deployment)


class Backup:
    """Saved objects from before they were replaced, in Secret `name` (and `name`-2 and so on when it is full).

    The first saved version is kept, because a later attempt of the same run sees objects that are already replaced. If
    others have created or changed an object since, that version is saved: it was not replaced yet. A new attempt only
    starts over after everything was restored.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster, self.name = cluster, name
        self._read()

    def _read(self) -> None:
        self._secrets = [StoredSecret(self._cluster, self.name)]
        while self._secrets[-1].exists:
            self._secrets.append(StoredSecret(self._cluster, f"{self.name}-{len(self._secrets) + 1}"))
        found: dict[str, dict[int, bytes]] = {}
        expected: dict[str, int] = {}
        for secret in self._secrets:
            for entry, content in secret.entries.items():
                if match := ENTRY.fullmatch(entry):
                    found.setdefault(match["object"], {})[int(match["part"])] = content
                    expected[match["object"]] = int(match["parts"])
        self._records = {
            key: _read_record(b"".join(parts[number] for number in sorted(parts)))
            for key, parts in found.items()
            if len(parts) == expected[key]
        }

    @property
    def exists(self) -> bool:
        return self._secrets[0].exists

    @property
    def state(self) -> str:
        """Empty while it is incomplete, then `whole` (complete), then `restored`."""
        return self._secrets[0].annotations.get(STATE_ANNOTATION, "")

    @property
    def records(self) -> dict[str, Record]:
        """The saved objects by kind and name, in the given order."""
        return {key: record for key, (_number, record) in sorted(self._records.items(), key=lambda item: item[1][0])}

    def missing(self, records: list[Record]) -> list[Record]:
        """The objects that would be saved now."""
        if self.state == RESTORED:
            return records
        return [record for record in records if not self._is_kept(record)]

    def _is_kept(self, record: Record) -> bool:
        if record.key not in self._records:
            return False
        _number, kept = self._records[record.key]
        return record.is_replaced or (kept.object, kept.uid) == (record.object, record.uid)

    def keep(self, records: list[Record], *, whole: bool = False) -> None:
        """Save the objects that are not saved yet, or in another version. `whole` says that there are no others."""
        wanted = self.missing(records)
        self._clear({record.key for record in wanted}, everything=self.state == RESTORED)
        for secret, batch in self._placed(wanted):
            secret.write(batch)
        self._read()
        if whole and self.state != WHOLE:
            self._mark(WHOLE)

    def try_keeping(self, records: list[Record]) -> tuple[list[str], list[str]]:
        """The same by dry runs. Returns the names of the Secrets that would be created, and what could not be
        determined.

        Raises OperatorError if a Secret cannot be written.
        """
        placed = list(self._placed(self.missing(records)))
        untold = [secret.write(batch, dry_run=True) for secret, batch in placed]
        made = [secret.name for secret, batch in placed if batch and not secret.exists]
        return made, [text for text in untold if text is not None]

    def restored(self) -> None:
        """Record that everything is restored."""
        if self.exists and self.state != RESTORED:
            self._mark(RESTORED)

    def _mark(self, state: str | None) -> None:
        self._secrets[0].write({}, annotations={STATE_ANNOTATION: state})
        self._read()

    def _clear(self, again: set[str], *, everything: bool) -> None:
        """Remove incomplete parts of a killed attempt, the objects that are saved `again`, or `everything`. If the run
        is killed here, it has not replaced any of them.
        """
        changed, stay = False, self._records.keys() - again
        for secret in self._secrets:
            strays = [entry for entry in secret.entries if everything or self._object_of(entry) not in stay]
            if strays:
                secret.write({}, remove=strays)
                changed = True
        if changed:
            self._read()
        if everything:
            self._mark(None)

    @staticmethod
    def _object_of(entry: str) -> str:
        match = ENTRY.fullmatch(entry)
        return match["object"] if match else ""

    def _placed(self, wanted: list[Record]) -> Iterator[tuple[StoredSecret, dict[str, bytes]]]:
        """Which entries go to which Secret: the last existing one, then new ones."""
        emptied = self.state == RESTORED
        kept = [] if emptied else [number for number, _record in self._records.values()]
        first = 1 + max(kept, default=-1)
        entries = [entry for number, record in enumerate(wanted, start=first) for entry in _entries(number, record)]
        secrets, count = self._secrets[-2:], len(self._secrets)
        while entries:
            if not secrets:
                count += 1
                secrets.append(StoredSecret(self._cluster, f"{self.name}-{count}"))
            secret, batch = secrets.pop(0), {}
            room = ROOM_BYTES - (0 if emptied else _size(secret))
            while entries and len(entries[0][1]) <= room:
                name, content = entries.pop(0)
                batch[name], room = content, room - len(content)
            yield secret, batch


def _entries(number: int, record: Record) -> list[tuple[str, bytes]]:
    content = json.dumps({"number": number, **asdict(record)}, sort_keys=True).encode()
    # Without a timestamp, so that the same content gives the same bytes.
    packed = gzip.compress(content, mtime=0)
    parts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
    return [(f"{record.key}.json.gz.{index}-of-{len(parts)}", part) for index, part in enumerate(parts)]


def _size(secret: StoredSecret) -> int:
    return sum(len(content) for content in secret.entries.values())


def _read_record(packed: bytes) -> tuple[int, Record]:
    try:
        content = json.loads(gzip.decompress(packed))
        return content.pop("number"), Record(**content)
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError) as error:
        raise OperatorError(
            f"an entry of the backup Secret can't be read ({type(error).__name__})",
            expected="entries as this collection writes them",
            untouched="all objects",
            next_step="restore the original Secret, or recreate the objects from their source",
        ) from None
