#!/usr/bin/env python3
# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the bed's HDFS hold exactly what tree.json describes, with the files beside this script as contents.

Runs in the HDFS pod, as superuser over loopback, past the gate: it also undoes what the gate wouldn't let a client do,
such as quotas. Whatever already is as described isn't touched; what isn't described is deleted. Prints what it changed,
one line each. With the argument `few` it leaves out what tree.json describes by the hundred. Standard library only.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

NAMENODE = "127.0.0.1:19870"
HERE = Path(__file__).parent
NO_QUOTA = -1
# Stands for 001, 002, ... in the path and the content of an entry that describes several `files`.
NUMBER = "NUMBER"


class Hdfs:
    """WebHDFS as superuser, over loopback and without TLS."""

    def __init__(self) -> None:
        self.connection = http.client.HTTPConnection(NAMENODE, timeout=60)

    def call(self, method: str, path: str, operation: str, body: bytes | None = None, **parameters: Any) -> bytes:
        """Runs one operation and follows its redirect; raises RuntimeError for any answer but a success."""
        query = urlencode({"op": operation, "user.name": "hdfs", **parameters})
        self.connection.request(method, f"/webhdfs/v1{quote(path)}?{query}")
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status == http.client.TEMPORARY_REDIRECT:
            parts = urlsplit(answer.headers["Location"])
            data = http.client.HTTPConnection(parts.netloc, timeout=60)
            data.request(method, f"{parts.path}?{parts.query}", body=body)
            answer = data.getresponse()
            content = answer.read()
            data.close()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{operation} {path}: HTTP {answer.status} {content.decode(errors='replace')}")
        return content

    def get(self, path: str, operation: str, **parameters: Any) -> Any:
        return json.loads(self.call("GET", path, operation, **parameters))

    def put(self, path: str, operation: str, **parameters: Any) -> None:
        self.call("PUT", path, operation, **parameters)

    def walk(self, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Everything below a folder, parents first."""
        for status in self.get(folder, "LISTSTATUS")["FileStatuses"]["FileStatus"]:
            path = f"{folder.rstrip('/')}/{status['pathSuffix']}"
            yield path, status
            if status["type"] == "DIRECTORY":
                yield from self.walk(path)


def milliseconds(time: str) -> int:
    moment = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)


def described(*, few: bool) -> dict[str, dict[str, Any]]:
    """What tree.json describes, one entry for each file; with `few` without the projects whose files are numbered."""
    entries: dict[str, dict[str, Any]] = json.loads((HERE / "tree.json").read_text(encoding="utf-8"))
    large = {path.split("/")[2] for path, wanted in entries.items() if few and "files" in wanted}
    tree = {}
    for path, wanted in entries.items():
        if large & set(path.split("/")[2:3]):
            continue
        numbers = [f"{number:03d}" for number in range(1, wanted.get("files", 0) + 1)]
        tree.update({path.replace(NUMBER, number): {**wanted, "number": number} for number in numbers} or {path: wanted})
    return tree


def content_of(path: str, wanted: dict[str, Any]) -> bytes:
    """A file's bytes: `/Projects/<P>/Airflow/<rest>` is `<P>/<rest>` here, filled up with comments where wanted."""
    project, _, rest = path.removeprefix("/Projects/").partition("/Airflow/")
    content = (HERE / wanted.get("content", f"{project}/{rest}")).read_bytes()
    content = content.replace(NUMBER.encode(), str(wanted.get("number", NUMBER)).encode())
    lines = [content]
    length, number = len(content), 0
    while length < wanted.get("filled_to_bytes", 0):
        line = f"# {number:06d} {hashlib.sha256(str(number).encode()).hexdigest()}\n".encode()
        lines.append(line)
        length += len(line)
        number += 1
    return b"".join(lines)


def acl_specification(wanted: dict[str, Any]) -> str:
    """The whole ACL for SETACL: WebHDFS gives owner, mask and others as the permission, and wants them as entries."""
    bits = int(wanted["permission"], 8)
    owner, mask, others = (
        f"{'r' if b & 4 else '-'}{'w' if b & 2 else '-'}{'x' if b & 1 else '-'}"
        for b in (bits >> 6 & 7, bits >> 3 & 7, bits & 7)
    )
    return ",".join([f"user::{owner}", f"mask::{mask}", f"other::{others}", *wanted["acl"]])


def put_metadata(hdfs: Hdfs, path: str, wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Owner, ACL, then permission (the group digit is the ACL's mask), attributes; returns what differed."""
    changed = []
    if (found["owner"], found["group"]) != (wanted["owner"], wanted["group"]):
        hdfs.put(path, "SETOWNER", owner=wanted["owner"], group=wanted["group"])
        changed.append("owner")
    entries = hdfs.get(path, "GETACLSTATUS")["AclStatus"]["entries"]
    if sorted(entries) != sorted(wanted.get("acl", [])):
        if wanted.get("acl"):
            hdfs.put(path, "SETACL", aclspec=acl_specification(wanted))
        else:
            hdfs.put(path, "REMOVEACL")
        changed.append("acl")
    if changed or found["permission"] != wanted["permission"]:
        hdfs.put(path, "SETPERMISSION", permission=wanted["permission"])
        changed.append("permission")
    attributes = {
        attribute["name"]: attribute["value"].strip('"')
        for attribute in hdfs.get(path, "GETXATTRS", encoding="hex")["XAttrs"]
    }
    wanted_attributes = {name: "0x" + text.encode().hex() for name, text in wanted.get("xattrs", {}).items()}
    for name in attributes.keys() - wanted_attributes.keys():
        hdfs.put(path, "REMOVEXATTR", **{"xattr.name": name})
        changed.append(name)
    for name, value in wanted_attributes.items():
        if attributes.get(name) != value:
            flag = "REPLACE" if name in attributes else "CREATE"
            hdfs.put(path, "SETXATTR", **{"xattr.name": name, "xattr.value": value, "flag": flag})
            changed.append(name)
    return changed


def lift_quotas(hdfs: Hdfs, folder: str) -> None:
    summary = hdfs.get(folder, "GETCONTENTSUMMARY")["ContentSummary"]
    # The root's own limit on names is the largest number there is, and no quota that somebody set.
    if (folder != "/" and summary["quota"] != NO_QUOTA) or summary["spaceQuota"] != NO_QUOTA:
        unlimited = {"storagespacequota": NO_QUOTA}
        if folder != "/":
            unlimited["namespacequota"] = NO_QUOTA
        hdfs.put(folder, "SETQUOTA", **unlimited)
        print(f"{folder}: quota lifted")


def main() -> None:
    hdfs = Hdfs()
    tree = described(few="few" in sys.argv[1:])
    folders = {path for path in tree if any(other.startswith(path + "/") for other in tree)}
    present = dict(hdfs.walk("/"))
    for folder in ["/", *sorted(folders & present.keys())]:
        lift_quotas(hdfs, folder)

    for path, status in present.items():
        kind = "DIRECTORY" if path in folders else "FILE"
        below_deleted = any(parent not in tree for parent in map(str, Path(path).parents) if parent != "/")
        if not below_deleted and (path not in tree or status["type"] != kind):
            hdfs.call("DELETE", path, "DELETE", recursive="true")
            print(f"{path}: deleted")

    present = dict(hdfs.walk("/"))
    for path, wanted in sorted(tree.items()):
        if path in folders:
            if path not in present:
                hdfs.put(path, "MKDIRS")
                print(f"{path}: made")
            continue
        content = content_of(path, wanted)
        known = present.get(path)
        if known is None or known["length"] != len(content) or hdfs.call("GET", path, "OPEN") != content:
            hdfs.call("PUT", path, "CREATE", body=content, overwrite="true")
            print(f"{path}: {len(content)} bytes")

    # Whatever is written into a folder changes its time: deepest first, so that a folder comes after its contents.
    for path, status in sorted(hdfs.walk("/"), reverse=True):
        wanted = tree[path]
        changed = put_metadata(hdfs, path, wanted, status)
        if status["modificationTime"] != milliseconds(wanted["modified"]):
            hdfs.put(path, "SETTIMES", modificationtime=milliseconds(wanted["modified"]), accesstime=-1)
            changed.append("time")
        if changed:
            print(f"{path}: {', '.join(changed)}")


if __name__ == "__main__":
    main()
