# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

# Phases of a pod whose containers have all ended for good. It remains, for example after an eviction, until it is
# collected.
FINISHED = ("Succeeded", "Failed")


def is_finished(pod: dict[str, Any]) -> bool:
    """Whether nothing runs in a pod or ever will, so it no longer counts as a pod of its workload."""
    return pod.get("status", {}).get("phase") in FINISHED
