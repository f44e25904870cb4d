# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the connected user may do, judged as the server judges it.

Global rights and those on a schema add up. If several grants match a schema, the server uses only the one with the most
specific pattern: `airflow`.* hides `airflow%`.*, whatever rights the two give. The rights of the user, of its active
roles and of all users (PUBLIC) add up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..._common.failure import OperatorError
from ..engine import Use
from .catalogue import MARIADB, NDB_CLUSTER, Catalogue, numbers_of
from .session import quoted

if TYPE_CHECKING:
    from ..description import Server

NEEDED = {
    Use.BUILD: frozenset({"ALTER", "CREATE", "DELETE", "DROP", "INDEX", "INSERT", "REFERENCES", "SELECT", "UPDATE"}),
    Use.LOCK: frozenset({"LOCK TABLES"}),
    Use.LIST: frozenset({"CREATE", "DELETE", "DROP", "INSERT", "SELECT"}),
}
# Without one of these rights the server hides all objects of that kind in the schema, without a warning.
SHOWN_WITH = {
    "routines": ("EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE"),
    "triggers": ("TRIGGER",),
    "events": ("EVENT",),
}
# Rights that can be granted, and so revoked, on a schema. All others are rights on the whole server.
_OF_A_SCHEMA = NEEDED[Use.BUILD].union(
    *SHOWN_WITH.values(), ("CREATE TEMPORARY TABLES", "CREATE VIEW", "LOCK TABLES", "SHOW VIEW", "GRANT OPTION")
)
# Schemas on which a grant on everything must give no rights, if these can be revoked (partial_revokes).
_OF_THE_SERVER = ("mysql", "sys")
_CLUSTER_SETTINGS = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
    " ('wsrep_on', 'group_replication_group_name', 'default_storage_engine')"
)
_OWN_SESSIONS = "locks and lists of sessions are those of this {0} alone, so others may be connected to other {0}s"
_EVERY = frozenset({"ALL", "ALL PRIVILEGES"})
_GRANT = re.compile(
    r"^(?P<verb>GRANT|REVOKE) (?P<rights>.+?) ON (?:TABLE )?"
    r"(?P<object>\*\.\*|`(?:[^`]|``)+`\.\*|[^\s`.*]+\.\*) (?:TO|FROM) "
)


@dataclass(frozen=True)
class Grants:
    """The grants of one grantee: on everything, on schemas by pattern, and MySQL's partial revokes."""

    everywhere: frozenset[str] = frozenset()
    by_pattern: dict[str, frozenset[str]] = field(default_factory=dict)
    revoked: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, lines: Iterable[str]) -> Grants:
        """From lines of SHOW GRANTS. Those about single tables, columns and roles don't cover a whole schema."""
        everywhere: set[str] = set()
        by_pattern: dict[str, frozenset[str]] = {}
        revoked: dict[str, frozenset[str]] = {}
        for match in filter(None, map(_GRANT.match, lines)):
            rights = frozenset(right.strip().upper() for right in match["rights"].split(","))
            pattern = _unquoted(match["object"])
            if match["verb"] == "REVOKE":
                revoked[pattern] = revoked.get(pattern, frozenset()) | rights
            elif match["object"] == "*.*":
                everywhere |= rights
            else:
                by_pattern[pattern] = by_pattern.get(pattern, frozenset()) | rights
        return cls(frozenset(everywhere), by_pattern, revoked)

    def takes_away(self, right: str) -> bool:
        """Whether a right is revoked on some schema."""
        return right in _OF_A_SCHEMA and any(_has(rights, right) for rights in self.revoked.values())


