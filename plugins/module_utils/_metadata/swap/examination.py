# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values: `Database.quoted` escapes them.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._database.description import Content
from .. import guard
from ..ownership import Owner
from ..schemas import content_of

if TYPE_CHECKING:
    from ..._database.engine import Database
    from ..inspection import Inspection
    from ..memory import Memory
    from ..schemas import Schemas

SET_ASIDE, DROP = "set_aside", "drop"


@dataclass(frozen=True)
class Request:
    """What the operator asks for. `namespace` is that of the deployment, `user` the one connected to the server."""

    names: Schemas
    namespace: str
    deployment: str
    run: str
    confirm: str
    user: str
    method: str = SET_ASIDE
    image: str = ""
    session_timeout_seconds: float = 60
    verify_content: bool = True
    rehearsed_dump: Mapping[str, Any] | None = None
    extra_tables: tuple[str, ...] = ()

    @property
    def owner(self) -> Owner:
        return Owner(self.deployment, self.namespace, self.names.live, self.run)


def examine(
    database: Database,
    request: Request,
    inspection: Inspection,
    memory: Memory,
    progress: Callable[[str], None],
    *,
    quickly: bool = False,
    compare: bool = True,
) -> list[guard.Finding]:
    """Put every condition of the reset to the test, each on what the server says now.

    `quickly` leaves out those that have to be waited for or read all rows: who is connected, and the rehearsed dump.
    Without `compare` the rows of the dump are not compared: whoever drops does that, where nobody else can write.
    """
    names = request.names
    revisions: list[str] = []
    if inspection.workspace is not None and "alembic_version" in inspection.workspace.tables:
        table = database.quoted(names.workspace, "alembic_version")
        revisions = [str(row[0]) for row in database.rows(f"SELECT version_num FROM {table}")]
    involved = [names.live, names.workspace, names.aside(request.run)]
    rights = database.rights()
    dropping = request.method == DROP
    findings = [
        guard.confirmed(request.deployment, request.confirm),
        guard.replaceable(inspection),
        guard.too_old_to_migrate(inspection),
        guard.no_sentinel(inspection),
        guard.memory_agrees(inspection, memory.read(), memory.config_map, request.namespace),
        guard.rights_suffice(rights, names.live, involved, dropping=dropping),
        guard.workspace_complete(inspection),
        guard.workspace_at_head(inspection, revisions),
    ]
    neighbours = database.neighbours(names.live, rights)
    findings += [
        guard.nothing_hidden(rights, names.live, there=inspection.live is not None, dropping=dropping),
        guard.no_key_from_outside(neighbours, rights.account, dropping=dropping),
        guard.no_reader_outside(neighbours),
    ]
    if request.method == SET_ASIDE:
        findings.append(guard.aside_free(inspection, request.run))
    if quickly:
        return findings
    if dropping:

        def live() -> dict[str, Content]:
            tables = sorted(content_of(inspection.live)) if inspection.live is not None else []
            return database.fingerprints(names.live, tables, progress)

        dump = request.rehearsed_dump
        findings.append(guard.dump_rehearsed(inspection, dump, request.run, live if compare else None))
    # Last: reading all rows takes minutes, in which somebody may come.
    findings.append(guard.nobody_connected(names.live, database.sessions_in(names.live), rights))
    return findings


def nobody_connected(database: Database, schema: str) -> guard.Finding:
    """Whether somebody has come in the meantime."""
    return guard.nobody_connected(schema, database.sessions_in(schema))
