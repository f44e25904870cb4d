# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-playbook is killed at named steps of an upgrade, with all its processes, and the same command is run again.

Whatever the steps, the old tables are complete in one place or the other, no database is dropped that should not be,
and the last run completes and leaves nothing of the others behind.
"""

from __future__ import annotations

import pytest
from bed import Bed
from promises import PAUSE, UNPAUSE, UPGRADE, completes, nothing_is_left_behind, old_deployment, set_aside_completes
from steps import Faults

SNAPSHOT = r"^http PUT /webhdfs/v1/airflow-snapshots/\S*"
BUILT = r"^sql UPDATE `airflow_beside`\.`hopsworks_airflow_workspace` SET state"
DEPLOYMENTS = r"/namespaces/hopsworks/deployments"
# Where it is killed: before or after which step. The cut-over is hit most often, since it must never break.
STEPS = [
    ("a file of the snapshot is written", "after", SNAPSHOT + r"\.py CREATE$"),
    ("the snapshot is complete", "before", SNAPSHOT + r"/manifest\.jsonl\.unfinished RENAME$"),
    ("the dump gets its name", "after", r"^file \S+\.sql\.gz\.part becomes \S+\.sql\.gz$"),
    ("the rehearsed tables are dropped", "before", r"^sql DROP TABLE `airflow_rehearsal`\.`ab_"),
    ("a Secret is written", "after", r"^http POST /api/v1/namespaces/hopsworks/secrets$"),
    ("the migration begins", "after", r"^http POST /apis/batch/v1/namespaces/hopsworks/jobs$"),
    ("the new schema is complete", "before", BUILT),
    ("DAGs are paused", "before", PAUSE),
    ("DAGs are paused", "after", PAUSE),
    ("the scheduler stops", "after", rf"^http PATCH \S+{DEPLOYMENTS}/airflow-scheduler$"),
    ("DAGs are unpaused in the old tables", "after", UNPAUSE),
    ("the UI stops", "after", rf"^http PATCH \S+{DEPLOYMENTS}/airflow-webserver$"),
    ("the plan gets its name", "before", r"^sql RENAME TABLE \S+`hopsworks_airflow_plan_draft`"),
    ("the plan gets its name", "after", r"^sql RENAME TABLE \S+`hopsworks_airflow_plan_draft`"),
    ("the tables move", "before", r"^sql RENAME TABLE `airflow`\."),
    ("the tables move", "after", r"^sql RENAME TABLE `airflow`\."),
    ("the plan is done", "before", r"^sql UPDATE \S+`hopsworks_airflow_plan` SET detail"),
    ("the mark of the new schema goes", "after", r"^sql DROP TABLE `airflow_beside`\.`hopsworks_airflow_workspace`"),
    ("an old Deployment goes", "after", rf"^http DELETE \S+{DEPLOYMENTS}/airflow-"),
    ("a new Deployment comes", "after", rf"^http PATCH \S+{DEPLOYMENTS}/airflow-scheduler$"),
    ("the canary DAG is triggered", "after", r"^http POST \S+/dagRuns$"),
]


# An upgrade is killed at every second of them, one after the other, so that each step is interrupted once and each
# upgrade often.
CHAINS = 2


@pytest.mark.parametrize("chain", range(CHAINS))
def test_set_aside_completes_however_often_it_is_killed(bed: Bed, faults: Faults, chain: int) -> None:
    history = old_deployment(bed)
    for name, when, pattern in STEPS[chain::CHAINS]:
        print(f"killed {when} {name}")
        faults.killed(UPGRADE, when=when, pattern=pattern)
        assert bed.dropped_databases() == []
    set_aside_completes(bed, history)


DROP = ("-e", "airflow_reset_method=drop")
DROP_CHAINS = {
    "before the drop": [("before", r"^sql DROP DATABASE `airflow`")],
    "around the drop": [
        ("before", r"^sql UPDATE \S+`hopsworks_airflow_plan` SET detail"),
        ("after", r"^sql DROP DATABASE `airflow`"),
        ("after", r"^sql CREATE DATABASE IF NOT EXISTS `airflow` "),
        ("after", r"^sql RENAME TABLE `airflow_beside`\."),
    ],
}


@pytest.mark.parametrize("steps", DROP_CHAINS.values(), ids=DROP_CHAINS)
def test_drop_happens_once_however_often_it_is_killed(bed: Bed, faults: Faults, steps: list[tuple[str, str]]) -> None:
    old_deployment(bed)
    bed.let_drop()
    dropped = 0
    for when, pattern in steps:
        faults.killed(UPGRADE, *DROP, when=when, pattern=pattern)
        dropped += when == "after" and "DROP" in pattern
        assert len(bed.dropped_databases()) == dropped
    completes(bed, *DROP)
    assert len(bed.dropped_databases()) == 1
    nothing_is_left_behind(bed)
