# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.rollout.applying import roll_out, stateful, workload


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
@pytest.mark.parametrize("policy", ["whenScaled", "whenDeleted"])
def test_a_stateful_set_whose_volumes_would_go_with_it_is_not_replaced(namespace, policy, kind):
    """It is stopped, and by a StatefulSet also deleted; by a Deployment it is not."""
    namespace.made(stateful(**{"whenScaled": "Retain", "whenDeleted": "Retain", policy: "Delete"}))
    new = {**workload("db"), "kind": kind}
    if (policy, kind) != ("whenDeleted", "Deployment"):
        with pytest.raises(OperatorError, match="and its volumes with it") as error:
            roll_out(namespace, new)
        assert f'"{policy}": "Retain"' in error.value.next_step
        assert namespace.log == []
        namespace.live["StatefulSet", "db"]["spec"]["persistentVolumeClaimRetentionPolicy"][policy] = "Retain"
    assert roll_out(namespace, new) == ["replaced" if kind == "StatefulSet" else "created"]


def test_a_stateful_set_beside_a_deployment_that_is_replaced_keeps_its_volumes_too(namespace):
    namespace.made(workload("db", image="old"))
    namespace.made(stateful(whenScaled="Delete"))
    with pytest.raises(OperatorError, match="StatefulSet db would be scaled to 0, and its volumes with it"):
        roll_out(namespace, workload("db"))
    assert namespace.log == []


@pytest.mark.parametrize("old", [{"claims": ()}, {"replicas": 0}], ids=["no volumes", "at 0 already"])
def test_a_stateful_set_that_loses_nothing_by_a_stop_is_replaced(namespace, old):
    namespace.made(stateful(whenScaled="Delete", **old))
    assert roll_out(namespace, workload("db")) == ["created"]
