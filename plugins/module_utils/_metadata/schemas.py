# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._common.failure import OperatorError

if TYPE_CHECKING:
    from .._database.description import Schema
    from .._database.engine import Database

# The collection's own tables. INSTALL is the sentinel: it stays next to Airflow's tables as long as they exist.
INSTALL = "hopsworks_airflow_install"
PLAN = "hopsworks_airflow_plan"
PLAN_DRAFT = "hopsworks_airflow_plan_draft"
WORKSPACE = "hopsworks_airflow_workspace"
PAUSED = "hopsworks_airflow_paused"
PROBE = "hopsworks_airflow_probe"
# Tables of ours that are never moved, and never count as the content of a schema.
BOOKKEEPING = frozenset({PLAN, PLAN_DRAFT, WORKSPACE, PAUSED, PROBE})

SCHEMA_NAME_LENGTH = 64
_RUN = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class Schemas:
    """Names of the live schema and of those alongside it."""

    live: str
    workspace: str

    def aside(self, run: str) -> str:
        """Where a reset of this run puts the old tables."""
        return f"{self.live}_before_{run}"

    def undone(self, run: str) -> str:
        """Where a rollback in this run puts the new tables."""
        return f"{self.live}_undone_{run}"

    @property
    def of_runs(self) -> tuple[str, str]:
        """How the names of schemas begin that keep the tables of runs."""
        return self.aside(""), self.undone("")


def content_of(schema: Schema) -> frozenset[str]:
    """Names of all tables of a schema except the collection's own bookkeeping."""
    return frozenset(schema.tables) - BOOKKEEPING


def schemas_of(live: str, workspace: str | None, run: str | None = None) -> Schemas:
    """The names, checked. Raises OperatorError for names that can't be those of schemas, or are the same."""
    names = Schemas(live, workspace or f"{live}_beside")
    problem, too_long = None, f"is longer than the {SCHEMA_NAME_LENGTH} characters that the name of a schema may have"
    if run is not None and not _RUN.fullmatch(run):
        problem = f"run {run!r} can't be part of a schema's name"
    elif run is not None and len(names.aside(run)) > SCHEMA_NAME_LENGTH:
        problem = f"{names.aside(run)!r} {too_long}"
    elif len(names.workspace) > SCHEMA_NAME_LENGTH:
        problem = f"{names.workspace!r} {too_long}"
    elif names.live == names.workspace:
        problem = f"the workspace is the live schema {live!r}"
    elif "?" in names.live + names.workspace:
        # In a URL of SQLAlchemy, options follow: Airflow would work on a schema of a shorter name.
        problem = f"Airflow would use only the part before the ? of {names.live!r} or {names.workspace!r} as the name"
    elif names.workspace.startswith(names.of_runs):
        problem = f"the name of the workspace {names.workspace!r} is reserved for schemas that are set aside"
    if problem:
        raise OperatorError(
            problem,
            expected="a run of at most 32 lower-case letters, digits and underscores, a separate schema as workspace,"
            " and names of schemas without ?",
            untouched="everything",
            next_step="correct `run`, `database.name` or `workspace`",
        )
    return names


def on_server(database: Database, names: Schemas) -> Schemas:
    """The names as this server keeps them, checked again: two that differ in capitals may be one schema there."""
    live, workspace = database.folded(names.live), database.folded(names.workspace)
    return schemas_of(live, workspace)


def refuse_rehearsal(names: Schemas, rehearsal: str) -> None:
    """Raises OperatorError if a rehearsal would use a schema that has another purpose; names are folded."""
    uses = {names.live: "the live schema", names.workspace: "the workspace"}
    use = uses.get(rehearsal)
    if use is None and rehearsal.startswith(names.of_runs):
        use = "reserved for schemas that are set aside"
    if use is not None:
        raise OperatorError(
            f"the schema for the rehearsal, {rehearsal!r}, is {use}",
            expected="a separate schema, because a rehearsal empties it",
            untouched="everything",
            next_step="correct airflow_database_rehearsal or airflow_database_workspace",
        )
