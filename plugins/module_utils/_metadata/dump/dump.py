# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from ..._database.description import Content, Schema
from .. import guard, ownership
from ..plan import now
from ..records import BUILDING, COMPLETE, Mark, complete_mark, names_of, read_mark, write_mark
from ..schemas import BOOKKEEPING, WORKSPACE, content_of
from .definitions import differences
from .file import REPORT_BYTES, DumpFile, Manifest, chunks_of, differs, entries_of, whole

if TYPE_CHECKING:
    from ..._database.client import Tools
    from ..._database.engine import Database
    from ..ownership import Owner

REHEARSAL, RESTORE = "rehearsal", "restore"
SESSION_SECONDS = 60


def dump_path(directory: str, database: str, run: str) -> Path:
    """Where the dump of a schema in a run is kept."""
    return Path(directory).expanduser() / f"{database}-{run}.sql.gz"


def existing(schema: Schema | None, name: str) -> Schema:
    """Raises OperatorError where there is no such schema."""
    if schema is None:
        raise OperatorError(
            f"there is no schema {name}",
            expected="a schema to dump",
            untouched="everything",
            next_step="correct database.name",
        )
    return schema


def up_to_date(path: Path, now_there: dict[str, Content]) -> Manifest | None:
    """The manifest of the dump that is there, if it is whole and holds just the tables and rows that are live now."""
    manifest = whole(path)
    if manifest is None or {table: (entry.sum, entry.definition) for table, entry in manifest.tables.items()} != {
        table: (content.sum, content.definition) for table, content in now_there.items()
    }:
        return None
    return manifest if all(entry.steady for entry in manifest.tables.values()) else None


def read_content(database: Database, name: str, progress: Callable[[str], None]) -> dict[str, Content]:
    """What is in each table of a schema but our bookkeeping, and how it is defined."""
    schema = existing(database.schema(name), name)
    tables = [table.name for table in schema.tables.values() if table.base and table.name not in BOOKKEEPING]
    defined = database.definitions(name, tables)
    found = database.fingerprints(name, tables, progress)
    return {table: replace(content, definition=defined[table]) for table, content in found.items()}


def server_in_words(database: Database) -> str:
    server = database.server()
    return f"{server.engine} {server.version}"


def make_dump(
    database: Database,
    tools: Tools,
    name: str,
    run: str,
    path: Path,
    before: dict[str, Content],
    progress: Callable[[str], None],
) -> Manifest:
    """Dump a schema into a file. What is at that path already is replaced when the new one is whole."""
    schema = existing(database.schema(name), name)
    server = server_in_words(database)
    database.refuse_too_large(name, {table: content.largest for table, content in before.items()})
    database.refuse_limits()
    target = DumpFile(path, progress)
    try:
        # What our bookkeeping says is true of the schema it stands in, and not of one restored elsewhere.
        tools.dump(name, target.write, BOOKKEEPING)
        after = read_content(database, name, progress)
        return target.commit(
            lambda size, digest: Manifest(
                database=name,
                run=run,
                server=server,
                charset=schema.charset,
                collation=schema.collation,
                bytes=size,
                sha256=digest,
                created_at=now(),
                tables=entries_of(before, after),
            )
        )
    except BaseException:
        target.discard()
        raise


