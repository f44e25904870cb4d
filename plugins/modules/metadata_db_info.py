#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metadata_db_info
short_description: Say in what stage Airflow's metadata database is
description:
  - Reads the live schema and those beside it, and says what they are. Changes nothing.
  - A schema that it does not know in every respect is C(foreign), with the reasons in RV(problems); no other module of
    the collection touches such a schema.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.database
  - hopsworks.airflow.attributes.info_module
options:
  workspace:
    description:
      - The schema beside the live one, in which a new schema is built. Left out, it is the live schema's name followed
        by C(_beside).
    type: str
  extra_tables:
    description: Tables in the live schema that are not Airflow's own but belong to this deployment (of plugins, say).
    type: list
    elements: str
    default: []
  run:
    description: Id of the run whose schemas the rights are checked for.
    type: str
    default: run
"""

EXAMPLES = r"""
- name: Look at the metadata database
  hopsworks.airflow.metadata_db_info:
    namespace: hopsworks
    database:
      host: mysql
      name: airflow
      user: airflow
      password_secret: {name: mysql-users-secrets, key: airflow}
  register: database
"""

RETURN = r"""
stage:
  description:
    - C(absent), there is no such schema; C(empty), there is nothing in it; C(old), Airflow older than 2.7, which can't
      be migrated; C(migratable), Airflow 2.7 or newer; C(installed), by this collection; C(moving), a reset or its
      reverse is half done; C(foreign), anything else.
  returned: success
  type: str
  sample: old
problems:
  description: Why the schema is foreign.
  returned: success
  type: list
  elements: str
  sample: ["it has tables that are not Airflow's: orders"]
revision:
  description: The one row of alembic_version.
  returned: success
  type: str
  sample: 03afc6b6f902
tables:
  description: Tables of the live schema; rows and bytes are the server's estimates.
  returned: success
  type: list
  elements: dict
  sample: [{name: dag, engine: InnoDB, rows_estimate: 12, bytes: 32768}]
rows_estimate:
  description: Rows in all tables of the live schema, by the server's estimate.
  returned: success
  type: int
  sample: 1204
bytes:
  description: Bytes of all tables of the live schema with their indexes, by the server's estimate.
  returned: success
  type: int
  sample: 1572864
server:
  description: What runs there, and whether one RENAME TABLE of many tables survives a crash as a whole.
  returned: success
  type: dict
  sample: {engine: MariaDB, version: 10.11.14-MariaDB, atomic_rename: false}
installed:
  description: What the sentinel table says, where it is there.
  returned: success
  type: dict
  sample:
    deployment: airflow
    run: 20261122t030000
    installed_at: "2026-11-22T03:04:05+00:00"
    image: bed/airflow:3.0.6
    revision: fe199e1abd77
    method: set_aside
    set_aside: airflow_before_20261122t030000
moving:
  description: The move that is half done, where there is one.
  returned: success
  type: dict
  sample: {action: reset, method: set_aside, run: 20261122t030000, plan_schema: airflow_before_20261122t030000,
           moves_done: 12, moves: 79}
workspace:
  description: The schema beside; its state is absent, empty, building, complete, rehearsal or foreign.
  returned: success
  type: dict
  sample: {schema: airflow_beside, state: empty, tables: 0, mark: null}
set_aside:
  description: Schemas that hold tables set aside by an earlier reset or its reverse.
  returned: success
  type: list
  elements: dict
  sample: [{schema: airflow_before_20261122t030000, tables: 33, bytes: 1572864, action: reset, state: done,
            created_at: "2026-11-22T03:04:05+00:00"}]
sessions:
  description: Sessions of others with the live schema as default.
  returned: success
  type: list
  elements: dict
  sample: [{id: 7, user: airflow, host: "10.244.0.7:40312", schema: airflow, command: Sleep, seconds: 3}]
missing_privileges:
  description: Rights that the user lacks on the live schema and on those beside it.
  returned: success
  type: list
  elements: str
  sample: [CREATE ON airflow_before_20261122t030000.*]
"""

from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.catalogue import sessions_in
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.database import (
    DATABASE_ARGUMENT,
    PYMYSQL_IMPORT_ERROR,
    connected,
    read_address,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import as_result, inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.names import schemas_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.privileges import missing_privileges
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import Action, Call
from ansible_collections.hopsworks.airflow.plugins.module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    address = read_address(call.cluster, call.params["database"])
    run = call.params["run"]
    names = schemas_of(address.name, call.params["workspace"], run)
    with connected(call.cluster, address) as database:
        inspection = inspect(database, names, call.params["extra_tables"])
        sessions = sessions_in(database, names.live)
        missing = missing_privileges(database, [names.live, names.workspace, names.aside(run), names.undone(run)])
    return {
        **as_result(inspection),
        "sessions": [session.as_result() for session in sessions],
        "missing_privileges": missing,
    }


ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "workspace": {"type": "str"},
        "extra_tables": {"type": "list", "elements": "str", "default": []},
        "run": {"type": "str", "default": "run"},
    },
    libraries=(("PyMySQL", PYMYSQL_IMPORT_ERROR),),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
