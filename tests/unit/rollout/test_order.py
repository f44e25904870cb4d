# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.order import check_order

COMPONENTS = {"web": "api-server", "runs": "scheduler", "parses": "dag-processor", "triggers": "triggerer"}


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["web", "runs", "parses", "triggers"],
        ["web", "parses"],
        ["web", "proxy", "runs"],  # what is no component may stand anywhere
        ["proxy", "web"],
    ],
)
def test_the_order_of_a_deployment(names):
    check_order(names, COMPONENTS)


@pytest.mark.parametrize("names", [["runs", "web"], ["web", "parses", "runs"], ["triggers", "proxy", "parses"]])
def test_another_order_is_refused(names):
    with pytest.raises(OperatorError, match="would be restarted before") as refused:
        check_order(names, COMPONENTS)
    assert "order: given" in refused.value.next_step


def test_without_components_any_order_will_do():
    check_order(["runs", "web"], {})


def test_an_unknown_component_is_refused():
    with pytest.raises(OperatorError, match="web: webserver"):
        check_order(["web"], {"web": "webserver"})


def test_a_workload_named_twice_is_refused():
    with pytest.raises(OperatorError, match="more than once: web"):
        check_order(["web", "runs", "web"], COMPONENTS)