class Restoration:
    """Plays a dump into a schema that has nothing in it, and compares what is there then with what was dumped."""

    def __init__(
        self,
        database: Database,
        schema: str,
        owner: Owner,
        dump: Path,
        manifest: Manifest,
        progress: Callable[[str], None],
    ) -> None:
        self._database, self._schema, self._owner = database, schema, owner
        self._dump, self._manifest, self._progress = dump, manifest, progress
        # What `compare` can't judge.
        self.doubts: list[str] = []
        self._mark: Mark | None = None

    def make_room(self, purpose: str) -> None:
        """An empty schema with a mark, so that what an interrupted run leaves there is known as such and removed."""
        self.refuse_others(purpose)
        largest = {table: entry.largest for table, entry in self._manifest.tables.items()}
        self._database.refuse_too_large(self._schema, largest)
        database, manifest, owner = self._database, self._manifest, self._owner
        # The tool of a run that was killed may still play its dump: its Job ends a little later.
        sessions = database.wait_for_sessions([self._schema], SESSION_SECONDS, self._progress)
        guard.enforce([guard.nobody_connected(self._schema, sessions)], predicting=False)
        database.create_schema(self._schema, manifest.charset, manifest.collation)
        # It may have been made by somebody else. What a later migration makes there is to fit the restored tables.
        database.match_charset(self._schema, manifest.charset, manifest.collation)
        self._drop(self._left())
        mark = Mark(
            purpose=purpose,
            deployment=owner.deployment,
            namespace=owner.namespace,
            live=owner.live,
            run=owner.run,
            state=BUILDING,
            image="",
            revision="",
            created_at=ownership.server_now(database),
            made=names_of(manifest.tables.keys()),
        )
        write_mark(database, self._schema, mark)
        self._mark = mark

    def refuse_others(self, purpose: str) -> None:
        """Raises OperatorError where anything is there that an earlier run of the same purpose did not leave."""
        found = self._database.schema(self._schema)
        if found is None:
            return
        ownership.refuse_others(self._database, found, self._owner)
        if not content_of(found):
            return
        mark = read_mark(self._database, self._schema) if WORKSPACE in found.tables else None
        if mark is None or mark.purpose != purpose:
            whose = f"those of a {mark.purpose}" if mark is not None else "not this collection's"
            raise OperatorError(
                f"schema {self._schema} has {len(content_of(found))} tables that are {whose}:"
                f" {', '.join(sorted(content_of(found))[:10])}",
                expected="no such schema, or an empty one",
                untouched="all tables: nothing is ever restored over anything",
                next_step="name another `schema`, or move those tables elsewhere",
            )
        if purpose == RESTORE:
            self._refuse_used(found)
        strange = content_of(found) - self._left()
        if strange:
            raise OperatorError(
                f"schema {self._schema} has tables that are not of a dump: {', '.join(sorted(strange)[:10])}",
                expected="no such schema, an empty one, or what an interrupted run of this module has left",
                untouched="all tables: those of others are never dropped",
                next_step="move those tables elsewhere, or name another `schema`, then run the same command again",
            )

    def _left(self) -> frozenset[str]:
        """The tables that an interrupted run may have left: of its dump, which may have been another one."""
        mark = read_mark(self._database, self._schema)
        known = mark.tables if mark is not None else None
        return known if known is not None else frozenset(self._manifest.tables)

    def _refuse_used(self, found: Schema) -> None:
        """Raises OperatorError where somebody may have begun to work with what an earlier run restored.

        A dump is played table by table. So one that was interrupted has left a part of its tables, with which no
        Airflow works; where all are there, they may have rows by now that are nowhere else.
        """
        strange = content_of(found) - self._manifest.tables.keys()
        if not strange and content_of(found) != self._manifest.tables.keys():
            return
        what = f"has tables that are not of the dump: {', '.join(sorted(strange)[:10])}"
        raise OperatorError(
            f"schema {self._schema} {what}"
            if strange
            else f"all tables of the dump are in schema {self._schema}, with other rows or definitions than in it, or"
            " perhaps not all rows of the last one",
            expected="no such schema, an empty one, or what an interrupted restore of this dump has left",
            untouched=f"all tables; those in {self._schema} may be in use, and have rows that no dump holds",
            next_step="name another `schema`; or, if nobody uses that one, drop its tables and run the same command"
            " again",
        )

    def is_done(self) -> bool:
        """Whether the schema holds just what the dump holds, for good; its mark may be there still."""
        found = self._database.schema(self._schema)
        if found is None or content_of(found) != self._manifest.tables.keys():
            return False
        if WORKSPACE in found.tables:
            mark = read_mark(self._database, self._schema)
            if mark is None or mark.purpose != RESTORE or not ownership.owner_of(mark).is_same(self._owner):
                return False
            if mark.state != COMPLETE and not all(entry.steady for entry in self._manifest.tables.values()):
                # The tool may have been killed in the last table, and no sum says how many rows of it there are.
                return False
        now_there = read_content(self._database, self._schema, self._progress)
        same = all(now_there[table].sum == entry.sum for table, entry in self._manifest.tables.items() if entry.steady)
        return same and not self._redefined(now_there)

    def play(self, tools: Tools) -> None:
        """To the end. Of a restore the mark says then that nothing of the dump is lacking."""
        tools.restore(self._schema, self._manifest.bytes, self._chunks())
        if self._mark is not None and self._mark.purpose == RESTORE:
            tables = self._manifest.tables.keys()
            self._mark = complete_mark(self._database, self._schema, self._mark, self._mark.revision, tables)

    def compare(self) -> dict[str, Content]:
        """What is in the restored tables. Raises OperatorError where it isn't what was dumped."""
        restored = read_content(self._database, self._schema, self._progress)
        different = sorted(restored.keys() ^ self._manifest.tables.keys())
        different += [
            f"{table} ({entry.rows} rows dumped, {restored[table].rows} restored)"
            for table, entry in self._manifest.tables.items()
            if table in restored and differs(restored[table], entry)
        ]
        different += self._redefined(restored)
        if different:
            raise OperatorError(
                f"what was restored from {self._dump} differs from what was dumped: {', '.join(different)}",
                expected="the same tables, defined in the same way, with the same rows",
                untouched=f"everything but schema {self._schema}, which keeps what was restored for you to look at",
                next_step="dump again; if it happens again, don't rely on dumps of this database: see docs/operator.md",
            )
        return restored

    def _redefined(self, restored: Mapping[str, Content]) -> list[str]:
        """Which tables are defined in another way than those that were dumped; as doubts, where that can't be judged.

        Another version of the server may write the same definition in other words.
        """
        dumped = {table: entry.definition for table, entry in self._manifest.tables.items()}
        self.doubts = []
        if dumped and not any(dumped.values()):
            self.doubts.append(
                f"the manifest of {self._dump} is one of an earlier version and does not say how tables are defined:"
                " only their rows were compared"
            )
        found = differences(dumped, {table: content.definition for table, content in restored.items()})
        here = server_in_words(self._database)
        if not found or here == self._manifest.server:
            return found
        self.doubts.append(
            f"{self._dump} was made by {self._manifest.server}, and {here} defines these tables in another way or other"
            f" words: {', '.join(found)}"
        )
        return []

    def clear(self) -> None:
        """Drop what was restored, and the mark last. The schema stays behind empty."""
        self._drop(self._manifest.tables.keys())
        self._database.drop_tables(self._schema, [WORKSPACE])

    def keep(self) -> None:
        """What was restored is there to stay: drop the mark alone, if it is there."""
        if self.has_mark():
            self._database.drop_tables(self._schema, [WORKSPACE])

    def has_mark(self) -> bool:
        found = self._database.schema(self._schema)
        return found is not None and WORKSPACE in found.tables

    def _drop(self, tables: Collection[str]) -> None:
        """Those of them that are there, and no others."""
        found = self._database.schema(self._schema)
        if found is not None:
            self._database.drop_tables(self._schema, sorted(content_of(found).intersection(tables)))

    def _chunks(self) -> Iterator[bytes]:
        sent = reported = 0
        for chunk in chunks_of(self._dump):
            yield chunk
            sent += len(chunk)
            if sent - reported >= REPORT_BYTES:
                reported = sent
                self._progress(f"{sent / 1e6:.0f} of {self._manifest.bytes / 1e6:.0f} MB restored (compressed)")
