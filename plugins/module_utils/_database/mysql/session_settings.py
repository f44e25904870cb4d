# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a session of the database is given for its own, whatever the server's or the user's settings are.

Of our own sessions and of those of the client tools: of these, `mariadb` and `mysql` take a command for the beginning,
but not every `mariadb-dump` and `mysqldump` does. So a server whose limits would cut a dump is told apart beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._common.failure import OperatorError

try:
    import pymysql
except ImportError:  # reported by the module's own requirement check
    pymysql = None  # type: ignore[assignment,unused-ignore]

# A statement that needs a table somebody else uses gives up after this long, instead of blocking everybody behind it.
LOCK_WAIT_SECONDS = 30
SQL_MODE = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
NO_LIMIT = 2**64 - 1
# Settings by which a server cuts what a SELECT returns, or refuses it, and their values without a limit.
LIMITS = {"sql_select_limit": NO_LIMIT, "max_join_size": NO_LIMIT}
# Settings that every server has, of our sessions and of the tools'.
EVERYWHERE = {
    # `init_connect` may have switched it off: what is written would be lost, and what is read be old. And a ROLLBACK
    # may end the session.
    "autocommit": "1",
    "completion_type": "'NO_CHAIN'",
    # Whether anything may be read at all, and how much of it.
    "sql_big_selects": "1",
    "sql_select_limit": str(NO_LIMIT),
    # While the other side works, nothing is sent for a while.
    "wait_timeout": "28800",
    "net_read_timeout": "600",
    "net_write_timeout": "600",
}
# The first command of a tool that plays a dump. A comment with M is read by MariaDB alone, and one of 50720 by MySQL
# alone. MySQL takes no more than five digits before 8.1, and RonDB's own numbers are higher than any of MariaDB's.
TOOL_COMMAND = (
    "SET SESSION "
    + ", ".join(f"{name} = {value}" for name, value in EVERYWHERE.items())
    + " /*!50720 , transaction_read_only = 0 */ /*M!100100 , max_statement_time = 0, tx_read_only = 0 */"
)
# Settings of the session, as far as the server has them; those of the server and the user may be anything.
SETTINGS = {
    "time_zone": "'+00:00'",
    "lock_wait_timeout": str(LOCK_WAIT_SECONDS),
    "innodb_lock_wait_timeout": str(LOCK_WAIT_SECONDS),
    # Idle while a tool dumps or a Job migrates.
    "interactive_timeout": "28800",
    "idle_transaction_timeout": "0",
    "idle_readonly_transaction_timeout": "0",
    "idle_write_transaction_timeout": "0",
    # Limits on what a statement may read and change.
    "sql_safe_updates": "0",
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "sql_auto_is_null": "0",
    # How the server writes names, and in which language it complains.
    "sql_quote_show_create": "1",
    "lc_messages": "'en_US'",
    # Estimates of MySQL 8 as they are now.
    "information_schema_stats_expiry": "0",
    # A node of a Galera cluster answers when it has what the others have written: a new session may be at another one.
    "wsrep_sync_wait": "7",
}
_ON_OFF = {"0": "off", "1": "on"}


def arrange(connection: Any) -> dict[str, int]:
    """Give a session the settings that its statements were written for, whatever the server's or the user's are.

    Returns the limits that it had before, as each other session of the user has them.
    """
    with connection.cursor() as cursor:
        # `init_connect`, or a server that passes over what a client says when it connects, has another one. The library
        # says it once more from 1.1 on; what it sends and reads is UTF-8 in any case.
        cursor.execute("SET NAMES utf8mb4")
        # A limit on statements may already be too short for these.
        for limit in ("max_statement_time", "max_execution_time"):
            _attempt(cursor, f"SET SESSION {limit} = 0")
        cursor.execute(f"SELECT {', '.join(f'@@{name}' for name in LIMITS)}, @@sql_big_selects LIMIT 1")
        *values, big_selects = cursor.fetchone()
        given = {name: int(value) for name, value in zip(LIMITS, values, strict=True)}
        if int(big_selects):
            del given["max_join_size"]
        everywhere = ", ".join(f"{name} = {value}" for name, value in EVERYWHERE.items())
        # On the mode it depends how texts are quoted from here on.
        cursor.execute(f"SET SESSION {everywhere}, sql_mode = '{SQL_MODE}'")
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE")
        # What began with the first statement is of the kind that the server is set to.
        cursor.execute("ROLLBACK")
        cursor.execute(
            "SHOW SESSION VARIABLES WHERE Variable_name IN (" + ", ".join(f"'{name}'" for name in SETTINGS) + ")"
        )
        found = {str(name).lower(): str(value) for name, value in cursor.fetchall()}
        for name, wanted in SETTINGS.items():
            # Each server has some of them, and a user may not set every one.
            if name in found and found[name].lower() not in (wanted.strip("'").lower(), _ON_OFF.get(wanted)):
                _attempt(cursor, f"SET SESSION {name} = {wanted}")
    return given


def _attempt(cursor: Any, statement: str) -> None:
    """Send what the server may refuse. Raises the library's error where the session is gone."""
    connection = cursor.connection
    try:
        cursor.execute(statement)
    except pymysql.MySQLError:
        if not connection.open:
            raise


def limits_in_words(given: Mapping[str, int]) -> list[str]:
    """What the limits of a session keep a dump from: the tool that makes it can't be told to lift them."""
    return [
        f"sessions of this user have {name} = {value} (SET GLOBAL, or init_connect): a dump would lack rows, or fail"
        for name, value in given.items()
        if value < LIMITS[name]
    ]


def refuse_limits(given: Mapping[str, int]) -> None:
    """Raises OperatorError where the tool that makes a dump would not be given every row."""
    limits = limits_in_words(given)
    if limits:
        raise OperatorError(
            "; ".join(limits),
            expected="sessions that may read every row",
            untouched="everything; nothing was dumped",
            next_step="as an administrator of the database: SET GLOBAL <name> = DEFAULT, and the same in its"
            " configuration and in init_connect; then run the same command again",
        )
