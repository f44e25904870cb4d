# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import Database

# What building, moving, dumping and restoring a schema needs, on each schema involved.
NEEDED = frozenset({"ALTER", "CREATE", "DELETE", "DROP", "INDEX", "INSERT", "REFERENCES", "SELECT", "UPDATE"})
_GRANT = re.compile(
    r"^(?P<verb>GRANT|REVOKE) (?P<rights>.+?) ON (?:TABLE )?(?P<object>\*\.\*|`(?:[^`]|``)+`\.\*|\w+\.\*) (?:TO|FROM) "
)


def missing_privileges(database: Database, schemas: Iterable[str]) -> list[str]:
    """What the connected user lacks, as `RIGHT ON schema.*`; the rights of its active roles count."""
    grants = [str(row[0]) for row in database.rows("SHOW GRANTS FOR CURRENT_USER")]
    return missing_in(grants, schemas)


def missing_in(grants: Iterable[str], schemas: Iterable[str]) -> list[str]:
    """The same from lines of SHOW GRANTS. Lines about single tables, columns and roles don't give a whole schema."""
    held: list[tuple[bool, frozenset[str], str]] = []
    for line in grants:
        match = _GRANT.match(line)
        if match:
            rights = frozenset(right.strip().upper() for right in match["rights"].split(","))
            held.append((match["verb"] == "GRANT", rights, match["object"]))
    return [
        f"{right} ON {schema}.*"
        for schema in dict.fromkeys(schemas)
        for right in sorted(NEEDED)
        if not _holds(held, right, schema)
    ]


def _holds(held: list[tuple[bool, frozenset[str], str]], right: str, schema: str) -> bool:
    verdict = False
    for granted, rights, target in held:
        whole = "ALL PRIVILEGES" in rights or "ALL" in rights
        if (whole or right in rights) and _covers(target, schema):
            # MySQL lists partial revokes (REVOKE … ON schema.*) after the grants they take away from.
            verdict = granted
    return verdict


def _covers(target: str, schema: str) -> bool:
    """Whether `*.*` or `pattern`.* means this schema: in grants `_` and `%` are wild cards unless escaped."""
    if target == "*.*":
        return True
    pattern = target[:-2].strip("`").replace("``", "`")
    expression = ""
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\" and position + 1 < len(pattern):
            position += 1
            expression += re.escape(pattern[position])
        elif character == "%":
            expression += ".*"
        elif character == "_":
            expression += "."
        else:
            expression += re.escape(character)
        position += 1
    return re.fullmatch(expression, schema, re.DOTALL) is not None
