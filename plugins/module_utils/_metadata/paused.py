# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._database.failures import DeniedError
from . import ownership
from .schemas import PAUSED

if TYPE_CHECKING:
    from .._database.engine import Database
    from .ownership import Owner

BATCH = 500
_COLUMNS = ("dag_id", "fileloc", "gone", "paused", "deployment", "namespace", "live", "run")


@dataclass(frozen=True)
class PausedDag:
    """A DAG that was not paused before a quiesce.

    `file` is its file and `gone` whether that file was gone already; `paused` is whether it is paused since, or only
    kept until the new schema has it. `run` is the run that paused it.
    """

    file: str
    gone: bool
    paused: bool
    run: str = ""


class PausedDags:
    """The list of DAGs that a deployment's runs have paused: a table of its workspace, each row with its owner.

    Whether a list is another deployment's is checked earlier, for everything in the schema (`ownership`). A list that a
    run with another workspace has left is read as well, and moved to this one with the next change.
    """

    def __init__(self, database: Database, schema: str, owner: Owner) -> None:
        self._database, self._schema, self._owner = database, schema, owner
        self._table = database.quoted(schema, PAUSED)

    def read(self) -> dict[str, PausedDag]:
        return read_paused(self._database, self._schema, self._owner)

    def write(self, dags: Mapping[str, PausedDag]) -> None:
        """Replace the list, in one transaction."""
        database, owner = self._database, self._owner
        database.create_schema(self._schema, *database.any_text)
        database.create_table(
            self._schema,
            PAUSED,
            "dag_id VARCHAR(512) NOT NULL, fileloc VARCHAR(2000) NOT NULL, gone SMALLINT NOT NULL,"
            " paused SMALLINT NOT NULL, deployment VARCHAR(512) NOT NULL, namespace VARCHAR(64) NOT NULL,"
            " live VARCHAR(64) NOT NULL, run VARCHAR(64) NOT NULL, PRIMARY KEY (dag_id)",
            exact=True,
            if_missing=True,
        )
        rows = [
            (dag, e.file, int(e.gone), int(e.paused), owner.deployment, owner.namespace, owner.live, e.run or owner.run)
            for dag, e in dags.items()
        ]

        def replace() -> None:
            database.execute(f"DELETE FROM {self._table}")
            for start in range(0, len(rows), BATCH):
                database.insert(self._table, _COLUMNS, rows[start : start + BATCH])

        database.together(replace)
        for schema in _elsewhere(database, self._schema, owner):
            database.drop_tables(schema, [PAUSED])

    def change(self, dags: Mapping[str, PausedDag]) -> None:
        """Make this the list, and drop the table with the last DAG."""
        elsewhere = _elsewhere(self._database, self._schema, self._owner)
        listed = self.read()
        if dags and (elsewhere or dags != listed):
            self.write(dags)
        elif listed and not dags:
            here = self._database.schemas_with(PAUSED)
            for schema in (*elsewhere, self._schema):
                if schema in here:
                    self._database.drop_tables(schema, [PAUSED])


def read_paused(database: Database, workspace: str, owner: Owner | None) -> dict[str, PausedDag]:
    """The list in a workspace and, with an owner, its lists in other schemas; empty if there is none."""
    schemas = _elsewhere(database, workspace, owner) if owner is not None else []
    found = database.schema(workspace)
    if found is not None and PAUSED in found.tables:
        schemas.append(workspace)
    dags: dict[str, PausedDag] = {}
    for schema in schemas:
        for dag, file, gone, paused, run in database.rows(
            f"SELECT dag_id, fileloc, gone, paused, run FROM {database.quoted(schema, PAUSED)} ORDER BY dag_id"
        ):
            entry = PausedDag(str(file), gone=bool(gone), paused=bool(paused), run=str(run))
            before = dags.get(str(dag))
            dags[str(dag)] = before if before is not None and before.paused and not entry.paused else entry
    return dict(sorted(dags.items()))


def _elsewhere(database: Database, workspace: str, owner: Owner) -> list[str]:
    """Other schemas that have a list of this deployment, and of no other."""
    return [
        schema
        for schema in database.schemas_with(PAUSED)
        if schema != workspace
        and (owners := _owners(database, schema))
        and all(found is not None and found.is_same(owner) for found in owners)
    ]


def _owners(database: Database, schema: str) -> list[Owner | None]:
    """The owners of a list. A right of any kind shows a table, so a list of others may be shown but not readable."""
    try:
        return ownership.paused_by(database, schema)
    except DeniedError:
        return [None]
