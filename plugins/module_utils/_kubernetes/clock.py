# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import datetime
import email.utils
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes import client


def server_time(headers: Mapping[str, str] | None) -> datetime.datetime | None:
    """When the API server sent a response, by its own clock: the Date header (UTC, whole seconds).

    None if the response has no such header. The clocks of two machines may differ by minutes, so only this one counts.
    """
    date = (headers or {}).get("Date")
    return email.utils.parsedate_to_datetime(date) if date else None


def time_of(cluster: Cluster) -> datetime.datetime | None:
    """The current time by the API server's clock, from a request that every user may send; None as for
    `server_time`."""
    _version, _status, headers = client.VersionApi(cluster.api).get_code_with_http_info()
    return server_time(headers)
