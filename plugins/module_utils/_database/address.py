# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .engines import ENGINE
from .tls import ENTRY_ARGUMENT, TLS_ARGUMENT, Tls, read_entry, read_tls

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

# The argument spec of the option `database`; documented in the fragment hopsworks.airflow.database.
DATABASE_ARGUMENT: dict[str, Any] = {
    "database": {
        "type": "dict",
        "required": True,
        "options": {
            "host": {"type": "str", "required": True},
            "port": {"type": "int"},
            "name": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "tls": TLS_ARGUMENT,
            "password_secret": {**ENTRY_ARGUMENT, "required": True},
        },
    },
}


@dataclass(frozen=True)
class Address:
    """Where the metadata database is and which user connects; `password` never leaves this process."""

    host: str
    port: int
    name: str
    user: str
    password: bytes
    tls: Tls = field(default_factory=Tls)

    def __repr__(self) -> str:
        return f"Address({self.user}@{self.host}:{self.port}/{self.name})"


def read_address(cluster: Cluster, options: dict[str, Any]) -> Address:
    """The option `database`, with the password from its Secret. Raises OperatorError if that entry does not exist."""
    password = read_entry(
        cluster, options["password_secret"], "database.password_secret", "the password of the database user there"
    )
    tls = read_tls(cluster, options.get("tls"))
    port = options["port"] or ENGINE.default_port
    return Address(options["host"], port, options["name"], options["user"], password, tls)
