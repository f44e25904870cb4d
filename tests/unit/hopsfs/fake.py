# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HDFS in memory behind the interface of `requests.Session`, with WebHDFS's requests, redirects and refusals."""

from __future__ import annotations

import copy
import json
import posixpath
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, unquote_plus, urlsplit

import requests

NAME_NODE = "https://namenode:9870"
DATA_NODE = "https://datanode:9864"
USER = "hdfs"
BASE = ("user::", "mask::", "other::")


@dataclass
class Node:
    kind: str
    owner: str = USER
    group: str = "supergroup"
    permission: str = "0755"
    modified: int = 0
    entries: tuple[str, ...] = ()
    xattrs: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


def nothing(_operation: str, _path: str) -> None:
    """What happens before a request where a test has nothing in mind."""


class Answer:
    """As much of `requests.Response` as the client uses."""

    def __init__(self, url: str, status: int, body: Any = None, location: str = "", broken_after: int | None = None):
        self.url = url
        self.status_code = status
        self._body = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self._broken_after = broken_after
        self.headers = {"Location": location} if location else {"Content-Length": str(len(self._body))}

    @property
    def content(self) -> bytes:
        return self._body

    def json(self) -> Any:
        return json.loads(self._body)

    def iter_content(self, size: int):
        size = min(size, 7)
        for at in range(0, len(self._body), size):
            if self._broken_after is not None and at >= self._broken_after:
                raise requests.exceptions.ChunkedEncodingError("cut off in " + self.url)
            yield self._body[at : at + size]

    def close(self) -> None:
        pass


class RefusedError(Exception):
    def __init__(self, status: int, exception: str, message: str) -> None:
        super().__init__(message)
        self.answer = {
            "RemoteException": {"exception": exception, "javaClassName": "x." + exception, "message": message}
        }
        self.status = status


