# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from .._kubernetes.patience import LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS
from .failures import AwayError

if TYPE_CHECKING:
    from .._kubernetes.call import Call

Result = TypeVar("Result")
# How long a run waits for its database server: a restart with a recovery, or a pod that comes to another node.
RUN_SECONDS = 300


@dataclass(frozen=True)
class Patience:
    """How long an action waits for a database server that is away, and who is told after each failed try.

    Without any, whatever fails is told at once: a server that was never reached may have been mistyped.
    """

    seconds: float = 0.0
    tell: Callable[[str], None] = lambda _line: None

    def wait_for(self, attempt: Callable[[], Result]) -> Result:
        """The result of `attempt`, which is made again while it raises AwayError and there is time."""
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


AT_ONCE = Patience()


def patience_of(call: Call, seconds: float | None = None) -> Patience:
    """`seconds` if given, else RUN_SECONDS under the lock of a run, which has reached the server before."""
    if seconds is None:
        seconds = RUN_SECONDS if call.params.get("lock") else 0
    return Patience(seconds, call.progress)
