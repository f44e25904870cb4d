# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .._common.documents import parse
from .._common.failure import OperatorError
from .frames import ClosedError, Pings, read_frame, readable
from .retrying_client import RETRY_SECONDS
from .session import open_session

if TYPE_CHECKING:
    from .cluster import Cluster

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.stream.ws_client import ERROR_CHANNEL, STDERR_CHANNEL, STDIN_CHANNEL, STDOUT_CHANNEL
    from websocket import WebSocketConnectionClosedException


def execute(
    cluster: Cluster,
    pod: str,
    container: str | None,
    command: list[str],
    *,
    stdin: Iterable[bytes] = (),
    stdout: Callable[[bytes], object] | None = None,
    timeout_seconds: float = 3600,
) -> tuple[int, str]:
    """Run a command in a container; returns its exit code and the last 4,000 characters of its standard error.

    `stdin` is sent in the given chunks. The protocol cannot close standard input, so a command that reads it must know
    how much to read (`head -c N`). `stdout` is called with each chunk of raw bytes; none are kept. Raises OperatorError
    if the connection ends before the command's exit code has arrived, or if the timeout is exceeded.
    """
    chunks = iter(stdin)
    pending = next(chunks, None)
    arguments: dict[str, object] = {"container": container} if container else {}
    session = open_session(
        cluster,
        "connect_get_namespaced_pod_exec",
        pod,
        cluster.namespace,
        retry_seconds=RETRY_SECONDS,
        command=command,
        stdin=pending is not None,
        stdout=True,
        stderr=True,
        tty=False,
        **arguments,
    )
    errors = status = b""
    deadline = time.monotonic() + timeout_seconds
    late, pings = False, Pings(session)
    try:
        # Not with the client's update(), which keeps a copy of all output in memory.
        while not (late := time.monotonic() >= deadline):
            if readable(session, (), 0 if pending is not None else 1):
                frame = read_frame(session)
                if frame is None:
                    continue
                channel, data = frame
                if channel == STDOUT_CHANNEL and stdout is not None:
                    stdout(data)
                elif channel == STDERR_CHANNEL:
                    errors = (errors + data)[-4000:]
                elif channel == ERROR_CHANNEL:
                    status += data
            elif pending is not None:
                session.write_channel(STDIN_CHANNEL, pending)
                pending = next(chunks, None)
            else:
                pings.send_due()
    except (ClosedError, WebSocketConnectionClosedException, OSError):
        # Distinguished below: with a status the command has ended, without one it may still run.
        pass
    finally:
        session.close()
    code = exit_code(status)
    if code is None and late:
        raise OperatorError(
            f"`{command[0]}` in pod {pod} was still running after {timeout_seconds:.0f} s",
            expected="a command that ends within its timeout",
            untouched="everything that it had not done yet; its output is discarded",
            next_step="increase `timeout`, or find out what it waits for; then run the same command again",
        )
    if code is None:
        raise OperatorError(
            f"the connection to pod {pod} ended before `{command[0]}` did",
            expected="its exit code",
            untouched="everything that it had not done yet; its output is discarded",
            next_step=(
                "run the same command again; if it happens again, check the pod's events and the API server's proxy "
                "timeouts"
            ),
        )
    return code, errors.decode("utf-8", "replace")


def exit_code(status: bytes) -> int | None:
    """The exit code in a `Status` of the error channel; None if it has none.

    https://github.com/kubernetes/apimachinery/blob/master/pkg/util/remotecommand/constants.go
    """
    try:
        answer: dict[str, Any] = parse(status)
        if answer["status"] == "Success":
            return 0
        causes = answer["details"]["causes"]
        return int(next(cause["message"] for cause in causes if cause["reason"] == "ExitCode"))
    except (ValueError, KeyError, TypeError, StopIteration):
        return None
