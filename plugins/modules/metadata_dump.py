#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metadata_dump
short_description: Dumps Airflow's metadata database with the database's own tool
description:
  - Runs C(mariadb-dump) or C(mysqldump) in a separate Job, in one transaction, and streams its compressed output to a
    file on the machine that runs the module. The Job is removed afterwards. Tables that this collection keeps in a
    schema for its own use, such as the plan of a move, are not dumped.
  - The file gets its final name when it is complete. A manifest next to it (suffix C(.json)) is written last and holds
    its SHA-256 and, for each table, the number of rows, a checksum of their content, and the table definition.
  - In check mode, the module creates the Job by a dry run, and fails with the objections of admission, quota or nodes.
  - If this run already has a complete dump, and no row or definition has changed since, no new dump is made.
  - Dump tools write C(FLOAT) with six digits, so the durations of task instances lose their last bits. The checksums
    are of the rows as a dump contains them.
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
  run:
    description: Id of the run, at most 32 lower-case letters, digits and underscores. It is part of the file's name.
    type: str
    required: true
  directory:
    description: Folder for the dump, created with mode 0700; the dump gets mode 0600. Treat a dump as a secret.
    type: path
    required: true
  timeout:
    description: Timeout of the dump in seconds.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Dump the metadata database
  hopsworks.airflow.metadata_dump:
    namespace: hopsworks
    database: "{{ database }}"
    run: 20261122t030000
    directory: /var/lib/airflow-runbook
  register: dump
"""

RETURN = r"""
path:
  description: Path of the dump; in check mode, the path that it would have.
  returned: success
  type: str
  sample: /var/lib/airflow-runbook/airflow-20261122t030000.sql.gz
bytes:
  description: Size of the file in bytes; in check mode, the server's estimate for the tables, uncompressed.
  returned: success
  type: int
  sample: 48213
sha256:
  description: SHA-256 of the file.
  returned: when there is a dump
  type: str
  sample: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
tables:
  description: Number of tables.
  returned: success
  type: int
  sample: 33
rows:
  description: Number of rows in all tables; in check mode, the server's estimate.
  returned: success
  type: int
  sample: 1204
unsteady:
  description: Tables that were written to during the dump. The dump is consistent, but may differ from the live tables.
  returned: when there is a dump
  type: list
  elements: str
  sample: [job, log]
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 2.3
"""

import time
from typing import Any

from ..module_utils._database.address import DATABASE_ARGUMENT, read_address
from ..module_utils._database.client_job import CLIENT_ARGUMENTS, client_of, client_tools, try_client
from ..module_utils._database.connection import connected
from ..module_utils._database.engines import LIBRARIES
from ..module_utils._database.server_wait import wait_of
from ..module_utils._kubernetes.call import Call
from ..module_utils._metadata.dump.dump import dump_path, existing, make_dump, read_content, up_to_date
from ..module_utils._metadata.dump.file import Manifest
from ..module_utils._metadata.schemas import content_of, schemas_of
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    address = read_address(call.cluster, params["database"])
    schemas_of(address.name, None, params["run"])
    path = dump_path(params["directory"], address.name, params["run"])
    image, pod = client_of(call.cluster, address, params)
    with connected(call.cluster, address, wait_of(call)) as database:
        name = database.folded(address.name)
        schema = existing(database.schema(name), name)
        if call.check_mode and not path.exists():
            try_client(call, address, image, pod, params["run"], params["timeout"])
            # Without a dump to compare with, reading every row would be useless.
            tables = [schema.tables[name] for name in content_of(schema)]
            return {
                "changed": True,
                "path": str(path),
                "bytes": sum(table.bytes for table in tables),
                "tables": len(tables),
                "rows": sum(table.rows for table in tables),
                "seconds": round(time.monotonic() - begun, 1),
                "diff": difference(str(path), None, None),
            }
        before = read_content(database, name, call.progress)
        database.refuse_too_large(name, {table: content.largest for table, content in before.items()})
        manifest = up_to_date(path, before)
        if manifest is not None or call.check_mode:
            return described(str(path), manifest, changed=manifest is None, begun=begun)
        with client_tools(call.cluster, address, image, pod, params["run"], params["timeout"], call.progress) as tools:
            manifest = make_dump(database, tools, name, params["run"], path, before, call.progress)
    return described(str(path), manifest, changed=True, begun=begun)


def described(path: str, manifest: Manifest | None, *, changed: bool, begun: float) -> dict[str, Any]:
    result: dict[str, Any] = {"changed": changed, "path": path, "seconds": round(time.monotonic() - begun, 1)}
    if manifest is not None:
        result |= {
            "bytes": manifest.bytes,
            "sha256": manifest.sha256,
            "tables": len(manifest.tables),
            "rows": sum(entry.rows for entry in manifest.tables.values()),
            "unsteady": sorted(table for table, entry in manifest.tables.items() if not entry.steady),
        }
    if changed:
        result["diff"] = difference(path, manifest.sha256 if manifest else None, manifest.bytes if manifest else None)
    return result


def difference(path: str, sha256: str | None, size: int | None) -> dict[str, str]:
    known = f" {size} bytes, SHA-256 {sha256}" if sha256 else " a dump of the rows that are live"
    return {"before": "", "after": f"{path}:{known}\n"}


ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "run": {"type": "str", "required": True},
        "directory": {"type": "path", "required": True},
        **CLIENT_ARGUMENTS,
        "timeout": {"type": "int", "default": 3600},
    },
    libraries=LIBRARIES,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
