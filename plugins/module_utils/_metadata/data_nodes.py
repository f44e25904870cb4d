# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any


def has_its_tables(connection: Any) -> bool:
    """Whether a server that makes its tables with NDB reaches a data node; True of any other server.

    Where it reaches none, tables are missing in what it lists, or are "not there" (1146), so that a schema may be
    taken for an empty one.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.default_storage_engine LIMIT 1")
        if str(cursor.fetchone()[0]).lower() not in ("ndb", "ndbcluster"):
            return True
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Ndb_number_of_ready_data_nodes'")
        return any(int(ready) for _name, ready in cursor.fetchall())
