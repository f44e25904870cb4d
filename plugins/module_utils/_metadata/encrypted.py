# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .._keys.fernet import opens

if TYPE_CHECKING:
    from .._database.engine import Database

# Table, column of the value, and the column that says whether it is encrypted, in every Airflow from 1.7 on.
VALUES = (
    ("connection", "password", "is_encrypted"),
    ("connection", "extra", "is_extra_encrypted"),
    ("variable", "val", "is_encrypted"),
)
# Of each, the newest ones: these were saved with the current key.
ROWS = 5


def readable(database: Database, schema: str, keys: Iterable[bytes]) -> dict[str, int]:
    """How many of a few encrypted values were `looked_at`, and how many of these one of the keys made (`readable`)."""
    tokens: list[bytes] = []
    for table, column, flag in VALUES:
        value, encrypted = database.quoted(column), database.quoted(flag)
        rows = database.rows(
            f"SELECT {value} FROM {database.quoted(schema, table)} WHERE {encrypted} = TRUE AND {value} <> ''"
            f" ORDER BY id DESC LIMIT {ROWS}"
        )
        tokens += [value if isinstance(value, bytes) else str(value).encode() for (value,) in rows]
    keys = list(keys)
    return {"looked_at": len(tokens), "readable": sum(any(opens(key, token) for key in keys) for token in tokens)}
