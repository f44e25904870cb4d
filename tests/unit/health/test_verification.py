# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._health import verification
from ansible_collections.hopsworks.airflow.plugins.module_utils._health.verification import components
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

EXPECTED = ["metadatabase", "scheduler", "dag_processor"]


def health(second, **status):
    """As Airflow answers it: healthy for as long as the threshold, however old the heartbeat is."""
    names = ("scheduler", "dag_processor", "triggerer")
    found = {
        name: {"status": status.get(name, "healthy"), f"latest_{name}_heartbeat": f"2026-11-22T03:00:{second:02}+00:00"}
        for name in names
    }
    return {"metadatabase": {"status": status.get("metadatabase", "healthy")}, **found}


class Api:
    """Answers one after the other, and the last one for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def get(self, _path):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(verification, "INTERVAL_SECONDS", 0.01)


def test_two_different_heartbeats_of_each_are_proof():
    states, heartbeats = components(Api(health(1), health(1), health(6)), EXPECTED, 5, print)
    assert states == dict.fromkeys(EXPECTED, "healthy")
    assert heartbeats == dict.fromkeys(EXPECTED[1:], "2026-11-22T03:00:06+00:00")


def test_a_scheduler_that_died_is_not_healthy_whatever_airflow_says():
    dead = health(6)
    dead["scheduler"] = health(1)["scheduler"]
    with pytest.raises(OperatorError, match="the heartbeat of the scheduler does not move") as raised:
        components(Api(health(1), dead), EXPECTED, 0.1, print)
    assert "dag_processor does" not in raised.value.found


@pytest.mark.parametrize("name", EXPECTED)
def test_what_airflow_calls_unhealthy_is(name):
    with pytest.raises(OperatorError, match=f"the {name} is unhealthy"):
        components(Api(health(1), health(6, **{name: "unhealthy"})), EXPECTED, 0.1, print)
