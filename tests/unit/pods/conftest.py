# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.terminal_failure import Patience
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.verdict import assess, current_pods
from ansible_collections.hopsworks.airflow.tests.unit.pods.recorded import recording


class Clock:
    """Our own time, which goes on when a test says so."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def judge(clock):
    """Judges one state after the other, `after` seconds later than the one before, as one action does."""
    patience = Patience(clock=clock)

    def judge(observed, after=0.0, **arguments):
        clock.seconds += after
        return assess(observed, patience=arguments.pop("patience", patience), **arguments)

    return judge


@pytest.fixture
def healthy():
    """The last state of the update of a Deployment."""
    return recording("deployment-update")[-1]


@pytest.fixture
def broken_pod(healthy):
    pod = current_pods(healthy)[0]
    status = pod["status"]["containerStatuses"][0]
    status["ready"] = False
    return status
