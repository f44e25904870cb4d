#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metadata_migrate
short_description: Builds a new metadata schema alongside the live one
description:
  - Runs C(airflow db migrate) of an image on a separate schema while the live one stays in use and unchanged.
  - Runs as a Job with a unique name. The module watches the Job, shows its log as it is written, and deletes it
    afterwards. It first removes a Job that a killed run has left behind.
  - If an interrupted run left a partly built schema, the module empties it table by table and builds it again. It
    recognizes such a schema by the table C(hopsworks_airflow_workspace), which it creates first. It never drops tables
    of other users. But it cannot tell a table that another client creates during the build from those of the build.
  - The module asks the image for its latest revision. The schema is complete when it has that revision.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.deployment.owner
  - hopsworks.airflow.pod
  - hopsworks.airflow.database
  - hopsworks.airflow.database.schemas
  - hopsworks.airflow.attributes
options:
  run:
    description:
      - Id of the run, at most 32 lower-case letters, digits and underscores. A schema that this run has completed with
        the same image is kept; a schema of an earlier run is built again.
      - If the image has no digest, a Job asks it again for its latest revision, also in check mode, because the tag may
        have moved to another image.
    type: str
    required: true
  image:
    description: Image of the new Airflow.
    type: str
    required: true
  timeout:
    description: Timeout of the Job in seconds, from its creation.
    type: int
    default: 900
"""

EXAMPLES = r"""
- name: Build the new schema
  hopsworks.airflow.metadata_migrate:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    run: 20261122t030000
    image: apache/airflow:3.0.6-python3.12
    pod:
      security_context: {runAsNonRoot: true}
"""

RETURN = r"""
revision:
  description: Revision of the new schema; in check mode, only known if nothing has to be built.
  returned: success
  type: str
  sample: fe199e1abd77
before:
  description: Revision that the workspace had before.
  returned: success
  type: str
  sample: null
version:
  description: Version of Airflow in the image.
  returned: when the schema was built
  type: str
  sample: 3.0.6
workspace:
  description: The schema that holds the new tables.
  returned: success
  type: str
  sample: airflow_beside
tables:
  description: Number of tables in it.
  returned: success
  type: int
  sample: 45
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 9.1
reason:
  description: Why nothing was built.
  returned: when nothing has to be built
  type: str
  sample: schema airflow_beside is complete already
"""

from ..module_utils._database.address import DATABASE_ARGUMENT
from ..module_utils._database.engines import LIBRARIES
from ..module_utils._metadata.new_schema.migration import act
from ..module_utils._pods.own_job import POD_ARGUMENT
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "deployment": {"type": "str", "required": True},
        "run": {"type": "str", "required": True},
        "image": {"type": "str", "required": True},
        "workspace": {"type": "str"},
        "extra_tables": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "int", "default": 900},
        "pod": POD_ARGUMENT,
    },
    libraries=LIBRARIES,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
