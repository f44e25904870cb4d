# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a session, whatever those of the server or the user are.

They are for our own sessions and for those of the client tools. `mariadb` and `mysql` accept a first command, but not
every `mariadb-dump` and `mysqldump` does. So a server whose limits would cut a dump is refused beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

try:
    import pymysql
except ImportError:  # reported by the module's own requirement check
    pymysql = None  # type: ignore[assignment,unused-ignore]

# A statement that waits for a table in use fails after this time, instead of blocking all sessions behind it.
LOCK_WAIT_SECONDS = 30
SQL_MODE = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
NO_LIMIT = 2**64 - 1
# Settings by which a server cuts the result of a SELECT, or rejects it, and their values without a limit.
LIMITS = {"sql_select_limit": NO_LIMIT, "max_join_size": NO_LIMIT}
# Settings that every server has, for our sessions and the tools'.
EVERYWHERE = {
    # `init_connect` may have switched it off: writes would be lost, and reads be old. A ROLLBACK may end the session.
    "autocommit": "1",
    "completion_type": "'NO_CHAIN'",
    # Whether, and how much, a session may read.
    "sql_big_selects": "1",
    "sql_select_limit": str(NO_LIMIT),
    # While one side works, it sends nothing for a while.
    "wait_timeout": "28800",
    "net_read_timeout": "600",
    "net_write_timeout": "600",
}
# The first command of a tool that restores a dump. Only MariaDB reads a comment with M, and only MySQL one of 50720.
# MySQL accepts no more than five digits before 8.1, and RonDB's own numbers are higher than any of MariaDB's.
TOOL_COMMAND = (
    "SET SESSION "
    + ", ".join(f"{name} = {value}" for name, value in EVERYWHERE.items())
    + " /*!50720 , transaction_read_only = 0 */ /*M!100100 , max_statement_time = 0, tx_read_only = 0 */"
)
# Settings of our sessions, if the server has them.
SETTINGS = {
    "time_zone": "'+00:00'",
    "lock_wait_timeout": str(LOCK_WAIT_SECONDS),
    "innodb_lock_wait_timeout": str(LOCK_WAIT_SECONDS),
    # A session is idle while a tool dumps or a Job migrates.
    "interactive_timeout": "28800",
    "idle_transaction_timeout": "0",
    "idle_readonly_transaction_timeout": "0",
    "idle_write_transaction_timeout": "0",
    # Limits on the rows that a statement reads and changes.
    "sql_safe_updates": "0",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "sql_auto_is_null": "0",
    # How the server writes names, and the language of its errors.
    "sql_quote_show_create": "1",
    "lc_messages": "'en_US'",
    # Current estimates from MySQL 8.
    "information_schema_stats_expiry": "0",
    # A node of a Galera cluster first applies what the others have written: a new session may be on another node.
    "wsrep_sync_wait": "7",
}
_ON_OFF = {"0": "off", "1": "on"}


def arrange(connection: Any) -> dict[str, int]:
    """Give a session the settings that our statements need.

    Returns the limits that it had before; the user's other sessions have them as well.
    """
    with connection.cursor() as cursor:
        # `init_connect` may set another one, and a server may ignore the client's when it connects. The library repeats
        # this from 1.1 on; it sends and reads UTF-8 in any case.
        cursor.execute("SET NAMES utf8mb4")
        # A limit on statements may be too short even for the following ones.
        for limit in ("max_statement_time", "max_execution_time"):
            _attempt(cursor, f"SET SESSION {limit} = 0")
        cursor.execute(f"SELECT {', '.join(f'@@{name}' for name in LIMITS)}, @@sql_big_selects LIMIT 1")
        *values, big_selects = cursor.fetchone()
        given = {name: int(value) for name, value in zip(LIMITS, values, strict=True)}
        if int(big_selects):
            del given["max_join_size"]
        everywhere = ", ".join(f"{name} = {value}" for name, value in EVERYWHERE.items())
        # The mode decides how the server reads quotes in the following statements.
        cursor.execute(f"SET SESSION {everywhere}, sql_mode = '{SQL_MODE}'")
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE")
        # The transaction that the first statement began still has the server's own isolation level.
        cursor.execute("ROLLBACK")
        cursor.execute(
            "SHOW SESSION VARIABLES WHERE Variable_name IN (" + ", ".join(f"'{name}'" for name in SETTINGS) + ")"
        )
        found = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
        for name, wanted in SETTINGS.items():
            # Each server has some of them, and the user may not be allowed to set all of them.
            if name in found and found[name].lower() not in (wanted.strip("'").lower(), _ON_OFF.get(wanted)):
                _attempt(cursor, f"SET SESSION {name} = {wanted}")
    return given


def _attempt(cursor: Any, statement: str) -> None:
    """Send a statement that the server may reject. Raises the library's error if the session has ended."""
    connection = cursor.connection
    try:
        cursor.execute(statement)
    except pymysql.MySQLError:
        if not connection.open:
            raise


def limits_in_words(given: Mapping[str, int]) -> list[str]:
    """Why a dump would be incomplete: the dump tool can't lift the limits of its session."""
    return [
        f"sessions of this user have {name} = {value} (SET GLOBAL, or init_connect): a dump would lack rows, or fail"
        for name, value in given.items()
        if value < LIMITS[name]
    ]
