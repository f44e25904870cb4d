# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._common.failure import OperatorError
from . import in_pod

# What a restart for new keys writes into the pod template; launch.py waits for it.
KEYS_GENERATION = "hopsworks.airflow/keys-generation"
KINDS = ("Deployment", "StatefulSet")


Object = dict[str, Any]
Read = Callable[[str, str], "Object | None"]


def started_for(workloads: Iterable[str], read: Read) -> dict[str, int]:
    """The generation that the pods of each workload were started for, except workloads without one. `read` returns a
    workload by kind and name."""
    found: dict[str, int] = {}
    for name in workloads:
        for kind in KINDS:
            workload = read(kind, name) or {}
            template = workload.get("spec", {}).get("template", {})
            wanted = str((template.get("metadata", {}).get("annotations") or {}).get(KEYS_GENERATION, ""))
            # Ignore a number that no Secret could ever have.
            with contextlib.suppress(ValueError):
                found[f"{kind} {name}"] = in_pod.generation_of(wanted.encode())
    return found


def refuse_put_back(secret: str, generation: int, started: Mapping[str, int]) -> None:
    """Raises OperatorError if pods were `started_for` a later generation than the Secret has, which means that the
    Secret was restored to an older version."""
    later = [f"{name} for {wanted}" for name, wanted in started.items() if wanted > generation]
    if later:
        raise OperatorError(
            f"Secret {secret} is of generation {generation}, but pods were started for a later one "
            f"({', '.join(later)}): the Secret was restored to an older version",
            expected="the Secret as the last rotation wrote it",
            untouched="the whole Secret, and every pod that uses it",
            next_step=(
                "restore its entries and annotations from a later copy; if there is none, see docs/rotation.md, "
                "section 'Secrets that others write'"
            ),
        )
