# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard of the reset: one function a condition, each of which can only say no.

Everything is read live. A condition that can't hold yet, because the run has not got that far (the new schema is not
built, components still serve), is LATER: fine for a prediction, a refusal when it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._database.engine import Use
from . import ownership
from .inspection import ABSENT, EMPTY, FOREIGN, INSTALLED, MIGRATABLE, OLD
from .memory import INSTALLED as REMEMBERED
from .records import unknown_tables
from .releases import ESSENTIAL_TABLES, REVISIONS_BEFORE_2_7
from .schemas import INSTALL, Schemas, content_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._database.description import Content, Neighbours, Session
    from .._database.engine import Rights
    from .inspection import Inspection
    from .memory import Remembered

HOLDS, LATER, REFUSED = "holds", "later", "refused"
# Holds as far as anybody can tell, and the operator should know what comes with it.
NOTED = "noted"


@dataclass(frozen=True)
class Finding:
    """What one condition found."""

    condition: str
    verdict: str
    found: str
    expected: str = ""
    next_step: str = ""

    def as_result(self) -> dict[str, str]:
        return {"condition": self.condition, "verdict": self.verdict, "found": self.found}


def enforce(findings: Sequence[Finding], *, predicting: bool) -> None:
    """Raises OperatorError with every condition that does not hold; those for later are let pass when predicting."""
    passing = (HOLDS, NOTED, LATER) if predicting else (HOLDS, NOTED)
    failed = [finding for finding in findings if finding.verdict not in passing]
    if failed:
        raise OperatorError(
            "; ".join(finding.found for finding in failed),
            expected="; ".join(finding.expected for finding in failed),
            untouched="all tables: this action has moved, dropped and created none",
            next_step="; ".join(dict.fromkeys(finding.next_step for finding in failed)),
            evidence=tuple(f"{finding.condition}: {finding.verdict}: {finding.found}" for finding in findings),
        )


def confirmed(deployment: str, confirm: str) -> Finding:
    """The operator typed the deployment's name."""
    name = "confirmed"
    if confirm and confirm == deployment:
        return Finding(name, HOLDS, f"the operator typed {deployment!r}")
    return Finding(
        name,
        REFUSED,
        f"the confirmation is {confirm!r}" if confirm else "there is no confirmation",
        f"the name of the deployment typed by the operator: {deployment!r}",
        f"set airflow_confirm={deployment} (option `confirm`) if this is the deployment you mean",
    )


def replaceable(inspection: Inspection) -> Finding:
    """The live schema was read and is one that can only be replaced, or nothing."""
    name = "replaceable"
    stage, live = inspection.stage, inspection.names.live
    if stage in (OLD, EMPTY, ABSENT):
        return Finding(name, HOLDS, f"schema {live} is {stage}")
    expected = "a schema of Airflow older than 2.7, or an empty one"
    if inspection.others:
        found = "; ".join(map(str, inspection.others))
        expected, step = "schemas that only this deployment uses", ownership.next_step(inspection.others)
    elif stage == FOREIGN and inspection.begun is not None:
        found = "; ".join(inspection.problems)
        expected = "the same workspace, until what was begun is finished"
        step = f"run the same command again with airflow_database_workspace: {inspection.begun.workspace}"
    elif stage == FOREIGN:
        found = f"schema {live}: {'; '.join(inspection.problems)}"
        step = (
            f"find out whose it is; tables that belong to this deployment are named in `extra_tables`, all others"
            f" belong out of {live}"
        )
    elif stage == MIGRATABLE:
        found = f"schema {live} is at revision {inspection.revisions[0]}, which migrates in place"
        step = "migrate it with `airflow db migrate` of the new image; a reset would throw its history away"
    elif stage == INSTALLED:
        found = f"schema {live} was installed by this collection"
        step = "nothing has to be reset; to go back to the old tables use `state: restored`"
    else:
        found = f"schema {live} is {stage}"
        step = "let the run that began finish: run the same command again"
    return Finding(name, REFUSED, found, expected, step)


def too_old_to_migrate(inspection: Inspection) -> Finding:
    """Where there are tables, exactly one revision is there and Airflow before 2.7 had it."""
    name = "too_old_to_migrate"
    if inspection.live is None or not content_of(inspection.live):
        return Finding(name, HOLDS, "there are no tables, so there is no revision")
    if len(inspection.revisions) == 1 and inspection.revisions[0] in REVISIONS_BEFORE_2_7:
        return Finding(name, HOLDS, f"revision {inspection.revisions[0]} is older than 2.7")
    return Finding(
        name,
        REFUSED,
        f"alembic_version says {', '.join(inspection.revisions) or 'nothing'}",
        "one revision, known and older than Airflow 2.7",
        "find out which Airflow made this schema; a newer one migrates in place, an unknown one is not touched",
    )


