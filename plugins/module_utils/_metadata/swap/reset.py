# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reset: the new tables take the place of the old ones, once or not at all.

Setting aside (the usual method):

1. Check every condition that can be checked immediately (`conditions.py`). If one does not hold, nothing changes.
2. Wait until no other session is open on the live schema, then check every condition again.
3. Read a checksum of each old table (only with `verify: content`, which the upgrade doesn't use: it takes as long as
   reading all rows, and a move changes none).
4. Write the sentinel (table `hopsworks_airflow_install`) next to the new tables.
5. Write the plan: each table, where it is, where it goes, its checksum. It is written under another name and renamed,
   so that a plan that can be read is complete. Until the first table has moved it has no effect, and a later run
   writes another one. After that, every later reset finishes this one, and a restore takes it back.
6. Move the tables in the order of the plan, in one statement: the old ones to `<live>_before_<run>`, the new ones to
   the live schema, the sentinel last.
7. Compare the checksums of the tables that were set aside, if they were read.
8. Write the memory (a ConfigMap of the cluster), then mark the plan as done, then remove the mark of the workspace.

Dropping (`method: drop`) replaces the move of the old tables by `drop.py`: it locks them, compares their rows with
those of the dump that was rehearsed in this run, announces the drop in the plan, and drops the schema.

Guarantees:

- No table of a schema that has the sentinel is ever reset.
- Each step reads from the database whether it is done already. If a run is killed, at any moment and on any machine,
  the next one finishes it.
- Moves are made in the order of the plan. So the places of the tables show how many moves are made, also on a server
  that does not rename many tables as a whole (`plan.moves_done`).
- A server may still execute a statement of a killed run. The lock that `states.act` takes (`Database.move_lock`)
  belongs to the session that sent that statement, so the next run waits for its end.
