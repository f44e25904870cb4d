#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metadata_restore
short_description: Restores a dump of Airflow's metadata database, for real or as a rehearsal
description:
  - Loads a dump of M(hopsworks.airflow.metadata_dump) into a schema with the database's own tool in a Job, and compares
    the rows and the definition of every table with the dump's manifest. The Job is removed afterwards.
  - If the manifest was written by an earlier version and has no definitions, the module warns and does not compare
    them. If the server differs from the dumped one, a different definition is only a warning.
  - Never overwrites anything. The schema must not exist, or be empty, or contain only tables that an interrupted run of
    this module has left there.
  - With O(state=restored), if an interrupted run has restored all tables, they are kept if their rows equal the dump;
    otherwise the module fails, because they may already be in use.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.pod
  - hopsworks.airflow.database
  - hopsworks.airflow.database.client
  - hopsworks.airflow.attributes
options:
  state:
    description:
      - V(rehearsed) restores into O(schema), compares the tables, and drops them again one by one. The schema remains,
        empty. A rehearsal leaves no changes and is not reported as a change.
      - V(restored) restores into O(schema), compares the tables, and keeps them.
    type: str
    choices: [rehearsed, restored]
    required: true
  deployment:
    description:
      - Name of the deployment. Together with O(namespace) and the live schema, it identifies the owner of everything
        that this module leaves in a schema. The module fails if it finds anything that belongs to another deployment.
    type: str
    required: true
  dump:
    description: Path of a dump that M(hopsworks.airflow.metadata_dump) made. Its manifest must be in the same folder.
    type: path
    required: true
  schema:
    description: The schema to restore into. It is created if it does not exist.
    type: str
    required: true
  workspace:
    description:
      - The schema in which the new tables are built. A rehearsal uses neither this nor the live schema.
      - Defaults to the live schema's name followed by C(_beside).
    type: str
  timeout:
    description: Timeout of the restore in seconds.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Rehearse the restore
  hopsworks.airflow.metadata_restore:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: rehearsed
    dump: "{{ dump.path }}"
    schema: airflow_rehearsal
  register: rehearsal

- name: Restore into a separate schema
  hopsworks.airflow.metadata_restore:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: restored
    dump: /var/lib/airflow-runbook/airflow-20261122t030000.sql.gz
    schema: airflow_restored
"""

RETURN = r"""
rehearsed_dump:
  description:
    - The evidence that M(hopsworks.airflow.metadata_swap) requires before it drops anything. The database that was
      dumped, the run that dumped it, the path of the dump, and for each restored table the number of rows and a
      checksum of their content.
  returned: state is rehearsed, not in check mode
  type: dict
  sample:
    database: airflow
    run: 20261122t030000
    path: /var/lib/airflow-runbook/airflow-20261122t030000.sql.gz
    tables: {dag: {rows: 12, sum: 5f70bf18a086007016e948b0}}
tables:
  description: Tables that were, or would be, restored.
  returned: success
  type: list
  elements: str
  sample: [dag, dag_run]
rows:
  description: Rows in all tables.
  returned: success
  type: int
  sample: 1204
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 3.4
"""

import time
from pathlib import Path
from typing import Any

from ..module_utils._database.address import DATABASE_ARGUMENT, read_address
from ..module_utils._database.client_job import CLIENT_ARGUMENTS, client_of, client_tools, try_client
from ..module_utils._database.connection import connected
from ..module_utils._database.engines import LIBRARIES
from ..module_utils._database.server_wait import wait_of
from ..module_utils._kubernetes.call import Call
from ..module_utils._metadata.dump.dump import REHEARSAL, RESTORE, Restoration
from ..module_utils._metadata.dump.file import read_manifest, verify
from ..module_utils._metadata.ownership import Owner
from ..module_utils._metadata.schemas import on_server, refuse_rehearsal, schemas_of
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

LEFTOVER_SECONDS = 60


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    rehearsing = params["state"] == "rehearsed"
    dump, schema = Path(params["dump"]), params["schema"]
    manifest = read_manifest(dump)
    verify(dump, manifest)
    address = read_address(call.cluster, params["database"])
    image, pod = client_of(call.cluster, address, params)
    result: dict[str, Any] = {
        "changed": not rehearsing,
        "tables": sorted(manifest.tables),
        "rows": sum(entry.rows for entry in manifest.tables.values()),
    }
    purpose = REHEARSAL if rehearsing else RESTORE
    with connected(call.cluster, address, wait_of(call)) as database:
        schema, live = database.folded(schema), database.folded(address.name)
        if rehearsing:
            refuse_rehearsal(on_server(database, schemas_of(address.name, params["workspace"])), schema)
        owner = Owner(params["deployment"], call.cluster.namespace, live, manifest.run)
        restoration = Restoration(database, schema, owner, dump, manifest, call.progress)
        if not rehearsing and restoration.is_done():
            result["changed"] = restoration.has_mark()
            warn_of(call, restoration)
            if not call.check_mode:
                restoration.keep()
            return {**result, "seconds": round(time.monotonic() - begun, 1)}
        if call.check_mode:
            restoration.refuse_others(purpose)
            try_client(call, address, image, pod, manifest.run, params["timeout"])
        else:
            with client_tools(
                call.cluster, address, image, pod, manifest.run, params["timeout"], call.progress
            ) as tools:
                with database.alone(schema, LEFTOVER_SECONDS):
                    restoration.make_room(purpose)
                restoration.play(tools)
    if not call.check_mode:
        # A separate session, because loading a dump may take longer than an idle one is kept.
        with connected(call.cluster, address, wait_of(call)) as database, database.alone(schema, LEFTOVER_SECONDS):
            restoration = Restoration(database, schema, owner, dump, manifest, call.progress)
            restored = restoration.compare()
            warn_of(call, restoration)
            result["rows"] = sum(content.rows for content in restored.values())
            if rehearsing:
                restoration.clear()
                tables = {table: {"rows": content.rows, "sum": content.sum} for table, content in restored.items()}
                result["rehearsed_dump"] = {
                    "database": manifest.database,
                    "run": manifest.run,
                    "path": str(dump),
                    "tables": tables,
                }
            else:
                restoration.keep()
    if not rehearsing:
        result["diff"] = {"before": f"{schema}: empty\n", "after": f"{schema}: {len(manifest.tables)} tables\n"}
    return {**result, "seconds": round(time.monotonic() - begun, 1)}


def warn_of(call: Call, restoration: Restoration) -> None:
    for doubt in restoration.doubts:
        call.warn(doubt)


ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "state": {"type": "str", "choices": ["rehearsed", "restored"], "required": True},
        "deployment": {"type": "str", "required": True},
        "dump": {"type": "path", "required": True},
        "schema": {"type": "str", "required": True},
        "workspace": {"type": "str"},
        **CLIENT_ARGUMENTS,
        "timeout": {"type": "int", "default": 3600},
    },
    libraries=LIBRARIES,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
