# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .._database.description import Schema, Server
from .ownership import Claim, Owner, adopted_with, others
from .plan import DROPPING, UNDONE, Plan, moves_done, plan_of
from .records import MIGRATION, Install, Mark, read_install, read_mark
from .releases import ESSENTIAL_TABLES, KEPT_TABLE_PREFIXES, REVISIONS_BEFORE_2_7, REVISIONS_FROM_2_7, TABLES_BEFORE_2_7
from .schemas import INSTALL, PLAN, WORKSPACE, content_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .._database.engine import Database
    from .schemas import Schemas

ABSENT, EMPTY, OLD, MIGRATABLE = "absent", "empty", "old", "migratable"
INSTALLED, MOVING, FOREIGN = "installed", "moving", "foreign"
SEVERAL_MOVES = "several moves are not finished"


@dataclass(frozen=True)
class Inspection:
    """What was read from the server about a deployment's schemas, and the stage that follows from it.

    `stage` is one of absent, empty, old (Airflow before 2.7), migratable, installed (by this collection), moving (a
    reset or its reverse is not finished) and foreign; `problems` say why it is foreign, and `others` are what another
    deployment has left there. `plans` are all that were found, `begun` the unfinished one and `moves_done` how many of
    its moves are made (None: no number fits).
    """

    names: Schemas
    server: Server
    schemas: Mapping[str, Schema]
    stage: str
    problems: tuple[str, ...]
    others: tuple[Claim, ...]
    revisions: tuple[str, ...]
    install: Install | None
    plans: tuple[Plan, ...]
    begun: Plan | None
    moves_done: int | None
    mark: Mark | None

    @property
    def live(self) -> Schema | None:
        return self.schemas.get(self.names.live)

    @property
    def has_sentinel(self) -> bool:
        """Whether there is a table of the sentinel's name in the live schema, whatever its content."""
        return self.live is not None and INSTALL in self.live.tables

    @property
    def workspace(self) -> Schema | None:
        return self.schemas.get(self.names.workspace)

    def in_the_way(self, schema: str) -> str | None:
        """Why tables can't be moved into a schema, or None.

        It may have only the plan of an earlier move. A plan of which nothing was done, or all was undone, is replaced.
        """
        found = self.schemas.get(schema)
        if found is not None and content_of(found):
            return f"schema {schema} already holds {len(content_of(found))} tables"
        stale = any(plan.schema == schema and (plan.unfinished or plan.state == UNDONE) for plan in self.plans)
        if found is not None and PLAN in found.tables and not stale:
            return f"schema {schema} has the plan of an earlier move (table {PLAN}), whose tables are gone from there"
        return None

    @property
    def workspace_state(self) -> str:
        """absent, empty, building, complete, rehearsal or foreign."""
        if self.workspace is None:
            return "absent"
        if self.mark is not None:
            return self.mark.state if self.mark.purpose == MIGRATION else self.mark.purpose
        return "foreign" if content_of(self.workspace) else "empty"


