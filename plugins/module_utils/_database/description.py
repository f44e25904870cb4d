# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a database server reports, in words that all engines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# The kind of Airflow's own tables.
BASE_TABLE = "BASE TABLE"


@dataclass(frozen=True)
class Table:
    """A table from the server's catalogue; rows and bytes are estimates."""

    name: str
    kind: str
    storage_engine: str
    rows: int
    bytes: int

    @property
    def base(self) -> bool:
        """Whether it is a table like Airflow's, not a view, a sequence or the like."""
        return self.kind == BASE_TABLE

    def __str__(self) -> str:
        """With its kind, for example a view, a sequence, a table with its earlier rows."""
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
    """`product`: what it calls itself. `renames_atomically`: it moves all tables or none, even if it dies meanwhile."""

    product: str
    version: str
    renames_atomically: bool


@dataclass(frozen=True)
class Session:
    """Another session of the server, with this schema as its default; `seconds` in its present state."""

    id: int
    user: str
    host: str
    schema: str
    command: str
    seconds: int

    def as_result(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Content:
    """What is in a table: its exact number of rows, a sum over them, and the length of its longest row in a dump.

    That length is a minimum in bytes: text may take more, because some of its characters are escaped.
    `definition` is the table's definition (`Database.definitions`), if that was read.
    """

    rows: int
    sum: str
    largest: int = field(default=0, compare=False)
    definition: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Neighbours:
    """Foreign `keys` onto the schema's tables and `readers` of them, in words; `every_key`: no key can be hidden.

    `shown_with` names the right that would show hidden ones.
    """

    schema: str
    keys: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    every_key: bool = True
    shown_with: str = ""


@dataclass(frozen=True)
class Fitness:
    """`problems` would end a run later; `unseen` is what the user can't see. Both in words."""

    problems: tuple[str, ...]
    unseen: tuple[str, ...]
