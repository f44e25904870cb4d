# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof from outside that a deployment works: answers, heartbeats, contracts, DAG files, and the run of one DAG."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from .._common.failure import OperatorError
from .._kubernetes.secret import copied_value
from . import metrics
from .contracts import Contracts
from .heartbeats import HEALTH, Pulse
from .login import password_of
from .rest import AirflowApi
from .wait_budget import WaitBudget

if TYPE_CHECKING:
    from .._kubernetes.call import Call

INTERVAL_SECONDS = 1
NOT_RUN = "not run"


def act(call: Call) -> dict[str, Any]:
    given = call.params
    budget = WaitBudget(given["timeout"], call.progress)
    api = AirflowApi(given["url"], given["ca_file"], budget=budget)
    password = password_of(call.cluster, given["login"]) if given["login"] else None
    result: dict[str, Any] = {"dags": None, "import_errors": [], "canary": None}
    result["version"] = api.get("/api/v2/version", having="version")["version"]
    budget.begin()
    result.update(check_contracts(call, budget, password))
    budget.begin()
    states, heartbeats = components(api, given["components"], given["timeout"], call.progress)
    result.update(components=states, heartbeats=heartbeats)
    if password is not None:
        budget.begin()
        api.login(given["login"]["user"], password)
        if given["canary_dag"] and not call.check_mode:
            canary = result["canary"] = run_dag(api, given["canary_dag"], given["timeout"], call.progress)
            if canary["why"] is not None:
                call.warn(f"DAG {given['canary_dag']} was not run: {canary['why']}")
        # The run may have taken longer than the lifetime of a token.
        budget.begin()
        api.login(given["login"]["user"], password)
        result["dags"] = api.get("/api/v2/dags", limit=1)["total_entries"]
        result["import_errors"] = import_errors(api)
    return result


def check_contracts(call: Call, budget: WaitBudget, password: str | None) -> dict[str, Any]:
    given = call.params
    contracts = Contracts(lambda: AirflowApi(given["url"], given["ca_file"], budget=budget))
    counts: dict[str, int] = {}
    if password is not None:
        path = given["cookie_path"] or urlsplit(given["url"]).path or "/"
        contracts.check_login(given["login"]["user"], password, path)
    if given["invalidate"] and not call.check_mode:
        eviction = given["invalidate"]
        shared = copied_value(call.cluster, {"name": eviction["secret"], "key": eviction["key"]}, None).decode()
        contracts.check_invalidation(eviction["user"], shared)
    if given["metrics"]:
        exporters = metrics.Exporters(**given["metrics"])
        counts, missing = metrics.arrived(call.cluster, exporters, given["timeout"], call.progress)
        contracts.note_metrics(missing)
    contracts.raise_if_broken()
    return {"contracts": contracts.results, "answers": contracts.answers, "metrics": counts}


def components(
    api: AirflowApi, expected: list[str], seconds: float, progress: Callable[[str], None]
) -> tuple[dict[str, str], dict[str, str]]:
    """The state and the latest heartbeat of each component, once all of `expected` are healthy and send heartbeats.

    `expected` uses the names of HEALTH: metadatabase, scheduler, dag_processor, triggerer.
    """
    pulse = Pulse(expected)
    deadline = time.monotonic() + seconds
    while True:
        health: dict[str, Any] = api.get(HEALTH, having="metadatabase")
        missing = pulse.missing(health)
        if not missing:
            heartbeats = {name: latest.isoformat() for name, latest in pulse.latest.items()}
            return {name: health[name]["status"] for name in expected}, heartbeats
        if time.monotonic() > deadline:
            raise OperatorError(
                f"{'; '.join(missing.values())}, within {seconds:.0f} s",
                expected="two different heartbeats, and a healthy " + ", ".join(expected),
                untouched="nothing was changed by this check",
                next_step="check the logs of these components; run the same command again when they work",
            )
        progress(f"waiting for the heartbeat of {', '.join(missing)}")
        time.sleep(INTERVAL_SECONDS)


