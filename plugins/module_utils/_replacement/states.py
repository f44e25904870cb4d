# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects that are applied, saved or restored, with the result for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .exposure import losses
from .keeping import keep
from .replacement import Replacer
from .restoration import Restorer

if TYPE_CHECKING:
    from .._kubernetes.call import Call


def act(call: Call) -> dict[str, Any]:
    return {"applied": applied, "saved": saved, "restored": restored}[call.params["state"]](call)


def applied(call: Call) -> dict[str, Any]:
    params = call.params
    replacer = Replacer(call.cluster, call.progress, replace=params["replace"], backup_secret=params["backup_secret"])
    steps = replacer.plan(params["definitions"])
    for warning in (*replacer.untold, *(loss for step in steps for loss in losses(step))):
        call.warn(warning)
    if not call.check_mode:
        replacer.act(steps, timeout_seconds=params["timeout"])
    return {
        "changed": any(step.action != "unchanged" for step in steps),
        "objects": [{"kind": step.kind, "name": step.name, "action": step.action} for step in steps],
        "diff": [step.diff() for step in steps if step.action != "unchanged"],
    }


def saved(call: Call) -> dict[str, Any]:
    definitions, secret = call.params["definitions"], call.params["backup_secret"]
    kept = keep(call.cluster, definitions, secret, check_mode=call.check_mode, warn=call.warn)
    new = {(record.kind, record.name) for record in kept}
    names = [(definition["kind"], definition["metadata"]["name"]) for definition in definitions]
    header = f"entries of Secret {secret}"
    before = [f"{kind} {name}" for kind, name in names if (kind, name) not in new]
    after = [f"{kind} {name}" for kind, name in names]
    return {
        "changed": bool(new),
        "objects": [
            {"kind": kind, "name": name, "action": "saved" if (kind, name) in new else "unchanged"}
            for kind, name in names
        ],
        "diff": {"before_header": header, "after_header": header, "before": before, "after": after},
    }


def restored(call: Call) -> dict[str, Any]:
    params = call.params
    restorer = Restorer(call.cluster, call.progress, params["backup_secret"])
    if not restorer.exists and not params["missing_ok"]:
        raise OperatorError(
            f"there is no Secret {params['backup_secret']} in namespace {params['namespace']}",
            expected="the Secret in which a run has saved the objects that it replaced (airflow-before-<run>)",
            untouched="everything",
            next_step=f"find the correct name: kubectl -n {params['namespace']} get secrets",
        )
    returns = restorer.plan()
    try:
        if not call.check_mode:
            restorer.act(returns, timeout_seconds=params["timeout"])
    finally:
        for warning in restorer.warnings:
            call.warn(warning)
    for left in (step.record for step in returns if step.action == "left"):
        call.warn(f"{left.kind} {left.name} was created or changed by others since, and is not changed")
    return {
        "changed": any(step.changes for step in returns),
        "objects": [{"kind": step.record.kind, "name": step.record.name, "action": step.action} for step in returns],
        "diff": [step.diff() for step in returns if step.changes],
    }
