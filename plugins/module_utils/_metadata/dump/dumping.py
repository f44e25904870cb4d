# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._common.failure import OperatorError
from ..._database.address import read_address
from ..._database.client_job import client_of, client_tools, try_client
from ..._database.connection import connected
from ..._database.server_wait import wait_of
from ..plan import now
from ..schemas import BOOKKEEPING, content_of, schemas_of
from .file import DumpFile, Manifest, entries_of, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._database.client import Tools
    from ..._database.description import Content, Schema
    from ..._database.engine import Database
    from ..._kubernetes.call import Call


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    run, timeout = params["run"], params["timeout"]
    address = read_address(call.cluster, params["database"])
    schemas_of(address.name, None, run)
    path = dump_path(params["directory"], address.name, run)
    image, pod = client_of(call.cluster, address, params)
    manifest, sizes = None, {}
    with connected(call.cluster, address, wait_of(call)) as database:
        name = database.folded(address.name)
        schema = existing(database, name)
        if call.check_mode and not path.exists():
            try_client(call, address, image, pod, run, timeout)
            # Without a dump to compare with, it would be useless to read every row.
            tables = [schema.tables[table] for table in content_of(schema)]
            sizes = {
                "bytes": sum(table.bytes for table in tables),
                "tables": len(tables),
                "rows": sum(table.rows for table in tables),
            }
            changed = True
        else:
            before = read_content(database, name, call.progress)
            database.refuse_too_large(name, {table: content.largest for table, content in before.items()})
            manifest = up_to_date(path, before)
            changed = manifest is None
            if changed and not call.check_mode:
                with client_tools(call.cluster, address, image, pod, run, timeout, call.progress) as tools:
                    manifest = make_dump(database, tools, name, run, path, before, call.progress)
    result = {"changed": changed, "path": str(path), **sizes, "seconds": round(time.monotonic() - begun, 1)}
    content = "a dump of the rows that are live"
    if manifest is not None:
        content = f"{manifest.bytes} bytes, SHA-256 {manifest.sha256}"
        result |= {
            "bytes": manifest.bytes,
            "sha256": manifest.sha256,
            "tables": len(manifest.tables),
            "rows": sum(entry.rows for entry in manifest.tables.values()),
            "unsteady": sorted(table for table, entry in manifest.tables.items() if not entry.steady),
        }
    if changed:
        result["diff"] = {"before": "", "after": f"{path}: {content}\n"}
    return result


def dump_path(directory: str, database: str, run: str) -> Path:
    """Path of the dump of a schema in a run."""
    return Path(directory).expanduser() / f"{database}-{run}.sql.gz"


def existing(database: Database, name: str) -> Schema:
    """Raises OperatorError if there is no such schema."""
    schema = database.schema(name)
    if schema is None:
        raise OperatorError(
            f"there is no schema {name}",
            expected="a schema to dump",
            untouched="everything",
            next_step="correct database.name",
        )
    return schema


def up_to_date(path: Path, now_there: dict[str, Content]) -> Manifest | None:
    """The manifest of the dump that is there, if it is complete and has exactly the live tables and rows."""
    manifest = whole(path)
    if manifest is None or {table: (entry.sum, entry.definition) for table, entry in manifest.tables.items()} != {
        table: (content.sum, content.definition) for table, content in now_there.items()
    }:
        return None
    return manifest if all(entry.steady for entry in manifest.tables.values()) else None


def read_content(database: Database, name: str, progress: Callable[[str], None]) -> dict[str, Content]:
    """The content and definition of each table of a schema, except our bookkeeping."""
    schema = existing(database, name)
    tables = [table.name for table in schema.tables.values() if table.base and table.name not in BOOKKEEPING]
    defined = database.definitions(name, tables)
    found = database.fingerprints(name, tables, progress)
    return {table: replace(content, definition=defined[table]) for table, content in found.items()}


def server_in_words(database: Database) -> str:
    server = database.server()
    return f"{server.product} {server.version}"


def make_dump(
    database: Database,
    tools: Tools,
    name: str,
    run: str,
    path: Path,
    before: dict[str, Content],
    progress: Callable[[str], None],
) -> Manifest:
    """Dump a schema into a file. An earlier file of that path is replaced when the new one is complete."""
    schema = existing(database, name)
    server = server_in_words(database)
    database.refuse_too_large(name, {table: content.largest for table, content in before.items()})
    database.refuse_limits()
    target = DumpFile(path, progress)
    try:
        # Our bookkeeping is about the schema that it is in, and would be wrong in a restored one.
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
