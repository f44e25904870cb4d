# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rolling restart as one action: its options as terms, and its results for each workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .gates import Access
from .reloaders import changed_secrets
from .restart import Restart, Restarter, Terms, Took

if TYPE_CHECKING:
    from .._kubernetes.call import Call


def act(call: Call) -> dict[str, Any]:
    run, terms = call.params["run"], terms_of(call)
    restarter = Restarter(call.cluster, call.progress, run, terms)
    restarts = restarter.plan(call.params["workloads"])
    for warning in (warning for restart in restarts for warning in restart.warnings):
        call.warn(warning)
    took = {} if call.check_mode else restarter.restart_all(restarts)
    due = [restart for restart in restarts if restart.due]
    return {
        "changed": bool(due),
        "workloads": [result_of(restart, terms, took.get(restart.name)) for restart in restarts],
        "windows": [
            {"name": terms.components.get(name, name), "begun": window.begun, "ended": window.ended}
            for name, window in took.items()
        ],
        "outage_seconds": round(sum(risk.outage_seconds or 0.0 for restart in due for risk in restart.findings), 1),
        "diff": {"before": {}, "after": {restart.name: {"restarted by run": run} for restart in due}},
    }


def terms_of(call: Call) -> Terms:
    given = call.params
    return Terms(
        components=given["components"],
        order_given=given["order"] == "given",
        annotations={name: str(value) for name, value in given["annotations"].items()},
        changed_secrets=changed_secrets(call.cluster, given["changed_secrets"]),
        access=Access.of(call.cluster, given["health"]) if given["health"] else None,
        running_task_seconds=given["running_task_seconds"],
        row_locks=given["row_locks"],
        require_lossless=given["require_lossless"],
        managed_by_others=given["managed_by_others"],
        on_failure=given["on_failure"],
        timeout_seconds=given["timeout"],
        wait_for_old=given["wait_for_old"],
        settle=given["settle"],
    )


def result_of(restart: Restart, terms: Terms, took: Took | None) -> dict[str, Any]:
    gate = restart.gate
    return {
        "name": restart.name,
        "kind": restart.kind,
        "component": terms.components.get(restart.name),
        "action": "restarted" if restart.due else "unchanged",
        "seconds": took.seconds if took else None,
        "grace_seconds": restart.grace_seconds,
        "findings": [finding.as_result() for finding in restart.findings],
        "gate": None if gate is None else {"kind": gate.kind, **(gate.seen() if took else {})},
    }
