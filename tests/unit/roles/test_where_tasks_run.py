# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation waits for tasks, and unpauses, where they run in the scheduler's pod, whatever the executor is called."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CHECKOUT, CLOSED, RECORD

PLAYBOOK = yaml.safe_load((CHECKOUT / "playbooks/rotate.yml").read_text(encoding="utf-8"))
(ROTATE,) = (task for play in PLAYBOOK for task in play.get("tasks", []))
KEYS: dict[str, Any] = {
    "problem": None,
    "exists": True,
    "state": "published",
    "age_seconds": 10**7,
    "replaced": [],
    "rotation": "r1",
    "due": True,
    "due_at": "2026-12-22T03:00:00Z",
    "retire_after": None,
    "signers": {},
    "generation": 3,
}
CONFIGURED = {
    "trusted_jwks_url": "/x",
    "jwt_algorithm": "RS256",
    "jwt_leeway": 10,
    "clock_skew_seconds": 0,
    "longest_token_seconds": 3610,
    "task_jwt_expiration_time": 600,
    "task_jwt_audience": "a",
    "jwt_issuer": None,
    "heartbeat_seconds": 5,
}
ANSWERS = {
    "signing_keys": KEYS,
    "rolling_restart": {
        "workloads": [{"name": "airflow-scheduler", "component": "scheduler", "grace_seconds": 600, "findings": []}],
        "windows": [],
    },
    "preflight": {"seen": {"at": "2026-11-22T03:00:00+00:00", "heartbeats": {}}},
    "availability_probe": {"urls": {}, "problems": [], "windows": []},
}
NOT_KNOWN = "[core] executor is company.Executor, and it is unknown where its tasks run"


@pytest.fixture
def rotate(stage):
    """The task of rotate.yml itself, with its variables, and an api-server that is configured so."""

    def play(executor, in_scheduler, *, keys=None, record=None, variables=None, more=None, **configured):
        stage.role("report", {"ansible.builtin.debug": {"msg": "report"}})
        answers = {
            **ANSWERS,
            "signing_keys_info": keys or KEYS,
            "airflow_configuration_info": {
                **CONFIGURED,
                "executor": executor,
                "tasks_in_scheduler": in_scheduler,
                **configured,
            },
            "run_record": record or {**RECORD, "run": CLOSED},
        }
        answers |= more or {}
        return stage.play([ROTATE], answers, **(variables or {}))

    return play


@pytest.mark.parametrize("executor", ["LocalExecutor", "LocalKubernetesExecutor"])
def test_what_is_paused_for_tasks_in_the_schedulers_pod_is_unpaused(rotate, executor):
    played = rotate(executor, True)
    assert played.code == 0, played.output
    asked = [(entry["state"], entry["check"]) for entry in played.asked if entry["action"] == "quiesce"]
    # Predicted, done, taken back after its phase, and looked for once more when the run ends.
    assert asked == [("quiesced", True), ("quiesced", False), ("resumed", False), ("resumed", False)]


def test_the_database_is_left_alone_where_no_task_runs_in_the_schedulers_pod(rotate):
    played = rotate("company.NoLocalExecutor", False)
    assert played.code == 0, played.output
    assert "no task runs in a component's pod" in played.output
    assert played.actions("quiesce", "signing_keys") == ["signing_keys:published", *["signing_keys:activated"] * 2]


@pytest.mark.parametrize("state", ["published", "replaced"])
def test_an_executor_that_is_not_known_is_refused_before_anything_changes(rotate, state):
    played = rotate("company.Executor", None, keys={**KEYS, "state": state})
    assert played.code != 0
    assert NOT_KNOWN in played.output
    assert played.actions("run_lock", "signing_keys", "rolling_restart", "quiesce") == []


@pytest.mark.parametrize(
    ("executor", "in_scheduler", "unpaused"),
    [("company.Executor", True, 1), ("KubernetesExecutor", False, 0)],
    ids=["in the scheduler", "elsewhere"],
)
def test_a_run_that_has_only_to_be_closed_unpauses_where_it_may_have_paused(rotate, executor, in_scheduler, unpaused):
    unfinished = {
        **RECORD,
        "run": {**CLOSED, "id": "r1", "playbook": "rotate", "status": "running"},
        "unfinished": True,
    }
    played = rotate(executor, in_scheduler, keys={**KEYS, "state": "steady", "due": False}, record=unfinished)
    assert played.code == 0, played.output
    assert played.actions("quiesce") == ["quiesce:resumed"] * unpaused


@pytest.mark.parametrize("url", ["https://idp.example.com/jwks", "HTTPS://idp.example.com/jwks", "Http://x/jwks"])
def test_keys_from_a_url_are_refused_however_it_is_written(rotate, url):
    played = rotate("KubernetesExecutor", False, trusted_jwks_url=url)
    assert played.code != 0
    assert f"the api-server gets its keys from a URL ({url})" in " ".join(played.output.split())
    assert played.actions("run_lock", "signing_keys", "rolling_restart") == []