def inspect(
    database: Database, names: Schemas, extra_tables: Collection[str] = (), owner: Owner | None = None
) -> Inspection:
    """Read everything, change nothing. `extra_tables` are further tables that belong to this deployment.

    With an `owner`, a live schema or a workspace in which another deployment has left something is foreign.
    """
    schemas = database.schemas([names.live, names.workspace], names.of_runs)
    plans = _plans(database, names, schemas)
    tables = {name: frozenset(schema.tables) for name, schema in schemas.items()}
    begun = tuple(plan for plan in plans if plan.unfinished and has_begun(plan, tables))
    live = schemas.get(names.live)
    revisions = tuple(revisions_of(database, live))
    install = read_install(database, names.live) if live is not None and INSTALL in live.tables else None
    problems: tuple[str, ...] = ()
    if len(begun) > 1:
        stage = FOREIGN
        problems = (f"{SEVERAL_MOVES}: {', '.join(plan.schema for plan in begun)}",)
    elif begun and begun[0].workspace != names.workspace:
        stage, problems = FOREIGN, (_other_workspace(begun[0], names),)
    elif begun:
        stage = MOVING
    elif live is None:
        stage = ABSENT
    elif INSTALL in live.tables:
        stage = INSTALLED if install is not None else FOREIGN
        problems = () if install is not None else (f"this collection did not write table {INSTALL}",)
    else:
        known = database.meant(content_of(live), extra_tables)
        stage, problems = judge(live, revisions, database.stored_programs(names.live), known)
    workspace = schemas.get(names.workspace)
    strange = _of_others(database, schemas, names, plans, owner) if owner is not None else ()
    if strange:
        stage, problems = FOREIGN, (*map(str, strange), *problems)
    return Inspection(
        names=names,
        server=database.server(),
        schemas=schemas,
        stage=stage,
        problems=problems,
        others=strange,
        revisions=revisions,
        install=install,
        plans=plans,
        begun=begun[0] if len(begun) == 1 else None,
        moves_done=moves_done(begun[0].moves, tables, begun[0].live) if len(begun) == 1 else None,
        mark=read_mark(database, workspace.name) if workspace is not None and WORKSPACE in workspace.tables else None,
    )


def revisions_of(database: Database, schema: Schema | None) -> list[str]:
    """Rows of a schema's alembic_version; none if there is no such table."""
    if schema is None or "alembic_version" not in schema.tables:
        return []
    table = database.quoted(schema.name, "alembic_version")
    return [str(row[0]) for row in database.rows(f"SELECT version_num FROM {table} ORDER BY 1")]


def _plans(database: Database, names: Schemas, schemas: dict[str, Schema]) -> tuple[Plan, ...]:
    """All plans of this live schema; adds the schemas that an unfinished one involves to `schemas`.

    Also those that a run with another workspace has left: its move may be unfinished.
    """
    plans = []
    for name in database.schemas_with(PLAN):
        plan = plan_of(database, name, names.live, unless_told=name in schemas) if name != names.live else None
        if plan is None or not (plan.unfinished or name in schemas):
            continue
        plans.append(plan)
        involved = {plan.schema, plan.workspace} if plan.unfinished else set()
        for other in involved - schemas.keys():
            found = database.schema(other)
            if found is not None:
                schemas[other] = found
    return tuple(plans)


def _other_workspace(plan: Plan, names: Schemas) -> str:
    return (
        f"run {plan.run} has begun to move tables (its plan is in schema {plan.schema}) with the workspace"
        f" {plan.workspace}, and now the workspace is {names.workspace}"
    )


def _of_others(
    database: Database, schemas: Mapping[str, Schema], names: Schemas, plans: Collection[Plan], owner: Owner
) -> tuple[Claim, ...]:
    """What another deployment has left in the schemas that this one uses."""
    used = dict.fromkeys([names.live, names.workspace, *(plan.schema for plan in plans)])
    return tuple(claim for name in used if name in schemas for claim in others(database, schemas[name], owner))


def has_begun(plan: Plan, tables: Mapping[str, frozenset[str]]) -> bool:
    """Whether a part of the plan is done already. Until then, a plan has no effect.

    Moves are made in order, so the first one shows it. It goes into a schema that was made for it, where nothing else
    puts a table, or into an empty live schema. There the table may be that of an Airflow that was installed since: then
    ours is still where it was. (Only there: an old UI that is started makes those of its own tables that are missing.)
    A drop has begun when it was announced, which is right before it, and a table is gone.
    """
    if plan.state == DROPPING:
        return not {move.table for move in plan.dropped} <= tables.get(plan.live, frozenset())
    first = plan.moves[0]
    if plan.dropped or first.table not in tables.get(first.target, frozenset()):
        return False
    return first.target != plan.live or first.table not in tables.get(first.source, frozenset())


