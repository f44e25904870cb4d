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

# A Secret holds 1 MiB; a large object goes into several entries, and all of them into as many Secrets as they need.
PART_BYTES = 400 * 1024
ROOM_BYTES = 900 * 1024
STATE_ANNOTATION = "hopsworks.airflow/backup"
WHOLE, RESTORED = "whole", "restored"
ENTRY = re.compile(r"(?P<object>.+)\.json\.gz\.(?P<part>\d+)-of-(?P<parts>\d+)")


@dataclass(frozen=True)
class Record:
    """One object as it was: `object` as a definition that makes it again, None where there was none of that name.

    `managed_fields` say who owned which of its fields, `uid` which object it was, `deployment` which one replaces it.
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
        """Whether it may be what a run has made of another object: then that was kept before."""
        live = {"metadata": {"managedFields": self.managed_fields}}
        return self.object is None or is_ours(live) or is_half_replaced(live)


def record_of(kind: str, name: str, live: Object | None, deployment: str | None = None) -> Record:
    """What is kept of a live object; of one that is missing, that it is."""
    if live is None:
        return Record(kind, name, deployment=deployment)
    managed = [entry for entry in live["metadata"].get("managedFields", []) if "subresource" not in entry]
    return Record(kind, name, saved(live), live["metadata"].get("uid"), managed, deployment)


class Backup:
    """Objects as they were before they were replaced, in Secret `name` (and `name`-2, and so on, when it is full).

    What is kept first stays: a later attempt of the same run sees objects that are replaced already. An object that
    others have made or changed since is kept as it is then: it was not replaced yet. Only when all of it was restored
    does a new attempt begin with what it finds.
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
        """Empty while it is incomplete, then `whole`, then `restored`."""
        return self._secrets[0].annotations.get(STATE_ANNOTATION, "")

    @property
    def records(self) -> dict[str, Record]:
        """What is kept, by kind and name, in the order in which it was given."""
        return {key: record for key, (_number, record) in sorted(self._records.items(), key=lambda item: item[1][0])}

    def missing(self, records: list[Record]) -> list[Record]:
        """Those that would be kept now."""
        if self.state == RESTORED:
            return records
        return [record for record in records if not self._is_kept(record)]

    def _is_kept(self, record: Record) -> bool:
        if record.key not in self._records:
            return False
        _number, kept = self._records[record.key]
        return record.is_replaced or (kept.object, kept.uid) == (record.object, record.uid)

    def keep(self, records: list[Record], *, whole: bool = False) -> None:
        """Keep those of which nothing is kept yet, or something else. `whole` says that there are no others."""
        wanted = self.missing(records)
        self._clear({record.key for record in wanted}, everything=self.state == RESTORED)
        for secret, batch in self._placed(wanted):
            secret.write(batch)
        self._read()
        if whole and self.state != WHOLE:
            self._mark(WHOLE)

    def try_keeping(self, records: list[Record]) -> tuple[list[str], list[str]]:
        """The same by dry runs. Returns the names of the Secrets that would be made, and what could not be told.

        Raises OperatorError where a Secret may not be written.
        """
        placed = list(self._placed(self.missing(records)))
        untold = [secret.write(batch, dry_run=True) for secret, batch in placed]
        made = [secret.name for secret, batch in placed if batch and not secret.exists]
        return made, [text for text in untold if text is not None]

    def restored(self) -> None:
        """All of it is back in its place."""
        if self.exists and self.state != RESTORED:
            self._mark(RESTORED)

    def _mark(self, state: str | None) -> None:
        self._secrets[0].write({}, annotations={STATE_ANNOTATION: state})
        self._read()

    def _clear(self, again: set[str], *, everything: bool) -> None:
        """Remove the parts of objects whose other parts a killed attempt has not written, those that are kept `again`,
        or `everything`. Whoever is killed then has not replaced any of them.
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
        """Which entries go to which Secret: the last that there is, then those after it."""
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
    # Without a time in it, the same content is the same bytes.
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
            next_step="put back the Secret as it was written, or restore the objects from where they were made",
        ) from None
