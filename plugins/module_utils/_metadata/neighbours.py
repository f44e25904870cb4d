# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What in other schemas depends on the tables of one: foreign keys onto them, and what reads or writes them by name."""

# Which table of the catalogue is read depends on the server; values are bound.
# ruff: noqa: S608

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import Database
    from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.privileges import Rights

# InnoDB's own list of keys, which the right PROCESS opens: of MariaDB, of MySQL 8 and newer.
_OWN_LISTS = ("INNODB_SYS_FOREIGN", "INNODB_FOREIGN")
_READERS = {
    "view": "SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS",
    "trigger": "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS",
    "routine": "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES",
    "event": "SELECT EVENT_SCHEMA, EVENT_NAME, EVENT_DEFINITION FROM information_schema.EVENTS",
}


@dataclass(frozen=True)
class Neighbours:
    """`keys` onto the schema's tables and `readers` of them, in words; `every_key`: no key can be hidden."""

    schema: str
    keys: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    every_key: bool = True


def read_neighbours(database: Database, schema: str, rights: Rights) -> Neighbours:
    """What the connected user is shown of it."""
    keys = {
        (str(other), str(table), str(name), str(onto))
        for other, table, name, onto in database.rows(
            "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME"
            " FROM information_schema.REFERENTIAL_CONSTRAINTS"
            " WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND CONSTRAINT_SCHEMA <> %s",
            [schema, schema],
        )
    }
    own_list = _own_list(database)
    if own_list is not None:
        keys |= {key for key in own_list if key[0] != schema and key[3].partition("/")[0] == schema}
    described = sorted(
        f"foreign key {name} of {other}.{table} onto {onto.rpartition('/')[2]}" for other, table, name, onto in keys
    )
    readers = [
        f"{kind} {other}.{name}"
        for kind, statement in _READERS.items()
        for other, name, text in database.rows(statement)
        if other != schema and _names(str(text or ""), schema)
    ]
    every = own_list is not None or any(rights.everywhere(right) for right in ("ALTER", "INSERT", "REFERENCES"))
    return Neighbours(schema, tuple(dict.fromkeys(described)), tuple(readers), every)


def _own_list(database: Database) -> set[tuple[str, str, str, str]] | None:
    """Every key of every InnoDB table; None where the user may not see it."""
    for table in _OWN_LISTS:
        try:
            rows = database.rows(f"SELECT ID, FOR_NAME, REF_NAME FROM information_schema.{table}")
        except OperatorError:
            continue
        found = set()
        for name, child, parent in rows:
            schema, _slash, child_table = _decoded(str(child)).partition("/")
            found.add((schema, child_table, _decoded(str(name)).rpartition("/")[2], _decoded(str(parent))))
        return found
    return None


def _decoded(name: str) -> str:
    """A name as InnoDB keeps it: characters that no file name may have are written as @ and four digits."""
    return re.sub(r"@([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), name)


def _names(text: str, schema: str) -> bool:
    return re.search(rf"(?<![\w`])(`{re.escape(schema)}`|{re.escape(schema)})\s*\.", text) is not None
