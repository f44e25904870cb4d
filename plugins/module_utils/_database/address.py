# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .engines import ENGINE
from .tls import TLS_ARGUMENT, Tls, read_tls

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
            "password_secret": {
                "type": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "name": {"type": "str", "required": True},
                    "key": {"type": "str", "required": True, "no_log": False},
                },
            },
        },
    },
}


@dataclass(frozen=True)
class Address:
    """Where the metadata database is and who connects; `password` never leaves this process."""

    host: str
    port: int
    name: str
    user: str
    password: bytes
    tls: Tls = field(default_factory=Tls)

    def __repr__(self) -> str:
        return f"Address({self.user}@{self.host}:{self.port}/{self.name})"


def read_address(cluster: Cluster, options: dict[str, Any]) -> Address:
    """The option `database` with the password read from its Secret. Raises OperatorError where it is not there."""
    secret, key = options["password_secret"]["name"], options["password_secret"]["key"]
    entries = cluster.secret_entries(secret)
    if entries is None or key not in entries:
        found = "there is no such Secret" if entries is None else f"its entries are {', '.join(sorted(entries))}"
        raise OperatorError(
            f"no entry {key} in Secret {secret} of namespace {cluster.namespace}: {found}",
            expected="the password of the database user there",
            untouched="everything; the database was not contacted",
            next_step="correct database.password_secret, or create the entry, then run the same command again",
        )
    tls = read_tls(cluster, options.get("tls"))
    port = options["port"] or ENGINE.default_port
    return Address(options["host"], port, options["name"], options["user"], entries[key], tls)
