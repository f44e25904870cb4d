#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hopsfs_snapshot
short_description: Verified copies of the DAG folders within HopsFS
description:
  - Copies every DAG folder with owners, groups, permissions, ACLs, modification times and user extended attributes,
    reads each copied file back, and writes a manifest last. A directory without a manifest is an unfinished snapshot
    and never treated as complete; the same call continues it and copies only files that are missing or different.
  - After the copy, the folders are read again until nothing has changed in the meantime.
  - A complete snapshot that equals the folders is not changed. If the folders have changed since, the snapshot is
    updated, so use a new name for each state that you want to keep.
  - The open source release of HopsFS has no native snapshots. The module checks and reports whether this HopsFS has
    them.
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
      - Patterns of the folders to copy. C(*), C(?) and C([...]) match within one path component, as in a shell. Each
        pattern must match something.
    type: list
    elements: str
    default: [/Projects/*/Airflow]
  state:
    description:
      - V(present) makes sure that the snapshot exists, is complete and equals the folders; V(absent) deletes it.
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
  description: The snapshot after the call, or in check mode as it would be.
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
      description: When it was completed, in UTC; null in check mode if it is not complete yet.
      type: str
    manifest_sha256:
      description: Fingerprint of its manifest; null in check mode if it is not complete yet.
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
  description: Number of files and directories of which only metadata was updated.
  returned: state is present
  type: int
  sample: 0
removed:
  description: Number of files and directories deleted from the snapshot because they are no longer in the folders.
  returned: state is present
  type: int
  sample: 0
room:
  description:
    - Space that the copy needs and free space, in bytes including replication; the free space is null if unknown.
  returned: state is present and something had to be copied
  type: dict
  sample: {needed_bytes: 1310720, free_bytes: 75161927680, limited_by: free space of the DataNodes}
counted:
  description:
    - Whether the number of files and their bytes match what HopsFS itself counts in the folders; null if it does not
      count, false if the folders changed while they were read.
  returned: state is present
  type: bool
  sample: true
native_snapshots:
  description: Whether this HopsFS supports native snapshots (V(possible)) or not (V(absent)).
  returned: state is present
  type: str
  sample: absent
found:
  description: State before the call, one of V(absent), V(unfinished), V(whole).
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
