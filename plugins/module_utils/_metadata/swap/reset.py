# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reset: the new tables take the place of the old ones, once or not at all.

Setting aside (the usual method):

1. Check every condition that can be checked at once (`guard.py`). Nothing is changed if one does not hold.
2. Wait until nobody else is connected to the live schema, then check every condition again.
3. Read a checksum of each old table.
4. Write the sentinel (table `hopsworks_airflow_install`) beside the new tables.
5. Write the plan: each table, where it is, where it goes, and its checksum. The plan is written under another name and
   renamed, so that a plan that can be read is complete. It is the point of no return: from here on a later run
   finishes the reset instead of starting one.
6. Move the tables in the order of the plan, in one statement: the old ones to `<live>_before_<run>`, the new ones to
   the live schema, the sentinel last.
7. Compare the checksums of the tables that were set aside.
8. Write the memory (a ConfigMap of the cluster), then mark the plan as done, then remove the mark of the workspace.

Dropping (`method: drop`) replaces the move of the old tables by `drop.py`: it locks them, compares their rows with
those of the dump that was rehearsed in this run, announces the drop in the plan, and drops the schema.

Guarantees:

- No table of a schema that has the sentinel is ever reset.
- Each step finds out from the database whether it has been done. A run that was killed, at any moment and on any
  machine, is finished by the next one.
- Moves are made in the order of the plan. So the number of moves that have been made can be told from where the tables
  are now, also on a server that does not rename many tables as a whole (`plan.moves_done`).
- A server may still be carrying out a statement of a killed run. The lock that every reset holds (`Database.alone`)
  belongs to the session that sent that statement, so the next run waits for its end.
- A table that the plan does not name is never moved, and none is dropped except under `method: drop`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._common.failure import OperatorError
from ..._database.description import Content
from .. import guard
from ..inspection import INSTALLED, MOVING, Inspection, inspect
from ..memory import INSTALLED as REMEMBERED
from ..memory import Remembered
from ..plan import DONE, RESET, UNDONE, Move, Plan, mark_plan, now, write_plan
from ..records import Install, write_install
from ..schemas import INSTALL, PLAN, PROBE, WORKSPACE, content_of
from .drop import Drop
from .examination import DROP, SET_ASIDE, Request, examine, nobody_connected
from .move import check_content, make_moves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..._database.engine import Database
    from ..memory import Memory


