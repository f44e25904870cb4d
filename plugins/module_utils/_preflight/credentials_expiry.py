# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING

from .._kubernetes.lifetime import lasts_too_short
from .finding import Finding

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster


def credentials_that_end(cluster: Cluster, seconds: int) -> list[Finding]:
    """A warning if the credentials for the API server may expire before the end of the run; not checked for 0."""
    short = lasts_too_short(cluster, seconds) if seconds else None
    if short is None:
        return []
    what, when = short
    return [
        Finding(
            "credentials",
            ok=False,
            level="warning",
            found=(
                f"{what}, {when}; according to its timeouts this run may take {seconds / 3600:.1f} h, and without the "
                "API server it cannot roll back"
            ),
            expected="credentials that are valid until the end of the run",
            next_step=(
                "log in again before it starts, or use credentials that are renewed, by an exec plugin or tokenFile"
            ),
        )
    ]
