# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Sequence

from ..._common.failure import OperatorError
from ..failures import STATEMENT, AwayError, DeniedError, RolledBackError
from ..tls import explained_tls
from .session_settings import LOCK_WAIT_SECONDS

# The message of MariaDB and MySQL if the file of a new table already exists.
TABLESPACE_EXISTS = re.compile(r"\btablespace\b.*\bexists\b", re.IGNORECASE | re.DOTALL)

# Errors of a server that stops, is down or starts: no connection, a lost one, "shutdown in progress", a node that has
# not joined its cluster yet (also "offline mode" and "isn't available"), and too many users that come back at once.
# The library's own number, after it has found the connection lost.
CLOSED = 0
# Too many connections: to the server, and of one user by either limit (max_user_connections, and the account's own).
FULL = (1040, 1203, 1226)
# Errors of a proxy that accepts connections while its server is down: ProxySQL's own codes
# (https://proxysql.com/documentation/error-codes), and MariaDB's for a killed connection, which MaxScale uses.
BEHIND_PROXY = (1927, 9001, 9002, 9004)
# An SQL node of NDB Cluster whose data nodes are away, for DDL and for other statements
# (HA_ERR_NO_CONNECTION; 4009 is NDB's own number: storage/ndb/src/ndbapi/ndberror.cpp).
NO_STORAGE = 157
BY_STORAGE_ENGINE = 1296
NO_DATA_NODES = re.compile(r"\bgot error (?:157|4009)\b", re.IGNORECASE)
AWAY = (CLOSED, *FULL, NO_STORAGE, 1047, 1053, *BEHIND_PROXY, 2002, 2003, 2006, 2013, 3032, 3168)

# The server has rolled back the whole transaction because of another one, and asks for it again: a deadlock, a conflict
# that another node of a Galera cluster won, a temporary error of NDB.
ROLLED_BACK = (1213, 1297)
# No right on a schema, a table, a column.
DENIED = (1044, 1142, 1143)


def is_away(error: Exception) -> bool:
    """Whether the server may be back soon. A rejected certificate is a lasting failure."""
    refused = isinstance(cause_of(error), ssl.SSLCertVerificationError)
    return not refused and _number(error) in AWAY


def explained(error: Exception, where: str, untouched: str = STATEMENT, host: str = "") -> OperatorError:
    """A failure of the database library in an operator's words; `host` is the target of a new connection."""
    kind: type[OperatorError] = AwayError if is_away(error) else OperatorError
    for codes, other in ((ROLLED_BACK, RolledBackError), (DENIED, DeniedError)):
        if error.args and error.args[0] in codes:
            kind = other
    encryption = explained_tls(cause_of(error), host)
    if encryption is not None:
        return kind(
            f"no encrypted connection to the database server {where}: {encryption[0]}",
            expected="TLS as database.tls describes it",
            untouched=untouched,
            next_step=f"{encryption[1]}; then run the same command again",
        )
    if isinstance(cause_of(error), socket.gaierror):
        return kind(
            f"the name of the database server {where} does not resolve: it is not a Service of the namespace, and this"
            " machine's name servers do not know it",
            expected="a Service of the cluster, or a host name or address that can be reached from here",
            untouched=untouched,
            next_step="correct database.host, or the name server's settings, then run the same command again",
        )
    if isinstance(error, RuntimeError):
        # The library's error if a login needs another package (ed25519; sha256 without encryption).
        return OperatorError(
            f"the database server {where} requires a login that this PyMySQL does not support: {error}",
            expected="a login that PyMySQL supports, here and in the image of Airflow",
            untouched=untouched,
            next_step="install that package here and in the image, or have an administrator of the database give the"
            " user another way to log in (ALTER USER ... IDENTIFIED ...), then run the same command again",
        )
    code, text = error.args[0] if error.args else "nothing", str(error.args[-1] if error.args else error)
    expected, next_step = _ADVICE.get(
        _number(error),
        ("the statement to be accepted", "fix what the server reports, then run the same command again"),
    )
    return kind(
        f"the session is closed on the database server {where}"
        if code == CLOSED
        else f"the database server {where} answered {code}: {text}",
        expected=expected,
        untouched=untouched,
        next_step=next_step,
    )


