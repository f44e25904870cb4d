# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from ..._common.failure import OperatorError
from ..description import Fitness
from .catalogue import Catalogue
from .privileges import Rights
from .session_settings import limits_in_words
from .tls import url_options

if TYPE_CHECKING:
    from .. import engine
    from ..tls import Tls

_READ_ONLY = {
    # The variable, and the rights to write nevertheless.
    "read_only": ("SUPER", "READ ONLY ADMIN", "READ_ONLY ADMIN"),
    "super_read_only": (),
    "innodb_read_only": (),
}
_LOCK = "hopsworks.airflow/probe"
_IN_QUOTES = re.compile(r"`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_REQUIRE = re.compile(r"\bREQUIRE (?!NONE\b)(\w+)")
_SETTINGS = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
    " ('read_only', 'super_read_only', 'innodb_read_only', 'require_secure_transport',"
    " 'default_storage_engine', 'innodb_default_row_format', 'explicit_defaults_for_timestamp')"
)


class Checks(Catalogue):
    """What the server lacks that a later phase needs, and what of it the connected user can't see."""

    def fitness(self, rights: engine.Rights, tls: Tls | None = None) -> Fitness:
        """Takes a named lock of our own and releases it."""
        held = cast(Rights, rights)
        problems: list[str] = []
        unseen: list[str] = []
        settings = {str(name).lower(): str(value).upper() for name, value in self.rows(_SETTINGS)}
        for name, writers in _READ_ONLY.items():
            # MariaDB 12 has more than ON and OFF.
            if settings.get(name, "OFF") not in ("OFF", "0") and not any(map(held.everywhere, writers)):
                problems.append(f"the server is read-only ({name}): it may be a replica, or out of space")
        problems += limits_in_words(self.given_limits)
        # This session encrypts if the server can; PyMySQL does not, unless its URL says so.
        demand = self._tls_demanded(settings) if tls is None or not url_options(tls, "pymysql", "") else None
        if demand is not None:
            problems.append(
                f"the server demands TLS ({demand}), and Airflow's components would connect without it: `prefer`"
                " encrypts only the connections of this run; set the mode of airflow_database_tls (database.tls) to"
                " require or verify_identity"
            )
        storage = settings.get("default_storage_engine", "INNODB")
        if storage not in ("INNODB", "NDB", "NDBCLUSTER"):
            problems.append(
                f"the server creates tables with {storage} (default_storage_engine): Airflow's need InnoDB or NDB"
            )
        if settings.get("explicit_defaults_for_timestamp", "ON") in ("OFF", "0"):
            problems.append(
                "the server creates TIMESTAMP columns that change by themselves with every update of their row"
                " (explicit_defaults_for_timestamp is OFF), in Airflow's tables and in restored ones: set it to ON in"
                " the server's configuration, and with SET GLOBAL or by a restart"
            )
        row_format = settings.get("innodb_default_row_format", "DYNAMIC")
        if storage == "INNODB" and row_format != "DYNAMIC":
            problems.append(
                f"the server creates tables with row format {row_format} (innodb_default_row_format), which has no room"
                " for the keys of Airflow's tables: it must be DYNAMIC"
            )
        try:
            with self.kept("a named lock"):
                taken = self.value("SELECT GET_LOCK(%s, 0)", [_LOCK])
                self.value("SELECT RELEASE_LOCK(%s)", [_LOCK])
        except OperatorError as error:
            taken = 1
            problems.append(f"the server has no named locks (GET_LOCK), which keep two runs apart: {error.found}")
        if taken is None:
            problems.append("the server has no named locks (GET_LOCK returns NULL), which keep two runs apart")
        if held.other_nodes is not None:
            unseen.append(held.other_nodes)
        if not held.everywhere("PROCESS"):
            unseen.append(
                f"{held.account} lacks the right PROCESS: the server does not show it other users' sessions, or keys of"
                " their schemas"
            )
        return Fitness(tuple(problems), tuple(unseen))

    def _tls_demanded(self, settings: dict[str, str]) -> str | None:
        """The setting by which the server rejects this user's unencrypted connections, or None."""
        if settings.get("require_secure_transport", "OFF") in ("ON", "1"):
            return "require_secure_transport"
        try:
            definition = str(self.value("SHOW CREATE USER CURRENT_USER()"))
        except OperatorError:
            # Not every server shows it to every user; the migration tries the components' own connection as well.
            return None
        found = _REQUIRE.search(_IN_QUOTES.sub("", definition))
        return f"REQUIRE {found[1]} of the user" if found else None
