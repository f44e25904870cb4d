# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools

from .._common.failure import OperatorError

# The order of a restart: the validator of a token before its signer, and clients of the api-server after it.
ORDER = ("api-server", "scheduler", "dag-processor", "triggerer")


def check_order(names: list[str], components: dict[str, str]) -> None:
    """Raises OperatorError if a component is unknown, or if the workloads are not in the order of `ORDER`.

    `components` has the component of each workload; other workloads may be anywhere in the list.
    """
    unknown = sorted({f"{name}: {component}" for name, component in components.items() if component not in ORDER})
    if unknown:
        raise OperatorError(
            f"unknown components: {', '.join(unknown)}",
            expected=f"one of {', '.join(ORDER)}",
            untouched="all workloads",
            next_step="correct `components`",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OperatorError(
            f"workloads named more than once: {', '.join(twice)}",
            expected="each workload once",
            untouched="all workloads",
            next_step="correct `workloads`",
        )
    placed = [(name, ORDER.index(components[name])) for name in names if name in components]
    for (earlier, first), (later, second) in itertools.pairwise(placed):
        if first > second:
            raise OperatorError(
                f"{earlier} ({ORDER[first]}) would be restarted before {later} ({ORDER[second]})",
                expected=f"the order {', '.join(ORDER)}",
                untouched="all workloads",
                next_step="correct the order of `workloads`, or set `order: given` if it is intended",
            )
