# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DAG folders with everything that HDFS keeps about files and that a copy can lose."""

from __future__ import annotations

import os

from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.manifest import Entry
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.transfer import apply_metadata

BLOCK = 1 << 20
LONG_AGO = 1_500_000_000_000
AIRFLOW = ("default:group::r-x", "default:mask::r-x", "default:other::---", "default:user::rwx")
SHARED = (*AIRFLOW, "default:user:airflow:r-x", "group::r-x", "user:airflow:r-x")
AWKWARD = (
    "grüße_日本.py",
    "with space.py",
    "percent%41.py",
    "plus+and&and=and;.py",
    "hash#question?.py",
    "quote'double\".py",
    "brackets[0]{1}.py",
    "back\\slash.py",
    "comma,at@.py",
)


def seed(hdfs, laboratory: str, files_in_bulk: int = 0) -> list[str]:
    """Two projects below `laboratory`; returns the patterns that name their DAG folders."""
    folders = f"{laboratory}/Projects"
    for project in ("demo", "données"):
        top = f"{folders}/{project}/Airflow"
        hdfs.mkdirs(f"{top}/empty", "755")
        hdfs.mkdirs(f"{top}/sticky/deeper", "755")
        for number, name in enumerate(AWKWARD):
            hdfs.create(f"{top}/{name}", f"# {project} {number}\n".encode())
        hdfs.create(f"{top}/nothing.py", b"")
        hdfs.create(f"{top}/large.bin", os.urandom(2 * BLOCK + 17), block_size=BLOCK)
        hdfs.create(f"{top}/sticky/deeper/secret.py", b"KEY = 'CANARY-dag-file'\n")
        for number in range(files_in_bulk):
            hdfs.create(f"{top}/bulk{number:04d}.py", os.urandom(1000 + number))
        dress(hdfs, top, project)
    return [f"{folders}/*/Airflow"]


def dress(hdfs, top: str, project: str) -> None:
    """Owners, permissions, ACLs, extended attributes and times; children before their directories."""
    group = "demo__Airflow" if project == "demo" else "other__Airflow"
    for number, status in enumerate(sorted(hdfs.listing(top), key=lambda status: status.path)):
        if status.kind == "file":
            xattrs = {"user.note": "0x" + f"n° {number}".encode().hex(), "user.empty": "0x", "user.bytes": "0x00ff10"}
            wear(
                hdfs,
                status.path,
                "file",
                f"demo__meb1000{number % 3}",
                group,
                f"0{4 + number % 4}{number % 8}0",
                ("group::r--", "user:airflow:r-x") if number % 2 else (),
                LONG_AGO + number * 1001,
                xattrs,
            )
    wear(hdfs, f"{top}/sticky/deeper/secret.py", "file", "airflow", group, "0600", (), LONG_AGO, {})
    wear(hdfs, f"{top}/sticky/deeper", "directory", "airflow", group, "0700", AIRFLOW, LONG_AGO + 1, {})
    wear(hdfs, f"{top}/sticky", "directory", "demo__meb10000", group, "1770", SHARED, LONG_AGO + 2, {"user.d": "0x41"})
    wear(hdfs, f"{top}/empty", "directory", "demo__meb10000", group, "0555", (), LONG_AGO + 3, {})
    wear(hdfs, top, "directory", f"{group.partition('_')[0]}__meb10000", group, "0750", SHARED, LONG_AGO + 4, {})


def wear(hdfs, path, kind, owner, group, permission, acl, modified, xattrs) -> None:
    wanted = Entry(path, kind, 0, owner, group, permission, modified, acl, tuple(sorted(xattrs.items())))
    apply_metadata(hdfs, wanted, path, None)
    hdfs.set_modified(path, modified)
