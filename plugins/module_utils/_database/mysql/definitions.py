# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How tables are defined: a restored table with the same rows may be another one.

Settings of the server act when a table is made. explicit_defaults_for_timestamp, for example, gives columns a default
and an update of their own, which no row shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .session import quoted

if TYPE_CHECKING:
    from .session import Statements

# The next number is no part of what a table is: the server counts on from the highest there is.
_NEXT_NUMBER = re.compile(r" AUTO_INCREMENT=\d+")


def definitions(database: Statements, schema: str, tables: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of each table its columns, keys, constraints and options, a line each, as the server writes them for a dump.

    Sorted: the server may give keys in another order than that in which it got them. The order of columns is in the
    sums over the rows.
    """
    return {table: _lines(str(database.rows(f"SHOW CREATE TABLE {quoted(schema, table)}")[0][1])) for table in tables}


def _lines(statement: str) -> tuple[str, ...]:
    _head, *lines = statement.splitlines()
    return tuple(sorted(_NEXT_NUMBER.sub("", line.strip().removesuffix(",")) for line in lines))
