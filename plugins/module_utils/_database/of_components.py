# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Airflow's own components connect, for the files that they read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .address import Address
from .engines import ENGINE
from .tls import FILES, Tls


def connection_of(options: Mapping[str, Any], folder: str, entry: str) -> dict[str, Any]:
    """`url` for SQLAlchemy, with a reference to the password, and the `files` for TLS that it names.

    `options` are those of the option `database`. `launch.py` replaces `@{ENTRY:ENCODING}` by the password in the file
    `entry`. Each of the files has the `secret` and the `key` that it comes from, and its `path` in `folder`.
    """
    given = options.get("tls") or {}
    tls = Tls(given.get("mode") or Tls().mode, {name: dict(given[name]) for name in FILES if given.get(name)})
    host, name, user = (str(options[part]) for part in ("host", "name", "user"))
    address = Address(host, int(options.get("port") or ENGINE.default_port), name, user, b"", tls)
    driver = ENGINE.drivers(address, address.name, folder)[0]
    encoding = "latin-1" if driver.latin_1 else "utf-8"
    return {
        "url": driver.url % f"@{{{entry}:{encoding}}}",
        "files": [
            {"secret": tls.sources[file]["name"], "key": tls.sources[file]["key"], "path": FILES[file]}
            for file in tls.used()
        ],
    }