def _number(error: Exception) -> int:
    """The number of a server's error; for a number with several meanings, that of the actual one."""
    code, text = error.args[0] if error.args else -1, str(error.args[-1] if error.args else "")
    # A table replaces one that a key of another schema still refers to, and doesn't match that key.
    if code == 1025 and "150" in text:
        return 1451
    if code == BY_STORAGE_ENGINE and NO_DATA_NODES.search(text):
        return NO_STORAGE
    if TABLESPACE_EXISTS.search(text):
        return 1813
    return code if isinstance(code, int) else -1


def advice_for(codes: Sequence[int]) -> tuple[str, str] | None:
    """What was expected and the next step, for the first of a tool's errors that is known."""
    return next((_ADVICE[code] for code in codes if code in _ADVICE), None)


_UNREACHABLE = (
    "a database server that answers",
    "check that its pod or host is up and the address is correct, then run the same command again",
)
_NO_ROOM = (
    "room for one more connection",
    (
        "see who is connected (SHOW PROCESSLIST), and end it or raise the limit (max_connections; max_user_connections;"
        " of the account ALTER USER ... WITH MAX_USER_CONNECTIONS ...); then run the same command again"
    ),
)
_NO_STORAGE = (
    "data nodes that are ready",
    "see which are down (ndb_mgm -e show), start them, then run the same command again",
)
_CUT = (
    "a server that lets a table be read to its end",
    (
        "as an administrator of the database, until this run has ended: SET GLOBAL max_execution_time = 0 (of MariaDB"
        " max_statement_time); then run the same command again"
    ),
)
_DENIED = (
    "the user to have the right for it",
    "let hopsworks.airflow.metadata_info list `missing_privileges`, grant them, run the same command again",
)
_TLS = (
    "an encrypted connection as database.tls describes it, and the server demands",
    "compare database.tls with what the server offers (SHOW VARIABLES LIKE '%ssl%'), then run the same command again",
)
_FIND_KEY = (
    "an administrator of the database finds it: SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME,"
    " UNIQUE_CONSTRAINT_SCHEMA FROM information_schema.REFERENTIAL_CONSTRAINTS"
    " WHERE CONSTRAINT_SCHEMA <> UNIQUE_CONSTRAINT_SCHEMA; when its owner has dropped that key"
    " (ALTER TABLE ... DROP FOREIGN KEY ...), run the same command again: it finishes what is begun"
)
_REFERRED_TO = ("no foreign key of another schema onto these tables", _FIND_KEY)
_ENLARGE = (
    "as an administrator of the database: SET GLOBAL max_allowed_packet = 1073741824, and the same in its"
    " configuration; then run the same command again"
)
_IN_THE_WAY = (
    "other transactions to leave room for this one, which the server rolled back each time",
    "see who writes so much (SHOW FULL PROCESSLIST; for NDB its cluster log), then run the same command again",
)
_TOO_LARGE = ("every row to fit into the server's max_allowed_packet, as a statement", _ENLARGE)
_ADVICE: dict[int, tuple[str, str]] = {
    CLOSED: _UNREACHABLE,
    **dict.fromkeys(FULL, _NO_ROOM),
    **dict.fromkeys(BEHIND_PROXY, _UNREACHABLE),
    1045: (
        "the user and the password of the Secret to be accepted",
        (
            "correct database.user or database.password_secret; if the server demands TLS or a client certificate of"
            " this user (REQUIRE SSL, REQUIRE X509), which it reports in the same words, set database.tls"
        ),
    ),
    **dict.fromkeys(DENIED, _DENIED),
    1227: _DENIED,
    1217: _REFERRED_TO,
    1451: _REFERRED_TO,
    3730: _REFERRED_TO,
    1205: (
        f"no other session to hold the tables for more than {LOCK_WAIT_SECONDS} s",
        "find who uses them (SHOW FULL PROCESSLIST), end it, run the same command again",
    ),
    1213: _IN_THE_WAY,
    1297: _IN_THE_WAY,
    NO_STORAGE: _NO_STORAGE,
    1969: _CUT,
    3024: _CUT,
    1813: (
        "no file of a table that the server no longer knows; a server that dies while it drops tables may leave one",
        (
            "restart the database server, which removes such files; if one stays, an administrator removes it; then run"
            " the same command again"
        ),
    ),
    1153: _TOO_LARGE,
    2026: _TLS,
    3159: _TLS,
    2020: _TOO_LARGE,
    2002: _UNREACHABLE,
    2003: _UNREACHABLE,
    2006: _UNREACHABLE,
    2013: _UNREACHABLE,
}


def cause_of(error: Exception) -> BaseException:
    return getattr(error, "original_exception", None) or error.__cause__ or error
