# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

# What a pod is in when all its containers have ended for good. It lingers (evicted, say) until it is collected.
FINISHED = ("Succeeded", "Failed")


def is_finished(pod: dict[str, Any]) -> bool:
    """Whether nothing runs in a pod, and never will: it is no pod of its workload any more."""
    return pod.get("status", {}).get("phase") in FINISHED
