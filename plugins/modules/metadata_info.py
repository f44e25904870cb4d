#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metadata_info
short_description: Returns the stage of Airflow's metadata database
description:
  - Reads the live schema and the other schemas of the deployment, and returns their state. Changes nothing.
  - A schema that it does not recognize in every respect is C(foreign), with the reasons in RV(problems). No other
    module of the collection touches such a schema.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.database
  - hopsworks.airflow.database.schemas
  - hopsworks.airflow.attributes.info_module
options:
  deployment:
    description:
      - Name of the deployment. If the live schema or O(workspace) holds anything that belongs to another deployment,
        the stage is C(foreign).
      - If omitted, the owner is not checked.
    type: str
  rehearsal:
    description:
      - The schema into which dumps are restored to verify them. It must differ from the others. If there is anything to
        dump, the user needs rights on it.
    type: str
  fernet_keys:
    description:
      - Where the Fernet key of the new Airflow is. The first entry that exists is used. In stage C(old) or
        C(migratable), the module checks it against a few encrypted values in the old tables, without decrypting any.
      - The module fails if the key does not have Airflow's format.
    type: list
    elements: dict
    default: []
    suboptions:
      from_secret:
        description: An entry of a Secret in the same namespace.
        type: dict
        suboptions:
          name: {description: Name of the Secret., type: str, required: true}
          key: {description: Name of the entry., type: str, required: true}
      from_config_map:
        description: An entry of a ConfigMap in the same namespace.
        type: dict
        suboptions:
          name: {description: Name of the ConfigMap., type: str, required: true}
          key: {description: Name of the entry., type: str, required: true}
  run:
    description: Id of the run for whose schemas the rights are checked.
    type: str
    default: run
  timeout:
    description:
      - Time in seconds to wait for an unavailable database server. With O(lock), also the time to wait for a statement
        that a killed action of this collection has left running.
      - Defaults to 300 with O(lock), because its run has reached the server before; otherwise the module does not wait.
    type: int
"""

EXAMPLES = r"""
- name: Read the metadata database
  hopsworks.airflow.metadata_info:
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
    - C(absent), the schema does not exist; C(empty), there is nothing in it; C(old), Airflow older than 2.7, which
      cannot be migrated; C(migratable), Airflow 2.7 or newer; C(installed), installed by this collection; C(moving), a
      reset or its reverse is partly done; C(foreign), anything else.
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
  description: The revision in alembic_version.
  returned: success
  type: str
  sample: 03afc6b6f902
tables:
  description: Tables of the live schema; rows and bytes are the server's estimates.
  returned: success
  type: list
  elements: dict
  sample: [{name: dag, storage_engine: InnoDB, rows_estimate: 12, bytes: 32768}]
rows_estimate:
  description: Rows in all tables of the live schema, as estimated by the server.
  returned: success
  type: int
  sample: 1204
bytes:
  description: Bytes of all tables of the live schema including indexes, as estimated by the server.
  returned: success
  type: int
  sample: 1572864
server:
  description: The product, its version, and whether one RENAME TABLE of many tables is atomic in a crash.
  returned: success
  type: dict
  sample: {product: MariaDB, version: 10.11.14-MariaDB, atomic_rename: true}
adopted_with:
  description:
    - The statements by which an administrator of the database assigns to O(deployment) what it has left itself in
      another namespace or with another live schema, after a restore or a move. Empty if nothing has another owner, or
      if the owner is another deployment.
  returned: success
  type: list
  elements: str
  sample: ["UPDATE `airflow`.`hopsworks_airflow_install` SET namespace = 'hopsworks' WHERE namespace = 'before'"]
installed:
  description: The content of the sentinel table, if it exists.
  returned: success
  type: dict
  sample:
    deployment: airflow
    namespace: hopsworks
    live: airflow
    run: 20261122t030000
    installed_at: "2026-11-22T03:04:05+00:00"
    image: apache/airflow:3.0.6-python3.12
    revision: fe199e1abd77
    method: set_aside
    set_aside: airflow_before_20261122t030000
    dump: ""
