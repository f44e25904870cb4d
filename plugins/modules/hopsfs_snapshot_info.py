#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hopsfs_snapshot_info
short_description: Lists, verifies and compares snapshots of the DAG folders
description:
  - Lists the snapshots that M(hopsworks.airflow.hopsfs_snapshot) took, complete or unfinished.
  - On request, verifies every file and all metadata of a snapshot against its manifest, and compares the manifest with
    the live DAG folders.
  - Returns all differences and never fails because of them.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.hopsfs
  - hopsworks.airflow.attributes.info_module
options:
  name:
    description: Name of a single snapshot. Defaults to all of them.
    type: str
  verify:
    description:
      - Whether to read back every file of a complete snapshot and compare SHA-256 and metadata with the manifest.
    type: bool
    default: false
  compare:
    description: Whether to read the live DAG folders and compare them with the manifest of a complete snapshot.
    type: bool
    default: false
seealso:
  - module: hopsworks.airflow.hopsfs_snapshot
"""

EXAMPLES = r"""
- name: Verify one snapshot and compare it with the live folders
  hopsworks.airflow.hopsfs_snapshot_info:
    namespace: hopsworks
    url: https://namenode-external.hopsworks.svc.cluster.local:9870
    tls_secret: hopsfs-operator-tls
    name: upgrade-20261122t030000
    verify: true
    compare: true
  register: hopsfs

- name: Check that nothing is lost and nothing has changed
  ansible.builtin.assert:
    that:
      - hopsfs.snapshots[0].verified
      - hopsfs.snapshots[0].equal
"""

RETURN = r"""
snapshots:
  description: The snapshots, sorted by name; empty if there are none.
  returned: always
  type: list
  elements: dict
  sample:
    - name: upgrade-20261122t030000
      path: /airflow-snapshots/upgrade-20261122t030000
      whole: true
      created: "2026-11-22T03:00:41Z"
      sources: [/Projects/*/Airflow]
      files: 42
      directories: 6
      bytes: 1310720
      manifest_sha256: 3f0a7c0de1c3f6f0a1f2b6f1a7e6d1b45f0c1e8ab0a54d8a7c1f0e2d3c4b5a69
      verified: true
      damage: []
      equal: false
      changes:
        - path: /Projects/demo/Airflow/etl.py
          differs: [mtime, content]
  contains:
    name:
      description: Its name.
      type: str
    path:
      description: Where it is in HopsFS.
      type: str
    whole:
      description: Whether it is complete. Only a complete snapshot can be used for a rollback.
      type: bool
    flaw:
      description: Why it is not complete.
      returned: whole is false
      type: str
    created:
      description: When it was completed, in UTC.
      returned: whole is true
      type: str
    sources:
      description: The patterns of the copied folders.
      returned: whole is true
      type: list
      elements: str
    files:
      description: Number of files.
      returned: whole is true
      type: int
    directories:
      description: Number of directories.
      returned: whole is true
      type: int
    bytes:
      description: Length of all files together, without replication.
      returned: whole is true
      type: int
    manifest_sha256:
      description: Fingerprint of the manifest.
      returned: whole is true
      type: str
    verified:
      description: Whether every file and all metadata match the manifest.
      returned: whole is true and O(verify=true)
      type: bool
    damage:
      description: Live path and differing fields of each mismatch; C(missing), C(extra), C(type), C(content), C(owner),
        C(group), C(permission), C(acl), C(xattrs), C(mtime).
      returned: whole is true and O(verify=true)
      type: list
      elements: dict
    equal:
      description: Whether the live folders match the manifest.
      returned: whole is true and O(compare=true)
      type: bool
    changes:
      description:
        - Path and differing fields of each change, as in C(damage); C(missing) entries are gone from the live folders,
          C(extra) ones are new in them.
      returned: whole is true and O(compare=true)
      type: list
      elements: dict
"""

from typing import Any

from ..module_utils._hopsfs.access import ARGUMENTS, opened
from ..module_utils._hopsfs.connection import REQUESTS_IMPORT_ERROR
from ..module_utils._hopsfs.inspection import inspect
from ..module_utils._hopsfs.store import Store
from ..module_utils._kubernetes.call import Call
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    with opened(call.cluster, call.params, call.progress) as hdfs:
        found = inspect(
            hdfs,
            Store(hdfs, call.params["snapshot_root"]),
            call.params["name"],
            verify=call.params["verify"],
            compare_live=call.params["compare"],
            workers=call.params["workers"],
            progress=call.progress,
        )
    return {"snapshots": found}


ACTION = Action(
    act,
    {
        **ARGUMENTS,
        "name": {"type": "str"},
        "verify": {"type": "bool", "default": False},
        "compare": {"type": "bool", "default": False},
    },
    libraries=(("requests", REQUESTS_IMPORT_ERROR),),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
