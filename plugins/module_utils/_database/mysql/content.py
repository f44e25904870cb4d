# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from ..description import Content
from .catalogue import count_rows
from .session import quoted

if TYPE_CHECKING:
    from .session import Statements

REPORT_SECONDS = 3.0


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
    database: Statements, schema: str, tables: Iterable[str], progress: Callable[[str], None]
) -> dict[str, Content]:
    """The server's CHECKSUM TABLE of each table: the same wherever the table is moved. Reads every row."""
    found: dict[str, Content] = {}
    for table in reported(schema, tables, progress):
        value = database.rows(f"CHECKSUM TABLE {quoted(schema, table)}")[0][1]
        found[table] = Content(count_rows(database, schema, table), str(value))
    return found


def fingerprints(
    database: Statements, schema: str, tables: Iterable[str], progress: Callable[[str], None]
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
        length = " + ".join(_length(quoted(name), str(kind).lower()) for name, kind in columns)
        rows, total, largest = database.rows(
            f"SELECT COUNT(*), SUM({digest}), MAX({length}) FROM {quoted(schema, table)}"
        )[0]
        found[table] = Content(int(rows), f"{int(total or 0):x}", int(largest or 0))
    return found


def _length(column: str, kind: str) -> str:
    """Bytes that a value takes in a dump: binary ones are written as hexadecimal digits."""
    return f"IFNULL(LENGTH({column}), 0)" + (" * 2" if kind in _BINARY else "")


def refuse_too_large(database: Statements, schema: str, largest: Mapping[str, int]) -> None:
    """Raises OperatorError where a row (bytes by table) is too long for the server to be restored from a dump."""
    limit = int(database.value("SELECT @@GLOBAL.max_allowed_packet"))
    for table, length in largest.items():
        # A statement has a head and a tail, and a packet one of its own.
        needed = length + len(table) + 100
        if needed <= limit:
            continue
        enough = 1 << (needed - 1).bit_length()
        raise OperatorError(
            f"a row of {schema}.{table} takes {length / 1e6:.1f} MB in a dump (binary values twice their size),"
            f" and the server's max_allowed_packet is {limit / 1e6:.1f} MB: a dump could not be restored",
            expected="every row to fit into max_allowed_packet, as a statement",
            untouched="everything; nothing was dumped or restored",
            next_step=f"as an administrator of the database: SET GLOBAL max_allowed_packet = {min(enough, 1 << 30)},"
            " and the same in its configuration; or delete that row; then run the same command again",
        )


def _text(column: str, kind: str) -> str:
    if kind in _BINARY:
        return f"SHA2({column}, 256)"
    # Through UTF-8: columns of different character sets can't be put into one text. Then as bytes: no collation.
    text = f"CAST(CONVERT({column} USING utf8mb4) AS BINARY)"
    return f"SHA2({text}, 256)" if kind in _LONG else f"CONCAT(LENGTH({text}), ':', {text})"


_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"})
_LONG = frozenset({"text", "mediumtext", "longtext", "json"})
