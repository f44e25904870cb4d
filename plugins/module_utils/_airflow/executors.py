# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping

# By class name: whether tasks run in the scheduler's pod, as its children. Airflow itself calls the hybrid one not
# local, because some of its tasks run elsewhere.
TASKS_IN_SCHEDULER = {
    "LocalExecutor": True,
    "SequentialExecutor": True,
    "DebugExecutor": True,
    "LocalKubernetesExecutor": True,
    "KubernetesExecutor": False,
    "CeleryExecutor": False,
    "CeleryKubernetesExecutor": False,
}


def named(text: str) -> list[str]:
    """The executors that `[core] executor` names: names of Airflow's own, or paths of classes.

    Several are separated by commas, each optionally with an alias (`alias:path`); those of teams (from 3.1 on) follow
    after semicolons (`LocalExecutor;team=KubernetesExecutor`).
    """
    groups = [group.rpartition("=")[2] for group in text.split(";")]
    entries = [entry.strip() for group in groups for entry in group.split(",")]
    return [entry.rpartition(":")[2].strip() for entry in entries if entry]


def tasks_in_scheduler(text: str | None, local: Mapping[str, bool | None]) -> bool | None:
    """Whether any executor runs tasks in the scheduler's pod; None if no known one does and one is unknown.

    `local` has Airflow's own value (`is_local`) for classes that are given by their path.
    """
    found = []
    for name in named(text or ""):
        known = TASKS_IN_SCHEDULER.get(name.rpartition(".")[2])
        asked = local.get(name)
        # A third-party class may have the same name as one of Airflow's.
        found.append(True if True in (known, asked) else asked if "." in name and asked is not None else known)
    if True in found:
        return True
    return None if None in found or not found else False
