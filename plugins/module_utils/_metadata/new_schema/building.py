# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building the new schema in the workspace: before and after the Job that runs `airflow db migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._common.failure import OperatorError
from ..._database.description import Schema
from .. import conditions, ownership
from ..inspection import INSTALLED, MOVING, Inspection, revisions_of
from ..ownership import Owner, begin_mark
from ..plan import drop_stale
from ..records import COMPLETE, MIGRATION, Mark, complete_mark, unknown_tables
from ..schemas import BOOKKEEPING, WORKSPACE, content_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._database.engine import Database

SESSION_SECONDS = 60


def standing(
    inspection: Inspection, run: str, image: str, revisions: list[str], newest: Callable[[str], str]
) -> dict[str, Any] | None:
    """The result if nothing has to be built, else None; `revisions` are those of the workspace.

    `newest` asks the image for its revision, given its answer when the workspace was built. It is called only if the
    workspace would be kept.

    Raises OperatorError for a live schema that no new one may ever replace.
    """
    mark, install = inspection.mark, inspection.install
    if inspection.stage == INSTALLED and install is not None:
        return _unchanged(install.revision, f"schema {inspection.names.live} is installed already")
    if inspection.stage == MOVING and inspection.begun is not None:
        revision = inspection.begun.facts.get("new_revision")
        return _unchanged(revision, "the move of the new schema is not finished; metadata_swap finishes it first")
    conditions.enforce([conditions.replaceable(inspection)], predicting=False)
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


def refuse_others(database: Database, inspection: Inspection, owner: Owner) -> None:
    """Raises OperatorError if the workspace has anything that no earlier run of this deployment made."""
    if inspection.workspace is not None:
        ownership.refuse_others(database, inspection.workspace, owner)
        _refuse_strange(database, inspection, inspection.workspace)


def _refuse_strange(database: Database, inspection: Inspection, workspace: Schema) -> None:
    mark, strange = inspection.mark, list[str]()
    if inspection.workspace_state == "foreign":
        strange = sorted(content_of(workspace))
    elif mark is not None:
        # The mark is written into an empty schema, so this deployment did not make what is older than the mark.
        older = database.older_than(workspace.name, WORKSPACE)
        strange = sorted(set(older) - BOOKKEEPING | unknown_tables(mark, workspace))
    if strange:
        raise OperatorError(
            f"schema {workspace.name} has tables that no run of this collection made there: {', '.join(strange[:10])}",
            expected="no such schema, an empty one, or what an earlier run of this deployment left there",
            untouched="all tables, in it and elsewhere",
            next_step="choose another `workspace`, or move those tables elsewhere",
        )


def begin(
    database: Database, inspection: Inspection, owner: Owner, image: str, progress: Callable[[str], None]
) -> Mark:
    """Make an empty workspace with a mark of what will be built there. Drops only tables of our own."""
    name = inspection.names.workspace
    conditions.enforce([conditions.replaceable(inspection)], predicting=False)
    refuse_others(database, inspection, owner)
    conditions.wait_until_unused(database, name, SESSION_SECONDS, progress)
    database.create_schema(name, *database.any_text)
    drop_stale(database, inspection.plans)
    found = database.schema(name)
    leftovers = sorted(content_of(found)) if found is not None else []
    if found is not None and leftovers:
        # The wait may have taken a while.
        _refuse_strange(database, inspection, found)
        progress(f"dropping {len(leftovers)} tables of an earlier run in schema {name}")
        database.drop_tables(name, leftovers)
    database.match_charset(name, *database.any_text)
    return begin_mark(database, name, owner, MIGRATION, image)


def finish(database: Database, schema: str, mark: Mark, head: str) -> int:
    """Record that the schema is complete, if it is at the image's newest revision; returns the number of its tables.

    Raises OperatorError if it is not at that revision.
    """
    built = database.schema(schema)
    revisions = revisions_of(database, built)
    if revisions != [head]:
        raise OperatorError(
            f"after `airflow db migrate` alembic_version in schema {schema} is {', '.join(revisions) or 'empty'}",
            expected=f"{head}, the newest revision of the image",
            untouched="the live schema",
            next_step="look at the Job's log above; run the same command again: it starts over with the new schema",
        )
    tables = content_of(built) if built is not None else frozenset()
    complete_mark(database, schema, mark, head, tables)
    return len(tables)
