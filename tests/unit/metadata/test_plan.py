# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.plan import (
    DONE,
    Move,
    Plan,
    mark_plan,
    moves_done,
    read_plan,
    write_plan,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PAUSED, PLAN, WORKSPACE

ALPHABET = ["dag", "dag_run", "log", "xcom", "job", "alembic_version", "variable"]


def moves_of(old, new):
    """Those of a set_aside: old tables out, new ones in."""
    return [Move(table, "live", "aside") for table in old] + [Move(table, "beside", "live") for table in new]


def layout_after(moves, done):
    layout = {"live": set(), "beside": set(), "aside": set()}
    for move in moves:
        layout[move.source].add(move.table)
    for move in moves[:done]:
        layout[move.source].remove(move.table)
        layout[move.target].add(move.table)
    return {schema: frozenset(tables) for schema, tables in layout.items()}


@pytest.mark.parametrize("seed", range(50))
def test_every_prefix_is_told_apart_and_nothing_else_is_taken_for_one(seed):
    chance = random.Random(seed)  # noqa: S311
    old, new = chance.sample(ALPHABET, chance.randint(1, 7)), chance.sample(ALPHABET, chance.randint(1, 7))
    moves = moves_of(old, new)
    layouts = [layout_after(moves, done) for done in range(len(moves) + 1)]
    assert [moves_done(moves, layout) for layout in layouts] == list(range(len(moves) + 1))

    for layout in layouts:
        schema = chance.choice(list(layout))
        stranger = {**layout, schema: layout[schema] | {"orders"}}
        assert moves_done(moves, stranger) is None
        if layout[schema]:
            missing = {**layout, schema: layout[schema] - {chance.choice(sorted(layout[schema]))}}
            assert moves_done(moves, missing) is None
        # Made by whatever was started on the new tables, when all of them were there.
        started = {**layout, "live": layout["live"] | {"orders", old[0]}}
        is_last = layout == layouts[-1]
        expected = len(moves) if is_last and started != layout else layouts.index(layout) if started == layout else None
        assert moves_done(moves, started, "live") == expected


def test_our_own_bookkeeping_is_in_nobodys_way():
    moves = moves_of(["dag"], ["dag"])
    layout = {
        **layout_after(moves, 1),
        "aside": frozenset({"dag", PLAN}),
        "beside": frozenset({"dag", PAUSED, WORKSPACE}),
    }

    assert moves_done(moves, layout) == 1


def test_a_schema_that_is_gone_counts_as_empty():
    assert moves_done(moves_of([], ["dag"]), {"beside": frozenset({"dag"})}) == 0


@pytest.fixture
def plan(server, bare):
    bare.make_empty()
    return Plan(
        schema=bare.names.live,
        action="reset",
        method="set_aside",
        deployment="demo ✓",
        namespace="hopsworks",
        run="20261122t030000",
        live=bare.names.live,
        workspace=bare.names.workspace,
        moves=(Move("dag", "live", "aside", 12, "3817263541"), Move("däg `x`", "beside", "live")),
        dropped=(Move("log", "live", "", 3, "1"),),
        facts={"old_charset": ["latin1", "latin1_swedish_ci"], "new_revision": None},
    )


def test_a_plan_is_read_as_it_was_written(database, plan):
    write_plan(database, plan)
    assert read_plan(database, plan.schema) == plan

    assert mark_plan(database, plan, DONE) == read_plan(database, plan.schema)
    assert not read_plan(database, plan.schema).unfinished


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM {plan}",
        "DELETE FROM {plan} WHERE position = 0",
        "UPDATE {plan} SET detail = '{{}}' WHERE position = 0",
        "UPDATE {plan} SET detail = 'not JSON' WHERE position = 0",
        "UPDATE {plan} SET detail = REPLACE(detail, '\"format\": 2', '\"format\": 99') WHERE position = 0",
    ],
)
def test_a_plan_that_cannot_be_understood_is_not_guessed_at(database, plan, damage):
    write_plan(database, plan)
    database.execute(damage.format(plan=quoted(plan.schema, PLAN)))

    with pytest.raises(OperatorError, match="is not a plan that this version wrote"):
        read_plan(database, plan.schema)


def test_a_draft_left_by_a_killed_run_is_replaced(database, plan):
    database.execute(f"CREATE TABLE {quoted(plan.schema, 'hopsworks_airflow_plan_draft')} (id INT)")

    write_plan(database, plan)

    assert read_plan(database, plan.schema) == plan
