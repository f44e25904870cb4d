# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads that are rolled out, stopped or started, with the result for each of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from .._kubernetes.objects import Objects
from .._kubernetes.unreachable import words_of
from .._pods.admission import Admission, told
from .apply import Applier, Step
from .belonging import deployment_of
from .configurations import remove_unused
from .interruption import grace_of_interrupted
from .scale import Scaler

if TYPE_CHECKING:
    from .._kubernetes.call import Call

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException


def act(call: Call) -> dict[str, Any]:
    return applied(call) if call.params["state"] == "applied" else scaled(call)


def applied(call: Call) -> dict[str, Any]:
    params = call.params
    applier = Applier(call.cluster, call.progress, replace=params["replace"], backup_secret=params["backup_secret"])
    steps = applier.plan(params["definitions"])
    seconds: dict[str, float] = {}
    if call.check_mode:
        made = {(item["kind"], item["metadata"]["name"]) for item in params["provided"]}
        for warning in applier.warnings(steps):
            call.warn(warning)
        admission = Admission(call.cluster, made, nodes_on_demand=params["nodes_on_demand"])
        told(call, admission.look(*applier.pods_of(steps)))
    else:
        seconds = applier.roll_out(steps, timeout_seconds=params["timeout"], wait_for_old=params["wait_for_old"])
        remove_configurations(call, steps)
    return {
        "changed": any(step.action != "unchanged" for step in steps),
        "workloads": [
            {
                "name": step.name,
                "kind": step.kind,
                "action": step.action,
                "seconds": seconds.get(step.name),
                "grace_seconds": grace_of_interrupted(step),
            }
            for step in steps
        ],
        "diff": [step.diff() for step in steps if step.action not in ("unchanged", "retried")],
    }


def remove_configurations(call: Call, steps: list[Step]) -> None:
    """Remove unused configuration after a rollout. A failure to remove it does no harm."""
    deployments = {deployment_of(step.definition) for step in steps if step.action != "unchanged"} - {None}
    for deployment in sorted(map(str, deployments)):
        try:
            for name in remove_unused(Objects(call.cluster), deployment):
                call.progress(f"ConfigMap {name}: removed, because nothing uses it any more")
        except ApiException as error:
            call.warn(f"unused configuration can't be removed: {words_of(error)}")


def scaled(call: Call) -> dict[str, Any]:
    scaler = Scaler(call.cluster, call.progress)
    names, timeout = call.params["names"], call.params["timeout"]
    if call.params["state"] == "started":
        results = scaler.start_all(names, timeout_seconds=timeout, check_mode=call.check_mode)
    else:
        stopped = [scaler.stop(name, timeout_seconds=timeout, check_mode=call.check_mode) for name in names]
        results = [result for each in stopped for result in each]
    found = {f"{result.kind} {result.name}": result for result in results if result.kind}
    return {
        "changed": any(result.action in ("stopped", "started") for result in results),
        "workloads": [vars(result) for result in results],
        "diff": {
            "before": {name: {"replicas": result.before} for name, result in found.items()},
            "after": {name: {"replicas": result.after} for name, result in found.items()},
        },
    }
