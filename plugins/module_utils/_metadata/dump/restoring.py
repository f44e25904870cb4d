# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._common.failure import OperatorError
from ..._database.address import read_address
from ..._database.client_job import client_of, client_tools, try_client
from ..._database.connection import connected
from ..._database.description import Content, Schema
from ..._database.server_wait import wait_of
from .. import conditions, ownership
from ..ownership import Owner, begin_mark
from ..records import COMPLETE, Mark, complete_mark, names_of, read_mark
from ..schemas import WORKSPACE, content_of, on_server, refuse_rehearsal, schemas_of
from .definitions import differences
from .dumping import read_content, server_in_words
from .file import REPORT_BYTES, Manifest, chunks_of, differs, read_manifest, verify

if TYPE_CHECKING:
    from ..._database.client import Tools
    from ..._database.engine import Database
    from ..._kubernetes.call import Call

REHEARSAL, RESTORE = "rehearsal", "restore"
SESSION_SECONDS = 60
LEFTOVER_SECONDS = 60


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    rehearsing = params["state"] == "rehearsed"
    purpose = REHEARSAL if rehearsing else RESTORE
    dump, schema = Path(params["dump"]), params["schema"]
    manifest = read_manifest(dump)
    verify(dump, manifest)
    address = read_address(call.cluster, params["database"])
    image, pod = client_of(call.cluster, address, params)
    result: dict[str, Any] = {
        "changed": not rehearsing,
        "tables": sorted(manifest.tables),
        "rows": sum(entry.rows for entry in manifest.tables.values()),
    }
    with connected(call.cluster, address, wait_of(call)) as database:
        schema, live = database.folded(schema), database.folded(address.name)
        if rehearsing:
            refuse_rehearsal(on_server(database, schemas_of(address.name, params["workspace"])), schema)
        owner = Owner(params["deployment"], call.cluster.namespace, live, manifest.run)
        restoration = Restoration(database, schema, owner, dump, manifest, call.progress)
        if not rehearsing and restoration.is_done():
            result["changed"] = restoration.has_mark()
            for doubt in restoration.doubts:
                call.warn(doubt)
            if not call.check_mode:
                restoration.keep()
            return {**result, "seconds": round(time.monotonic() - begun, 1)}
        if call.check_mode:
            restoration.refuse_others(purpose)
            try_client(call, address, image, pod, manifest.run, params["timeout"])
        else:
            with client_tools(
                call.cluster, address, image, pod, manifest.run, params["timeout"], call.progress
            ) as tools:
                with database.move_lock(schema, LEFTOVER_SECONDS):
                    restoration.make_room(purpose)
                restoration.play(tools)
    if not call.check_mode:
        # A separate session, because loading a dump may take longer than an idle one is kept.
        with connected(call.cluster, address, wait_of(call)) as database, database.move_lock(schema, LEFTOVER_SECONDS):
            restoration = Restoration(database, schema, owner, dump, manifest, call.progress)
            restored = restoration.compare()
            for doubt in restoration.doubts:
                call.warn(doubt)
            result["rows"] = sum(content.rows for content in restored.values())
            if rehearsing:
                restoration.clear()
                result["rehearsed_dump"] = {
                    "database": manifest.database,
                    "run": manifest.run,
                    "path": str(dump),
                    "tables": {table: {"rows": found.rows, "sum": found.sum} for table, found in restored.items()},
                }
            else:
                restoration.keep()
    if not rehearsing:
        result["diff"] = {"before": f"{schema}: empty\n", "after": f"{schema}: {len(manifest.tables)} tables\n"}
    return {**result, "seconds": round(time.monotonic() - begun, 1)}


