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

# The collection's own tables. INSTALL is the sentinel: it lives beside Airflow's tables as long as they do.
INSTALL = "hopsworks_airflow_install"
PLAN = "hopsworks_airflow_plan"
PLAN_DRAFT = "hopsworks_airflow_plan_draft"
WORKSPACE = "hopsworks_airflow_workspace"
PAUSED = "hopsworks_airflow_paused"
PROBE = "hopsworks_airflow_probe"
# Tables of ours that are never moved and never counted as anybody's content.
BOOKKEEPING = frozenset({PLAN, PLAN_DRAFT, WORKSPACE, PAUSED, PROBE})

SCHEMA_NAME_LENGTH = 64
_RUN = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class Schemas:
    """Names of the live schema and of those beside it."""

    live: str
    workspace: str

    def aside(self, run: str) -> str:
        """Where a reset of this run puts the old tables."""
        return f"{self.live}_before_{run}"

    def undone(self, run: str) -> str:
        """Where going back in this run puts the new tables."""
        return f"{self.live}_undone_{run}"

    @property
    def of_runs(self) -> tuple[str, str]:
        """How the names of schemas begin that runs set aside."""
        return self.aside(""), self.undone("")


def content_of(schema: Schema) -> frozenset[str]:
    """Names of all tables of a schema but the collection's own bookkeeping."""
    return frozenset(schema.tables) - BOOKKEEPING


def schemas_of(live: str, workspace: str | None, run: str | None = None) -> Schemas:
    """The names, checked. Raises OperatorError for names that could not be schemas, or would be one and the same."""
    names = Schemas(live, workspace or f"{live}_beside")
    problem = None
    if run is not None and not _RUN.fullmatch(run):
        problem = f"run {run!r} can't be part of a schema's name"
    elif run is not None and len(names.aside(run)) > SCHEMA_NAME_LENGTH:
        problem = f"{names.aside(run)!r} is longer than the {SCHEMA_NAME_LENGTH} characters a schema's name may have"
    elif len(names.workspace) > SCHEMA_NAME_LENGTH:
        problem = f"{names.workspace!r} is longer than the {SCHEMA_NAME_LENGTH} characters a schema's name may have"
    elif names.live == names.workspace:
        problem = f"the workspace is the live schema {live!r}"
    elif "?" in names.live + names.workspace:
        # In an address of SQLAlchemy, from there on it is options: Airflow would work on a schema of a shorter name.
        problem = f"Airflow takes what comes before the ? of {names.live!r}, or of {names.workspace!r}, for the name"
    elif names.workspace.startswith(names.of_runs):
        problem = f"the workspace {names.workspace!r} has a name that is kept for schemas set aside"
    if problem:
        raise OperatorError(
            problem,
            expected="a run of at most 32 lower-case letters, digits and underscores, a workspace of its own, and names"
            " of schemas without ?",
            untouched="everything",
            next_step="correct `run`, `database.name` or `workspace`",
        )
    return names


def on_server(database: Database, names: Schemas) -> Schemas:
    """The names as this server keeps them, checked once more: two that differ in capitals may be one schema there."""
    live, workspace = database.folded(names.live), database.folded(names.workspace)
    return schemas_of(live, workspace)


def refuse_rehearsal(names: Schemas, rehearsal: str) -> None:
    """Raises OperatorError where a rehearsal would go into a schema that is for something else; names are folded."""
    uses = {names.live: "the live schema", names.workspace: "the workspace"}
    use = uses.get(rehearsal)
    if use is None and rehearsal.startswith(names.of_runs):
        use = "kept for schemas set aside"
    if use is not None:
        raise OperatorError(
            f"the schema for the rehearsal, {rehearsal!r}, is {use}",
            expected="a schema of its own, which a rehearsal empties",
            untouched="everything",
            next_step="correct airflow_database_rehearsal or airflow_database_workspace",
        )
