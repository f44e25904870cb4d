# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""States of rollouts as a real API server told them (recordings/, made by integration/rollout/record.py)."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.verdict import Observed, assess

RECORDINGS = Path(__file__).parent / "recordings"


def recording(name):
    """The states in their order; each has objects of its own, which a test may change."""
    document = json.loads((RECORDINGS / f"{name}.json").read_text())

    def objects(positions):
        return [copy.deepcopy(document["objects"][position]) for position in positions]

    return [
        Observed(
            workload=next(iter(objects([state["workload"]])), None),
            pods=objects(state["pods"]),
            replica_sets=objects(state["replica_sets"]),
            events=objects(state["events"]),
        )
        for state in document["states"]
    ]


def verdicts(observed, **arguments):
    return [assess(state, **arguments) for state in observed]
