# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from ..._database.description import Content
from .. import guard
from ..plan import DROPPING, PLANNED, Plan, mark_plan
from ..schemas import BOOKKEEPING, INSTALL, PLAN, content_of
from .examination import DROP, Request, nobody_connected
from .move import refuse_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ..._database.engine import Database
    from ..inspection import Inspection


class Drop:
    """Drops the old schema by a plan, with the rows that the rehearsed dump has and no others.

    Comparing them takes minutes. So the tables are locked meanwhile, until right before the drop.
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
        """The one drop of a schema. What an interrupted one has left over is dropped table by table."""
        database = self._database
        inspection = self._inspect()
        arriving = {move.table for move in plan.moves}
        unmoved = inspection.workspace is not None and content_of(inspection.workspace) == arriving
        if unmoved:
            refuse_keys(database, plan.live)
        if plan.state == PLANNED:
            self._progress(f"comparing {len(plan.dropped)} tables with the dump, then dropping schema {plan.live}")
            try:
                # Whoever comes while the rows are read waits for the locks, and is seen before they are given back.
                with database.locked(plan.live, [move.table for move in plan.dropped]):
                    guard.enforce(
                        [self._dump_rehearsed(inspection, plan), nobody_connected(database, plan.live)],
                        predicting=False,
                    )
                # Not before: until here whatever ends the run leaves nothing but a plan, and the old Airflow goes on.
                plan = mark_plan(database, plan, DROPPING)
                database.drop_schema(plan.live)
            except OperatorError:
                self._withdraw(plan)
                raise
        elif unmoved and inspection.live is not None:
            left = content_of(inspection.live)
            if not left <= {move.table for move in plan.dropped}:
                raise OperatorError(
                    f"schema {plan.live} was being dropped, and now has tables it did not have:"
                    f" {', '.join(sorted(left - {move.table for move in plan.dropped}))}",
                    expected="only tables that the plan names",
                    untouched="all tables that are there",
                    next_step="find out who made them, move them elsewhere, run the same command again",
                )
            if left:
                with database.locked(plan.live, sorted(left)):
                    self._refuse_other_rows(plan, left)
                    guard.enforce([nobody_connected(database, plan.live)], predicting=False)
                database.drop_unreferenced(plan.live, left)
        charset, collation = plan.facts["new_charset"]
        database.create_schema(plan.live, charset, collation)
        return plan

    def _dump_rehearsed(self, inspection: Inspection, plan: Plan) -> guard.Finding:
        """Whether the dump holds what is in the tables now, all of which are locked."""
        database, request = self._database, self._request
        known = sorted(move.table for move in plan.dropped)

        def live() -> dict[str, Content]:
            contents = database.fingerprints(plan.live, known, self._progress)
            # A table that was made meanwhile is in no dump, and not locked.
            others = database.layout_of([plan.live])[plan.live] - BOOKKEEPING - set(known)
            return contents | dict.fromkeys(sorted(others), Content(0, ""))

        return guard.dump_rehearsed(inspection, request.rehearsed_dump, request.run, live)

    def _withdraw(self, plan: Plan) -> None:
        """Take the announcement of a drop back where no table is gone: the old Airflow goes on, and so do its rows."""
        with contextlib.suppress(OperatorError):  # the session is gone: then the next run finds the tables as they are
            inspection = self._inspect()
            left = content_of(inspection.live) if inspection.live is not None else frozenset()
            if {move.table for move in plan.dropped} <= left:
                self._database.drop_tables(plan.workspace, [PLAN, INSTALL])

    def _refuse_other_rows(self, plan: Plan, left: Collection[str]) -> None:
        """Raises OperatorError where what a drop has left isn't to be dropped, or isn't what the dump has.

        The sums of the dump are in the plan: the run that goes on has no dump. Plans of versions before have none.
        """
        request = self._request
        found = f"run {plan.run} was dropping schema {plan.live}, {len(left)} of {len(plan.dropped)} tables are left"
        dump = plan.facts.get("dump") or f"the dump of run {plan.run}"
        expected = f"airflow_reset_method drop, and rows that are in {dump}"
        untouched = (
            f"the {len(left)} tables that are left in schema {plan.live}, and the new ones, in the schema beside"
        )
        # First, because what else is advised would be wrong then.
        unless_begun = (
            "if the old Airflow has run since then, it was itself that dropped the others, and no drop had begun: drop"
            f" table {plan.schema}.{PLAN}, then run the same command again; else"
        )
        if request.method != DROP:
            raise OperatorError(
                f"{found}, and this run has method {request.method}",
                expected=expected,
                untouched=untouched,
                next_step=f"{unless_begun} run it with airflow_reset_method: drop",
            )
        sums = {move.table: move.content for move in plan.dropped if move.content is not None}
        rehearsed = request.rehearsed_dump or {}
        if not sums and (rehearsed.get("database"), rehearsed.get("run")) == (plan.live, plan.run):
            sums = guard.rehearsed_sums(rehearsed)
        if not sums:
            raise OperatorError(
                f"{found}, and neither its plan nor this run has the sums of its dump",
                expected=expected,
                untouched=untouched,
                next_step=f"{unless_begun}, as an administrator of the database, see that {dump} is whole,"
                f" drop schema {plan.live}, then run the same command again",
            )
        now = self._database.fingerprints(plan.live, sorted(left), self._progress)
        different = sorted(table for table, content in now.items() if sums.get(table) != content.sum)
        if different:
            raise OperatorError(
                f"run {plan.run} was dropping schema {plan.live}, and since then these tables were written to:"
                f" {', '.join(different)}",
                expected=expected,
                untouched=untouched,
                next_step=f"{unless_begun} find out who wrote there, and keep the rows; then make the tables what they"
                " are in the dump, or restore the dump",
            )
