# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.rollout.applying import applier, autoscaler, roll_out, workload


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject"])
def test_a_number_and_an_autoscaler_are_refused_before_anything_is_touched(namespace, kind):
    namespace.autoscalers = [autoscaler(kind=kind)]
    with pytest.raises(OperatorError, match=f"{kind} web-scaler manages"):
        roll_out(namespace, workload("other"), workload(replicas=1))
    assert namespace.log == []
    assert roll_out(namespace, workload("other", replicas=1), workload()) == ["created", "created"]


def test_keda_may_start_what_is_stopped_unless_it_is_paused(namespace):
    namespace.made(workload(image="old", replicas=3))
    keda = autoscaler(kind="ScaledObject")
    namespace.autoscalers = [keda, autoscaler(), autoscaler("other", kind="ScaledObject")]
    rollout = applier(namespace)
    (warning,) = rollout.warnings(rollout.plan([workload()]))
    assert "ScaledObject web-scaler may start pods of Deployment web" in warning
    keda["metadata"]["annotations"] = {"autoscaling.keda.sh/paused": "true"}
    rollout = applier(namespace)
    assert rollout.warnings(rollout.plan([workload()])) == []


@pytest.mark.parametrize(
    ("annotations", "paused"),
    [
        (None, False),
        ({"paused": "true"}, True),
        ({"paused": "false"}, False),
        ({"paused": "0"}, False),
        ({"paused": "yes, for the upgrade"}, True),
        ({"paused-replicas": "0"}, True),
        # KEDA would bring it to three.
        ({"paused-replicas": "3"}, False),
        ({"paused": "true", "paused-replicas": "3"}, False),
        ({"paused": "false", "paused-replicas": "0"}, True),
    ],
)
def test_whether_keda_is_paused_is_read_as_keda_reads_it(namespace, annotations, paused):
    namespace.made(workload(image="old"))
    keda = autoscaler(kind="ScaledObject")
    keda["metadata"]["annotations"] = annotations and {
        f"autoscaling.keda.sh/{name}": value for name, value in annotations.items()
    }
    namespace.autoscalers = [keda]
    rollout = applier(namespace)
    warnings = rollout.warnings(rollout.plan([workload()]))
    assert (warnings == []) is paused
    remedy = "--overwrite scaledobject web-scaler autoscaling.keda.sh/paused=true autoscaling.keda.sh/paused-replicas-"
    assert all(remedy in warning for warning in warnings)


def test_without_the_right_to_see_autoscalers_nothing_is_known_of_them(namespace):
    namespace.autoscalers = None
    assert roll_out(namespace, workload(replicas=1)) == ["created"]
