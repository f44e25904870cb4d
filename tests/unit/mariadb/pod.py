# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Mapping


class LocalPod:
    """Runs what would be executed in a pod on this machine, and keeps what its process list would have shown."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []

    environment: Mapping[str, str] = {}

    def execute(
        self,
        cluster: object,
        pod: str,
        container: str | None,
        command: list[str],
        *,
        stdin: Iterable[bytes] = (),
        stdout: Callable[[bytes], object] | None = None,
        timeout_seconds: float = 0,
    ) -> tuple[int, str]:
        self.commands.append(command)
        script, arguments = command[2], command[3:]
        # Every process that the script starts is shown with its arguments.
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.environment},
        )
        output, errors = process.communicate(b"".join(stdin))
        if stdout is not None and output:
            stdout(output)
        return process.returncode, errors.decode()
