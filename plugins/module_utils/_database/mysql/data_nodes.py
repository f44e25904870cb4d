# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import Any

from .explanation import NO_STORAGE

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    import pymysql

STATUS = "Ndb_number_of_ready_data_nodes"


def check_data_nodes(connection: Any) -> None:
    """Raises pymysql.OperationalError if a server creates its tables with NDB and reaches no data node.

    Its list of tables is then incomplete, or they "don't exist" (1146), so a schema may look empty.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.default_storage_engine LIMIT 1")
        if str(cursor.fetchone()[0]).lower() not in ("ndb", "ndbcluster"):
            return
        cursor.execute(f"SHOW GLOBAL STATUS LIKE '{STATUS}'")
        if not any(int(ready) for _name, ready in cursor.fetchall()):
            raise pymysql.OperationalError(NO_STORAGE, f"no data node is ready ({STATUS})")
