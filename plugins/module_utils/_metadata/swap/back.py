# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import conditions
from ..conditions import HOLDS, REFUSED, Condition, condition
from ..inspection import ABSENT, EMPTY, FOREIGN, INSTALLED, MIGRATABLE, MOVING, Inspection
from ..memory import INSTALLED as REMEMBERED
from ..memory import UNDONE as REMEMBERED_UNDONE
from ..memory import Remembered
from ..plan import (
    DONE,
    DROPPING,
    RESET,
    RESTORE,
    UNDONE,
    Move,
    Plan,
    close_plan,
    drop_stale,
    mark_plan,
    now,
    read_plan,
    write_plan,
)
from ..schemas import INSTALL, PLAN, content_of
from .move import check_content, make_moves
from .swap import Swap, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence


class Restore(Swap):
    """The reverse of a reset by set_aside: the old tables return to their place, the new ones are kept elsewhere.

    Of an unfinished reset, each move is made in reverse; the new tables return to the workspace.
    """

    def _act(self, *, changes: bool) -> dict[str, Any]:
        inspection = self._inspect()
        plan = inspection.begun
        if inspection.stage == MOVING and plan is not None:
            conditions.enforce([self._confirmed(), can_be_taken_back(plan)], predicting=not changes)
            if changes:
                self._wait_until_unused()
                if plan.action == RESET:
                    self._take_back(plan)
                else:
                    self._restore(plan)
            return self._result(inspection, plan)
        if inspection.stage != INSTALLED:
            return self._in_place(inspection, changes=changes)
        checked = self._check(inspection)
        if changes:
            # The run waits for other sessions, which are the last condition, only if the others hold.
            checked = checked[:-1]
        conditions.enforce(checked, predicting=not changes)
        if not changes:
            return self._result(inspection, self._planned(inspection), checked)
        self._wait_until_unused()
        plan = self._write_plan(inspection)
        self._restore(plan)
        return self._result(inspection, plan, checked)

    def _check(self, inspection: Inspection) -> list[Condition]:
        """Check the conditions; whether other sessions are open is the last one."""
        database, live, install = self._database, self._names.live, inspection.install
        undone = self._names.undone(self._request.run)
        rights = database.rights()
        involved = [live, undone, *([install.set_aside] if install is not None and install.set_aside else [])]
        checked = [
            self._confirmed(),
            conditions.rights_suffice(rights, live, involved),
            conditions.nothing_hidden(rights, live, there=True, dropping=False),
            only_tables(inspection, database.stored_programs(live)),
        ]
        if install is not None and install.method == "drop":
            step = "restore the rehearsed dump into an empty schema with metadata_restore"
            checked.append(Condition(REFUSED, *dropped_by(install.run), step, "set_aside"))
        elif install is not None and install.set_aside:
            programs = database.stored_programs(install.set_aside)
            checked.append(aside_whole(inspection, self._aside(inspection), install.set_aside, programs))
        in_the_way = inspection.in_the_way(undone)
        if in_the_way is not None:
            expected, step = "no such schema, or nothing in it", "use another `run`"
            checked.append(Condition(REFUSED, in_the_way, expected, step, "undone_free"))
        sessions = [] if inspection.live is None else database.wait_for_sessions([live], 0, self._progress)
        return [*checked, conditions.nobody_connected(live, sessions)]

    def _aside(self, inspection: Inspection) -> Plan | None:
        schema = inspection.install.set_aside if inspection.install is not None else ""
        return next((plan for plan in inspection.plans if schema and plan.schema == schema), None)

    def _planned(self, inspection: Inspection) -> Plan:
        request, names, source = self._request, self._names, self._aside(inspection)
        undone = names.undone(request.run)
        new = sorted(content_of(inspection.live) - {INSTALL}) if inspection.live is not None else []
        # The sentinel goes first: a schema without some of its tables is not an install.
        leaving = [Move(table, names.live, undone) for table in [INSTALL, *new]]
        old = [move for move in source.moves if move.source == source.live] if source is not None else []
        returning = [Move(move.table, move.target, names.live, move.rows, move.content) for move in old]
        return Plan(
            schema=undone,
            action=RESTORE,
            method="set_aside",
            deployment=request.deployment,
            namespace=request.namespace,
            run=request.run,
            live=names.live,
            workspace=names.workspace,
            moves=tuple(leaving + returning),
            facts={**(source.facts if source is not None else {}), "set_aside": source.schema if source else None},
        )

    def _write_plan(self, inspection: Inspection) -> Plan:
        """Write all that must exist before the first table moves; the plan itself last."""
        database, live = self._database, inspection.live
        plan = self._planned(inspection)
        source = self._aside(inspection)
        if source is not None and self._request.verify_content:
            # Before anything moves: later, the new tables would be away and the old ones changed.
            old = [move for move in source.moves if move.source == source.live]
            check_content(database, source.schema, old, self._progress)
        if live is not None:
            database.create_schema(plan.schema, live.charset, live.collation)
        drop_stale(database, inspection.plans)
        write_plan(database, plan)
        return plan

    def _take_back(self, plan: Plan) -> None:
        make_moves(self._database, plan, self._progress, backwards=True)
        self._settle(plan)
        close_plan(self._database, plan, UNDONE)

    def _restore(self, plan: Plan) -> None:
        database = self._database
        make_moves(database, plan, self._progress)
        returned = [move for move in plan.moves if move.target == plan.live]
        if self._request.verify_content:
            check_content(database, plan.live, returned, self._progress)
        self._settle(plan)
        set_aside = plan.facts.get("set_aside")
        if set_aside:
            mark_plan(database, read_plan(database, set_aside), UNDONE)
        mark_plan(database, plan, DONE)

    def _settle(self, plan: Plan) -> None:
        charset = plan.facts.get("old_charset")
        if charset:
            self._database.match_charset(plan.live, charset[0], charset[1])
        self._memory.write(Remembered(REMEMBERED_UNDONE, plan.deployment, plan.run, plan.live, now()))

    def _in_place(self, inspection: Inspection, *, changes: bool) -> dict[str, Any]:
        """The old tables are in their place already; if that is unknown, the action refuses.

        A run that took a reset back and was killed after the moves has left the last steps.
        """
        if inspection.stage in (FOREIGN, MIGRATABLE):
            conditions.enforce([conditions.replaceable(inspection)], predicting=False)
        if inspection.stage in (ABSENT, EMPTY):
            conditions.enforce([nothing_aside(inspection)], predicting=False)
        left = next((plan for plan in inspection.plans if self._is_unsettled(inspection, plan)), None)
        if left is None:
            revision = inspection.revisions[0] if inspection.revisions else None
            return outcome(inspection.stage, changed=False, revision=revision)
        conditions.enforce([self._confirmed()], predicting=not changes)
        if changes:
            self._settle(left)
            close_plan(self._database, left, UNDONE)
        return {**self._result(inspection, left), "moved": 0}

    def _is_unsettled(self, inspection: Inspection, plan: Plan) -> bool:
        """Whether this is a reset that was taken back, and the memory or the character set do not show it yet."""
        if plan.action != RESET or not plan.unfinished:
            return False
        live, charset, known = inspection.live, plan.facts.get("old_charset"), self._memory.read()
        reset = (REMEMBERED, plan.run, plan.live)
        remembered = known is not None and (known.state, known.run, known.schema) == reset
        return remembered or bool(charset and live is not None and [live.charset, live.collation] != charset)

    def _result(self, inspection: Inspection, plan: Plan, checked: Sequence[Condition] = ()) -> dict[str, Any]:
        returning = [move for move in plan.moves if plan.live in (move.source, move.target) and move.content]
        taken_back = plan.action == RESET
        return outcome(
            inspection.stage,
            changed=True,
            method=plan.method,
            run=plan.run,
            revision=plan.facts.get("old_revision"),
            # New tables return to where they were built, or go to where the plan of the rollback puts them.
            set_aside=plan.workspace if taken_back else plan.schema,
            moved=inspection.moves_done if taken_back else len(plan.moves),
            tables=[{"name": move.table, "rows": move.rows, "checksum": move.content} for move in returning],
            checked=checked,
        )


