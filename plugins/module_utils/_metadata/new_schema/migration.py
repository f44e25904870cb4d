# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the new schema in the workspace, with `airflow db migrate` of the new image in a Job."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..._common.redaction import secret_forms
from ..._database.address import read_address
from ..._database.connection import connected
from ..._database.server_wait import wait_of
from ..._pods.admission import Admission, told
from ..._pods.job import Job, remove_leftovers
from ..._pods.own_job import pod_of
from ..inspection import inspect, revisions_of
from ..ownership import Owner
from ..schemas import content_of, on_server, schemas_of
from . import building
from .migrate_job import head_in, migrate_job, selector_of
from .revision_job import newest_revision

if TYPE_CHECKING:
    from ..._kubernetes.call import Call

LEFTOVER_SECONDS = 60


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    address = read_address(call.cluster, params["database"])
    names = schemas_of(address.name, params["workspace"], params["run"])
    with connected(call.cluster, address, wait_of(call)) as database:
        names = on_server(database, names)
        owner = Owner(params["deployment"], call.cluster.namespace, names.live, params["run"])
        inspection = inspect(database, names, params["extra_tables"], owner)
        before = revisions_of(database, inspection.workspace)
        result: dict[str, Any] = {
            "changed": True,
            "before": next(iter(before), None),
            "workspace": names.workspace,
            "tables": len(content_of(inspection.workspace)) if inspection.workspace else 0,
        }
        pod = pod_of(call.cluster, params["pod"])

        def newest(revision: str) -> str:
            # The schema revision of an image does not depend on the components' settings.
            alone_with_it = replace(pod, environment=[], volumes=[], volume_mounts=[])
            return newest_revision(call, params["image"], alone_with_it, revision)[0]

        standing = building.standing(inspection, params["run"], params["image"], before, newest)
        if standing is not None:
            return {**result, **standing}
        building.refuse_others(database, inspection, owner)
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
        diff = {"before": f"{names.workspace}: {before}\n"}
        if call.check_mode:
            told(call, Admission(call.cluster, set(), nodes_on_demand=pod.nodes_on_demand).job(manifest))
            diff["after"] = f"{names.workspace}: latest revision of {params['image']}\n"
            return {**result, "revision": None, "seconds": 0.0, "diff": diff}
        # This takes a while during which the session is idle, so a new session must be possible afterwards.
        remove_leftovers(call.cluster, selector_of(owner.deployment), LEFTOVER_SECONDS, call.progress)
        with database.move_lock(names.workspace, LEFTOVER_SECONDS):
            # Inspected again, because the Job may have continued while it was being removed.
            inspection = inspect(database, names, params["extra_tables"], owner)
            mark = building.begin(database, inspection, owner, params["image"], call.progress)
    lines = Job(call.cluster, manifest, call.progress, secret_forms(address.password)).run(params["timeout"])
    head, version = head_in(lines)
    # A separate session, because the Job may take longer than servers and tunnels keep an idle one.
    with connected(call.cluster, address, wait_of(call)) as database:
        tables = building.finish(database, names.workspace, mark, head)
    diff["after"] = f"{names.workspace}: ['{head}']\n"
    seconds = round(time.monotonic() - begun, 1)
    return {**result, "revision": head, "version": version, "tables": tables, "seconds": seconds, "diff": diff}
