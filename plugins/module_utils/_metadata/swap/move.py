# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from .. import conditions
from ..plan import Move, Plan, moves_done
from ..schemas import PLAN

if TYPE_CHECKING:
    from ..._database.engine import Database


def make_moves(database: Database, plan: Plan, progress: Callable[[str], None], *, backwards: bool = False) -> int:
    """Make the remaining moves, or those that are made in reverse; returns how many these were.

    All of them are one statement. On most servers it is atomic. On the others, a server that is killed during it leaves
    the first few made, as the layout then shows. Raises OperatorError if no number of moves explains the layout.
    """
    involved = sorted({move.source for move in plan.moves} | {move.target for move in plan.moves})
    done = moves_done(plan.moves, database.layout_of(involved), "" if backwards else plan.live)
    if done is None:
        raise OperatorError(
            f"the tables in {', '.join(involved)} match no step of the plan in {plan.schema}",
            expected="no concurrent changes to these tables",
            untouched="the new tables; the old ones were dropped before (method drop)"
            if plan.dropped
            else "all tables: none was moved by this run",
            next_step=f"compare them with table {PLAN} in {plan.schema}, correct the differences, then run the same"
            " command again",
        )
    if backwards:
        left = [Move(move.table, move.target, move.source) for move in reversed(plan.moves[:done])]
    else:
        left = list(plan.moves[done:])
    if left:
        progress(f"moving {len(left)} tables" + (f"; {done} were moved already" if done and not backwards else ""))
        database.move_tables([(move.source, move.target, move.table) for move in left], progress)
    return len(left)


def check_content(database: Database, schema: str, expected: Sequence[Move], progress: Callable[[str], None]) -> None:
    """Compare tables with the plan. Raises OperatorError with those that differ."""
    noted = {move.table: move for move in expected if move.content is not None}
    now = database.checksums(schema, noted, progress)
    different = [
        f"{table} ({move.rows} rows, now {now[table].rows})"
        for table, move in noted.items()
        if (now[table].rows, now[table].sum) != (move.rows, move.content)
    ]
    if different:
        raise OperatorError(
            f"tables in schema {schema} have changed since they were set aside: {', '.join(different)}",
            expected="the same rows, by number and checksum",
            untouched="all tables are complete and in their places; nothing was dropped",
            next_step="find out who wrote to them; with `verify: presence` rows are not compared",
        )


def refuse_keys(database: Database, live: str) -> None:
    """Raises OperatorError if a key of another schema prevents a drop, as far as the server shows."""
    rights = database.rights()
    found = conditions.no_key_from_outside(database.neighbours(live, rights), rights.account, dropping=True)
    if found.verdict == conditions.REFUSED:
        raise OperatorError(
            found.found,
            expected=found.expected,
            untouched="all tables that are there; the new ones are complete, in the workspace",
            next_step=f"{found.next_step.partition(', or')[0]}, then run the same command again",
        )