class FakeHopsfs:
    """`before(operation, path)` runs before each request is served and may raise or change the tree; `after` runs when
    it was served and may raise, so that its answer is lost.

    `log` lists (operation, path) of every request served, `writes` those that change something.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {"/": Node("DIRECTORY")}
        self.clock = 1_000_000
        self.before: Callable[[str, str], None] = nothing
        self.after: Callable[[str, str], None] = nothing
        self.log: list[tuple[str, str]] = []
        self.writes: list[tuple[str, str]] = []
        self.space_quota: dict[str, int] = {}
        self.name_quota: dict[str, int] = {}
        self.free: int | None = 1 << 40
        self.replication = 1
        self.broken_downloads = 0
        self.flipped_uploads = 0
        # HDFS-14423: a server that decodes a path a second time, as a form.
        self.decodes_twice = False
        self.cuts_at_semicolon = False
        # Whether there is GETCONTENTSUMMARY, and how many files it counts that are not listed.
        self.counts = True
        self.uncounted = 0
        self._one_at_a_time = threading.RLock()

    # The session

    def request(self, method: str, url: str, *, data: Any = None, **_options: Any) -> Answer:
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        assert quote(unquote(parts.path)) == parts.path, f"{parts.path} is not quoted"
        if parts.path == "/jmx":
            beans = [] if self.free is None else [{"CapacityRemaining": self.free}]
            return Answer(url, 200, {"beans": beans})
        path = unquote(parts.path).removeprefix("/webhdfs/v1")
        operation = query["op"]
        if self.decodes_twice:
            path = unquote_plus(path)
        if self.cuts_at_semicolon:
            path = path.partition(";")[0]
        to_data_node = url.startswith(DATA_NODE)
        if operation in ("OPEN", "CREATE") and not to_data_node:
            assert not data, "content sent to the NameNode"
        # Reading the body may fetch from this very file system: not under the lock.
        body = data if isinstance(data, bytes) else b"".join(iter(lambda: data.read(5), b"")) if data else b""
        with self._one_at_a_time:
            try:
                self.before(operation, path)
                self.log.append((operation, path))
                if operation in ("OPEN", "CREATE") and not to_data_node:
                    self._redirectable(operation, path)
                    # Java's URI leaves all letters beyond ASCII as they are.
                    sent = "".join(letter if ord(letter) > 127 else quote(letter) for letter in path)
                    location = f"{DATA_NODE}/webhdfs/v1{sent}?{parts.query}".encode().decode("latin-1")
                    return Answer(url, 307, location=location)
                if method in ("PUT", "DELETE"):
                    self.writes.append((operation, path))
                self.clock += 1
                answer = getattr(self, "do_" + operation.lower())(path, query, body)
                self.after(operation, path)
                broken = None
                if operation == "OPEN" and self.broken_downloads:
                    self.broken_downloads -= 1
                    broken = len(answer) // 2
                return Answer(url, 200, answer, broken_after=broken)
            except RefusedError as refused:
                return Answer(url, refused.status, refused.answer)

    def close(self) -> None:
        pass

    # The file system

    def node(self, path: str) -> Node:
        if path not in self.nodes:
            raise RefusedError(404, "FileNotFoundException", f"File does not exist: {path}")
        return self.nodes[path]

    def below(self, path: str) -> list[str]:
        return [other for other in self.nodes if other.startswith(path.rstrip("/") + "/") and other != path]

    def put(self, path: str, kind: str, permission: str, content: bytes = b"") -> None:
        """A new inode with its parents, as the NameNode makes it."""
        parent = posixpath.dirname(path)
        if parent not in self.nodes:
            self.put(parent, "DIRECTORY", permission)
        above = self.nodes[parent]
        inherited = tuple(entry for entry in above.entries if entry.startswith("default:"))
        access = tuple(entry.removeprefix("default:") for entry in inherited)
        access = tuple(entry for entry in access if not entry.startswith(BASE)) if inherited else ()
        entries = tuple(sorted((*access, *(inherited if kind == "DIRECTORY" else ()))))
        self.nodes[path] = Node(kind, USER, above.group, permission, self.clock, entries, {}, content)
        above.modified = self.clock

    def _redirectable(self, operation: str, path: str) -> None:
        if operation == "OPEN":
            self.node(path)

    def raw(self, path: str, suffix: str) -> dict[str, Any]:
        node = self.nodes[path]
        return {
            "pathSuffix": suffix,
            "type": node.kind,
            "length": len(node.content),
            "owner": node.owner,
            "group": node.group,
            "permission": node.permission.lstrip("0") or "0",
            "modificationTime": node.modified,
            "replication": self.replication if node.kind == "FILE" else 0,
            "blockSize": 100 if node.kind == "FILE" else 0,
        }

    def do_getfilestatus(self, path: str, _query: dict[str, str], _body: bytes) -> Any:
        self.node(path)
        return {"FileStatus": self.raw(path, "")}

    def do_liststatus(self, path: str, _query: dict[str, str], _body: bytes) -> Any:
        self.node(path)
        if self.nodes[path].kind == "FILE":
            return {"FileStatuses": {"FileStatus": [self.raw(path, "")]}}
        children = [child for child in self.below(path) if posixpath.dirname(child) == path]
        return {"FileStatuses": {"FileStatus": [self.raw(child, posixpath.basename(child)) for child in children]}}

    def do_getaclstatus(self, path: str, _query: dict[str, str], _body: bytes) -> Any:
        return {"AclStatus": {"entries": list(self.node(path).entries)}}

    def do_getxattrs(self, path: str, query: dict[str, str], _body: bytes) -> Any:
        assert query["encoding"] == "hex"
        found = [{"name": name, "value": value} for name, value in self.node(path).xattrs.items()]
        return {"XAttrs": [*found, {"name": "trusted.other", "value": "0x00"}]}

    def do_gethomedirectory(self, _path: str, _query: dict[str, str], _body: bytes) -> Any:
        return {"Path": "/user/" + USER}

    def do_getcontentsummary(self, path: str, _query: dict[str, str], _body: bytes) -> Any:
        if not self.counts:
            raise RefusedError(400, "IllegalArgumentException", 'Invalid value for webhdfs parameter "op": No enum')
        everything = [self.node(path), *(self.nodes[below] for below in self.below(path))]
        return {
            "ContentSummary": {
                "length": sum(len(node.content) for node in everything),
                "fileCount": sum(node.kind == "FILE" for node in everything) + self.uncounted,
                "directoryCount": sum(node.kind == "DIRECTORY" for node in everything),
                "spaceConsumed": sum(len(node.content) for node in everything) * self.replication,
                "spaceQuota": self.space_quota.get(path, -1),
                "quota": self.name_quota.get(path, -1),
            }
        }

    def do_open(self, path: str, _query: dict[str, str], _body: bytes) -> Any:
        return self.node(path).content

    def do_create(self, path: str, query: dict[str, str], body: bytes) -> None:
        assert query["overwrite"] == "true"
        if self.flipped_uploads and body:
            self.flipped_uploads -= 1
            body = bytes([body[0] ^ 1]) + body[1:]
        self.nodes.pop(path, None)
        self.put(path, "FILE", query["permission"].rjust(4, "0"), body)

    def do_mkdirs(self, path: str, query: dict[str, str], _body: bytes) -> Any:
        if path not in self.nodes:
            self.put(path, "DIRECTORY", query["permission"].rjust(4, "0"))
        return {"boolean": True}

    def do_setowner(self, path: str, query: dict[str, str], _body: bytes) -> None:
        node = self.node(path)
        node.owner, node.group = query["owner"], query["group"]

    def do_setpermission(self, path: str, query: dict[str, str], _body: bytes) -> None:
        self.node(path).permission = query["permission"].rjust(4, "0")

    def do_setacl(self, path: str, query: dict[str, str], _body: bytes) -> None:
        node = self.node(path)
        entries = query["aclspec"].split(",")
        access = {entry for entry in entries if not entry.startswith("default:")}
        rights = {entry.rpartition(":")[0]: entry.rpartition(":")[2] for entry in access}
        assert {"user:", "group:", "other:"} <= set(rights), "an ACL without its base entries is refused"
        digits = [rights["user:"], rights.get("mask:", rights["group:"]), rights["other:"]]
        node.permission = node.permission[0] + "".join(
            str(sum(bit for letter, bit in zip("rwx", (4, 2, 1), strict=True) if letter in right)) for right in digits
        )
        kept = [entry for entry in sorted(entries) if not entry.startswith(BASE)]
        node.entries = tuple(
            kept if "mask:" in rights else [entry for entry in kept if not entry.startswith("group::")]
        )

    def do_removeacl(self, path: str, _query: dict[str, str], _body: bytes) -> None:
        self.node(path).entries = ()

    def do_setxattr(self, path: str, query: dict[str, str], _body: bytes) -> None:
        assert query["xattr.name"].startswith("user.")
        self.node(path).xattrs[query["xattr.name"]] = query["xattr.value"]

    def do_removexattr(self, path: str, query: dict[str, str], _body: bytes) -> None:
        if self.node(path).xattrs.pop(query["xattr.name"], None) is None:
            raise RefusedError(403, "IOException", "No matching attributes found for remove operation")

    def do_settimes(self, path: str, query: dict[str, str], _body: bytes) -> None:
        assert query["accesstime"] == "-1"
        self.node(path).modified = int(query["modificationtime"])

    def do_rename(self, path: str, query: dict[str, str], _body: bytes) -> None:
        assert query["renameoptions"] == "OVERWRITE"
        self.node(path)
        self.nodes[query["destination"]] = self.nodes.pop(path)

    def do_delete(self, path: str, _query: dict[str, str], _body: bytes) -> Any:
        if path not in self.nodes:
            return {"boolean": False}
        for gone in [path, *self.below(path)]:
            del self.nodes[gone]
        self.nodes[posixpath.dirname(path)].modified = self.clock
        return {"boolean": True}

    def do_createsnapshot(self, _path: str, _query: dict[str, str], _body: bytes) -> None:
        raise RefusedError(400, "IllegalArgumentException", 'Invalid value for webhdfs parameter "op"')

    def tree(self, top: str) -> dict[str, Node]:
        """A copy of everything below and including `top`."""
        return {path: copy.deepcopy(self.nodes[path]) for path in [top, *self.below(top)]}
