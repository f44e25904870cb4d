# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.lossless import Risk
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import rolling_restart as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.restart import Restart, Took
from ansible_collections.hopsworks.airflow.plugins.modules import rolling_restart

OPTIONS = yaml.safe_load(rolling_restart.DOCUMENTATION)["options"]
DEFAULTS = {name: option.get("default") for name, option in OPTIONS.items()}
SECRETS = {"keys": SimpleNamespace(metadata=SimpleNamespace(annotations={"reloader.stakater.com/match": "true"}))}
DOCUMENTED = yaml.safe_load(rolling_restart.RETURN)


class Gate:
    kind = "login"

    def check(self, _pods: list[dict[str, Any]]) -> str | None:
        return None

    def seen(self) -> dict[str, Any]:
        return {"calls": 1}


class Restarter:
    """Plans what the test gave it, and restarts nothing."""

    planned: ClassVar[list[Restart]] = []

    def __init__(self, _cluster, _progress, _run, terms):
        self.terms, self.restarted = terms, []
        type(self).last = self

    def plan(self, _names):
        return self.planned

    def restart_all(self, restarts):
        self.restarted = [restart.name for restart in restarts]
        return {
            restart.name: Took("2026-11-22T03:10:30.120+00:00", "2026-11-22T03:10:43.020+00:00", 12.9)
            for restart in restarts
        }


@pytest.fixture
def act(monkeypatch):
    monkeypatch.setattr(subject, "Restarter", Restarter)
    warnings = []

    def call(*planned, check_mode=False, **options):
        Restarter.planned = list(planned)
        cluster = SimpleNamespace(
            secret_entries=lambda _name: {"passwords.json": b'{"admin": "CANARY"}'},
            core=SimpleNamespace(read_namespaced_secret=SECRETS.get),
            find=lambda read, name: read(name),
        )
        given = {**DEFAULTS, "run": "one", "workloads": [item.name for item in planned], **options}
        result = subject.act(Call(given, check_mode, cluster, lambda _line: None, warnings.append))
        assert "CANARY" not in json.dumps(result)
        return result

    call.warnings = warnings
    return call


WEB = Restart("Deployment", "web", due=True, findings=[Risk("outage", "away", 14.2)], gate=Gate())
DONE = Restart("Deployment", "runs", due=False)


def test_what_was_done_to_each_and_when(act):
    result = act(WEB, DONE, components={"web": "api-server"})
    assert Restarter.last.restarted == ["web", "runs"]
    assert result["changed"]
    web, runs = result["workloads"]
    assert (web["action"], runs["action"]) == ("restarted", "unchanged")
    assert web["gate"] == {"kind": "login", "calls": 1}
    assert runs["gate"] is None
    assert result["outage_seconds"] == 14.2
    assert web["seconds"] == 12.9
    assert [window["name"] for window in result["windows"]] == ["api-server", "runs"]
    assert result["windows"][0]["begun"] < result["windows"][0]["ended"]


def test_check_mode_predicts_and_restarts_nothing(act):
    result = act(WEB, DONE, check_mode=True)
    assert Restarter.last.restarted == []
    assert result["changed"]
    assert result["windows"] == []
    web = result["workloads"][0]
    assert web["findings"] == [{"kind": "outage", "text": "away", "outage_seconds": 14.2}]
    assert (web["seconds"], web["gate"]) == (None, {"kind": "login"})


def test_nothing_due_is_no_change(act):
    result = act(DONE)
    assert not result["changed"]
    assert result["outage_seconds"] == 0
    assert result["diff"] == {"before": {}, "after": {}}


def test_the_options_become_terms(act):
    health = {"url": "https://x", "login": {"user": "admin", "secret": "s", "key": "passwords.json"}, "timeout": 9}
    act(DONE, health=health, annotations={"generation": 4}, order="given", changed_secrets=["keys", "absent"])
    terms = Restarter.last.terms
    assert terms.annotations == {"generation": "4"}  # annotations are text
    assert terms.order_given
    assert terms.changed_secrets == {"keys": {"reloader.stakater.com/match": "true"}}
    assert (terms.access.password, terms.access.timeout_seconds) == ("CANARY", 9)
    assert "CANARY" not in repr(terms)


def test_warnings_reach_whoever_runs_it(act):
    act(Restart("Deployment", "web", due=True, warnings=["belongs to Helm"]))
    assert act.warnings == ["belongs to Helm"]


def test_all_that_is_returned_is_documented(act):
    result = act(WEB, components={"web": "api-server"})
    assert set(result) - {"changed", "diff"} == set(DOCUMENTED)
    assert set(result["workloads"][0]) == set(DOCUMENTED["workloads"]["contains"])
