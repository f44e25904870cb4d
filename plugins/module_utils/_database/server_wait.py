# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from .._common.pauses import LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS
from .failures import AwayError

if TYPE_CHECKING:
    from .._kubernetes.call import Call

Result = TypeVar("Result")
# How long a run waits for its database server: a restart with a recovery, or a pod that moves to another node.
RUN_SECONDS = 300


@dataclass(frozen=True)
class ServerWait:
    """How long an action waits for a database server that is away. `tell` gets a line after each failed attempt.

    Without a wait, a failure is reported immediately: the address of a server that was never reached may be wrong.
    """

    seconds: float = 0.0
    tell: Callable[[str], None] = lambda _line: None

    def wait_for(self, attempt: Callable[[], Result]) -> Result:
        """The result of `attempt`, which is repeated while it raises AwayError and time is left."""
        begun, pause = time.monotonic(), SHORTEST_PAUSE_SECONDS
        while True:
            try:
                return attempt()
            except AwayError as error:
                away = time.monotonic() - begun
                if away + pause > self.seconds:
                    raise
                self.tell(f"{error.found}; waits for it up to {self.seconds:.0f} s ({away:.0f} s so far)")
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


NO_WAIT = ServerWait()


def wait_of(call: Call, seconds: float | None = None) -> ServerWait:
    """Defaults to RUN_SECONDS under the lock of a run, whose preflight has reached the server; else to no wait."""
    if seconds is None:
        seconds = RUN_SECONDS if call.params.get("lock") else 0
    return ServerWait(seconds, call.progress)