moving:
  description: The partly done move, if there is one.
  returned: success
  type: dict
  sample: {action: reset, method: set_aside, run: 20261122t030000, plan_schema: airflow_before_20261122t030000,
           moves_done: 12, moves: 79, new_revision: fe199e1abd77}
workspace:
  description: The workspace schema; its state is absent, empty, building, complete, rehearsal or foreign.
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
moved:
  description:
    - Whether a table was, or may have been, moved or dropped. If not, the old workloads can be started again, whatever
      the stage is.
  returned: success
  type: bool
  sample: false
old_tables:
  description: The state of the old tables, in words.
  returned: success
  type: str
  sample: 12 of the 33 old tables are in schema airflow_before_20261122t030000, the others still in airflow; all of
    them are complete.
paused:
  description:
    - DAGs that runs have paused and not unpaused yet (C(now)), and the runs that paused them (C(runs)).
    - In an installed schema, also those that could not be unpaused yet (C(waiting)), because the new Airflow had not
      parsed them, cannot import their files, or because the files were already gone.
  returned: success
  type: dict
  sample: {now: [p_demo_1__hello], waiting: [], runs: [20261122t030000]}
sessions:
  description: Sessions of other clients with the live schema as default.
  returned: success
  type: list
  elements: dict
  sample: [{id: 7, user: airflow, host: "10.244.0.7:40312", schema: airflow, command: Sleep, seconds: 3}]
encrypted:
  description:
    - The number of encrypted values (passwords and extras of Connections, Variables) that were C(looked_at), at most
      15, and how many of them are C(readable) with O(fernet_keys). Null if nothing was compared.
  returned: success
  type: dict
  sample: {looked_at: 7, readable: 7}
unfit:
  description: Requirements of a reset or a backup that the server does not meet.
  returned: success
  type: list
  elements: str
  sample: ["the server is read-only (read_only): it may be a replica, or out of space"]
unseen:
  description:
    - What the user is not allowed to see, and so is unknown. The module also warns about it in the stages C(old) and
      C(moving), whose tables are going to be moved.
  returned: success
  type: list
  elements: str
  sample: ["'airflow'@'%' has no right PROCESS: sessions of other users, and keys of their schemas, are not shown"]
missing_privileges:
  description:
    - Rights that the user lacks on the live schema, on the other schemas of the deployment and on that of the
      rehearsal.
  returned: success
  type: list
  elements: str
  sample: [CREATE ON airflow_before_20261122t030000.*]
grants_needed:
  description:
    - The statements by which an administrator of the database grants the missing rights. They extend the grant that is
      in effect for a schema, because the server only uses the most specific one.
  returned: success
  type: list
  elements: str
  sample: ["GRANT ALTER, CREATE, DROP ON `airflow\\_before\\_%`.* TO 'airflow'@'%'"]
"""

from ..module_utils._database.address import DATABASE_ARGUMENT
from ..module_utils._database.engines import LIBRARIES
from ..module_utils._metadata.info import act
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

# The names of secrets are not secret, but without `no_log: false` Ansible would treat them as such.
ENTRY = {
    "type": "dict",
    "no_log": False,
    "options": {"name": {"type": "str", "required": True}, "key": {"type": "str", "required": True, "no_log": False}},
}
ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "deployment": {"type": "str"},
        "workspace": {"type": "str"},
        "rehearsal": {"type": "str"},
        "extra_tables": {"type": "list", "elements": "str", "default": []},
        "run": {"type": "str", "default": "run"},
        "timeout": {"type": "int"},
        "fernet_keys": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "no_log": False,
            "options": {"from_secret": ENTRY, "from_config_map": ENTRY},
            "mutually_exclusive": [["from_secret", "from_config_map"]],
            "required_one_of": [["from_secret", "from_config_map"]],
        },
    },
    libraries=LIBRARIES,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