def judge(
    live: Schema, revisions: tuple[str, ...], programs: list[str], extra_tables: Collection[str] = ()
) -> tuple[str, tuple[str, ...]]:
    """Stage of a schema without our sentinel, and its problems if it is foreign."""
    problems: list[str] = []
    if programs:
        problems.append(f"it has stored programs, which Airflow never makes: {_listed(programs)}")
    other = {table.name: str(table) for table in live.tables.values() if not table.base}
    if other:
        problems.append(f"it has what Airflow never makes: {_listed(other.values())}")
    if not content_of(live):
        return (FOREIGN if problems else EMPTY), tuple(problems)
    known = TABLES_BEFORE_2_7 | set(extra_tables)
    strange = [name for name in content_of(live) - known - other.keys() if not name.startswith(KEPT_TABLE_PREFIXES)]
    missing = ESSENTIAL_TABLES - content_of(live)
    revision = revisions[0] if len(revisions) == 1 else None
    if ESSENTIAL_TABLES.isdisjoint(content_of(live) - {"connection", "job", "log"}):
        problems.append(f"none of its tables is Airflow's: {_listed(content_of(live))}")
    elif "alembic_version" in missing:
        problems.append("it has tables but no alembic_version: an incomplete schema, or not Airflow's")
    elif revision is None:
        problems.append(
            "alembic_version is empty: an incomplete schema"
            if not revisions
            else f"alembic_version has several revisions: {', '.join(revisions)}"
        )
    elif revision in REVISIONS_FROM_2_7:
        # Newer tables are not judged here: such a schema is migrated in place and never reset.
        return (FOREIGN if problems else MIGRATABLE), tuple(problems)
    elif revision not in REVISIONS_BEFORE_2_7:
        problems.append(f"no Airflow from 1.x to 3.3 has had revision {revision} of alembic_version")
    elif missing:
        problems.append(f"an incomplete schema: revision {revision}, but no table {_listed(missing)}")
    elif strange:
        problems.append(f"it has tables that are not Airflow's: {_listed(strange)}")
    return (FOREIGN if problems else OLD), tuple(problems)


def _listed(names: Collection[str], most: int = 10) -> str:
    ordered = sorted(names)
    rest = len(ordered) - most
    return ", ".join(ordered[:most]) + (f" and {rest} more" if rest > 0 else "")


def as_result(inspection: Inspection) -> dict[str, Any]:
    """An inspection as a module's result."""
    live, begun, workspace, server = inspection.live, inspection.begun, inspection.workspace, inspection.server
    tables = [table for table in live.tables.values() if table.base] if live is not None else []
    by_schema = {plan.schema: plan for plan in inspection.plans}
    return {
        "stage": inspection.stage,
        "problems": list(inspection.problems),
        "revision": inspection.revisions[0] if len(inspection.revisions) == 1 else None,
        "tables": [
            {"name": each.name, "storage_engine": each.storage_engine, "rows_estimate": each.rows, "bytes": each.bytes}
            for each in tables
        ],
        "rows_estimate": sum(table.rows for table in tables),
        "bytes": sum(table.bytes for table in tables),
        "server": {"product": server.product, "version": server.version, "atomic_rename": server.renames_atomically},
        "adopted_with": adopted_with(inspection.others),
        "installed": asdict(inspection.install) if inspection.install is not None else None,
        "moving": None
        if begun is None
        else {
            "action": begun.action,
            "method": begun.method,
            "run": begun.run,
            "plan_schema": begun.schema,
            "moves_done": inspection.moves_done,
            "moves": len(begun.moves),
            "new_revision": begun.facts.get("new_revision"),
        },
        "workspace": {
            "schema": inspection.names.workspace,
            "state": inspection.workspace_state,
            "tables": len(content_of(workspace)) if workspace is not None else 0,
            "mark": inspection.mark.as_result() if inspection.mark is not None else None,
        },
        "set_aside": [
            {
                "schema": name,
                "tables": len(content_of(schema)),
                "bytes": sum(table.bytes for table in schema.tables.values()),
                **{fact: getattr(by_schema.get(name), fact, None) for fact in ("action", "state", "created_at")},
            }
            for name, schema in inspection.schemas.items()
            if name.startswith(inspection.names.of_runs)
        ],
    }