class Rights:
    """The rights of all grantees together. `literal`: `%` and `_` are no wild cards (MySQL's partial_revokes).

    `other_nodes` says why the server can't show all sessions, even with PROCESS; None if it can.
    """

    def __init__(
        self,
        grantees: Sequence[Grants],
        account: str = "",
        *,
        literal: bool = False,
        mariadb: bool = False,
        other_nodes: str | None = None,
    ) -> None:
        self._grantees, self.account, self._literal, self._mariadb = grantees, account, literal, mariadb
        self.other_nodes = other_nodes

    def everywhere(self, right: str) -> bool:
        """Whether it is granted on everything, or is a right without a schema (PROCESS)."""
        return any(_has(grants.everywhere, right) and not grants.takes_away(right) for grants in self._grantees)

    def holds(self, right: str, schema: str) -> bool:
        return any(self._gives(grants, right, schema) for grants in self._grantees)

    @property
    def unseen(self) -> list[str]:
        found = []
        if not self.everywhere("PROCESS"):
            found.append(f"{self.account} lacks the right PROCESS, so sessions of other users are not shown to it")
        return [*found, self.other_nodes] if self.other_nodes is not None else found

    def missing(self, schemas: Iterable[str], use: Use = Use.BUILD) -> list[str]:
        """As `RIGHT ON schema.*`."""
        return self.lacking(schemas, NEEDED[use])

    def lacking(self, schemas: Iterable[str], needed: Collection[str]) -> list[str]:
        """Those of the rights `needed` that are missing."""
        return [
            f"{right} ON {schema}.*"
            for schema in dict.fromkeys(schemas)
            for right in sorted(needed)
            if not self.holds(right, schema)
        ]

    def hidden_in(self, schema: str) -> list[str]:
        all_shown = {"routines"} if any(map(self.everywhere, ("SELECT", "SHOW_ROUTINE"))) else set()
        return [
            kind
            for kind, rights in SHOWN_WITH.items()
            if kind not in all_shown and not any(self.holds(right, schema) for right in rights)
        ]

    def to_show(self, schema: str, hidden: Iterable[str]) -> list[str]:
        return self._grants(schema, [schema], {SHOWN_WITH[kind][0] for kind in hidden}, ())

    def remedies(
        self, live: str, schemas: Iterable[str], use: Use = Use.BUILD, of_runs: tuple[str, ...] = ()
    ) -> list[str]:
        """A grant that is in force for a schema is extended, because it would hide a wider one.

        Without wild cards, only a grant on everything covers schemas whose names a later run chooses; its rights on the
        server's own schemas are revoked.
        """
        return self._grants(live, schemas, NEEDED[use], of_runs)

    def _grants(
        self, live: str, schemas: Iterable[str], needed: Collection[str], of_runs: tuple[str, ...]
    ) -> list[str]:
        wanted: dict[str, set[str]] = {}
        schemas = list(dict.fromkeys(schemas))
        of_a_run = [schema for schema in schemas if schema.startswith(of_runs)]
        if self._literal and any(not self.holds(right, schema) for schema in of_a_run for right in needed):
            given = ", ".join(sorted(needed))
            return [
                f"GRANT {given} ON *.* TO {self.account}",
                *(f"REVOKE {given} ON {quoted(schema)}.* FROM {self.account}" for schema in _OF_THE_SERVER),
            ]
        for schema in schemas:
            lacking = {right for right in needed if not self.holds(right, schema)}
            if lacking:
                inside = schema.startswith(live) and not self._literal
                pattern = self._in_force(schema) or (f"{escaped(live)}%" if inside else escaped(schema, self._literal))
                wanted.setdefault(pattern, set()).update(lacking)
        return [
            f"GRANT {', '.join(sorted(rights))} ON {quoted(pattern)}.* TO {self.account}"
            for pattern, rights in wanted.items()
        ]

    def _in_force(self, schema: str) -> str | None:
        found = self._most_specific(self._grantees[0], schema) if self._grantees else []
        return found[0] if found else None

    def _gives(self, grants: Grants, right: str, schema: str) -> bool:
        if _has(grants.everywhere, right) and not _has(grants.revoked.get(schema, frozenset()), right):
            return True
        found = self._most_specific(grants, schema)
        # It is not documented which of two equally specific grants the server uses: both must give the right.
        return bool(found) and all(_has(grants.by_pattern[pattern], right) for pattern in found)

    def _most_specific(self, grants: Grants, schema: str) -> list[str]:
        if self._literal:
            return [pattern for pattern in grants.by_pattern if re.sub(r"\\([_%])", r"\1", pattern) == schema]
        matching = [pattern for pattern in grants.by_pattern if covers(pattern, schema)]
        order = {pattern: specificity(pattern, self._mariadb) for pattern in matching}
        return [pattern for pattern in matching if order[pattern] == max(order.values())]


