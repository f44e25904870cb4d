# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TLS options of MySQL's and MariaDB's tools and of the Python drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ..tls import DISABLE, FILES, PREFER, REQUIRE, VERIFY_IDENTITY

if TYPE_CHECKING:
    from ..tls import Tls

_MYSQL = {DISABLE: "DISABLED", PREFER: "PREFERRED", REQUIRE: "REQUIRED", VERIFY_IDENTITY: "VERIFY_IDENTITY"}
_MARIADB = {
    DISABLE: ("skip-ssl",),
    PREFER: ("skip-ssl-verify-server-cert",),
    REQUIRE: ("ssl", "skip-ssl-verify-server-cert"),
    VERIFY_IDENTITY: ("ssl", "ssl-verify-server-cert"),
}


def option_lines(tls: Tls, folder: str) -> str:
    """Lines of an option file, for the tools of MySQL and of MariaDB; the files are in `folder`."""
    files = {"ca": "ssl-ca", "certificate": "ssl-cert", "private_key": "ssl-key"}
    lines = [f"{option}={folder}/{FILES[name]}" for name, option in files.items() if name in tls.used()]
    # MariaDB's tools ignore the first line, and MySQL's the group of this name.
    lines += [f"loose-ssl-mode={_MYSQL[tls.mode]}", "[client-mariadb]", *_MARIADB[tls.mode]]
    return "".join(line + "\n" for line in lines)


def url_options(tls: Tls, driver: str, folder: str) -> str:
    """Parameters of an SQLAlchemy URL for `pymysql` or `mysqldb`, each with an & before it."""
    names = {"ca": "ssl_ca", "certificate": "ssl_cert", "private_key": "ssl_key"}
    options = {option: f"{folder}/{FILES[name]}" for name, option in names.items() if name in tls.used()}
    if driver == "mysqldb" and tls.mode != PREFER:
        options["ssl_mode"] = _MYSQL[tls.mode]
    elif driver == "pymysql" and tls.mode == REQUIRE:
        options["ssl_check_hostname"] = "false"
    return "".join(f"&{urlencode({name: value}, safe='/')}" for name, value in options.items())
