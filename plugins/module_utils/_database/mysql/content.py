# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: quoted() escapes them.
# ruff: noqa: S608

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from ..._common.failure import OperatorError
from ..description import Content
from .catalogue import Catalogue
from .session import quoted
from .session_settings import limits_in_words

REPORT_SECONDS = 3.0
# Not part of a definition: after a restore, the server continues with the highest number that exists.
_NEXT_NUMBER = re.compile(r" AUTO_INCREMENT=\d+")
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"})
_LONG = frozenset({"text", "mediumtext", "longtext", "json"})


class Contents(Catalogue):
    """The rows and the definitions of tables, and whether a dump can hold them."""

    def checksums(self, schema: str, tables: Iterable[str], progress: Callable[[str], None]) -> dict[str, Content]:
        found: dict[str, Content] = {}
        for table in _reported(schema, tables, progress):
            value = self.rows(f"CHECKSUM TABLE {quoted(schema, table)}")[0][1]
            found[table] = Content(self.count(schema, table), str(value))
        return found

    def fingerprints(self, schema: str, tables: Iterable[str], progress: Callable[[str], None]) -> dict[str, Content]:
        """A sum over the rows as a dump writes them.

        CHECKSUM TABLE is none: dump tools write FLOAT with six digits (Airflow 1.10 and 2: task_instance.duration), so
        the last bits change. The columns of each row become one text, and its SHA-256 (MySQL 9 has no MD5) is cut to
        64 bits. These are added up, so the order of rows and the page layout don't matter, and equal rows don't cancel
        out.
        """
        found: dict[str, Content] = {}
        for table in _reported(schema, tables, progress):
            columns = self.rows(
                "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS"
                " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
                [schema, table],
            )
            # The length before the value, so that no two rows give the same text; NULL is not the empty text.
            parts = ", ".join(f"IFNULL({_text(quoted(name), str(kind).lower())}, 'n')" for name, kind in columns)
            digest = f"CAST(CONV(LEFT(SHA2(CONCAT({parts}), 256), 16), 16, 10) AS UNSIGNED)"
            length = " + ".join(_length(quoted(name), str(kind).lower()) for name, kind in columns)
            rows, total, largest = self.rows(
                f"SELECT COUNT(*), SUM({digest}), MAX({length}) FROM {quoted(schema, table)}"
            )[0]
            found[table] = Content(int(rows), f"{int(total or 0):x}", int(largest or 0))
        return found

    def definitions(self, schema: str, tables: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """A restored table with the same rows may differ: explicit_defaults_for_timestamp, for example, gives columns
        a default and an update of their own, which no row shows."""
        return {table: _lines(str(self.rows(f"SHOW CREATE TABLE {quoted(schema, table)}")[0][1])) for table in tables}

    def refuse_too_large(self, schema: str, largest: Mapping[str, int]) -> None:
        limit = int(self.value("SELECT @@GLOBAL.max_allowed_packet"))
        for table, length in largest.items():
            # A statement has a beginning and an end, and a packet a header.
            needed = length + len(table) + 100
            if needed <= limit:
                continue
            enough = 1 << (needed - 1).bit_length()
            raise OperatorError(
                f"a row of {schema}.{table} takes {length / 1e6:.1f} MB in a dump (binary values twice their size),"
                f" and the server's max_allowed_packet is {limit / 1e6:.1f} MB: a dump could not be restored",
                expected="every row to fit into max_allowed_packet, as a statement",
                untouched="everything; nothing was dumped or restored",
                next_step="as an administrator of the database: SET GLOBAL max_allowed_packet ="
                f" {min(enough, 1 << 30)}, and the same in its configuration; or delete that row; then run the same"
                " command again",
            )

    def refuse_limits(self) -> None:
        limits = limits_in_words(self.given_limits)
        if limits:
            raise OperatorError(
                "; ".join(limits),
                expected="sessions that may read every row",
                untouched="everything; nothing was dumped",
                next_step="as an administrator of the database: SET GLOBAL <name> = DEFAULT, and the same in its"
                " configuration and in init_connect; then run the same command again",
            )


def _reported(schema: str, tables: Iterable[str], progress: Callable[[str], None]) -> Iterator[str]:
    """The tables. Reports progress now and then, before a table, because that one may take long."""
    names = list(tables)
    last = time.monotonic()
    for number, table in enumerate(names, start=1):
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            progress(f"reading {schema}.{table} ({number} of {len(names)} tables)")
        yield table


def _length(column: str, kind: str) -> str:
    """Bytes that a value takes in a dump: binary ones are written as hexadecimal digits."""
    return f"IFNULL(LENGTH({column}), 0)" + (" * 2" if kind in _BINARY else "")


def _text(column: str, kind: str) -> str:
    if kind in _BINARY:
        return f"SHA2({column}, 256)"
    # Through UTF-8: one text can't have columns of different character sets. Then as bytes: no collation.
    text = f"CAST(CONVERT({column} USING utf8mb4) AS BINARY)"
    return f"SHA2({text}, 256)" if kind in _LONG else f"CONCAT(LENGTH({text}), ':', {text})"


def _lines(statement: str) -> tuple[str, ...]:
    _head, *lines = statement.splitlines()
    return tuple(sorted(_NEXT_NUMBER.sub("", line.strip().removesuffix(",")) for line in lines))
