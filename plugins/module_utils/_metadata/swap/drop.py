# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from ..._database.description import Content
from .. import conditions
from ..plan import DROPPING, PLANNED, Plan, mark_plan
from ..schemas import BOOKKEEPING, INSTALL, PLAN, content_of
from .move import refuse_keys
from .swap import DROP, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..._database.engine import Database
    from ..inspection import Inspection


class Drop:
    """Drops the old schema by a plan, if it has exactly the rows of the rehearsed dump.

    Comparing them takes minutes, so the tables are locked meanwhile, until right before the drop.
    """

    def __init__(
        self,
        database: Database,
        request: Request,
        inspect: Callable[[], Inspection],
        progress: Callable[[str], None],
    ) -> None:
        self._database, self._request = database, request
        self._inspect, self._progress = inspect, progress

    def carry_out(self, plan: Plan) -> Plan:
        """Drop the schema. The tables that an interrupted drop has left are dropped one by one."""
        database = self._database
        inspection = self._inspect()
        arriving = {move.table for move in plan.moves}
        unmoved = inspection.workspace is not None and content_of(inspection.workspace) == arriving
        if unmoved:
            refuse_keys(database, plan.live)
        if plan.state == PLANNED:
            self._progress(f"comparing {len(plan.dropped)} tables with the dump, then dropping schema {plan.live}")
            try:
                # A client that connects while the rows are read waits for the locks, and is seen before they end.
                with database.locked(plan.live, [move.table for move in plan.dropped]):
                    self._enforce_alone(plan, self._dump_rehearsed(inspection, plan))
                # Not earlier: a run that ends before this leaves only a plan, and the old Airflow continues.
                plan = mark_plan(database, plan, DROPPING)
                database.drop_schema(plan.live)
            except OperatorError:
                self._withdraw(plan)
                raise
        elif unmoved and inspection.live is not None:
            left = content_of(inspection.live)
            if not left <= {move.table for move in plan.dropped}:
                raise OperatorError(
                    f"the drop of schema {plan.live} is not finished, and the schema has new tables:"
                    f" {', '.join(sorted(left - {move.table for move in plan.dropped}))}",
                    expected="only tables that the plan names",
                    untouched="all tables that are there",
                    next_step="find out who made them, move them elsewhere, then run the same command again",
                )
            if left:
                with database.locked(plan.live, sorted(left)):
                    self._refuse_other_rows(plan, left)
                    self._enforce_alone(plan)
                database.drop_unreferenced(plan.live, left)
        charset, collation = plan.facts["new_charset"]
        database.create_schema(plan.live, charset, collation)
        return plan

    def _enforce_alone(self, plan: Plan, *checked: conditions.Condition) -> None:
        sessions = self._database.sessions_in(plan.live)
        conditions.enforce([*checked, conditions.nobody_connected(plan.live, sessions)], predicting=False)

    def _dump_rehearsed(self, inspection: Inspection, plan: Plan) -> conditions.Condition:
        """Whether the dump holds the rows that are in the tables now, all of which are locked."""
        database, request = self._database, self._request
        known = sorted(move.table for move in plan.dropped)

        def live() -> dict[str, Content]:
            contents = database.fingerprints(plan.live, known, self._progress)
            # A table that was made in the meantime is in no dump, and not locked.
            others = database.layout_of([plan.live])[plan.live] - BOOKKEEPING - set(known)
            return contents | dict.fromkeys(sorted(others), Content(0, ""))

        return conditions.dump_rehearsed(inspection, request.rehearsed_dump, request.run, live)

    def _withdraw(self, plan: Plan) -> None:
        """Withdraw the announcement of a drop if no table is gone: the old Airflow continues and changes its rows."""
        with contextlib.suppress(OperatorError):  # the session may be gone; the next run reads the tables again
            inspection = self._inspect()
            left = content_of(inspection.live) if inspection.live is not None else frozenset()
            if {move.table for move in plan.dropped} <= left:
                self._database.drop_tables(plan.workspace, [PLAN, INSTALL])

    def _refuse_other_rows(self, plan: Plan, left: Collection[str]) -> None:
        """Raises OperatorError if the tables that a drop has left must not be dropped, or differ from the dump.

        The sums of the dump are in the plan, because the run that continues has no dump. Plans of earlier versions have
        no sums.
        """
        request = self._request
        unfinished = f"run {plan.run} has not finished the drop of schema {plan.live}"
        found = f"{unfinished}, {len(left)} of {len(plan.dropped)} tables are left"
        dump = plan.facts.get("dump") or f"the dump of run {plan.run}"
        sums = {move.table: move.content for move in plan.dropped if move.content is not None}
        rehearsed = request.rehearsed_dump or {}
        if not sums and (rehearsed.get("database"), rehearsed.get("run")) == (plan.live, plan.run):
            sums = conditions.rehearsed_sums(rehearsed)
        if request.method != DROP:
            found, step = (
                f"{found}, and this run has method {request.method}",
                " run it with airflow_reset_method: drop",
            )
        elif not sums:
            found += ", and neither its plan nor this run has the sums of its dump"
            step = (
                f", as an administrator of the database, check that {dump} is complete, drop schema {plan.live}, then"
                " run the same command again"
            )
        else:
            now = self._database.fingerprints(plan.live, sorted(left), self._progress)
            different = sorted(table for table, content in now.items() if sums.get(table) != content.sum)
            if not different:
                return
            found = f"{unfinished}, and these tables have changed since then: {', '.join(different)}"
            step = (
                " find out who wrote there, and keep the rows; then change the tables back to those of the dump, or"
                " restore the dump"
            )
        raise OperatorError(
            found,
            expected=f"airflow_reset_method drop, and rows that are in {dump}",
            untouched=f"the {len(left)} tables that are left in schema {plan.live}, and the new ones in the workspace",
            # First, because the other advice would be wrong then.
            next_step="if the old Airflow was started since then, it dropped the missing tables itself, and this drop"
            f" had not begun: drop table {plan.schema}.{PLAN}, then run the same command again; otherwise{step}",
        )
