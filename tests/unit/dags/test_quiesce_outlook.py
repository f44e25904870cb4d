# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long running tasks still need, and whether that is within their grace period."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import itertools

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError


@pytest.fixture
def instances(deployment):
    """One task that took 50 s before and runs since 20 s, as the only one."""
    table = f"{deployment.names.live}.task_instance"
    deployment.server.as_root(f"DELETE FROM {table}")
    insert = (
        f"INSERT INTO {table} (task_id, dag_id, execution_date, state, start_date, end_date, duration, pool,"
        " pool_slots)"
        " VALUES ('say', 'p_demo_1__hello', '2026-01-01' + INTERVAL {number} DAY, '{state}',"
        " UTC_TIMESTAMP() - INTERVAL {age} SECOND, UTC_TIMESTAMP(), {duration}, 'default_pool', 1)"
    )
    numbers = itertools.count()

    def add(state, age, duration="NULL"):
        deployment.server.as_root(insert.format(number=next(numbers), state=state, age=age, duration=duration))

    add("success", 3600, 50)
    return add


@pytest.mark.parametrize(
    ("running", "needed"),
    [
        ([("running", 20)], 30.0),
        # Longer than ever before: as long again.
        ([("running", 80)], 80.0),
        # One after the other.
        ([("running", 20), ("queued", 1), ("queued", 2)], 130.0),
        ([], 0.0),
    ],
)
def test_expects_what_the_task_took_before(quiesce, instances, running, needed):
    for state, age in running:
        instances(state, age)

    outlook = quiesce.outlook()

    assert outlook.running == pytest.approx(needed, abs=2)
    assert outlook.longest == 50.0


def test_a_task_that_never_succeeded_may_take_any_time(quiesce, instances, deployment):
    instances("running", 20)
    deployment.server.as_root(f"DELETE FROM {deployment.names.live}.task_instance WHERE state = 'success'")

    outlook = quiesce.outlook()

    assert outlook.running is None
    assert not outlook.fits(86_400)


def test_what_may_start_again_has_to_fit_as_long_as_it_is_not_paused(quiesce, instances, deployment):
    instances("running", 45)

    outlook = quiesce.outlook()

    assert not outlook.fits(60)
    assert outlook.fits(60, paused=True)
    assert outlook.fits(75)
    quiesce.pause()
    assert quiesce.outlook().longest == 0.0


def test_where_nothing_runs_and_nothing_can_start_no_grace_is_needed(quiesce):
    quiesce.pause()

    assert quiesce.outlook().fits(0)


def test_does_not_wait_for_what_ends_within_the_grace(quiesce, instances):
    instances("running", 20)
    quiesce.pause()

    quiesce.wait_until_idle(5, grace_seconds=60)

    with pytest.raises(OperatorError, match="1 task instances still run"):
        quiesce.wait_until_idle(0.5, grace_seconds=20)
