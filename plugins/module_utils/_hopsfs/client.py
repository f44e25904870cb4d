# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote_plus, urlencode, urlsplit

from .._common.failure import OperatorError
from .._http.address import problem_of
from .acl import whole_acl
from .connection import redirect, send, unreachable
from .failure import HopsfsError, refusal
from .repeats import DONE

try:
    import requests
except ImportError:  # reported by the module's own requirement check
    requests = None  # type: ignore[assignment]

PREFIX: Final = "/webhdfs/v1"
# A path that does not exist, and that changes when it is decoded again.
PROBE: Final = "/.hopsworks-airflow%41+probe"
T = TypeVar("T")


@dataclass(frozen=True)
class Status:
    """One file or directory as WebHDFS describes it: lengths in bytes, times in milliseconds since 1970.

    `kind` is `file`, `directory` or, for kinds that snapshots do not support, WebHDFS's own word in lower case.
    `permission` has four octal digits, the first for the sticky bit.
    """

    path: str
    kind: str
    length: int
    owner: str
    group: str
    permission: str
    modified: int
    replication: int
    block_size: int

    @classmethod
    def of(cls, path: str, raw: dict[str, Any]) -> Status:
        return cls(
            path=path,
            kind=str(raw["type"]).lower(),
            length=int(raw["length"]),
            owner=str(raw["owner"]),
            group=str(raw["group"]),
            permission=f"{int(str(raw['permission']), 8):04o}",
            modified=int(raw["modificationTime"]),
            replication=int(raw.get("replication") or 1),
            block_size=int(raw.get("blockSize") or 0),
        )


