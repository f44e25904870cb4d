# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._common.failure import OperatorError
from .._common.redaction import redact, secret_forms
from .._kubernetes.execute import execute
from .engines import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from .._kubernetes.cluster import Cluster
    from .address import Address


@dataclass(frozen=True)
class Tools:
    """The database's client tools in a pod; its files for TLS are in `tls_folder`."""

    cluster: Cluster
    pod: str
    container: str | None
    address: Address
    timeout_seconds: float
    tls_folder: str = ""

    def dump(self, schema: str, write: Callable[[bytes], object], left_out: Collection[str] = ()) -> None:
        """Dump a schema without the tables `left_out`; `write` gets gzip-compressed chunks.

        Raises OperatorError if the tool fails.
        """
        script, arguments = ENGINE.dump(schema, left_out)
        self._run(script, arguments, (), write)

    def restore(self, schema: str, size: int, chunks: Iterable[bytes]) -> None:
        """Restore a gzip-compressed dump of `size` bytes into a schema. Raises OperatorError if the tool fails."""
        script, arguments = ENGINE.restore(schema, size)
        self._run(script, arguments, chunks, None)

    def _run(
        self, script: str, arguments: list[str], chunks: Iterable[bytes], write: Callable[[bytes], object] | None
    ) -> None:
        credentials = ENGINE.credentials(self.address, self.tls_folder)
        command = ["/bin/sh", "-c", script, "hopsworks.airflow", str(len(credentials)), *arguments]

        def stdin() -> Iterator[bytes]:
            yield credentials
            yield from chunks

        code, errors = execute(
            self.cluster,
            self.pod,
            self.container,
            command,
            stdin=stdin(),
            stdout=write,
            timeout_seconds=self.timeout_seconds,
        )
        if code:
            lines, advice = ENGINE.tool_failure(errors)
            expected, next_step = advice or (
                "exit code 0",
                "fix what the tool reports, then run the same command again",
            )
            shown = redact("\n".join(lines), secret_forms(self.address.password))
            raise OperatorError(
                f"the database's tool in pod {self.pod} ended with exit code {code}",
                expected=expected,
                untouched="the live schema; the partial result is not used",
                next_step=next_step,
                evidence=tuple(shown.splitlines()),
            )
