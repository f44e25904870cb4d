# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._common.failure import OperatorError
from ..._database.description import Schema
from .. import guard, ownership
from ..inspection import INSTALLED, MOVING, Inspection
from ..ownership import Owner
from ..records import BUILDING, COMPLETE, MIGRATION, Mark, complete_mark, unknown_tables, write_mark
from ..schemas import BOOKKEEPING, PLAN, WORKSPACE, content_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._database.engine import Database

SESSION_SECONDS = 60


def standing(
    inspection: Inspection, run: str, image: str, revisions: list[str], newest: Callable[[str], str]
) -> dict[str, Any] | None:
    """The result where nothing is to be built, else None; `revisions` are those of the workspace.

    `newest` asks the image for its revision, given what it answered when the workspace was built. It is called only
    where the workspace would be kept.

    Raises OperatorError for a live schema that no new one is ever to replace.
    """
    mark, install = inspection.mark, inspection.install
    if inspection.stage == INSTALLED and install is not None:
        return _unchanged(install.revision, f"schema {inspection.names.live} is installed already")
    if inspection.stage == MOVING and inspection.begun is not None:
        revision = inspection.begun.facts.get("new_revision")
        return _unchanged(revision, "the new schema is being moved into its place; metadata_swap finishes that first")
    guard.enforce([guard.replaceable(inspection)], predicting=False)
    if (
        mark is not None
        and inspection.workspace_state == COMPLETE
        and (mark.run, mark.image) == (run, image)
        and revisions == [mark.revision]
        and newest(mark.revision) == mark.revision
    ):
        return _unchanged(mark.revision, f"schema {inspection.names.workspace} is complete already")
    return None


def _unchanged(revision: str | None, reason: str) -> dict[str, Any]:
    return {"changed": False, "revision": revision, "before": revision, "seconds": 0.0, "reason": reason}


def revisions_of(database: Database, schema: str) -> list[str]:
    """Rows of alembic_version; none where there is no such table."""
    found = database.schema(schema)
    if found is None or "alembic_version" not in found.tables:
        return []
    table = database.quoted(schema, "alembic_version")
    return [str(row[0]) for row in database.rows(f"SELECT version_num FROM {table} ORDER BY 1")]


def refuse_others(database: Database, inspection: Inspection, owner: Owner) -> None:
    """Raises OperatorError where the workspace holds anything that an earlier run of this deployment did not make."""
    if inspection.workspace is not None:
        ownership.refuse_others(database, inspection.workspace, owner)
        _refuse_strange(database, inspection, inspection.workspace)


def _refuse_strange(database: Database, inspection: Inspection, workspace: Schema) -> None:
    mark = inspection.mark
    if inspection.workspace_state == "foreign":
        strange = sorted(content_of(workspace))
    elif mark is not None:
        # The mark is put into an empty schema, so what is older than it was put there by somebody else, beforehand.
        older = database.older_than(workspace.name, WORKSPACE)
        strange = sorted(set(older) - BOOKKEEPING | unknown_tables(mark, workspace))
    else:
        strange = []
    if strange:
        raise _not_ours(
            workspace.name, f"has tables that no run of this collection made there: {', '.join(strange[:10])}"
        )


def _not_ours(schema: str, what: str) -> OperatorError:
    return OperatorError(
        f"schema {schema} {what}",
        expected="no such schema, an empty one, or what an earlier run of this deployment left there",
        untouched="all tables, in it and elsewhere",
        next_step="choose another `workspace`, or move those tables elsewhere",
    )


def begin(
    database: Database,
    inspection: Inspection,
    owner: Owner,
    image: str,
    progress: Callable[[str], None],
) -> Mark:
    """An empty workspace with a mark that says what is being built there. Drops tables of our own only."""
    name = inspection.names.workspace
    guard.enforce([guard.replaceable(inspection)], predicting=False)
    refuse_others(database, inspection, owner)
    sessions = database.wait_for_sessions([name], SESSION_SECONDS, progress)
    guard.enforce([guard.nobody_connected(name, sessions)], predicting=False)
    database.create_schema(name, *database.any_text)
    for stale in inspection.plans:
        # One of which nothing was done. Without the tables that it names, it would look as if they had been moved.
        if stale.unfinished:
            database.drop_tables(stale.schema, [PLAN])
    found = database.schema(name)
    leftovers = sorted(content_of(found)) if found is not None else []
    if found is not None and leftovers:
        # The wait may have taken a while.
        _refuse_strange(database, inspection, found)
        progress(f"dropping {len(leftovers)} tables of an earlier run in schema {name}")
        database.drop_tables(name, leftovers)
    database.match_charset(name, *database.any_text)
    mark = Mark(
        purpose=MIGRATION,
        deployment=owner.deployment,
        namespace=owner.namespace,
        live=owner.live,
        run=owner.run,
        state=BUILDING,
        image=image,
        revision="",
        created_at=ownership.server_now(database),
    )
    write_mark(database, name, mark)
    return mark


def finish(database: Database, schema: str, mark: Mark, head: str) -> None:
    """Say that the schema is whole, if it is at the image's newest revision. Raises OperatorError otherwise."""
    revisions = revisions_of(database, schema)
    if revisions != [head]:
        raise OperatorError(
            f"after `airflow db migrate` alembic_version in schema {schema} is {', '.join(revisions) or 'empty'}",
            expected=f"{head}, the newest revision of the image",
            untouched="the live schema",
            next_step="look at the Job's log above; run the same command again: it starts over with the new schema",
        )
    built = database.schema(schema)
    complete_mark(database, schema, mark, head, content_of(built) if built is not None else ())
