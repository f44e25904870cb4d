# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..engine import Driver
from .client import DUMP, DUMP_ENDS_WITH, RESTORE, option_file
from .connect import PYMYSQL_IMPORT_ERROR, session
from .explanation import advice_for
from .session_settings import TOOL_COMMAND
from .tls import url_options
from .tool_output import codes_in, own_lines

if TYPE_CHECKING:
    from ..address import Address
    from ..engine import Database
    from ..server_wait import ServerWait

# The server can't be reached; it doesn't answer.
AWAY = (2003, 2013)


class MySqlEngine:
    """MySQL, MariaDB and RonDB."""

    default_port = 3306
    library = ("PyMySQL", PYMYSQL_IMPORT_ERROR)
    tools = "mariadb-dump and mariadb, or mysqldump and mysql"
    client_image = "mariadb:10.11"
    dump_ends_with = DUMP_ENDS_WITH

    def session(
        self, host: str, port: int, address: Address, where: str, wait: ServerWait
    ) -> AbstractContextManager[Database]:
        return session(host, port, address.user, address.password, where, address.tls, address.host, wait)

    def drivers(self, address: Address, schema: str, folder: str) -> list[Driver]:
        """PyMySQL, which Airflow's components use, and mysqlclient, which migrates faster if it is installed.

        Migrations of a new schema send several statements at once: client_flag 65536 (MULTI_STATEMENTS). PyMySQL
        encodes a password as Latin-1.
        """
        host = f"[{address.host}]" if ":" in address.host else address.host
        # A % in the URL is formatting: %s stands for the password.
        user = quote(address.user, safe="").replace("%", "%%")

        def url(driver: str, options: str) -> str:
            # SQLAlchemy does not decode the schema's name; each driver has its own TLS options.
            rest = f"{host}:{address.port}/{schema}?charset=utf8mb4{options}{url_options(address.tls, driver, folder)}"
            return f"mysql+{driver}://{user}:%s@{rest.replace('%', '%%')}"

        return [
            Driver("pymysql", url("pymysql", "&client_flag=65536"), latin_1=True, away=AWAY),
            Driver("MySQLdb", url("mysqldb", "")),
        ]

    def credentials(self, address: Address, folder: str) -> bytes:
        return option_file(address, folder)

    def dump(self, schema: str, left_out: Collection[str]) -> tuple[str, list[str]]:
        return DUMP, [schema, *(f"--ignore-table={schema}.{table}" for table in sorted(left_out))]

    def restore(self, schema: str, size: int) -> tuple[str, list[str]]:
        return RESTORE, [schema, str(size), TOOL_COMMAND]

    def tool_failure(self, errors: str) -> tuple[list[str], tuple[str, str] | None]:
        return own_lines(errors), advice_for(codes_in(errors))