def no_sentinel(inspection: Inspection) -> Finding:
    """No install of ours is in the live schema."""
    name = "no_sentinel"
    if inspection.live is None or INSTALL not in inspection.live.tables:
        return Finding(name, HOLDS, f"no table {INSTALL} in schema {inspection.names.live}")
    install = inspection.install
    return Finding(
        name,
        REFUSED,
        f"table {INSTALL} is in schema {inspection.names.live}"
        + (f": installed {install.installed_at} by run {install.run}" if install is not None else ""),
        "no such table: what this collection installed is never reset",
        "to go back to the tables that were set aside use `state: restored`",
    )


def memory_agrees(inspection: Inspection, remembered: Remembered | None, config_map: str, namespace: str) -> Finding:
    """The cluster does not remember an install of ours that the database does not show."""
    name = "memory_agrees"
    if remembered is None:
        return Finding(name, HOLDS, f"ConfigMap {config_map} remembers no install")
    if remembered.state != REMEMBERED or remembered.schema != inspection.names.live:
        return Finding(
            name, HOLDS, f"ConfigMap {config_map} remembers run {remembered.run} of schema {remembered.schema}"
        )
    return Finding(
        name,
        REFUSED,
        f"ConfigMap {config_map} remembers that run {remembered.run} installed this deployment at {remembered.at}, yet"
        f" schema {inspection.names.live} is {inspection.stage}",
        "database and memory to agree; this looks like a database restored from an older backup, or another server",
        f"check database.host; if the old database is really meant: kubectl -n {namespace} patch configmap {config_map}"
        ' --type=json -p \'[{"op":"remove","path":"/data/installed"}]\'',
    )


def nobody_connected(schema: str, sessions: Sequence[Session], rights: Rights | None = None) -> Finding:
    """Nobody else has a session open on the live schema, as far as the user is shown."""
    name = "nobody_connected"
    unseen = rights.unseen if rights is not None else []
    if not sessions and unseen:
        return Finding(name, NOTED, f"no session of others on schema {schema} is shown; {'; '.join(unseen)}")
    if not sessions:
        return Finding(name, HOLDS, f"no session of others on schema {schema}")
    seen = ", ".join(f"{session.user}@{session.host} ({session.seconds} s)" for session in sessions[:5])
    return Finding(
        name,
        LATER,
        f"{len(sessions)} sessions of others on schema {schema}: {seen}",
        "nobody connected: all components and clients stopped",
        "stop who is connected (pods are found by the address), then run the same command again",
    )


def workspace_complete(inspection: Inspection) -> Finding:
    """The new schema is whole, ours, and at the revision it was migrated to; `inspection` was made just now."""
    name = "workspace_complete"
    schema, mark, state = inspection.names.workspace, inspection.mark, inspection.workspace_state
    expected = f"a complete new schema in {schema}, built by metadata_migrate for this deployment"
    step = f"run metadata_migrate; if {schema} is somebody else's, choose another `workspace`"
    if state == "foreign":
        return Finding(name, REFUSED, f"the tables in schema {schema} are those of somebody else", expected, step)
    if state != "complete" or mark is None or inspection.workspace is None:
        return Finding(name, LATER, f"schema {schema} is {state}", expected, step)
    lacking = ESSENTIAL_TABLES - content_of(inspection.workspace)
    if lacking:
        return Finding(name, REFUSED, f"schema {schema} lacks {', '.join(sorted(lacking))}", expected, step)
    strange = unknown_tables(mark, inspection.workspace)
    if strange:
        found = f"schema {schema} has tables that no run of this collection made there: {', '.join(sorted(strange))}"
        return Finding(name, REFUSED, found, expected, "move those tables elsewhere, then run the same command again")
    other = sorted(str(table) for table in inspection.workspace.tables.values() if not table.base)
    if other:
        return Finding(name, REFUSED, f"schema {schema} has {', '.join(other)}", expected, step)
    return Finding(name, HOLDS, f"schema {schema} is complete at revision {mark.revision}")


def workspace_at_head(inspection: Inspection, revisions: Sequence[str]) -> Finding:
    """alembic_version of the workspace says what metadata_migrate reported; `revisions` were read there just now."""
    name = "workspace_at_head"
    if inspection.mark is None or inspection.workspace_state != "complete":
        return Finding(name, LATER, "the new schema is not built yet", "its revision", "run metadata_migrate")
    if list(revisions) == [inspection.mark.revision]:
        return Finding(name, HOLDS, f"alembic_version of the new schema is {inspection.mark.revision}")
    return Finding(
        name,
        REFUSED,
        f"alembic_version of schema {inspection.names.workspace} is {', '.join(revisions) or 'empty'}",
        f"revision {inspection.mark.revision}, which metadata_migrate reported",
        "run metadata_migrate again: it builds the new schema from the beginning",
    )


def aside_free(inspection: Inspection, run: str) -> Finding:
    """Nothing is where the old tables are going to be put."""
    name, schema = "aside_free", inspection.names.aside(run)
    found = inspection.in_the_way(schema)
    if found is None:
        return Finding(name, HOLDS, f"schema {schema} is free")
    return Finding(
        name,
        REFUSED,
        found,
        "no such schema, or nothing in it",
        "use another `run`: an earlier one of this name has set tables aside there",
    )


