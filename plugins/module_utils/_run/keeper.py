# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import mmap
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.patience import Patience
from .._kubernetes.unreachable import LOG_IN_AGAIN, reason, unauthorized, words_of
from .child import TICK_SECONDS, Child, Result, Warn
from .lock import DURATION_SECONDS, Lock, elapsed

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

try:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception
    HTTPError = OSError  # type: ignore[misc,assignment]

RENEWAL_SECONDS = 10.0
# After a renewal that failed.
RETRY_SECONDS = 1.0
# Before the Lease runs out: the server's times have whole seconds, and a machine may be slow.
MARGIN_SECONDS = 15.0
# A renewal waits for nothing: to connect, and between two bytes of an answer.
RENEWAL_TIMEOUT = (3, 5)

Act = Callable[["Cluster", Warn], Result]


class Keeper:
    """Performs an action in a process of its own, and kills it as soon as the run's lock can't be proven to be held.

    A lock that is only looked at between two steps is no lock: the action may wait for minutes, in a sleep or in a call
    of a library, while the Lease runs out and another run begins. So this process renews the Lease and waits, and only
    its child acts. Whatever the child does, it ends within TICK_SECONDS

    - when a renewal finds that another run holds the Lease,
    - when the last renewal that succeeded was sent longer ago than the Lease lasts, less MARGIN_SECONDS,
    - when the playbook or this process has ended.

    The clock for that goes on while a machine sleeps. One that wakes up after the Lease ran out may act until the next
    tick, but sends no change to the API server before the lock is proven. What another server has received (a
    statement, a command in a pod) it may finish; what was still under way is lost.
    """

    def __init__(self, cluster: Cluster, name: str, holder: str) -> None:
        self._cluster, self._holder = cluster, holder
        self._lock = Lock(cluster.another(Patience.of_a_holder()), name)
        self._renewing = Lock(cluster.another(Patience(0.0, RENEWAL_TIMEOUT, reached=True)), name)
        # When the last renewal that succeeded was sent; both processes see it.
        self._proof = mmap.mmap(-1, 8)
        self._lost: OperatorError | None = None
        # Why the last renewal failed.
        self._failed: Exception | None = None
        self._done = threading.Event()

    def perform(self, act: Act, warn: Warn) -> Result:
        """The result of `act`, which gets a cluster and `warn`. Raises OperatorError where the lock is not held.

        Waits, as any other request does, for an API server that is away, or just back.
        """
        self._renewed(self._lock.renew(self._holder))
        while self._unproven_seconds() > RENEWAL_SECONDS:
            # It waited for its server, and what it sent may be as old as that.
            self._renewed(self._lock.renew(self._holder))

        def act_abortably(warn: Warn) -> Result:
            abort_connections()
            return act(self._cluster.another(Patience(reached=True, allow=self._until_proven)), warn)

        child = Child(act_abortably, may_act=self._may_act)
        threading.Thread(target=self._keep, name="renewal of the lock", daemon=True).start()
        try:
            return child.result(warn, self._check)
        finally:
            self._done.set()

    def _keep(self) -> None:
        pause = RENEWAL_SECONDS
        while not self._done.wait(pause):
            try:
                self._renewed(self._renewing.renew(self._holder))
                pause = RENEWAL_SECONDS
            except OperatorError as error:
                self._lost = error
                return
            except Exception as error:  # noqa: BLE001  whatever it is, the lock is not proven by it, and time goes on
                self._failed = error
                pause = RETRY_SECONDS

    def _renewed(self, sent: float) -> None:
        struct.pack_into("d", self._proof, 0, sent)

    def _unproven_seconds(self) -> float:
        sent: float = struct.unpack_from("d", self._proof)[0]
        return elapsed() - sent

    def _check(self) -> None:
        unproven = self._unproven_seconds()
        ended = "the action was ended"
        untouched = "what the action had not reached; what a server was told already, it may still finish"
        if self._lost is not None:
            raise OperatorError(
                f"{self._lost.found}; {ended}",
                expected=self._lost.expected,
                untouched=untouched,
                next_step=f"{self._lost.next_step}. It goes on where this action stopped",
            )
        if unproven > DURATION_SECONDS - MARGIN_SECONDS:
            why, next_step = self._why()
            raise OperatorError(
                f"the API server has not confirmed this run's lock for {unproven:.0f} s{why}; {ended} before another "
                "run can take the lock",
                expected=f"a renewal every {RENEWAL_SECONDS:.0f} s",
                untouched=untouched,
                next_step=next_step,
            )

    def _why(self) -> tuple[str, str]:
        """Why the lock is not confirmed, as far as that is known, and what to do about it."""
        error = self._failed
        next_step = "when the API server answers again, run the same command again: it goes on where this stopped"
        if isinstance(error, ApiException) and error.status == 401:
            return f": {unauthorized(error, self._cluster.trouble).found}", LOG_IN_AGAIN
        if isinstance(error, ApiException) and error.status:
            return f" ({error.status}: {words_of(error)})", next_step
        if isinstance(error, (ApiException, HTTPError)):
            return f" ({reason(error)})", next_step
        return "", next_step

    def _may_act(self) -> bool:
        """For the child, whose parent kills nobody where it was stopped; the parent comes first where it was not."""
        return self._unproven_seconds() <= DURATION_SECONDS - MARGIN_SECONDS / 2

    def _until_proven(self) -> None:
        while self._unproven_seconds() > DURATION_SECONDS - MARGIN_SECONDS:
            time.sleep(TICK_SECONDS)


def abort_connections() -> None:
    """From now on, what this process sends and nobody has received is lost when it ends.

    Else the system goes on sending for a process that was killed: a request from before a network was cut off would
    arrive minutes later, when another run has the lock.
    """
    connect = socket.socket.connect
    at_once = struct.pack("ii", 1, 0)

    def abortable(self: Any, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and self.type == socket.SOCK_STREAM:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        connect(self, address)

    # Of this process, which does nothing but act: every library's connections come by it.
    socket.socket.connect = abortable  # type: ignore[method-assign]
