#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metadata_swap
short_description: Replaces the metadata schema with a new one, or restores the old one
description:
  - Resets the metadata database of an Airflow that is too old to migrate (1.x to 2.6), by replacing its schema with one
    that was built alongside it. The module first verifies in the live database that all conditions for this hold.
  - With O(method=set_aside), every old table is moved to a separate schema, and no row is lost. This takes a moment and
    no space, and no DROP DATABASE is ever issued.
  - If a reset is interrupted at any point, the next run recognizes this from the database alone and finishes it, on any
    machine. It happens once or not at all.
  - C(hopsworks_airflow_install), a table with one row next to Airflow's own tables, then marks that this schema must
    not be reset again. The entry C(installed) in the run record's ConfigMap does the same, in case the database is
    replaced by an older one.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.deployment.owner
  - hopsworks.airflow.database
  - hopsworks.airflow.database.schemas
  - hopsworks.airflow.attributes
options:
  state:
    description:
      - V(reset) replaces the tables of the live schema with those of O(workspace).
      - V(restored) reverses a reset with O(method=set_aside). The old tables return, and the new ones are kept in a
        schema C(<live>_undone_<run>). A partly done reset is reversed as well, and its new tables return to the
        workspace. The module fails if the live schema contains anything other than tables without triggers, or if the
        new tables are gone.
    type: str
    choices: [reset, restored]
    default: reset
  method:
    description:
      - V(set_aside) moves the old tables to schema C(<live>_before_<run>).
      - V(drop) drops the live schema, once. It requires a dump of exactly the same rows, rehearsed in the same run. The
        tables are locked while their rows are compared with the dump, which needs the right C(LOCK TABLES). If the
        server crashes during a drop, the next run finishes it without that dump.
    type: str
    choices: [set_aside, drop]
    default: set_aside
  confirm:
    description: The deployment's name, as a confirmation by the operator. The module fails with any other value.
    type: str
    default: ''
  run:
    description: Id of the run, at most 32 lower-case letters, digits and underscores. It becomes part of schema names.
    type: str
    required: true
  image:
    description:
      - Image that the new schema is for, recorded in the sentinel table. Defaults to the image that built the schema.
    type: str
    default: ''
  rehearsed_dump:
    description:
      - The value of the same name that M(hopsworks.airflow.metadata_restore) returned. Required by O(method=drop).
    type: dict
  session_timeout:
    description: Timeout in seconds for the sessions of components that were just stopped to end.
    type: int
    default: 60
  verify:
    description:
      - V(content) compares the number of rows and the checksum of every table that is set aside, before and after the
        move. It reads all rows.
      - V(presence) only checks that every table is where it belongs.
    type: str
    choices: [content, presence]
    default: content
  record:
    description:
      - Name of the run record's ConfigMap. Defaults to a name derived from O(deployment), as in
        M(hopsworks.airflow.run_record).
    type: str
"""

EXAMPLES = r"""
- name: Set the old tables aside and replace them with the new ones
  hopsworks.airflow.metadata_swap:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    confirm: airflow
    run: 20261122t030000

- name: Restore the old tables
  hopsworks.airflow.metadata_swap:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    confirm: airflow
    run: 20261123t090000
    state: restored
"""

RETURN = r"""
stage:
  description: Stage of the live schema before the call, as in M(hopsworks.airflow.metadata_info).
  returned: success
  type: str
  sample: old
method:
  description: How the reset is, or was, made; V(set_aside) if there is nothing to drop.
  returned: success
  type: str
  sample: set_aside
run:
  description: The run that started the reset; an earlier run if this one only finished it.
  returned: success
  type: str
  sample: 20261122t030000
revision:
  description: Revision of the schema that is live after the call.
  returned: success
  type: str
  sample: fe199e1abd77
set_aside:
  description: The schema that holds the replaced tables.
  returned: success
  type: str
  sample: airflow_before_20261122t030000
moved:
  description: Number of tables that were, or would be, moved.
  returned: success
  type: int
  sample: 79
tables:
  description: The old tables; in check mode, and with O(verify=presence), rows are the server's estimates.
  returned: success
  type: list
  elements: dict
  sample: [{name: dag, rows: 12, checksum: "3817263541"}]
conditions:
  description: The result of each condition; V(later) means that it is checked right before the reset.
  returned: success
  type: list
  elements: dict
  sample: [{condition: too_old_to_migrate, verdict: holds, found: revision 03afc6b6f902 is older than 2.7}]
seconds:
  description: Duration in seconds, with the wait for sessions to end.
  returned: success
  type: float
  sample: 0.9
"""

from ..module_utils._database.address import DATABASE_ARGUMENT
from ..module_utils._database.engines import LIBRARIES
from ..module_utils._metadata.swap.states import act
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "state": {"type": "str", "choices": ["reset", "restored"], "default": "reset"},
        "method": {"type": "str", "choices": ["set_aside", "drop"], "default": "set_aside"},
        "deployment": {"type": "str", "required": True},
        "confirm": {"type": "str", "default": ""},
        "run": {"type": "str", "required": True},
        "image": {"type": "str", "default": ""},
        "workspace": {"type": "str"},
        "rehearsed_dump": {"type": "dict"},
        "extra_tables": {"type": "list", "elements": "str", "default": []},
        "session_timeout": {"type": "int", "default": 60},
        "verify": {"type": "str", "choices": ["content", "presence"], "default": "content"},
        "record": {"type": "str"},
    },
    libraries=LIBRARIES,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
