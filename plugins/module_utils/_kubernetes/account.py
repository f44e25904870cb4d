# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import Objects

if TYPE_CHECKING:
    from .cluster import Cluster


def existing_account(cluster: Cluster, name: str | None) -> str | None:
    """The name of a service account; None if it does not exist.

    The collection's own pods run with the deployment's account, because of its pull secrets and of policies for
    accounts. Before the first installation it does not exist yet, and a pod that refers to it would be rejected.
    """
    return name if name and Objects(cluster).read("ServiceAccount", name) is not None else None