class Reset:
    """Puts the new schema in the place of the old one, behind the guard, once or not at all.

    Whatever ends it in between, another run on any machine reads from the database how far it got, and finishes.
    """

    def __init__(self, database: Database, request: Request, memory: Memory, progress: Callable[[str], None]) -> None:
        self._database, self._request, self._memory = database, request, memory
        self._progress, self._names = progress, request.names

    def predict(self) -> dict[str, Any]:
        """What `carry_out` would do, by reading only. Raises OperatorError where it would refuse even later."""
        inspection = self._inspect()
        if inspection.stage == INSTALLED:
            return self._settled(inspection, changes=False)
        if inspection.stage == MOVING and inspection.begun is not None:
            self._may_finish(inspection.begun)
            return self._result(inspection, inspection.begun, changed=True)
        findings = self._examine(inspection)
        guard.enforce(findings, predicting=True)
        return self._result(inspection, self._planned(inspection, {}), changed=True, findings=findings)

    def carry_out(self) -> dict[str, Any]:
        inspection = self._inspect()
        if inspection.stage == INSTALLED:
            return self._settled(inspection, changes=True)
        if inspection.stage == MOVING and inspection.begun is not None:
            plan = inspection.begun
            self._may_finish(plan)
            self._progress(f"finishing what run {plan.run} began: {inspection.moves_done} of {len(plan.moves)} moves")
            sessions = self._database.wait_for_sessions(
                [self._names.live], self._request.session_timeout_seconds, self._progress
            )
            guard.enforce([guard.nobody_connected(self._names.live, sessions)], predicting=False)
            self._replace(inspection, plan)
            return self._result(inspection, plan, changed=True)
        # All that can be known without waiting first; then wait; then everything once more, as it is by then.
        guard.enforce(self._examine(inspection, quickly=True), predicting=False)
        self._database.wait_for_sessions([self._names.live], self._request.session_timeout_seconds, self._progress)
        inspection = self._inspect()
        findings = self._examine(inspection, compare=False)
        guard.enforce(findings, predicting=False)
        plan = self._write_plan(inspection)
        # Reading all rows may have taken minutes.
        guard.enforce([nobody_connected(self._database, self._names.live)], predicting=False)
        self._replace(inspection, plan)
        return self._result(inspection, plan, changed=True, findings=findings)

    def _inspect(self) -> Inspection:
        return inspect(self._database, self._names, self._request.extra_tables, self._request.owner)

    def _examine(self, inspection: Inspection, *, quickly: bool = False, compare: bool = True) -> list[guard.Finding]:
        return examine(
            self._database,
            self._request,
            inspection,
            self._memory,
            self._progress,
            quickly=quickly,
            compare=compare,
        )

    def _planned(self, inspection: Inspection, contents: Mapping[str, Content]) -> Plan:
        request, names = self._request, self._names
        old = sorted(content_of(inspection.live)) if inspection.live is not None else []
        new = sorted(content_of(inspection.workspace) - {INSTALL}) if inspection.workspace is not None else []
        aside = names.aside(request.run)

        def leaving(table: str, target: str) -> Move:
            content = contents.get(table)
            known = (content.rows, content.sum) if content is not None else (None, None)
            return Move(table, names.live, target, *known)

        # Whoever finishes an interrupted drop may have nothing but the plan to compare what is left with.
        rehearsed = guard.rehearsed_sums(request.rehearsed_dump or {})
        # The sentinel comes last: where it is, everything is.
        arriving = [Move(table, names.workspace, names.live) for table in [*new, INSTALL]]
        setting_aside = request.method == SET_ASIDE and bool(old)
        return Plan(
            schema=aside if setting_aside else names.workspace,
            action=RESET,
            # Where there is nothing old, nothing is dropped.
            method=request.method if old else SET_ASIDE,
            deployment=request.deployment,
            namespace=request.namespace,
            run=request.run,
            live=names.live,
            workspace=names.workspace,
            moves=tuple([leaving(table, aside) for table in old] if setting_aside else []) + tuple(arriving),
            dropped=tuple(Move(table, names.live, "", None, rehearsed.get(table)) for table in old)
            if request.method == DROP
            else (),
            facts=self._facts(inspection),
        )

    def _facts(self, inspection: Inspection) -> dict[str, Any]:
        live, workspace = inspection.live, inspection.workspace
        dump = self._request.rehearsed_dump if self._request.method == DROP else None
        return {
            "dump": dump.get("path") if dump else None,
            "old_revision": inspection.revisions[0] if inspection.revisions else None,
            "new_revision": inspection.mark.revision if inspection.mark is not None else None,
            "old_charset": [live.charset, live.collation] if live is not None else None,
            "new_charset": [workspace.charset, workspace.collation] if workspace is not None else None,
        }

    def _write_plan(self, inspection: Inspection) -> Plan:
        """Everything that has to be there before the first table moves; the plan itself last."""
        database, request, names = self._database, self._request, self._names
        mark, live, workspace = inspection.mark, inspection.live, inspection.workspace
        if mark is None or workspace is None:
            raise AssertionError("the guard lets nobody through without a complete workspace")
        for stale in inspection.plans:
            # A plan of which nothing was done, or all was undone, is in nobody's way any more.
            if stale.unfinished or (stale.state == UNDONE and stale.schema == names.aside(request.run)):
                database.drop_tables(stale.schema, [PLAN])
        if live is None:
            database.create_schema(names.live, workspace.charset, workspace.collation)
        contents: dict[str, Content] = {}
        if live is not None and request.verify_content and request.method == SET_ASIDE:
            contents = database.checksums(names.live, sorted(content_of(live)), self._progress)
        plan = self._planned(inspection, contents)
        if live is not None and plan.schema != names.workspace:
            database.create_schema(plan.schema, live.charset, live.collation)
            engines = {table.engine for table in live.tables.values()}
            database.probe_move(names.workspace, plan.schema, PROBE, engines)
        install = Install(
            deployment=request.deployment,
            namespace=request.namespace,
            live=names.live,
            run=request.run,
            installed_at=now(),
            image=request.image or mark.image,
            revision=mark.revision,
            method=plan.method,
            set_aside=plan.schema if plan.schema != names.workspace else "",
            dump=plan.facts["dump"] or "",
        )
        write_install(database, names.workspace, install)
        write_plan(database, plan)
        return plan

    def _may_finish(self, plan: Plan) -> None:
        request = self._request
        if plan.action != RESET:
            raise OperatorError(
                f"run {plan.run} was going back to the old tables and is half done (its plan is in {plan.schema})",
                expected="no other move under way",
                untouched="all tables: none was moved by this run",
                next_step="finish it with `state: restored`, then decide again",
            )
        guard.enforce([guard.confirmed(request.deployment, request.confirm)], predicting=False)

    def _replace(self, inspection: Inspection, plan: Plan) -> None:
        """From wherever it stands to the end. Every step finds out by itself whether it is done."""
        database = self._database
        if plan.dropped:
            plan = Drop(database, self._request, self._inspect, self._progress).carry_out(plan)
        make_moves(database, plan, self._progress)
        leaving = [move for move in plan.moves if move.source == plan.live]
        if leaving and self._request.verify_content:
            check_content(database, plan.schema, leaving, self._progress)
        charset = plan.facts.get("new_charset")
        if charset:
            database.match_charset(plan.live, charset[0], charset[1])
        self._memory.write(Remembered(REMEMBERED, plan.deployment, plan.run, plan.live, now()))
        if plan.schema == plan.workspace:
            database.drop_tables(plan.schema, [PLAN])
        else:
            mark_plan(database, plan, DONE)
        self._tidy(inspection)

    def _settled(self, inspection: Inspection, *, changes: bool) -> dict[str, Any]:
        """Installed already: nothing to do, but for the last strokes of a run that died right before its end."""
        install = inspection.install
        if install is None:
            raise AssertionError("a schema without a sentinel that can be read is not installed")
        remembered = self._memory.read()
        forgotten = remembered is None or remembered.state != REMEMBERED or remembered.schema != self._names.live
        leftovers = (
            inspection.workspace is not None
            and inspection.workspace_state == "complete"
            and not content_of(inspection.workspace)
        )
        if changes and forgotten:
            self._memory.write(Remembered(REMEMBERED, install.deployment, install.run, self._names.live, now()))
        if changes and leftovers:
            self._tidy(inspection)
        return {
            "changed": forgotten or leftovers,
            "stage": INSTALLED,
            "method": install.method,
            "run": install.run,
            "revision": install.revision,
            "set_aside": install.set_aside or None,
            "moved": 0,
            "tables": [],
            "conditions": [],
        }

    def _tidy(self, inspection: Inspection) -> None:
        """The workspace stays behind empty: its mark is the last to go."""
        if inspection.mark is not None:
            self._database.drop_tables(self._names.workspace, [WORKSPACE])

    def _result(
        self, inspection: Inspection, plan: Plan, *, changed: bool, findings: list[guard.Finding] | None = None
    ) -> dict[str, Any]:
        leaving = plan.dropped or tuple(move for move in plan.moves if move.source == plan.live)
        rows = {table.name: table.rows for table in inspection.live.tables.values()} if inspection.live else {}
        return {
            "changed": changed,
            "stage": inspection.stage,
            "method": plan.method,
            "run": plan.run,
            "revision": plan.facts.get("new_revision"),
            "set_aside": plan.schema if plan.schema != plan.workspace else None,
            "moved": len(plan.moves),
            "tables": [
                {
                    "name": move.table,
                    "rows": move.rows if move.rows is not None else rows.get(move.table),
                    "checksum": move.content,
                }
                for move in leaving
            ],
            "conditions": [finding.as_result() for finding in findings or []],
        }
