# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a new Airflow 1.10 the history that expected.yml describes; its scheduler does the runs.

Runs in the scheduler's pod, with that Airflow's own Python 3.8 and libraries.
`write_history.py USER PASSWORD_FILE` makes the runs and the first user of the web interface, `write_history.py` alone
unpauses those DAGs that there are by the hundred.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from airflow.api.common.experimental.trigger_dag import trigger_dag
from airflow.models import Connection, DagModel, DagRun, Pool, Variable
from airflow.settings import Session
from airflow.utils import timezone
from airflow.www_rbac.app import cached_appbuilder

PATIENCE_SECONDS = 600
FIRST_RUN = timezone.datetime(2026, 2, 1, 6, 0)


def write_variables(session: Any, variables: dict[str, Any]) -> None:
    for key, wanted in variables.items():
        if wanted["encrypted"]:
            Variable.set(key, wanted["value"], session=session)
        else:
            session.add(Variable(key=key))
            session.flush()
            session.query(Variable).filter_by(key=key).update({"val": wanted["value"], "is_encrypted": False})


def write_connections(session: Any, connections: dict[str, Any]) -> None:
    for name, wanted in connections.items():
        session.add(
            Connection(
                conn_id=name,
                conn_type=wanted["type"],
                **{key: value for key, value in wanted.items() if key != "type"},
            )
        )


def write_user(name: str, password: str) -> None:
    manager = cached_appbuilder().sm
    if not manager.find_user(username=name):
        manager.add_user(name, "Bed", "Administrator", name + "@example.com", manager.find_role("Admin"), password)


def wait_for(what: str, condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not after {PATIENCE_SECONDS} s")
        time.sleep(1)


def known_dags() -> set[str]:
    session = Session()
    try:
        return {row.dag_id for row in session.query(DagModel.dag_id)}
    finally:
        session.close()


def finished_runs() -> dict[str, dict[str, int]]:
    """Number of runs by DAG and state."""
    session = Session()
    try:
        counts: dict[str, dict[str, int]] = {}
        for row in session.query(DagRun.dag_id, DagRun.state):
            states = counts.setdefault(row.dag_id, {})
            states[row.state] = states.get(row.state, 0) + 1
        return counts
    finally:
        session.close()


def start_runs(dag_id: str, wanted: dict[str, Any]) -> None:
    number = 0
    for state, count in wanted["runs"].items():
        for _ in range(0 if wanted.get("scheduled") else count):
            number += 1
            trigger_dag(
                dag_id,
                run_id=f"manual__history_{number}",
                conf={"fail": "yes"} if state == "failed" else None,
                execution_date=FIRST_RUN + timedelta(days=number),
            )


def set_paused(dags: dict[str, bool]) -> None:
    """Wait until the scheduler knows these DAGs, then pause or unpause each."""
    wait_for("all DAGs known to the scheduler", lambda: known_dags() >= dags.keys())
    session = Session()
    for dag_id, paused in dags.items():
        session.query(DagModel).filter_by(dag_id=dag_id).update({"is_paused": paused})
    session.commit()


def write_history(expected: dict[str, Any], user: str, password: str) -> None:
    session = Session()
    write_variables(session, expected["variables"])
    write_connections(session, expected["connections"])
    for name, wanted in expected["pools"].items():
        session.add(Pool(pool=name, slots=wanted["slots"], description=wanted["description"]))
    session.commit()
    write_user(user, password)

    dags = expected["dags"]
    set_paused({dag_id: wanted["paused"] for dag_id, wanted in dags.items()})
    for dag_id, wanted in dags.items():
        start_runs(dag_id, wanted)
    runs = {dag_id: wanted["runs"] for dag_id, wanted in dags.items() if wanted["runs"]}
    wait_for("all runs finished as expected", lambda: finished_runs() == runs)


def main() -> None:
    expected = yaml.safe_load((Path(__file__).parent / "expected.yml").read_text(encoding="utf-8"))
    if len(sys.argv) > 1:
        write_history(expected, sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8").strip())
        return
    for dag_id, wanted in expected["many_dags"].items():
        numbers = range(1, wanted["dags"] + 1)
        set_paused({dag_id.replace("NUMBER", f"{number:03d}"): wanted["paused"] for number in numbers})


if __name__ == "__main__":
    main()