@pytest.mark.parametrize("says", [{}, {"validates": True}, {"validates": "yes"}], ids=["nothing", "true", "yes"])
def test_a_scheduler_is_restarted_when_its_tasks_are_waited_for_and_never_before(rotate, says):
    """It verifies no tokens, whatever its description says: nothing that is published or retired concerns it."""
    defaults = yaml.safe_load((CHECKOUT / "roles/deployment/defaults/main.yml").read_text(encoding="utf-8"))
    components = [{**each, "grace_seconds": 60} for each in defaults["airflow_components"]]
    components[1] = {name: value for name, value in components[1].items() if name != "validates"} | says
    played = rotate("LocalExecutor", True, variables={"airflow_components": components})
    assert played.code == 0, played.output
    done = [entry for entry in played.asked if not entry["check"]]
    waits = [position for position, entry in enumerate(done) if entry.get("state") == "quiesced"]
    restarts = [
        position
        for position, entry in enumerate(done)
        if entry["action"] == "rolling_restart" and "airflow-scheduler" in entry["workloads"]
    ]
    assert len(waits) == len(restarts) == 1
    assert waits < restarts


@pytest.mark.parametrize("silent", [0, 2], ids=["api-server", "dag-processor"])
def test_validators_are_restarted_in_their_order_whoever_says_that_it_is_one(rotate, silent):
    """Another order is refused, and the keys are published by then."""
    defaults = yaml.safe_load((CHECKOUT / "roles/deployment/defaults/main.yml").read_text(encoding="utf-8"))
    components = [{**each, "grace_seconds": 60} for each in defaults["airflow_components"]]
    del components[silent]["validates"]
    played = rotate("KubernetesExecutor", False, variables={"airflow_components": components})
    restarts = [e for e in played.asked if e["action"] == "rolling_restart" and not e["check"]]
    assert restarts[0]["workloads"] == ["airflow-webserver", "airflow-dag-processor"]


@pytest.mark.parametrize(
    ("state", "action", "waits"),
    [("activated", "unchanged", 0), ("activated", "restarted", 1), ("published", "unchanged", 1)],
)
def test_tasks_are_waited_for_where_the_scheduler_is_still_to_be_restarted(rotate, state, action, waits):
    """A run that died after it: a task of a day would hold the next one up, and DAGs be paused, for nothing."""
    workload = {**ANSWERS["rolling_restart"]["workloads"][0], "action": action}
    more = {"rolling_restart": {"workloads": [workload], "windows": []}}
    played = rotate("LocalExecutor", True, keys={**KEYS, "state": state, "due": False}, more=more)
    assert played.code == 0, played.output
    assert played.actions("quiesce").count("quiesce:quiesced") == 2 * waits
    assert ("the scheduler was already restarted" in " ".join(played.output.split())) == (not waits)


CUT_OVER = {"airflow_rotation_mode": "cutover", "airflow_confirm": "demo"}


@pytest.mark.parametrize(
    ("ended", "begins"), [("r1", ["r1c"]), ("r1c", []), ("r0", ["r1c"])], ids=["in overlap", "at once", "another run's"]
)
def test_a_cut_over_replaces_keys_whatever_rotation_its_run_has_ended(rotate, ended, begins):
    """An unfinished run is gone on with. What it has ended in overlap says nothing of a key that is compromised now."""
    unfinished = {
        **RECORD,
        "run": {**CLOSED, "id": "r1", "playbook": "rotate", "status": "running"},
        "unfinished": True,
    }
    keys = {**KEYS, "state": "steady", "rotation": ended}
    played = rotate("KubernetesExecutor", False, keys=keys, record=unfinished, variables=CUT_OVER)
    assert played.code == 0, played.output
    assert [entry["rotation"] for entry in played.asked if entry.get("state") == "replaced"] == begins


@pytest.mark.parametrize("variables", [{}, CUT_OVER], ids=["in overlap", "at once"])
def test_what_would_refuse_a_restart_is_found_before_keys_are_written(rotate, variables):
    """A login that fails, a heart that has stopped: with new keys in the Secret, the next pod that starts has others
    than those that run."""
    played = rotate("KubernetesExecutor", False, keys={**KEYS, "state": "steady"}, variables=variables)
    assert played.code == 0, played.output
    planned, *done = [entry for entry in played.asked if entry["action"] == "rolling_restart"]
    assert planned["check"]
    assert planned["health"]["login"] == {"user": "admin", "secret": "airflow-runtime"}
    assert done
    assert all(entry["health"] == planned["health"] for entry in done)
    assert played.actions("rolling_restart", "signing_keys")[0] == "rolling_restart"
