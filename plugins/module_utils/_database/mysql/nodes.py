# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server is one of several for the same tables: its named locks and its list of sessions are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .catalogue import NDB_CLUSTER, read_server

if TYPE_CHECKING:
    from .session import Statements

_ALONE = "locks and lists of sessions are those of this {0} alone, so others may be connected to other {0}s"
_SETTINGS = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
    " ('wsrep_on', 'group_replication_group_name', 'default_storage_engine')"
)


def other_nodes(database: Statements) -> str | None:
    """What a server is one of, and what follows from it, in words; None for a server by itself."""
    settings = {str(name).lower(): str(value).upper() for name, value in database.rows(_SETTINGS)}
    if settings.get("wsrep_on", "OFF") in ("ON", "1"):
        return f"the server is a node of a Galera cluster: {_ALONE.format('node')}"
    if settings.get("group_replication_group_name"):
        return f"the server is a member of a replication group: {_ALONE.format('member')}"
    ndb = settings.get("default_storage_engine") in ("NDB", "NDBCLUSTER")
    if ndb or read_server(database).engine == NDB_CLUSTER:
        return f"the server is an SQL node of NDB Cluster or RonDB: {_ALONE.format('SQL node')}"
    return None