def rights_suffice(
    rights: Rights, live: str, schemas: Sequence[str], *, use: Use = Use.BUILD, dropping: bool = False
) -> Finding:
    """The user may do all of it, on every schema involved."""
    name, missing = "rights_suffice", rights.missing(schemas, use)
    remedies = rights.remedies(live, schemas, use, Schemas(live, "").of_runs)
    if dropping:
        missing += rights.missing([live], Use.LOCK)
        remedies += rights.remedies(live, [live], Use.LOCK)
    if not missing:
        return Finding(name, HOLDS, f"user {rights.account} has the rights it needs")
    return Finding(
        name,
        REFUSED,
        f"user {rights.account} lacks {', '.join(missing)}",
        "these rights, before anything begins",
        f"as an administrator of the database: {'; '.join(remedies)}",
    )


def nothing_hidden(rights: Rights, live: str, *, there: bool, dropping: bool) -> Finding:
    """That there are no routines, triggers and events is known, and not only that none was shown.

    The drop of a schema takes them along, and they are in no dump. A table with a trigger can't be moved.
    """
    name, hidden = "nothing_hidden", rights.hidden_in(live) if there else []
    if not hidden:
        return Finding(name, HOLDS, f"whatever is in schema {live} is shown to {rights.account}")
    found = f"{', '.join(hidden)} in schema {live} would not be shown to {rights.account}"
    grants = "; ".join(rights.to_show(live, hidden))
    if not dropping:
        return Finding(name, NOTED, f"{found}, so whether there are any is not known (they would be moved or refused)")
    return Finding(
        name,
        REFUSED,
        f"{found}: a drop would take them along, and no dump holds them",
        "to be shown whatever is dropped",
        f"as an administrator of the database: {grants}; or use method: set_aside",
    )


def no_key_from_outside(neighbours: Neighbours, account: str, *, dropping: bool) -> Finding:
    """No foreign key of another schema refers to a table that is dropped. Where tables are moved, it follows them."""
    name, live, keys = "no_key_from_outside", neighbours.schema, ", ".join(neighbours.keys)
    if keys and dropping:
        return Finding(
            name,
            REFUSED,
            f"tables of schema {live} are referred to from outside: {keys}",
            "no foreign key of another schema onto tables that are dropped",
            "have its owner drop that key, or use method: set_aside",
        )
    if keys:
        return Finding(name, NOTED, f"{keys} will follow the old table to where it is set aside")
    if not neighbours.every_key:
        return Finding(
            name,
            NOTED,
            f"no foreign key of other schemas onto schema {live} is shown to {account}; of schemas that it has no right"
            f" on nothing is known{neighbours.shown_with}",
        )
    return Finding(name, HOLDS, f"no foreign key of another schema refers to a table of schema {live}")


def no_reader_outside(neighbours: Neighbours) -> Finding:
    """Nothing in other schemas reads these tables by name."""
    name, live, readers = "no_reader_outside", neighbours.schema, ", ".join(neighbours.readers)
    if readers:
        return Finding(name, NOTED, f"{readers} names tables of schema {live}, and will find the new ones there")
    return Finding(name, HOLDS, f"nothing that is shown of other schemas names tables of schema {live}")


def rehearsed_sums(rehearsed: Mapping[str, Any]) -> dict[str, str]:
    """The fingerprint of each table that a rehearsal has restored (`content.fingerprints`)."""
    return {str(table): str(entry["sum"]) for table, entry in (rehearsed.get("tables") or {}).items()}


def dump_rehearsed(
    inspection: Inspection,
    rehearsed: Mapping[str, Any] | None,
    run: str,
    live: Callable[[], Mapping[str, Content]] | None,
) -> Finding:
    """For drop: a dump of this very database was restored and compared in this run, and it is still what is live.

    `live` gives the fingerprints of the live tables as they are now; it is called only when all else agrees. Without
    it, they are compared later.
    """
    name = "dump_rehearsed"
    expected = "a dump of exactly these rows, restored and compared in this run (metadata_restore, state: rehearsed)"
    step = "stop the components, dump, rehearse the restore, then run this again; or use method: set_aside"
    if inspection.stage in (EMPTY, ABSENT):
        return Finding(name, HOLDS, "there is nothing to lose")
    if not rehearsed:
        return Finding(name, LATER, "no rehearsed dump was given", expected, step)
    if (rehearsed.get("database"), rehearsed.get("run")) != (inspection.names.live, run):
        return Finding(
            name,
            REFUSED,
            f"the rehearsed dump is of database {rehearsed.get('database')} in run {rehearsed.get('run')}",
            expected,
            step,
        )
    if live is None:
        return Finding(name, NOTED, f"a dump was rehearsed in run {run}; its rows are compared right before the drop")
    restored = rehearsed_sums(rehearsed)
    now = {table: content.sum for table, content in live().items()}
    different = sorted(table for table in restored.keys() | now.keys() if restored.get(table) != now.get(table))
    if different:
        return Finding(
            name, REFUSED, f"the rehearsed dump differs from the live tables in {', '.join(different)}", expected, step
        )
    return Finding(name, HOLDS, f"the rehearsed dump holds the live rows of all {len(now)} tables")
