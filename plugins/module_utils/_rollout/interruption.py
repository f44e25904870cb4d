# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING

from .._pods.verdict import DEFAULT_GRACE_SECONDS

if TYPE_CHECKING:
    from .apply import Step


def grace_of_interrupted(step: Step) -> int | None:
    """The grace period of the serving pods that a step terminates; None if it terminates none.

    Pods that do not serve have no tasks to wait for.
    """
    old = step.old
    if old is None or not old.get("status", {}).get("readyReplicas") or step.action in ("unchanged", "retried"):
        return None
    before, after = old["spec"], step.after["spec"]
    fewer = after.get("replicas", 1) < before.get("replicas", 1)
    if step.action == "configured" and after["template"] == before["template"] and not fewer:
        return None
    return int(before["template"]["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS))