class Privileges(Catalogue):
    """Which rights the connected user has."""

    def rights(self) -> Rights:
        """With the roles that are active in a session of its own, as in Airflow's sessions."""
        account = str(self.value("SELECT CURRENT_USER()"))
        user, _at, host = account.rpartition("@")
        grantee = "@".join("'" + part.replace("'", "''") + "'" for part in (user, host))
        server = self.server()
        version, literal = numbers_of(server.version), False
        if server.product == MARIADB:
            sources = [self._shown("SHOW GRANTS FOR CURRENT_USER")]
            if self.value("SELECT CURRENT_ROLE()") is not None:
                sources.append(self._shown("SHOW GRANTS FOR CURRENT_ROLE"))
            if version >= (10, 11):
                try:
                    sources.append(self._shown("SHOW GRANTS FOR PUBLIC"))
                except OperatorError:
                    # Hidden from some users; its grants would only add to those that are known.
                    sources.append([])
        else:
            roles = str(self.value("SELECT CURRENT_ROLE()")) if version >= (8,) else "NONE"
            using = f" USING {roles}" if roles != "NONE" else ""
            sources = [self._shown(f"SHOW GRANTS FOR CURRENT_USER(){using}")]
            literal = str(dict(self.rows("SHOW VARIABLES LIKE 'partial_revokes'")).get("partial_revokes")) == "ON"
        return Rights(
            [Grants.read(lines) for lines in sources],
            grantee,
            literal=literal,
            mariadb=server.product == MARIADB,
            other_nodes=self._other_nodes(server),
        )

    def _shown(self, statement: str) -> list[str]:
        return [str(row[0]) for row in self.rows(statement)]

    def _other_nodes(self, server: Server) -> str | None:
        """What kind of cluster the server is one node of, and what follows from that; None for a single server."""
        settings = {str(name).lower(): str(value).upper() for name, value in self.rows(_CLUSTER_SETTINGS)}
        if settings.get("wsrep_on", "OFF") in ("ON", "1"):
            return f"the server is a node of a Galera cluster: {_OWN_SESSIONS.format('node')}"
        if settings.get("group_replication_group_name"):
            return f"the server is a member of a replication group: {_OWN_SESSIONS.format('member')}"
        if server.product == NDB_CLUSTER or settings.get("default_storage_engine") in ("NDB", "NDBCLUSTER"):
            return f"the server is an SQL node of NDB Cluster or RonDB: {_OWN_SESSIONS.format('SQL node')}"
        return None


def covers(pattern: str, schema: str) -> bool:
    """Whether a pattern of a grant matches this schema: `_` and `%` are wild cards unless escaped."""
    expression = "".join(
        re.escape(part[1:]) if len(part) > 1 else {"%": ".*", "_": "."}.get(part, re.escape(part))
        for part in re.findall(r"\\.|.", pattern, re.DOTALL)
    )
    return re.fullmatch(expression, schema, re.DOTALL) is not None


def specificity(pattern: str, mariadb: bool = False) -> tuple[int, ...]:
    """How the server sorts one user's grants on schemas; it uses the greatest one that matches.

    MySQL: by the position of the first wild card (get_sort in sql_auth_cache.cc). MariaDB, as measured with 10.11: by
    the number of characters that a name must have, then by the number of `%`, then by the number of `_`.
    """
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    if mariadb:
        several = parts.count("%")
        return len(parts) - several, -several, -parts.count("_")
    wild = next((place for place, part in enumerate(parts) if part in "%_"), None)
    return (128,) if wild is None else (min(len("".join(parts[:wild])), 126),)


def escaped(schema: str, literal: bool = False) -> str:
    """A schema's name as a pattern that matches only this schema."""
    return schema if literal else re.sub(r"([_%\\])", r"\\\1", schema)


def _has(rights: Collection[str], right: str) -> bool:
    return right in rights or not _EVERY.isdisjoint(rights)


def _unquoted(name: str) -> str:
    pattern = name[:-2]
    return pattern[1:-1].replace("``", "`") if pattern.startswith("`") else pattern
