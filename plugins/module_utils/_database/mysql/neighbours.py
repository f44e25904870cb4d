# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Which table of the catalogue is read depends on the server; values are bound.
# ruff: noqa: S608

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from ..._common.failure import OperatorError
from ..description import Neighbours
from .catalogue import Catalogue
from .privileges import Rights

if TYPE_CHECKING:
    from .. import engine

# InnoDB's own list of foreign keys, which the right PROCESS opens: of MariaDB, of MySQL 8 and newer.
_OWN_LISTS = ("INNODB_SYS_FOREIGN", "INNODB_FOREIGN")
_READERS = {
    "view": "SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS",
    "trigger": "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS",
    "routine": "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES",
    "event": "SELECT EVENT_SCHEMA, EVENT_NAME, EVENT_DEFINITION FROM information_schema.EVENTS",
}


class Dependents(Catalogue):
    """What in other schemas depends on the tables of one: foreign keys onto them, and what names them in its text."""

    def neighbours(self, schema: str, rights: engine.Rights) -> Neighbours:
        held = cast(Rights, rights)
        is_it = self.alike(schema)
        keys = {
            (str(other), str(table), str(name), str(onto))
            for other, table, name, onto, owner in self.rows(
                "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA"
                " FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA = %s",
                [schema],
            )
            if is_it(str(owner)) and not is_it(str(other))
        }
        folds = is_it(schema.swapcase())
        own_list = self._own_list({schema, schema.lower()} if folds else {schema})
        if own_list is not None:
            keys |= own_list
        described = sorted(f"foreign key {name} of {other}.{table} onto {onto}" for other, table, name, onto in keys)
        mentions = re.compile(
            rf"(?<![\w`])(`{re.escape(schema)}`|{re.escape(schema)})\s*\.",
            re.IGNORECASE if folds else re.NOFLAG,
        )
        readers = [
            f"{kind} {other}.{name}"
            for kind, statement in _READERS.items()
            for other, name, text in self.rows(statement)
            if not is_it(str(other)) and mentions.search(str(text or ""))
        ]
        # A key onto a table of NDB is one of NDB.
        innodb = not self.value(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND ENGINE LIKE 'ndb%'", [schema]
        )
        every = (own_list is not None and innodb) or any(map(held.everywhere, ("ALTER", "INSERT", "REFERENCES")))
        shown_with = " (the right PROCESS shows the keys of all InnoDB tables)"
        return Neighbours(schema, tuple(dict.fromkeys(described)), tuple(readers), every, shown_with)

    def _own_list(self, spellings: set[str]) -> set[tuple[str, str, str, str]] | None:
        """All keys of other InnoDB tables onto those of one schema, by its spellings; None if the list is hidden.

        InnoDB names schemas and tables by their files: only the server knows how it writes a letter that is not ASCII.
        """
        for table in _OWN_LISTS:
            try:
                rows = self.rows(f"SELECT ID, FOR_NAME, REF_NAME FROM information_schema.{table}")
            except OperatorError:
                continue
            ours = spellings | {self._as_file(name) for name in spellings}
            split = [
                (str(name).rpartition("/")[2], *str(child).partition("/")[::2], *str(parent).partition("/")[::2])
                for name, child, parent in rows
            ]
            return {
                (self._from_file(other), self._from_file(child), name, self._from_file(onto))
                for name, other, child, parent, onto in split
                if parent in ours and other not in ours
            }
        return None

    def _as_file(self, name: str) -> str:
        try:
            return bytes(self.value("SELECT CAST(CONVERT(%s USING filename) AS BINARY)", [name])).decode()
        except OperatorError:
            # A server without that encoding uses the name as it is.
            return name

    def _from_file(self, name: str) -> str:
        """A readable name; unchanged if it is not the name of a file."""
        try:
            return str(self.value(f"SELECT CONVERT(_filename x'{name.encode().hex()}' USING utf8mb4)"))
        except OperatorError:
            return name
