# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a database server tells, in the words of every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The kind of a table that is like Airflow's.
BASE_TABLE = "BASE TABLE"


@dataclass(frozen=True)
class Table:
    """A table as the server's catalogue describes it; rows and bytes are its estimates."""

    name: str
    kind: str
    engine: str
    rows: int
    bytes: int

    @property
    def base(self) -> bool:
        """Whether it is a table like Airflow's, and no view, sequence or the like."""
        return self.kind == BASE_TABLE

    def __str__(self) -> str:
        """With its kind: view, sequence, a table with its earlier rows."""
        return f"{self.name} ({self.kind.lower()})"


@dataclass(frozen=True)
class Schema:
    """A schema that exists, with its default character set and collation."""

    name: str
    charset: str
    collation: str
    tables: Mapping[str, Table]


@dataclass(frozen=True)
class Server:
    """What runs there. `renames_atomically`: many tables are moved as a whole, even if the server dies meanwhile."""

    engine: str
    version: str
    renames_atomically: bool


@dataclass(frozen=True)
class Session:
    """Somebody connected to the server with this schema as default."""

    id: int
    user: str
    host: str
    schema: str
    command: str
    seconds: int

    def as_result(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "user": self.user,
            "host": self.host,
            "schema": self.schema,
            "command": self.command,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Content:
    """What is in a table: its exact number of rows, a sum over them all, and how long its longest row is in a dump.

    The length is in bytes, and at least that: text may take more, because some of its characters are escaped.
    `definition` is how the table is defined (`Database.definitions`), where that was read.
    """

    rows: int
    sum: str
    largest: int = field(default=0, compare=False)
    definition: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Neighbours:
    """`keys` onto the schema's tables and `readers` of them, in words; `every_key`: no key can be hidden.

    `shown_with` says which right would show those that may be hidden.
    """

    schema: str
    keys: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    every_key: bool = True
    shown_with: str = ""


@dataclass(frozen=True)
class Fitness:
    """`problems` would end a run later; `unseen` is what can't be known, in words."""

    problems: tuple[str, ...]
    unseen: tuple[str, ...]
