# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._common.progress import Progress
from .cluster import Cluster


@dataclass
class Call:
    """The input of an action: validated parameters, the cluster, and how to report to the user."""

    params: dict[str, Any]
    check_mode: bool
    cluster: Cluster
    progress: Progress
    warn: Callable[[str], None]
