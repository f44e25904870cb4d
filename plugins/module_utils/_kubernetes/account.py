# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING

from .objects import Objects

if TYPE_CHECKING:
    from .cluster import Cluster


def existing_account(cluster: Cluster, name: str | None) -> str | None:
    """The name of a service account; None where there is none of that name.

    Pods of our own run as the deployment's account, for its pull secrets and for the policies that go by accounts.
    Before the first installation it is not there yet, and a pod that named it would be refused.
    """
    return name if name and Objects(cluster).read("ServiceAccount", name) is not None else None
