# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.interruption import grace_of_interrupted
from ansible_collections.hopsworks.airflow.tests.unit.rollout.applying import applier, roll_out, workload


@pytest.mark.parametrize(
    ("new", "ready", "grace"),
    [
        (workload(image="newer"), 1, 600),
        (workload(), 1, None),
        ({**workload(), "metadata": {"name": "web", "labels": {"team": "data"}}}, 1, None),
        (workload(replicas=1), 3, 600),
        (workload(image="newer"), 0, None),
    ],
    ids=["other pods", "unchanged", "the same pods", "fewer pods", "none serves"],
)
@pytest.mark.parametrize("ours", [True, False])
def test_how_long_the_pods_that_are_ended_have_for_their_tasks(namespace, new, ready, grace, ours):
    for definition in (old := workload(replicas=3 if ready == 3 else 1), new):
        definition["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 600
    if ours:
        roll_out(namespace, old)
    else:
        namespace.made(old)
        grace = 600 if ready else None
    namespace.live["Deployment", "web"]["status"] = {"readyReplicas": ready}
    (step,) = applier(namespace).plan([new])
    assert grace_of_interrupted(step) == grace


def test_a_stateful_set_that_is_stopped_beside_has_its_own_grace(namespace):
    old = {**workload("scheduler", "old"), "kind": "StatefulSet", "status": {"readyReplicas": 1}}
    namespace.made(old)
    (step,) = applier(namespace).plan([workload("scheduler")])
    assert grace_of_interrupted(step) == 30
