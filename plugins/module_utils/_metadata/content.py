# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.catalogue import count_rows
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import quoted

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import Database

REPORT_SECONDS = 3.0


@dataclass(frozen=True)
class Content:
    """What is in a table: its exact number of rows, and a sum over them all."""

    rows: int
    sum: str


def reported(schema: str, tables: Iterable[str], progress: Callable[[str], None]) -> Iterator[str]:
    """The tables, with a line of progress now and then: before a table, as it may be the one that takes long."""
    names = list(tables)
    last = time.monotonic()
    for number, table in enumerate(names, start=1):
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            progress(f"reading {schema}.{table} ({number} of {len(names)} tables)")
        yield table


def checksums(
    database: Database, schema: str, tables: Iterable[str], progress: Callable[[str], None]
) -> dict[str, Content]:
    """The server's CHECKSUM TABLE of each table: the same wherever the table is moved. Reads every row."""
    found: dict[str, Content] = {}
    for table in reported(schema, tables, progress):
        value = database.rows(f"CHECKSUM TABLE {quoted(schema, table)}")[0][1]
        found[table] = Content(count_rows(database, schema, table), str(value))
    return found


def fingerprints(
    database: Database, schema: str, tables: Iterable[str], progress: Callable[[str], None]
) -> dict[str, Content]:
    """A sum over the rows as a dump writes them: the same for a table and for a faithful restore of its dump.

    CHECKSUM TABLE is not: dump tools write FLOAT with six digits (Airflow 1.10 and 2: task_instance.duration), so the
    last bits change. Each row's columns are put into one text, its SHA-256 (MySQL 9 has no MD5) is cut to 64 bits, and
    these are added up, so that neither order nor page layout matters and equal rows don't cancel out. Reads every row.
    """
    found: dict[str, Content] = {}
    for table in reported(schema, tables, progress):
        columns = database.rows(
            "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
            " ORDER BY ORDINAL_POSITION",
            [schema, table],
        )
        # Length before value, so that no two rows give the same text; NULL is not the empty text.
        parts = ", ".join(f"IFNULL({_text(quoted(name), str(kind).lower())}, 'n')" for name, kind in columns)
        digest = f"CAST(CONV(LEFT(SHA2(CONCAT({parts}), 256), 16), 16, 10) AS UNSIGNED)"
        rows, total = database.rows(f"SELECT COUNT(*), SUM({digest}) FROM {quoted(schema, table)}")[0]
        found[table] = Content(int(rows), f"{int(total or 0):x}")
    return found


def _text(column: str, kind: str) -> str:
    if kind in _BINARY:
        return f"SHA2({column}, 256)"
    # Through UTF-8: columns of different character sets can't be put into one text. Then as bytes: no collation.
    text = f"CAST(CONVERT({column} USING utf8mb4) AS BINARY)"
    return f"SHA2({text}, 256)" if kind in _LONG else f"CONCAT(LENGTH({text}), ':', {text})"


_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"})
_LONG = frozenset({"text", "mediumtext", "longtext", "json"})