class Restoration:
    """Plays a dump into an empty schema, and compares the restored tables with the dump."""

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
        # The differences that `compare` can't judge.
        self.doubts: list[str] = []
        self._mark: Mark | None = None

    def make_room(self, purpose: str) -> None:
        """Make an empty schema with a mark, so that the next run finds and removes what an interrupted one leaves."""
        self.refuse_others(purpose)
        largest = {table: entry.largest for table, entry in self._manifest.tables.items()}
        self._database.refuse_too_large(self._schema, largest)
        database, manifest, owner = self._database, self._manifest, self._owner
        # The tool of a killed run may still play its dump: its Job ends a little later.
        conditions.wait_until_unused(database, self._schema, SESSION_SECONDS, self._progress)
        database.create_schema(self._schema, manifest.charset, manifest.collation)
        # The schema may have existed with others. The tables of a later migration must fit the restored ones.
        database.match_charset(self._schema, manifest.charset, manifest.collation)
        self._drop(self._left())
        self._mark = begin_mark(database, self._schema, owner, purpose, made=names_of(manifest.tables.keys()))

    def refuse_others(self, purpose: str) -> None:
        """Raises OperatorError if the schema has anything that no earlier run of the same purpose left."""
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
                untouched="all tables: a dump is never restored over existing tables",
                next_step="name another `schema`, or move those tables elsewhere",
            )
        if purpose == RESTORE:
            self._refuse_used(found)
        strange = content_of(found) - self._left()
        if strange:
            raise OperatorError(
                f"schema {self._schema} has tables that are not of a dump: {', '.join(sorted(strange)[:10])}",
                expected="no such schema, an empty one, or what an interrupted run of this module has left",
                untouched="all tables: tables of others are never dropped",
                next_step="move those tables elsewhere, or name another `schema`, then run the same command again",
            )

    def _left(self) -> frozenset[str]:
        """The tables that an interrupted run may have left: those of its dump, which may have been another one."""
        mark = read_mark(self._database, self._schema)
        known = mark.tables if mark is not None else None
        return known if known is not None else frozenset(self._manifest.tables)

    def _refuse_used(self, found: Schema) -> None:
        """Raises OperatorError if the restored tables of an earlier run may be in use.

        A dump is played table by table. So an interrupted restore has left only a part of the tables, with which no
        Airflow works. If all are there, they may have new rows that exist nowhere else.
        """
        strange = content_of(found) - self._manifest.tables.keys()
        if not strange and content_of(found) != self._manifest.tables.keys():
            return
        raise OperatorError(
            f"schema {self._schema} has tables that are not of the dump: {', '.join(sorted(strange)[:10])}"
            if strange
            else f"schema {self._schema} has all tables of the dump, but other rows or definitions, or perhaps not all"
            " rows of the last table",
            expected="no such schema, an empty one, or what an interrupted restore of this dump has left",
            untouched=f"all tables; those in {self._schema} may be in use, and have rows that no dump has",
            next_step="name another `schema`; or, if that one is not in use, drop its tables and run the same command"
            " again",
        )

    def is_done(self) -> bool:
        """Whether the schema has exactly the content of the dump, to stay; its mark may still be there."""
        found = self._database.schema(self._schema)
        if found is None or content_of(found) != self._manifest.tables.keys():
            return False
        if WORKSPACE in found.tables:
            mark = read_mark(self._database, self._schema)
            if mark is None or mark.purpose != RESTORE or not ownership.owner_of(mark).is_same(self._owner):
                return False
            if mark.state != COMPLETE and not all(entry.steady for entry in self._manifest.tables.values()):
                # The tool may have been killed in the last table, and no sum shows how many rows of it there are.
                return False
        now_there = read_content(self._database, self._schema, self._progress)
        same = all(now_there[table].sum == entry.sum for table, entry in self._manifest.tables.items() if entry.steady)
        return same and not self._redefined(now_there)

    def play(self, tools: Tools) -> None:
        """Play the dump to its end. The mark of a restore then says that it is complete."""
        tools.restore(self._schema, self._manifest.bytes, self._chunks())
        if self._mark is not None and self._mark.purpose == RESTORE:
            tables = self._manifest.tables.keys()
            self._mark = complete_mark(self._database, self._schema, self._mark, self._mark.revision, tables)

    def compare(self) -> dict[str, Content]:
        """The content of the restored tables. Raises OperatorError if it is not that of the dump."""
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
                f"the tables restored from {self._dump} differ from the dumped ones: {', '.join(different)}",
                expected="the same tables, defined in the same way, with the same rows",
                untouched=f"everything except schema {self._schema}, which keeps the restored tables for inspection",
                next_step="dump again; if it happens again, don't rely on dumps of this database: see docs/operator.md",
            )
        return restored

    def _redefined(self, restored: Mapping[str, Content]) -> list[str]:
        """The tables whose definition differs from the dumped one; if that can't be judged, doubts instead.

        Another version of the server may write the same definition in other words.
        """
        dumped = {table: entry.definition for table, entry in self._manifest.tables.items()}
        self.doubts = []
        if dumped and not any(dumped.values()):
            self.doubts.append(
                f"the manifest of {self._dump} is of an earlier version and has no definitions of tables, so only their"
                " rows were compared"
            )
        found = differences(dumped, {table: content.definition for table, content in restored.items()})
        here = server_in_words(self._database)
        if not found or here == self._manifest.server:
            return found
        self.doubts.append(
            f"{self._dump} was made by {self._manifest.server}, and {here} defines these tables differently, or in"
            f" other words: {', '.join(found)}"
        )
        return []

    def clear(self) -> None:
        """Drop the restored tables, and the mark last. The schema stays behind empty."""
        self._drop(self._manifest.tables.keys())
        self._database.drop_tables(self._schema, [WORKSPACE])

    def keep(self) -> None:
        """Keep the restored tables: drop only the mark, if it is there."""
        if self.has_mark():
            self._database.drop_tables(self._schema, [WORKSPACE])

    def has_mark(self) -> bool:
        found = self._database.schema(self._schema)
        return found is not None and WORKSPACE in found.tables

    def _drop(self, tables: Collection[str]) -> None:
        """Drop those of them that are there, and no others."""
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