def import_errors(api: AirflowApi) -> list[dict[str, str]]:
    """DAG files that the new Airflow can't import: `file` and the last line of the `error`."""
    errors: list[dict[str, str]] = []
    while True:
        page = api.get("/api/v2/importErrors", limit=100, offset=len(errors))
        for entry in page["import_errors"]:
            lines = entry["stack_trace"].strip().splitlines() or [""]
            errors.append({"file": entry["filename"], "error": lines[-1][:300]})
        if not page["import_errors"] or len(errors) >= page["total_entries"]:
            return sorted(errors, key=lambda entry: entry["file"])


def run_dag(api: AirflowApi, dag_id: str, seconds: float, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run one DAG to success, as a client would: `run_id`, `state`, `seconds`, `tasks`, `why`.

    A paused DAG is unpaused for the run and paused again afterwards, because Airflow starts no runs of a paused DAG. If
    that would also start other runs (missed by its schedule, queued, or triggered by an asset), it is not run: `state`
    is `not run`, and `why` has the reason. Raises OperatorError if it is not parsed, or its run does not succeed,
    within `seconds`.
    """
    deadline = time.monotonic() + seconds
    path = f"/api/v2/dags/{quote(dag_id, safe='')}"
    while (dag := api.find(path)) is None:
        _check(deadline, f"DAG {dag_id} is not known to the new Airflow", "the dag-processor to have parsed its file")
        progress(f"waiting for DAG {dag_id} to be parsed")
        time.sleep(INTERVAL_SECONDS)
    begun = time.monotonic()
    if dag["is_paused"]:
        why = _what_unpausing_starts(api, path, dag, seconds)
        if why is not None:
            text = f"it is paused, and unpausing it would start {why}"
            return {"dag_id": dag_id, "run_id": None, "state": NOT_RUN, "seconds": 0.0, "tasks": {}, "why": text}
        api.patch(path, {"is_paused": False})
    try:
        date = datetime.datetime.now(datetime.UTC).isoformat()
        # With an explicit id in Airflow's format, so that a request that is repeated because its response was lost
        # creates one run.
        run_id = f"manual__{date}"
        run_path = f"{path}/dagRuns/{quote(run_id, safe='')}"
        run = api.make(f"{path}/dagRuns", {"dag_run_id": run_id, "logical_date": date}, run_path)
        while run["state"] not in ("success", "failed"):
            _check(deadline, f"the run of DAG {dag_id} is still {run['state']}", "a successful run")
            time.sleep(INTERVAL_SECONDS)
            run = api.get(run_path)
        tasks = api.get(f"{run_path}/taskInstances")["task_instances"]
    finally:
        if dag["is_paused"]:
            api.patch(path, {"is_paused": True})
    states = {task["task_id"]: task["state"] for task in tasks}
    if run["state"] != "success":
        raise OperatorError(
            f"the run {run['dag_run_id']} of DAG {dag_id} failed: {states}",
            expected="a successful run on the new Airflow",
            untouched="the deployment is up; nothing else was changed by this check",
            next_step="read the task's log in the UI; fix it and run the same command again",
        )
    return {
        "dag_id": dag_id,
        "run_id": run["dag_run_id"],
        "state": run["state"],
        "seconds": round(time.monotonic() - begun, 1),
        "tasks": states,
        "why": None,
    }


def _what_unpausing_starts(api: AirflowApi, path: str, dag: dict[str, Any], seconds: float) -> str | None:
    """The runs that a paused DAG would start within `seconds` if it were unpaused, in words, or None.

    The scheduler creates a run of an unpaused DAG as soon as `next_dagrun_run_after` is past, whatever `catchup`
    says, and starts runs that are already queued (`DagModel.dags_needing_dagruns`,
    `DagRun.get_queued_dag_runs_to_set_running`).
    """
    due = dag.get("next_dagrun_run_after")
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    if due is not None and datetime.datetime.fromisoformat(due) <= until:
        return f"runs of its schedule, the next of which is due at {due}"
    if due is None and "asset" in str(dag.get("timetable_summary")).lower():
        return "runs that an asset triggers"
    queued = api.get(f"{path}/dagRuns", state="queued", limit=1)["total_entries"]
    return f"{queued} queued runs" if queued else None


def _check(deadline: float, found: str, expected: str) -> None:
    if time.monotonic() > deadline:
        raise OperatorError(
            found,
            expected=expected,
            untouched="the deployment is up; nothing else was changed by this check",
            next_step=(
                "check the import errors in the UI and the logs of scheduler and dag-processor, then run the same "
                "command again"
            ),
        )
