# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the client tools of MySQL or of MariaDB run, depending on which of them an image has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tls import option_lines

if TYPE_CHECKING:
    from ..address import Address

# The credentials are the first bytes of standard input. The shell keeps them in a variable that it does not export and
# hands them to the tool through a pipe: they are in no process list, no environment and no file of the pod.
# No implementation of dd reads a byte too many. The tools read no option file of the pod's user or of its server, and
# none of their environment variables: only the credentials decide which user connects to which server.
_CREDENTIALS = """
set -u
unset MYSQL_HOST MYSQL_PWD MYSQL_TCP_PORT MYSQL_UNIX_PORT MYSQL_GROUP_SUFFIX MYSQL_HOME MYSQL_DEBUG MARIADB_HOME
unset MYSQL_OPTIONS MARIADB_OPTIONS LIBMYSQL_PLUGINS LIBMYSQL_PLUGIN_DIR LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN
export MYSQL_TEST_LOGIN_FILE=/nonexistent/login
credentials=$(dd bs=1 count="$1" 2>/dev/null; printf x); credentials=${credentials%x}
"""
# Its exit code is the tool's, although the tool is the first command of a pipeline.
DUMP = (
    _CREDENTIALS
    + """
tool=$(command -v mariadb-dump || command -v mysqldump) || { echo "no mariadb-dump or mysqldump" >&2; exit 127; }
command -v gzip >/dev/null || { echo "no gzip" >&2; exit 127; }
case $("$tool" --version) in *MariaDB*) own= ;; *) own=--set-gtid-purged=OFF ;; esac
schema=$2
shift 2
exec 5>&1
code=$({ { printf %s "$credentials" | "$tool" --defaults-file=/dev/stdin $own --single-transaction --quick \\
    --hex-blob --no-tablespaces --skip-add-locks --skip-add-drop-table --skip-disable-keys --skip-triggers \\
    --max-allowed-packet=1G --default-character-set=utf8mb4 "$@" -- "$schema" 6>&-; echo $? >&6; } |
    gzip -c >&5; } 6>&1)
exit "$code"
"""
)
RESTORE = (
    _CREDENTIALS
    + """
tool=$(command -v mariadb || command -v mysql) || { echo "no mariadb or mysql" >&2; exit 127; }
command -v gzip >/dev/null || { echo "no gzip" >&2; exit 127; }
exec 4<&0 5>&1
codes=$({ printf %s "$credentials" | {
  exec 3<&0 0<&4
  { head -c "$3" | gzip -cd 6>&-; echo "gzip=$?" >&6; } | "$tool" --defaults-file=/dev/fd/3 --max-allowed-packet=1G \\
    --init-command="$4" --default-character-set=utf8mb4 -- "$2" 6>&-
  echo "code=$?" >&6
} >&5; } 6>&1)
gzip=1 code=1
eval "$codes"
[ "$code" != 0 ] || [ "$gzip" = 0 ] || { echo "gzip: ended with $gzip, the restore is incomplete" >&2; code=1; }
exit "$code"
"""
)
# The beginning of the last line of a complete dump.
DUMP_ENDS_WITH = b"-- Dump completed"


def option_file(address: Address, tls_folder: str = "") -> bytes:
    """Credentials as MySQL's and MariaDB's tools read them: https://mariadb.com/kb/en/configuring-mariadb-with-option-files/."""
    password = address.password.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    user = address.user.replace("\\", "\\\\").replace('"', '\\"')
    head = f'[client]\nhost="{address.host}"\nport={address.port}\nprotocol=TCP\nuser="{user}"\n'
    return head.encode() + b'password="' + password + b'"\n' + option_lines(address.tls, tls_folder).encode()
