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
  - hopsworks.airflow.pod
  - hopsworks.airflow.database
  - hopsworks.airflow.attributes
options:
  deployment:
    description:
      - Name of the deployment. Together with O(namespace) and the live schema, it identifies the owner of everything
        that this module leaves in a schema. The module fails if it finds anything that belongs to another deployment.
    type: str
    required: true
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
  workspace:
    description:
      - The schema to build. It is created if it does not exist. Defaults to the live schema's name followed by
        C(_beside).
    type: str
  extra_tables:
    description:
      - Tables in the live schema that are not Airflow's own but belong to this deployment , such as those of plugins.
    type: list
    elements: str
    default: []
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

import time
from dataclasses import replace
from typing import Any

from ..module_utils._common.redaction import secret_forms
from ..module_utils._database.address import DATABASE_ARGUMENT, read_address
from ..module_utils._database.connection import connected
from ..module_utils._database.engines import LIBRARIES
from ..module_utils._database.server_wait import wait_of
from ..module_utils._kubernetes.call import Call
from ..module_utils._metadata.build import beside
from ..module_utils._metadata.build.migrate_job import head_in, migrate_job, selector_of
from ..module_utils._metadata.build.revision_job import newest_revision
from ..module_utils._metadata.inspection import inspect
from ..module_utils._metadata.ownership import Owner
from ..module_utils._metadata.schemas import content_of, on_server, schemas_of
from ..module_utils._pods.admission import Admission, told
from ..module_utils._pods.job import Job, remove_leftovers
from ..module_utils._pods.own_job import POD_ARGUMENT, pod_of
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

LEFTOVER_SECONDS = 60


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    address = read_address(call.cluster, params["database"])
    names = schemas_of(address.name, params["workspace"], params["run"])
    with connected(call.cluster, address, wait_of(call)) as database:
        names = on_server(database, names)
        owner = Owner(params["deployment"], call.cluster.namespace, names.live, params["run"])
        inspection = inspect(database, names, params["extra_tables"], owner)
        before = beside.revisions_of(database, names.workspace)
        known = {
            "workspace": names.workspace,
            "tables": len(content_of(inspection.workspace)) if inspection.workspace else 0,
        }
        pod = pod_of(call.cluster, params["pod"])

        def newest(revision: str) -> str:
            # The schema revision of an image does not depend on the components' settings.
            alone_with_it = replace(pod, environment=[], volumes=[], volume_mounts=[])
            return newest_revision(call, params["image"], alone_with_it, revision)[0]

        result = beside.standing(inspection, params["run"], params["image"], before, newest)
        if result is not None:
            return {**result, **known}
        beside.refuse_others(database, inspection, owner)
        manifest = migrate_job(
            address,
            params["database"]["password_secret"],
            names.workspace,
            params["image"],
            params["deployment"],
            params["run"],
            pod,
            params["timeout"],
        )
        if call.check_mode:
            told(call, Admission(call.cluster, set(), nodes_on_demand=pod.nodes_on_demand).job(manifest))
            diff = {
                "before": f"{names.workspace}: {before}\n",
                "after": f"{names.workspace}: latest revision of {params['image']}\n",
            }
            return {
                "changed": True,
                "revision": None,
                "before": next(iter(before), None),
                "seconds": 0.0,
                "diff": diff,
                **known,
            }
        # This takes a while during which the session is idle, so a new session must be possible afterwards.
        remove_leftovers(call.cluster, selector_of(owner.deployment), LEFTOVER_SECONDS, call.progress)
        with database.alone(names.workspace, LEFTOVER_SECONDS):
            # Inspected again, because the Job may have continued while it was being removed.
            inspection = inspect(database, names, params["extra_tables"], owner)
            mark = beside.begin(database, inspection, owner, params["image"], call.progress)
    lines = Job(call.cluster, manifest, call.progress, secret_forms(address.password)).run(params["timeout"])
    head, version = head_in(lines)
    # A separate session, because the Job may take longer than servers and tunnels keep an idle one.
    with connected(call.cluster, address, wait_of(call)) as database:
        beside.finish(database, names.workspace, mark, head)
        built = database.schema(names.workspace)
    return {
        "changed": True,
        "revision": head,
        "before": next(iter(before), None),
        "version": version,
        "workspace": names.workspace,
        "tables": len(content_of(built)) if built is not None else 0,
        "seconds": round(time.monotonic() - begun, 1),
        "diff": {"before": f"{names.workspace}: {before}\n", "after": f"{names.workspace}: ['{head}']\n"},
    }


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
