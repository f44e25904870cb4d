# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError

if TYPE_CHECKING:
    from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster

try:
    from kubernetes import client
    from kubernetes.stream import stream, ws_client
except ImportError:  # reported by the module's own requirement check
    client = None
    stream = None
    ws_client = None


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

    `stdin` is sent in the given chunks. The protocol can't close standard input: a command that reads it must know
    how much to read (`head -c N`). `stdout` is called with each chunk of raw bytes, none is kept.
    Raises OperatorError where the connection ends before the command's own exit code arrived.
    """
    chunks = iter(stdin)
    pending = next(chunks, None)
    core = client.CoreV1Api(cluster.fresh_api())
    arguments: dict[str, object] = {"container": container} if container else {}
    session = stream(
        core.connect_get_namespaced_pod_exec,
        pod,
        cluster.namespace,
        command=command,
        stdin=pending is not None,
        stdout=True,
        stderr=True,
        tty=False,
        binary=True,
        _preload_content=False,
        **arguments,
    )
    # The client keeps a second copy of all output unless told otherwise, and offers no argument for it.
    session._all = ws_client._IgnoredIO()
    errors = b""
    deadline = time.monotonic() + timeout_seconds
    try:
        while True:
            open_before_reading = session.is_open()
            session.update(timeout=0 if pending is not None else 1)
            data = session.read_stdout(timeout=0)
            if data and stdout is not None:
                stdout(data)
            errors = (errors + session.read_stderr(timeout=0))[-4000:]
            if not open_before_reading:
                break
            if pending is not None and session.is_open():
                session.write_stdin(pending)
                pending = next(chunks, None)
            if time.monotonic() > deadline:
                raise TimeoutError(f"`{command[0]}` in pod {pod} still ran after {timeout_seconds:.0f} s")
        try:
            code = session.returncode
        except (TypeError, KeyError):
            # No status frame: the connection broke.
            code = None
    finally:
        session.close()
    if code is None:
        raise OperatorError(
            f"the connection to pod {pod} ended before `{command[0]}` did",
            expected="its exit code",
            untouched="what it had not done yet; its output is discarded",
            next_step="re-run; if it happens again, look at the pod's events and the API server's proxy time-outs",
        )
    return int(code), errors.decode("utf-8", "replace")
