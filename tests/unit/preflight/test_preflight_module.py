# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the module reach its checks, and what each check finds reaches the operator."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight.finding import Finding
from ansible_collections.hopsworks.airflow.plugins.modules import preflight as subject

DEFAULTS = {name: option.get("default") for name, option in yaml.safe_load(subject.DOCUMENTATION)["options"].items()}
CHECKS = ["run", "undescribed", "elsewhere", "shared", "sessions", "reloaded"]


@pytest.fixture
def act(monkeypatch):
    """Runs the module with checks that find something each, of this level, and keep what they were asked."""
    asked, warnings = {}, []

    def call(level, **options):
        def check(name):
            def found(_self, *arguments, **named):
                asked[name] = (*arguments, *(named.items()))
                return [Finding(name, ok=False, found=f"{name} found", expected="none", level=level)]

            return found

        checks = {name: check(name) for name in CHECKS}
        monkeypatch.setattr(
            subject, "Preflight", type("Checks", (), {"__init__": lambda _self, _cluster, _progress: None, **checks})
        )
        given = {**DEFAULTS, "deployment": "demo", "workloads": ["web"], "changed_secrets": ["keys"], **options}
        return subject.act(Call(given, True, None, lambda _line: None, warnings.append))

    call.asked, call.warnings = asked, warnings
    return call


@pytest.mark.parametrize(("managed", "accepted"), [("refuse", False), ("accept", True)])
def test_secrets_that_change_are_looked_at_with_whoever_uses_them(act, managed, accepted):
    act("warning", managed_by_others=managed)
    assert act.asked["shared"] == (["keys"], "demo")
    assert act.asked["reloaded"] == (["web"], ["keys"], ("accepted", accepted))


def test_what_runs_of_the_deployment_is_compared_with_its_description(act):
    act("warning", stage="empty", stopped=["scheduler"])
    assert act.asked["undescribed"] == (["web"], "demo")
    assert act.asked["elsewhere"] == ("empty", ["scheduler"], "demo")


def test_what_any_of_them_refuses_ends_the_run(act):
    with pytest.raises(OperatorError) as refused:
        act("error")
    assert refused.value.found == "; ".join(f"{name} found" for name in CHECKS)


def test_what_any_of_them_warns_of_is_said(act):
    assert len(act("warning")["findings"]) == len(CHECKS)
    assert [warning.split(".", maxsplit=1)[0] for warning in act.warnings] == [f"{name} found" for name in CHECKS]


def test_a_first_look_at_the_heartbeats_is_handed_on(act, monkeypatch):
    monkeypatch.setattr(subject, "first_look", lambda access: {"at": "now", "heartbeats": {access.url: access.ca_file}})
    health = {"url": "http://127.0.0.1:9", "ca_file": ""}
    assert act("warning", health=health)["seen"]["heartbeats"] == {"http://127.0.0.1:9": None}
    assert act("warning")["seen"] == {}