- A table that the plan does not name is never moved, and none is dropped except under `method: drop`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._common.failure import OperatorError
from ..._database.description import Content
from .. import conditions
from ..inspection import INSTALLED, MOVING, Inspection, revisions_of
from ..memory import INSTALLED as REMEMBERED
from ..memory import Remembered
from ..plan import DONE, RESET, Move, Plan, close_plan, drop_stale, now, write_plan
from ..records import Install, write_record
from ..schemas import INSTALL, PROBE, WORKSPACE, content_of
from .drop import Drop
from .move import check_content, make_moves
from .swap import DROP, SET_ASIDE, Swap, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Reset(Swap):
    """Puts the new schema in the place of the old one if all conditions hold, once or not at all.

    If it is interrupted, another run on any machine reads from the database how far it got, and finishes.
    """

    def _act(self, *, changes: bool) -> dict[str, Any]:
        inspection = self._inspect()
        if inspection.stage == INSTALLED:
            return self._settled(inspection, changes=changes)
        if inspection.stage == MOVING and inspection.begun is not None:
            plan = inspection.begun
            self._may_finish(plan)
            if changes:
                done = f"{inspection.moves_done} of {len(plan.moves)} moves"
                self._progress(f"finishing what run {plan.run} began: {done}")
                self._wait_until_unused()
                self._replace(inspection, plan)
            return self._result(inspection, plan)
        if not changes:
            checked = self._check(inspection)
            conditions.enforce(checked, predicting=True)
            return self._result(inspection, self._planned(inspection, {}), checked)
        # First all that can be checked without waiting; then wait; then everything again, as it is by then.
        conditions.enforce(self._check(inspection, quickly=True), predicting=False)
        self._database.wait_for_sessions([self._names.live], self._request.session_timeout_seconds, self._progress)
        inspection = self._inspect()
        checked = self._check(inspection, compare=False)
        conditions.enforce(checked, predicting=False)
        plan = self._write_plan(inspection)
        # Reading all rows may have taken minutes.
        sessions = self._database.sessions_in(self._names.live)
        conditions.enforce([conditions.nobody_connected(self._names.live, sessions)], predicting=False)
        self._replace(inspection, plan)
        return self._result(inspection, plan, checked)

    def _check(
        self, inspection: Inspection, *, quickly: bool = False, compare: bool = True
    ) -> list[conditions.Condition]:
        """Check every condition of the reset, each against what the server says now.

        `quickly` omits those that may wait or read all rows: other sessions, and the rehearsed dump. Without `compare`
        the rows of the dump are not compared: the drop compares them later, where no other session can write.
        """
        database, request, names = self._database, self._request, self._names
        rights, dropping = database.rights(), request.method == DROP
        neighbours = database.neighbours(names.live, rights)
        checked = [
            self._confirmed(),
            conditions.replaceable(inspection),
            conditions.too_old_to_migrate(inspection),
            conditions.no_sentinel(inspection),
            conditions.memory_agrees(inspection, self._memory.read(), self._memory.config_map, request.namespace),
            conditions.rights_suffice(
                rights, names.live, [names.live, names.workspace, names.aside(request.run)], dropping=dropping
            ),
            conditions.workspace_complete(inspection),
            conditions.workspace_at_head(inspection, revisions_of(database, inspection.workspace)),
            conditions.nothing_hidden(rights, names.live, there=inspection.live is not None, dropping=dropping),
            conditions.no_key_from_outside(neighbours, rights.account, dropping=dropping),
            conditions.no_reader_outside(neighbours),
        ]
        if request.method == SET_ASIDE:
            checked.append(conditions.aside_free(inspection, request.run))
        if quickly:
            return checked
        if dropping:

            def live() -> dict[str, Content]:
                tables = sorted(content_of(inspection.live)) if inspection.live is not None else []
                return database.fingerprints(names.live, tables, self._progress)

            rehearsed = request.rehearsed_dump
            checked.append(conditions.dump_rehearsed(inspection, rehearsed, request.run, live if compare else None))
        # The last one: reading all rows takes minutes, in which a client may connect.
        return [*checked, conditions.nobody_connected(names.live, database.sessions_in(names.live), rights)]

    def _planned(self, inspection: Inspection, contents: Mapping[str, Content]) -> Plan:
        request, names = self._request, self._names
        old = sorted(content_of(inspection.live)) if inspection.live is not None else []
        new = sorted(content_of(inspection.workspace) - {INSTALL}) if inspection.workspace is not None else []
        aside = names.aside(request.run)

        def leaving(table: str, target: str) -> Move:
            content = contents.get(table)
            known = (content.rows, content.sum) if content is not None else (None, None)
            return Move(table, names.live, target, *known)

        # A run that finishes an interrupted drop may have only the plan to compare the remaining tables with.
        rehearsed = conditions.rehearsed_sums(request.rehearsed_dump or {})
        # The sentinel comes last: if it is there, everything is.
        arriving = [Move(table, names.workspace, names.live) for table in [*new, INSTALL]]
        setting_aside = request.method == SET_ASIDE and bool(old)
        return Plan(
            schema=aside if setting_aside else names.workspace,
            action=RESET,
            # Without old tables nothing is dropped.
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
        """Write all that must exist before the first table moves; the plan itself last."""
        database, request, names = self._database, self._request, self._names
        mark, live, workspace = inspection.mark, inspection.live, inspection.workspace
        if mark is None or workspace is None:
            raise AssertionError("a reset without a complete workspace has been refused")
        drop_stale(database, inspection.plans, names.aside(request.run))
        if live is None:
            database.create_schema(names.live, workspace.charset, workspace.collation)
        contents: dict[str, Content] = {}
        if live is not None and request.verify_content and request.method == SET_ASIDE:
            contents = database.checksums(names.live, sorted(content_of(live)), self._progress)
        plan = self._planned(inspection, contents)
        if live is not None and plan.schema != names.workspace:
            database.create_schema(plan.schema, live.charset, live.collation)
            engines = {table.storage_engine for table in live.tables.values()}
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
        write_record(database, names.workspace, install)
        write_plan(database, plan)
        return plan

    def _may_finish(self, plan: Plan) -> None:
        if plan.action != RESET:
            raise OperatorError(
                f"run {plan.run} has not finished the restore of the old tables (its plan is in {plan.schema})",
                expected="no other unfinished move",
                untouched="all tables: none was moved by this run",
                next_step="finish it with `state: restored`, then run the same command again if you still want a reset",
            )
        conditions.enforce([self._confirmed()], predicting=False)

    def _replace(self, inspection: Inspection, plan: Plan) -> None:
        """Carry a plan out from its current state to the end. Each step finds out by itself whether it is done."""
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
        close_plan(database, plan, DONE)
        self._tidy(inspection)

    def _settled(self, inspection: Inspection, *, changes: bool) -> dict[str, Any]:
        """Installed already: what remains are the last steps of a run that was killed right before its end."""
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
        return outcome(
            INSTALLED,
            changed=forgotten or leftovers,
            method=install.method,
            run=install.run,
            revision=install.revision,
            set_aside=install.set_aside or None,
        )

    def _tidy(self, inspection: Inspection) -> None:
        """Leave the workspace behind empty, without its mark."""
        if inspection.mark is not None:
            self._database.drop_tables(self._names.workspace, [WORKSPACE])

    def _result(
        self, inspection: Inspection, plan: Plan, checked: Sequence[conditions.Condition] = ()
    ) -> dict[str, Any]:
        leaving = plan.dropped or tuple(move for move in plan.moves if move.source == plan.live)
        rows = {table.name: table.rows for table in inspection.live.tables.values()} if inspection.live else {}
        counts = {move.table: move.rows if move.rows is not None else rows.get(move.table) for move in leaving}
        return outcome(
            inspection.stage,
            changed=True,
            method=plan.method,
            run=plan.run,
            revision=plan.facts.get("new_revision"),
            set_aside=plan.schema if plan.schema != plan.workspace else None,
            moved=len(plan.moves),
            tables=[{"name": move.table, "rows": counts[move.table], "checksum": move.content} for move in leaving],
            checked=checked,
        )
