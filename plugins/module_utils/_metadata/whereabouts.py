# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the old tables are, in words, as an operator must know it after any failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .inspection import SEVERAL_MOVES
from .plan import RESET
from .schemas import content_of

if TYPE_CHECKING:
    from .inspection import Inspection
    from .plan import Plan
    from .records import Install


def has_moved(inspection: Inspection) -> bool:
    """Whether a table was moved or dropped, or may have been. If not, the old deployment can serve again.

    The content of the live schema does not matter: what ran with an empty or a foreign one can run again.
    """
    several = inspection.begun is None and any(SEVERAL_MOVES in problem for problem in inspection.problems)
    return several or inspection.begun is not None or inspection.has_sentinel


def old_tables(inspection: Inspection) -> str:
    """Where they are, and which were dropped."""
    live = inspection.names.live
    if inspection.begun is not None:
        plan = inspection.begun
        return _dropping(inspection, plan) if plan.dropped else _moving(inspection, plan)
    if inspection.install is not None:
        return _replaced(inspection, inspection.install)
    if has_moved(inspection):
        return f"It is unknown where the old tables of schema {live} are: {'; '.join(inspection.problems)}."
    return f"No table of schema {live} was moved or dropped."


def _dropping(inspection: Inspection, plan: Plan) -> str:
    old = {move.table for move in plan.dropped}
    schema = inspection.schemas.get(plan.workspace)
    workspace = content_of(schema) if schema is not None else frozenset()
    unmoved = {move.table for move in plan.moves} == workspace
    left = old & content_of(inspection.live) if inspection.live is not None and unmoved else set()
    gone = f"all {len(old)}" if not left else f"{len(old) - len(left)} of the {len(old)}"
    return (
        f"Run {plan.run} has dropped {gone} old tables of schema {plan.live} (method drop), and no move can restore"
        f" them: only the dump has their rows, {_dump(plan.facts.get('dump'))}."
    )


def _moving(inspection: Inspection, plan: Plan) -> str:
    done = inspection.moves_done
    if done is None:
        return (
            f"Run {plan.run} has not finished its moves between {plan.live}, {plan.workspace} and {plan.schema}, and"
            " something else has moved, made or dropped tables there. This collection has dropped nothing."
        )
    if plan.action != RESET:
        return (
            f"Run {plan.run} has not finished the restore of the old tables: {done} of {len(plan.moves)} moves are"
            " made, and no table was dropped."
        )
    old = [move for move in plan.moves if move.source == plan.live]
    away = min(done, len(old))
    if away < len(old):
        return (
            f"{away} of the {len(old)} old tables are in schema {plan.schema}, the others still in {plan.live}; all of"
            " them are complete."
        )
    new = f"{done - len(old)} of {len(plan.moves) - len(old)} new ones are in their place"
    if not old:
        return f"There were no old tables; {new}."
    return f"All {len(old)} old tables are complete, in schema {plan.schema}; {new}."


def _replaced(inspection: Inspection, install: Install) -> str:
    if install.method == "drop" and not install.dump:
        # Earlier versions recorded the requested method, also if there was nothing to drop.
        return (
            f"Run {install.run} has put the new tables in their place (method drop): if there were old rows, only the"
            f" dump has them, {_dump(None)}."
        )
    if install.method == "drop":
        return (
            f"Run {install.run} has dropped the old tables (method drop), and put the new ones in their place: only the"
            f" dump has the old rows, {_dump(install.dump)}."
        )
    if not install.set_aside:
        return f"The new tables are in schema {install.live}; there were no old ones."
    aside = inspection.schemas.get(install.set_aside)
    if aside is None:
        return f"The new tables are in their place; the old ones were in schema {install.set_aside}, which is gone."
    return f"The new tables are in their place, and {len(content_of(aside))} old ones in schema {install.set_aside}."


def _dump(path: str | None) -> str:
    return str(path) if path else "whose path is in the run's report"
