# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random DAG folders and random changes to them."""

from __future__ import annotations

from random import Random

from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.fake import FakeHopsfs, Node

NAMES = ("a.py", "grüße.py", "日本", "with space.py", "100%.py", "a+b.py", "x&y=z;.py", "#1?.py", "é", "b'c\".py")
ACLS: tuple[tuple[str, ...], ...] = (
    (),
    ("group::r-x", "user:airflow:r-x"),
    ("default:group::r-x", "default:mask::r-x", "default:other::---", "default:user::rwx"),
    (
        "default:group::r-x",
        "default:mask::r-x",
        "default:other::---",
        "default:user:airflow:r-x",
        "default:user::rwx",
        "group::rwx",
        "user:airflow:r-x",
    ),
)


def dress(node: Node, chance: Random) -> None:
    node.owner = chance.choice(["hdfs", "demo__meb10000", "airflow"])
    node.group = chance.choice(["demo__Airflow", "supergroup"])
    node.permission = chance.choice(["0644", "0640", "0000", "0755", "0770"])
    if node.kind == "DIRECTORY":
        node.permission = chance.choice(["0755", "1770", "0500", "0000"])
    acls = ACLS if node.kind == "DIRECTORY" else ACLS[:2]
    node.entries = tuple(sorted(chance.choice(acls)))
    node.xattrs = {f"user.{n}": "0x" + "41" * n for n in range(chance.choice([0, 0, 1, 3]))}
    node.modified = chance.randrange(1, 900_000)


def plant(hopsfs: FakeHopsfs, chance: Random, projects: int = 2) -> None:
    """DAG folders of some projects, with a file beside them that is none of the collection's business."""
    for project in range(projects):
        top = f"/Projects/P{project}/Airflow"
        hopsfs.put(top, "DIRECTORY", "0755")
        hopsfs.put(f"/Projects/P{project}/other.txt", "FILE", "0644", b"not a DAG")
        directories = [top]
        for _each in range(chance.randrange(1, 9)):
            add(hopsfs, chance, directories)
    for path in [path for path in hopsfs.nodes if "/Airflow" in path]:
        dress(hopsfs.nodes[path], chance)


def add(hopsfs: FakeHopsfs, chance: Random, directories: list[str]) -> None:
    path = f"{chance.choice(directories)}/{chance.choice(NAMES)}"
    if path in hopsfs.nodes:
        return
    if chance.random() < 0.3:
        hopsfs.put(path, "DIRECTORY", "0755")
        directories.append(path)
    else:
        hopsfs.put(path, "FILE", "0644", chance.randbytes(chance.choice([0, 1, 20, 300])))


def disturb(hopsfs: FakeHopsfs, chance: Random) -> None:
    """One change to the live folders, as a user may make it at any time."""
    paths = [path for path in hopsfs.nodes if path.startswith("/Projects/") and "/Airflow" in path]
    path = chance.choice(paths)
    node = hopsfs.nodes[path]
    kind = chance.choice(["write", "same length", "dress", "delete", "add", "swap"])
    hopsfs.clock += 1
    if kind in ("write", "same length") and node.kind == "FILE":
        length = len(node.content) if kind == "same length" else chance.randrange(50)
        node.content, node.modified = chance.randbytes(length), hopsfs.clock
    elif kind == "dress":
        dress(node, chance)
    elif kind in ("delete", "swap") and not path.endswith("/Airflow"):
        hopsfs.do_delete(path, {}, b"")
        if kind == "swap":
            hopsfs.put(path, "FILE" if node.kind == "DIRECTORY" else "DIRECTORY", "0700")
    else:
        add(hopsfs, chance, [path for path in paths if hopsfs.nodes[path].kind == "DIRECTORY"])
