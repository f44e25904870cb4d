# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the old tables are, in words: what an operator has to know after a failure, whatever ended the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .plan import RESET
from .schemas import content_of

if TYPE_CHECKING:
    from .inspection import Inspection
    from .plan import Plan
    from .records import Install


def has_moved(inspection: Inspection) -> bool:
    """Whether a table was moved or dropped, or may have been. If not, the old deployment can serve again.

    That doesn't depend on what the live schema is: also beside an empty or a strange one, whatever ran before can run.
    """
    several = inspection.begun is None and any("half done" in problem for problem in inspection.problems)
    return several or inspection.begun is not None or inspection.has_sentinel


def old_tables(inspection: Inspection) -> str:
    """What is true of the old tables."""
    live = inspection.names.live
    if inspection.begun is not None:
        plan = inspection.begun
        return _dropping(inspection, plan) if plan.dropped else _moving(inspection, plan)
    if inspection.install is not None:
        return _replaced(inspection, inspection.install)
    if has_moved(inspection):
        return f"Where the old tables of schema {live} are can't be told: {'; '.join(inspection.problems)}."
    return f"No table of schema {live} was moved or dropped."


def _dropping(inspection: Inspection, plan: Plan) -> str:
    old = {move.table for move in plan.dropped}
    beside = inspection.schemas.get(plan.workspace)
    workspace = content_of(beside) if beside is not None else frozenset()
    unmoved = {move.table for move in plan.moves} == workspace
    left = old & content_of(inspection.live) if inspection.live is not None and unmoved else set()
    gone = f"all {len(old)}" if not left else f"{len(old) - len(left)} of the {len(old)}"
    return (
        f"Run {plan.run} has dropped {gone} old tables of schema {plan.live} (method drop), and they can't be brought"
        f" back by a move: their rows are in the dump alone, {_dump(plan.facts.get('dump'))}."
    )


def _moving(inspection: Inspection, plan: Plan) -> str:
    done = inspection.moves_done
    if done is None:
        return (
            f"Run {plan.run} is half through with its moves between {plan.live}, {plan.workspace} and {plan.schema},"
            " and somebody else has moved, made or dropped tables there. Nothing was dropped by this collection."
        )
    if plan.action != RESET:
        return (
            f"Run {plan.run} is on the way back to the old tables, {done} of {len(plan.moves)} moves are made, and no"
            " table was dropped."
        )
    old = [move for move in plan.moves if move.source == plan.live]
    away = min(done, len(old))
    if away < len(old):
        return (
            f"{away} of the {len(old)} old tables are in schema {plan.schema}, the others still in {plan.live}; all of"
            " them are whole."
        )
    new = f"{done - len(old)} of {len(plan.moves) - len(old)} new ones are in their place"
    if not old:
        return f"There were no old tables; {new}."
    return f"All {len(old)} old tables are whole, in schema {plan.schema}; {new}."


def _replaced(inspection: Inspection, install: Install) -> str:
    if install.method == "drop" and not install.dump:
        # Versions before noted the method that was asked for, also where there was nothing to drop.
        return (
            f"Run {install.run} has put the new tables in their place (method drop): old rows, if there were any, are"
            f" in the dump alone, {_dump(None)}."
        )
    if install.method == "drop":
        return (
            f"Run {install.run} has dropped the old tables (method drop), and put the new ones in their place: the old"
            f" rows are in the dump alone, {_dump(install.dump)}."
        )
    if not install.set_aside:
        return f"The new tables are in schema {install.live}; there were no old ones."
    aside = inspection.schemas.get(install.set_aside)
    if aside is None:
        return f"The new tables are in their place; the old ones were in schema {install.set_aside}, which is gone."
    return f"The new tables are in their place, and {len(content_of(aside))} old ones in schema {install.set_aside}."


def _dump(path: str | None) -> str:
    return str(path) if path else "whose path is in the run's report"
