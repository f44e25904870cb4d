#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hopsfs_snapshot
short_description: Verified copies of the DAG folders within HopsFS
description:
  - Copies every DAG folder with owners, groups, permissions, ACLs, times of modification and user extended attributes,
    reads each copied file back, and writes a manifest last. A directory without a manifest is an unfinished snapshot
    and never taken for a whole one; the same call continues it and copies only what is missing or differs.
  - The folders are read again after the copy, and again until nothing has changed meanwhile.
  - A snapshot that is whole and equal to the folders is left alone. Where the folders have changed since, it is brought
    up to date, so give each state that has to be kept a name of its own.
  - The public source of HopsFS has no snapshots of its own. Whether this HopsFS has them is asked and reported.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.hopsfs
  - hopsworks.airflow.attributes
options:
  name:
    description:
      - Name of the snapshot, usually the id of the run that takes it. Letters, digits, dots, underscores and hyphens.
    type: str
    required: true
  sources:
    description:
      - What to copy; C(*), C(?) and C([...]) stay within one component of the path, as in a shell. Each has to name
        something.
    type: list
    elements: str
    default: [/Projects/*/Airflow]
  state:
    description: Whether the snapshot is to be there, whole and equal to the folders, or not to be there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: hopsworks.airflow.hopsfs_snapshot_info
"""

EXAMPLES = r"""
- name: Copy the DAG folders before the upgrade
  hopsworks.airflow.hopsfs_snapshot:
    namespace: hopsworks
    url: https://namenode-external.hopsworks.svc.cluster.local:9870
    tls_secret: hopsfs-operator-tls
    name: upgrade-20261122t030000

- name: Delete that copy
  hopsworks.airflow.hopsfs_snapshot:
    namespace: hopsworks
    url: https://namenode-external.hopsworks.svc.cluster.local:9870
    tls_secret: hopsfs-operator-tls
    name: upgrade-20261122t030000
    state: absent
"""

RETURN = r"""
snapshot:
  description: The snapshot as it is afterwards, or in check mode would be.
  returned: state is present
  type: dict
  sample:
    name: upgrade-20261122t030000
    path: /airflow-snapshots/upgrade-20261122t030000
    files: 42
    directories: 6
    bytes: 1310720
    created: "2026-11-22T03:00:41Z"
    manifest_sha256: 3f0a7c0de1c3f6f0a1f2b6f1a7e6d1b45f0c1e8ab0a54d8a7c1f0e2d3c4b5a69
  contains:
    name:
      description: Its name.
      type: str
    path:
      description: Where it is in HopsFS.
      type: str
    files:
      description: Number of files.
      type: int
    directories:
      description: Number of directories.
      type: int
    bytes:
      description: Length of all files together, without replication.
      type: int
    created:
      description: When it became whole, in UTC; null in check mode where it is not yet.
      type: str
    manifest_sha256:
      description: Fingerprint of its manifest; null in check mode where it is not yet whole.
      type: str
copied_files:
  description: Number of files whose content was copied and read back.
  returned: state is present
  type: int
  sample: 42
copied_bytes:
  description: Their length in bytes.
  returned: state is present
  type: int
  sample: 1310720
adjusted:
  description: Number of files and directories of which only metadata was brought up to date.
  returned: state is present
  type: int
  sample: 0
removed:
  description: Number of files and directories deleted from the snapshot because the folders no longer have them.
  returned: state is present
  type: int
  sample: 0
room:
  description: Space the copy takes and what was free for it, in bytes with replication; null free bytes if nobody says.
  returned: state is present and something had to be copied
  type: dict
  sample: {needed_bytes: 1310720, free_bytes: 75161927680, limited_by: free space of the DataNodes}
counted:
  description:
    - Whether the number of files and their bytes are those that HopsFS itself counts in the folders;
      null where it does not count, false where the folders changed while they were read.
  returned: state is present
  type: bool
  sample: true
native_snapshots:
  description: Whether this HopsFS answers to snapshot operations of its own (V(possible)) or not (V(absent)).
  returned: state is present
  type: str
  sample: absent
found:
  description: What there was before, one of V(absent), V(unfinished), V(whole).
  returned: always
  type: str
  sample: absent
"""

from typing import Any

from ..module_utils._hopsfs.access import ARGUMENTS, opened
from ..module_utils._hopsfs.connection import REQUESTS_IMPORT_ERROR
from ..module_utils._hopsfs.snapshot import absent, present, summary
from ..module_utils._hopsfs.store import Store
from ..module_utils._kubernetes.call import Call
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    name = call.params["name"]
    with opened(call.cluster, call.params, call.progress) as hdfs:
        store = Store(hdfs, call.params["snapshot_root"])
        if call.params["state"] == "absent":
            before = absent(store, name, check_mode=call.check_mode)
            return {
                "changed": before.exists,
                "found": before.found,
                "diff": {
                    "before": summary(name, before.found, before.manifest, before.fingerprint),
                    "after": summary(name, "absent", None, "") if before.exists else "",
                },
            }
        outcome = present(
            hdfs,
            store,
            name,
            call.params["sources"],
            workers=call.params["workers"],
            progress=call.progress,
            check_mode=call.check_mode,
        )
        if outcome.room and outcome.room.free_bytes is None:
            call.warn("The free space of HopsFS could not be read; a copy without room would fail and stay unfinished.")
        if outcome.counted is None:
            call.warn(
                "This HopsFS does not count files (GETCONTENTSUMMARY). The copy was compared with what it lists; "
                "compare the number of files with that of `hdfs dfs -ls -R`."
            )
        native = hdfs.native_snapshots(f"{store.root}/.probe")
        return {**outcome.as_result(store, name), "counted": outcome.counted, "native_snapshots": native}


ACTION = Action(
    act,
    {
        **ARGUMENTS,
        "name": {"type": "str", "required": True},
        "sources": {"type": "list", "elements": "str", "default": ["/Projects/*/Airflow"]},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    libraries=(("requests", REQUESTS_IMPORT_ERROR),),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