class WebHdfs:
    """The operations of WebHDFS that HopsFS has too, safe to call from several threads.

    https://hadoop.apache.org/docs/r3.3.6/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
    Every redirect to a DataNode is followed over the same session. Temporary failures (safe mode, a starting NameNode,
    a broken connection) are retried with growing pauses for up to `patience` seconds. All operations raise HopsfsError,
    an OperatorError.
    """

    def __init__(self, url: str, session: Any, progress: Callable[[str], object], *, patience: float = 120) -> None:
        problem = problem_of(url, base=True)
        parts = urlsplit(url if problem is None else "")
        if parts.scheme != "https" or parts.path.strip("/"):
            raise OperatorError(
                f"the address of HopsFS {problem or 'does not begin with https://, or has a path'}",
                expected="https://HOST:PORT of the NameNode's web server, without a path",
                untouched="everything; nothing was sent",
                next_step="correct airflow_hopsfs_url (option url)",
            )
        self._base = f"https://{parts.netloc}"
        self._session = session
        self._progress = progress
        self._patience = patience
        self._said = float("-inf")
        self._said_lock = threading.Lock()

    # Requests

    def repeating(self, attempt: Callable[[], T], done: Callable[[], T | None] | None = None) -> T:
        """`attempt()`, repeated while it fails temporarily; it must be harmless to repeat.

        If a repeat is rejected, an earlier attempt may have succeeded with its response lost: then `done()` returns its
        result, or None if the work is not done.
        """
        begun = time.monotonic()
        pause = 0.2
        repeated = False
        while True:
            try:
                return attempt()
            except HopsfsError as error:
                if repeated and not error.temporary and done is not None and (result := done()) is not None:
                    return result
                repeated = True
                if not error.temporary or time.monotonic() - begun + pause > self._patience:
                    raise
                self._say_waiting(error)
            # The spread keeps eight threads from asking in step.
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, 10.0)

    def _say_waiting(self, error: HopsfsError) -> None:
        with self._said_lock:
            if time.monotonic() - self._said < 5:
                return
            self._said = time.monotonic()
        self._progress(f"waiting up to {self._patience:.0f} s for HopsFS: {error.found}")

    def _once(self, method: str, path: str, operation: str, parameters: dict[str, Any], *, body: Any = None) -> Any:
        """One request and its redirect; the response is successful and its body unread."""
        query = urlencode([("op", operation), *((name, value) for name, value in parameters.items())])
        where = PREFIX + quote(path)
        url = f"{self._base}{where}?{query}"
        streams = operation == "OPEN"
        response = send(self._session, method, url, stream=streams)
        if response.status_code == 307:
            # An unread response would keep its connection out of the pool.
            response.content  # noqa: B018 - its property reads it
            location = response.headers.get("Location", "").encode("latin-1").decode("utf-8", "replace")
            target = redirect(url, location)
            if target is None or target.scheme != "https":
                where_to = f"{target.scheme}://{target.netloc}" if target is not None else "an invalid address"
                raise HopsfsError(
                    f"{operation} {path} was redirected to {where_to}",
                    expected="a redirect to HTTPS; otherwise DAG files would be sent unencrypted",
                    next_step="set dfs.http.policy to HTTPS_ONLY on the DataNodes",
                )
            # The redirect repeats the path, but not always encoded as it has to be sent.
            url = target._replace(path=where, fragment="").geturl()
            response = send(self._session, method, url, body=body, stream=streams)
        if response.status_code >= 300:
            try:
                answer = response.json()
            except (ValueError, requests.RequestException):
                answer = None
            raise refusal(response.status_code, answer, operation, path)
        return response

    def _call(self, method: str, path: str, operation: str, **parameters: Any) -> dict[str, Any]:
        def attempt() -> dict[str, Any]:
            response = self._once(method, path, operation, parameters)
            try:
                return dict(response.json()) if response.content else {}
            except ValueError:
                raise HopsfsError(
                    f"{self._base} answered {operation} {path} with something that is not JSON",
                    expected="WebHDFS",
                    next_step="correct the option url: it must be the NameNode's web server, or a proxy in front of it",
                ) from None

        check = DONE.get(operation)
        if check is None:
            return self.repeating(attempt)
        return self.repeating(attempt, lambda: {} if check(self, path, parameters) else None)

    # Reading

    def existing(self, path: str) -> Status:
        """One file or directory. Raises HopsfsError, `missing`, if it does not exist."""
        return Status.of(path, self._call("GET", path, "GETFILESTATUS")["FileStatus"])

    def status(self, path: str) -> Status | None:
        """One file or directory, or None if it does not exist."""
        try:
            return self.existing(path)
        except HopsfsError as error:
            if error.missing:
                return None
            raise

    def listing(self, path: str) -> list[Status]:
        """The entries of a directory, not recursive."""
        found = self._call("GET", path, "LISTSTATUS")["FileStatuses"]["FileStatus"]
        # A file lists itself, without a suffix.
        return [Status.of(f"{path.rstrip('/')}/{raw['pathSuffix']}", raw) for raw in found if raw["pathSuffix"]]

    def decodes_twice(self) -> bool:
        """Whether the server misreads a path as another one (HDFS-14423), which its error message shows.

        False if the message does not show it.
        """
        try:
            self._call("GET", PROBE, "GETFILESTATUS")
        except HopsfsError as error:
            said = error.found.partition(PROBE)[2]
            return unquote_plus(PROBE) in said and PROBE not in said
        return False

    def acl(self, path: str) -> tuple[str, ...]:
        """ACL entries beyond the permission, sorted: `user:airflow:r-x`, `group::r-x`, `default:user:airflow:r-x`.

        Empty without an ACL. Owner, mask and others of the access ACL are the permission's three digits.
        """
        try:
            answer = self._call("GET", path, "GETACLSTATUS")
        except HopsfsError as error:
            # dfs.namenode.acls.enabled is false: nothing has an ACL.
            if error.exception == "AclException" and "disabled" in error.found:
                return ()
            raise
        return tuple(sorted(answer["AclStatus"]["entries"]))

    def xattrs(self, path: str) -> dict[str, str]:
        """Extended attributes of the `user` namespace, each value as `0x` and hexadecimal digits."""
        try:
            answer = self._call("GET", path, "GETXATTRS", encoding="hex")
        except HopsfsError as error:
            # dfs.namenode.xattrs.enabled is false: nothing has any.
            if "XAttr" in error.found and "disabled" in error.found:
                return {}
            raise
        found = {str(raw["name"]): str(raw.get("value") or "0x") for raw in answer.get("XAttrs", [])}
        return {name: value for name, value in found.items() if name.startswith("user.")}

    def content_summary(self, path: str) -> dict[str, int] | None:
        """`length`, `fileCount`, `directoryCount`, `quota` (names), `spaceConsumed`, `spaceQuota` (bytes times
        replication; -1 without a quota). None where this HopsFS has no such operation."""
        try:
            summary = self._call("GET", path, "GETCONTENTSUMMARY")["ContentSummary"]
        except HopsfsError as error:
            unknown = error.status == 400 and 'parameter "op"' in error.found
            if unknown or error.exception == "UnsupportedOperationException":
                return None
            raise
        return {name: value for name, value in summary.items() if isinstance(value, int)}

    def user(self) -> str:
        """The HDFS user this client acts as, known from the name of its home directory."""
        return str(self._call("GET", "/", "GETHOMEDIRECTORY")["Path"]).rstrip("/").rpartition("/")[2]

    def management_bean(self, name: str) -> dict[str, Any] | None:
        """A bean of the NameNode's `/jmx` servlet, or None if access is denied."""

        def attempt() -> dict[str, Any] | None:
            response = send(self._session, "GET", f"{self._base}/jmx?{urlencode({'qry': name})}")
            try:
                beans = response.json()["beans"] if response.status_code == 200 else []
            except (ValueError, LookupError, TypeError):
                beans = []
            return dict(beans[0]) if beans else None

        return self.repeating(attempt)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
        """The content in pieces, and its length in bytes if the DataNode sends it. Not repeated: see `repeating`."""
        response = self._once("GET", path, "OPEN", {})
        length = response.headers.get("Content-Length")
        try:
            yield _pieces(response), int(length) if length is not None else None
        finally:
            response.close()

    # Writing

    def create(
        self, path: str, content: Any, *, permission: str = "600", replication: int = 0, block_size: int = 0
    ) -> None:
        """Write a file, over an existing one. Parents must exist; not repeated, as `content` is read only once.

        `content` is bytes, or a body of known length as in `_hopsfs.transfer`.
        """
        parameters: dict[str, Any] = {"overwrite": "true", "permission": permission}
        if replication:
            parameters["replication"] = replication
        if block_size:
            parameters["blocksize"] = block_size
        self._once("PUT", path, "CREATE", parameters, body=content)

    def mkdirs(self, path: str, permission: str = "700") -> None:
        """Create a directory; `permission` applies to all parents created with it."""
        self._call("PUT", path, "MKDIRS", permission=permission)

    def set_owner(self, path: str, owner: str, group: str) -> None:
        self._call("PUT", path, "SETOWNER", owner=owner, group=group)

    def set_permission(self, path: str, permission: str) -> None:
        self._call("PUT", path, "SETPERMISSION", permission=permission)

    def set_acl(self, path: str, entries: tuple[str, ...], permission: str) -> None:
        """Replace the whole ACL by entries as `acl` returns them; none removes it. `permission` has four digits."""
        if entries:
            self._call("PUT", path, "SETACL", aclspec=",".join(whole_acl(entries, permission)))
        else:
            self._call("PUT", path, "REMOVEACL")

    def set_xattr(self, path: str, name: str, value: str) -> None:
        """Set one extended attribute to a value as `xattrs` returns it."""
        try:
            self._call("PUT", path, "SETXATTR", **{"xattr.name": name, "xattr.value": value, "flag": "CREATE,REPLACE"})
        except HopsfsError as error:
            # A rejection may quote the rejected value.
            raise HopsfsError(
                error.found.replace(value, "…") if len(value) > 2 else error.found,
                expected=error.expected,
                next_step=error.next_step,
                status=error.status,
                exception=error.exception,
                temporary=error.temporary,
            ) from None

    def remove_xattr(self, path: str, name: str) -> None:
        self._call("PUT", path, "REMOVEXATTR", **{"xattr.name": name})

    def set_modified(self, path: str, milliseconds: int) -> None:
        """Set the modification time; the access time stays."""
        self._call("PUT", path, "SETTIMES", modificationtime=milliseconds, accesstime=-1)

    def rename(self, source: str, destination: str) -> None:
        """Move a file, over an existing one."""
        self._call("PUT", source, "RENAME", destination=destination, renameoptions="OVERWRITE")

    def delete(self, path: str) -> None:
        """Delete a file, or a directory with everything below it. It is not an error if it does not exist."""
        self._call("DELETE", path, "DELETE", recursive="true")

    def native_snapshots(self, absent_path: str) -> str:
        """`possible` if the file system supports snapshots, otherwise `absent`. The request is for a path that does not
        exist, so nothing is created: an unknown operation answers 400, a known one rejects the path."""
        try:
            self._call("PUT", absent_path, "CREATESNAPSHOT", snapshotname="probe")
        except HopsfsError as error:
            return "absent" if error.status == 400 else "possible"
        return "possible"


def _pieces(response: Any) -> Iterator[bytes]:
    host = urlsplit(response.url)
    try:
        yield from response.iter_content(1 << 17)
    except requests.RequestException as error:
        raise unreachable(error, host.hostname or "", host.port or 443) from None
