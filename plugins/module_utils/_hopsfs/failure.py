# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._common.failure import OperatorError

# Errors of a NameNode that starts, waits for DataNodes or fails over (Hadoop's own class names).
TEMPORARY_EXCEPTIONS = frozenset(
    {
        "SafeModeException",
        "RetriableException",
        "StandbyException",
        "ConnectException",
        # HopsFS's own errors if its database did not answer in time or aborted a transaction (io.hops.exception), and
        # its NameNode no longer retries.
        "TransientStorageException",
        "TransientDeadLockException",
    }
)
QUOTA_EXCEPTIONS = frozenset({"NSQuotaExceededException", "DSQuotaExceededException", "QuotaExceededException"})
# Permanent errors. Any other failure of an upload or download may be temporary: DataNodes and their pipelines break in
# many ways ("Could not get block locations", "Failed to find datanode", "could only be written to 0 of the 1
# minReplication nodes", EOFException), most of them plain IOExceptions, and the whole transfer is repeated.
LASTING_EXCEPTIONS = QUOTA_EXCEPTIONS | {
    "AccessControlException",
    "SecurityException",
    "FileNotFoundException",
    "FileAlreadyExistsException",
    "ParentNotDirectoryException",
    "IllegalArgumentException",
    "HadoopIllegalArgumentException",
    "InvalidPathException",
    "UnsupportedOperationException",
}
UNTOUCHED = "the DAG folders; they are only read"


class HopsfsError(OperatorError):
    """WebHDFS rejected a request, or could not be reached.

    `status` is the HTTP status (0 without an answer), `exception` Hadoop's short class name ("" without one),
    `temporary` whether the same request may succeed a little later.
    """

    def __init__(
        self,
        found: str,
        *,
        expected: str = "the request to be accepted",
        untouched: str = UNTOUCHED,
        next_step: str,
        status: int = 0,
        exception: str = "",
        temporary: bool = False,
    ) -> None:
        super().__init__(found, expected=expected, untouched=untouched, next_step=next_step)
        self.status = status
        self.exception = exception
        self.temporary = temporary

    @property
    def missing(self) -> bool:
        """Whether the path does not exist."""
        return self.exception == "FileNotFoundException"


def refusal(status: int, body: object, operation: str, path: str) -> HopsfsError:
    """A WebHDFS error as a message for the operator.

    `body` is the decoded JSON, `{"RemoteException": {"exception", "javaClassName", "message"}}`, or anything else.
    """
    remote = body.get("RemoteException") if isinstance(body, dict) else None
    remote = remote if isinstance(remote, dict) else {}
    exception = str(remote.get("exception") or "")
    lines = str(remote.get("message") or "").strip().splitlines()
    message = lines[0][:300] if lines else f"HTTP status {status}"
    moves_data = operation in ("OPEN", "CREATE") and exception != ""
    temporary = (
        exception in TEMPORARY_EXCEPTIONS
        or status in (429, 502, 503, 504)
        or (moves_data and exception not in LASTING_EXCEPTIONS)
    )
    found = f"HopsFS rejected {operation} {path}: {exception + ': ' if exception else ''}{message}"
    if exception in QUOTA_EXCEPTIONS or "could only be" in message:
        expected, next_step = "room for the copy", "free space or raise the quota, then run the same command again"
    elif exception in ("AccessControlException", "SecurityException") or status == 401:
        expected = "a superuser of HopsFS, who may read every DAG folder and give the copy its owners"
        next_step = "put a superuser's client certificate into the Secret named by tls_secret, then run it again"
    elif temporary:
        expected, next_step = "a NameNode out of safe mode and at least one DataNode", "run it again when HopsFS is up"
    else:
        expected, next_step = (
            "the request to be accepted",
            "check the NameNode's log, then run the same command again",
        )
    return HopsfsError(
        found, expected=expected, next_step=next_step, status=status, exception=exception, temporary=temporary
    )
