# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import guard
from ..inspection import ABSENT, EMPTY, FOREIGN, INSTALLED, MIGRATABLE, MOVING, Inspection, inspect
from ..memory import INSTALLED as REMEMBERED
from ..memory import UNDONE as REMEMBERED_UNDONE
from ..memory import Remembered
from ..plan import DONE, DROPPING, RESET, RESTORE, UNDONE, Move, Plan, mark_plan, now, read_plan, write_plan
from ..schemas import INSTALL, PLAN, content_of
from .move import check_content, make_moves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._database.engine import Database
    from ..memory import Memory
    from .examination import Request


class Restore:
    """The reverse of a reset by set_aside: the old tables back in their place, the new ones kept beside.

    A reset that is half done is taken back move by move; its new tables return to the workspace.
    """

    def __init__(self, database: Database, request: Request, memory: Memory, progress: Callable[[str], None]) -> None:
        self._database, self._request, self._memory = database, request, memory
        self._progress, self._names = progress, request.names

    def predict(self) -> dict[str, Any]:
        """What `carry_out` would do, by reading only. Raises OperatorError where it would refuse even later."""
        inspection = inspect(self._database, self._names, self._request.extra_tables, self._request.owner)
        plan = inspection.begun
        if inspection.stage == MOVING and plan is not None:
            guard.enforce([self._confirmed(), self._can_be_taken_back(plan)], predicting=True)
            return self._result(inspection, plan)
        if inspection.stage != INSTALLED:
            return self._in_place(inspection, changes=False)
        findings = self._examine(inspection)
        guard.enforce(findings, predicting=True)
        return self._result(inspection, self._planned(inspection), findings)

    def carry_out(self) -> dict[str, Any]:
        database = self._database
        inspection = inspect(database, self._names, self._request.extra_tables, self._request.owner)
        plan = inspection.begun
        if inspection.stage == MOVING and plan is not None:
            guard.enforce([self._confirmed(), self._can_be_taken_back(plan)], predicting=False)
            self._alone()
            if plan.action == RESET:
                self._take_back(plan)
            else:
                self._restore(plan)
            return self._result(inspection, plan)
        if inspection.stage != INSTALLED:
            return self._in_place(inspection, changes=True)
        findings = self._examine(inspection)[:-1]
        guard.enforce(findings, predicting=False)
        self._alone()
        plan = self._write_plan(inspection)
        self._restore(plan)
        return self._result(inspection, plan, findings)

    def _confirmed(self) -> guard.Finding:
        return guard.confirmed(self._request.deployment, self._request.confirm)

    def _can_be_taken_back(self, plan: Plan) -> guard.Finding:
        name = "can_be_taken_back"
        if plan.state == DROPPING:
            return guard.Finding(
                name,
                guard.REFUSED,
                f"run {plan.run} dropped the old tables (method: drop)",
                "old tables that were set aside",
                "let the reset finish (`state: reset`); the old rows come back from the rehearsed dump only",
            )
        return guard.Finding(name, guard.HOLDS, f"run {plan.run} set the old tables aside")

    def _examine(self, inspection: Inspection) -> list[guard.Finding]:
        """The conditions; who is connected is the last of them."""
        live, install, undone = self._names.live, inspection.install, self._names.undone(self._request.run)
        rights = self._database.rights()
        involved = [live, undone, *([install.set_aside] if install is not None and install.set_aside else [])]
        findings = [
            self._confirmed(),
            guard.rights_suffice(rights, live, involved),
            guard.nothing_hidden(rights, live, there=True, dropping=False),
            self._movable(inspection),
        ]
        if install is not None and install.method == "drop":
            findings.append(
                guard.Finding(
                    "set_aside",
                    guard.REFUSED,
                    f"run {install.run} dropped the old tables (method: drop)",
                    "old tables that were set aside",
                    "restore the rehearsed dump into an empty schema with metadata_restore",
                )
            )
        elif install is not None and install.set_aside:
            findings.append(self._aside_whole(inspection, install.set_aside))
        in_the_way = inspection.in_the_way(undone)
        if in_the_way is not None:
            findings.append(
                guard.Finding(
                    "undone_free",
                    guard.REFUSED,
                    in_the_way,
                    "no such schema, or nothing in it",
                    "use another `run`",
                )
            )
        sessions = [] if inspection.live is None else self._database.wait_for_sessions([live], 0, self._progress)
        return [*findings, guard.nobody_connected(live, sessions)]

    def _movable(self, inspection: Inspection) -> guard.Finding:
        """Nothing is among the new tables that a reset would refuse among the old ones.

        The server moves neither views nor tables with triggers, and everything else would stay among the old tables.
        """
        name, live = "only_tables", self._names.live
        strange = self._database.stored_programs(live)
        if inspection.live is not None:
            strange += [str(table) for table in inspection.live.tables.values() if not table.base]
        if not strange:
            return guard.Finding(name, guard.HOLDS, f"there are only tables in schema {live}")
        return guard.Finding(
            name,
            guard.REFUSED,
            f"schema {live} has what Airflow never makes: {', '.join(sorted(strange))}",
            "only tables, without triggers: the server moves nothing else",
            "keep what you need of it elsewhere, drop it there, then run the same command again",
        )

    def _aside_whole(self, inspection: Inspection, schema: str) -> guard.Finding:
        name = "aside_whole"
        source, found = self._aside(inspection), inspection.schemas.get(schema)
        expected = f"all tables of the old schema in {schema}, with the plan of the reset that put them there"
        step = f"look at {schema}; without its tables the old rows come back from a dump only (metadata_restore)"
        if source is None or found is None or source.state != DONE:
            return guard.Finding(
                name, guard.REFUSED, f"schema {schema} has no plan of a finished reset", expected, step
            )
        noted = {move.table for move in source.moves if move.source == source.live}
        if noted != content_of(found):
            different = ", ".join(sorted(noted ^ content_of(found)))
            return guard.Finding(name, guard.REFUSED, f"schema {schema} differs in {different}", expected, step)
        triggers = [program for program in self._database.stored_programs(schema) if program.startswith("trigger ")]
        if triggers:
            return guard.Finding(
                name,
                guard.REFUSED,
                f"schema {schema} has {', '.join(triggers)}: the server moves no table with a trigger",
                expected,
                "drop what is named, then run the same command again",
            )
        return guard.Finding(name, guard.HOLDS, f"all {len(noted)} old tables are in schema {schema}")

    def _aside(self, inspection: Inspection) -> Plan | None:
        schema = inspection.install.set_aside if inspection.install is not None else ""
        return next((plan for plan in inspection.plans if schema and plan.schema == schema), None)

    def _planned(self, inspection: Inspection) -> Plan:
        request, names, source = self._request, self._names, self._aside(inspection)
        undone = names.undone(request.run)
        new = sorted(content_of(inspection.live) - {INSTALL}) if inspection.live is not None else []
        # The sentinel goes first: what is half taken away is not an install.
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
        """Everything that has to be there before the first table moves; the plan itself last."""
        database = self._database
        plan = self._planned(inspection)
        source = self._aside(inspection)
        if source is not None and self._request.verify_content:
            # Before anything moves: afterwards the new tables would be away and the old ones not what they were.
            check_content(
                database, source.schema, [move for move in source.moves if move.source == source.live], self._progress
            )
        live = inspection.live
        if live is not None:
            database.create_schema(plan.schema, live.charset, live.collation)
        for stale in inspection.plans:
            if stale.unfinished:
                database.drop_tables(stale.schema, [PLAN])
        write_plan(database, plan)
        return plan

    def _alone(self) -> None:
        sessions = self._database.wait_for_sessions(
            [self._names.live], self._request.session_timeout_seconds, self._progress
        )
        guard.enforce([guard.nobody_connected(self._names.live, sessions)], predicting=False)

    def _take_back(self, plan: Plan) -> None:
        make_moves(self._database, plan, self._progress, backwards=True)
        self._settle(plan)
        self._close(plan)

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

    def _close(self, plan: Plan) -> None:
        """Say that a reset was taken back: from now on its plan is the plan of nothing that is left to do."""
        if plan.schema == plan.workspace:
            self._database.drop_tables(plan.schema, [PLAN])
        else:
            mark_plan(self._database, plan, UNDONE)

    def _in_place(self, inspection: Inspection, *, changes: bool) -> dict[str, Any]:
        """The old tables are in their place already, or it can't be told: then it is refused.

        A run that took a reset back and died after the moves has left the last strokes.
        """
        if inspection.stage in (FOREIGN, MIGRATABLE):
            guard.enforce([guard.replaceable(inspection)], predicting=False)
        if inspection.stage in (ABSENT, EMPTY):
            guard.enforce([self._nothing_aside(inspection)], predicting=False)
        left = next((plan for plan in inspection.plans if self._is_unsettled(inspection, plan)), None)
        if left is not None:
            guard.enforce([self._confirmed()], predicting=not changes)
            if changes:
                self._settle(left)
                self._close(left)
            return {**self._result(inspection, left), "moved": 0}
        return {
            "changed": False,
            "stage": inspection.stage,
            "method": None,
            "run": None,
            "revision": inspection.revisions[0] if inspection.revisions else None,
            "set_aside": None,
            "moved": 0,
            "tables": [],
            "conditions": [],
        }

    def _nothing_aside(self, inspection: Inspection) -> guard.Finding:
        """No tables are set aside of a schema that has none: it was lost after a reset."""
        name, live = "nothing_aside", self._names.live
        for plan in inspection.plans:
            found = inspection.schemas.get(plan.schema)
            if plan.action == RESET and plan.state == DONE and found is not None and content_of(found):
                return guard.Finding(
                    name,
                    guard.REFUSED,
                    f"schema {live} is {inspection.stage}, and {len(content_of(found))} old tables are set aside in"
                    f" {plan.schema}: the new ones were lost after run {plan.run}",
                    "the new tables, which make room for the old ones",
                    f"restore a dump of the new tables into schema {live} (metadata_restore); or, as an administrator"
                    f" of the database, rename the tables of {plan.schema} into it, but for {PLAN}",
                )
        return guard.Finding(name, guard.HOLDS, "no tables are set aside")

    def _is_unsettled(self, inspection: Inspection, plan: Plan) -> bool:
        """Whether this is a reset that was taken back and has left something of itself."""
        if plan.action != RESET or not plan.unfinished:
            return False
        live, charset, known = inspection.live, plan.facts.get("old_charset"), self._memory.read()
        remembered = known is not None and (known.state, known.run, known.schema) == (
            REMEMBERED,
            plan.run,
            plan.live,
        )
        return remembered or bool(charset and live is not None and [live.charset, live.collation] != charset)

    def _result(self, inspection: Inspection, plan: Plan, findings: Sequence[guard.Finding] = ()) -> dict[str, Any]:
        returning = [move for move in plan.moves if plan.live in (move.source, move.target) and move.content]
        taken_back = plan.action == RESET
        return {
            "changed": True,
            "stage": inspection.stage,
            "method": plan.method,
            "run": plan.run,
            "revision": plan.facts.get("old_revision"),
            # New tables go back to where they were built, or to where the plan of the way back puts them.
            "set_aside": plan.workspace if taken_back else plan.schema,
            "moved": inspection.moves_done if taken_back else len(plan.moves),
            "tables": [{"name": move.table, "rows": move.rows, "checksum": move.content} for move in returning],
            "conditions": [finding.as_result() for finding in findings],
        }