@condition
def can_be_taken_back(plan: Plan) -> Condition:
    """The reset that is not finished has dropped nothing."""
    if plan.state != DROPPING:
        return Condition(HOLDS, f"run {plan.run} set the old tables aside")
    step = "let the reset finish (`state: reset`); the old rows can only be restored from the rehearsed dump"
    return Condition(REFUSED, *dropped_by(plan.run), step)


def dropped_by(run: str) -> tuple[str, str]:
    """That a reset has dropped the old tables, and what is expected instead."""
    return f"run {run} dropped the old tables (method: drop)", "old tables that were set aside"


@condition
def only_tables(inspection: Inspection, programs: Sequence[str]) -> Condition:
    """Among the new tables is nothing that a reset would refuse among the old ones.

    The server moves neither views nor tables with triggers, and everything else would stay among the old tables.
    """
    live, tables = inspection.names.live, inspection.live.tables.values() if inspection.live is not None else ()
    strange = sorted([*programs, *(str(table) for table in tables if not table.base)])
    if not strange:
        return Condition(HOLDS, f"there are only tables in schema {live}")
    return Condition(
        REFUSED,
        f"schema {live} has what Airflow never makes: {', '.join(strange)}",
        "only tables, without triggers: the server moves nothing else",
        "keep what you need of it elsewhere, drop it there, then run the same command again",
    )


@condition
def aside_whole(inspection: Inspection, source: Plan | None, schema: str, programs: Sequence[str]) -> Condition:
    """All old tables are in the schema that a finished reset has moved them to; `programs` are stored there."""
    found = inspection.schemas.get(schema)
    expected = f"all tables of the old schema in {schema}, with the plan of the reset that put them there"
    step = f"look at {schema}; without its tables, only a dump can restore the old rows (metadata_restore)"
    if source is None or found is None or source.state != DONE:
        return Condition(REFUSED, f"schema {schema} has no plan of a finished reset", expected, step)
    noted = {move.table for move in source.moves if move.source == source.live}
    if noted != content_of(found):
        different = ", ".join(sorted(noted ^ content_of(found)))
        return Condition(REFUSED, f"schema {schema} differs in {different}", expected, step)
    triggers = [program for program in programs if program.startswith("trigger ")]
    if triggers:
        problem = f"schema {schema} has {', '.join(triggers)}: the server moves no table with a trigger"
        return Condition(REFUSED, problem, expected, "drop these triggers, then run the same command again")
    return Condition(HOLDS, f"all {len(noted)} old tables are in schema {schema}")


@condition
def nothing_aside(inspection: Inspection) -> Condition:
    """No tables are set aside for a schema that has none: it was lost after a reset."""
    live = inspection.names.live
    for plan in inspection.plans:
        found = inspection.schemas.get(plan.schema)
        if plan.action == RESET and plan.state == DONE and found is not None and content_of(found):
            return Condition(
                REFUSED,
                f"schema {live} is {inspection.stage}, and {len(content_of(found))} old tables are set aside in"
                f" {plan.schema}: the new ones were lost after run {plan.run}",
                "the new tables, which make room for the old ones",
                f"restore a dump of the new tables into schema {live} (metadata_restore); or, as an administrator"
                f" of the database, rename the tables of {plan.schema} into it, except {PLAN}",
            )
    return Condition(HOLDS, "no tables are set aside")
