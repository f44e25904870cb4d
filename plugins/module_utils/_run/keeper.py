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
from .._kubernetes.retrying_client import RetryPolicy
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
# After a failed renewal.
RETRY_SECONDS = 1.0
# Before the Lease runs out: the server's times have whole seconds, and a machine may be slow.
MARGIN_SECONDS = 15.0
# Timeout of a renewal: to connect, and between two bytes of a response.
RENEWAL_TIMEOUT = (3, 5)

Act = Callable[["Cluster", Warn], Result]


class Keeper:
    """Performs an action in a separate process, and kills it as soon as it cannot prove that the run holds its lock.

    A check of the lock between two steps is not enough: the action may wait for minutes, in a sleep or in a library
    call, while the Lease expires and another run starts. So this process renews the Lease and waits, and only its child
    acts. Whatever the child does, it ends within TICK_SECONDS

    - when a renewal finds that another run holds the Lease,
    - when the last successful renewal was sent longer ago than the duration of the Lease minus MARGIN_SECONDS,
    - when the playbook or this process has ended.

    The clock for that continues while the machine sleeps. After a wake-up, if the Lease has expired, the action may
    continue until the next tick, but sends no change to the API server before the lock is confirmed. Another server may
    finish what it has already received (a statement, a command in a pod); unsent data is lost.
    """

    def __init__(self, cluster: Cluster, name: str, holder: str) -> None:
        self._cluster, self._holder = cluster, holder
        self._lock = Lock(cluster.another(RetryPolicy.of_a_holder()), name)
        self._renewing = Lock(cluster.another(RetryPolicy(0.0, RENEWAL_TIMEOUT, reached=True)), name)
        # When the last successful renewal was sent; both processes see it.
        self._proof = mmap.mmap(-1, 8)
        self._lost: OperatorError | None = None
        # Why the last renewal failed.
        self._failed: Exception | None = None
        self._done = threading.Event()

    def perform(self, act: Act, warn: Warn) -> Result:
        """The result of `act`, which gets a cluster and `warn`. Raises OperatorError if the lock is not held.

        Like any other request, waits for an API server that does not answer or has just restarted.
        """
        self._renewed(self._lock.renew(self._holder))
        while self._unproven_seconds() > RENEWAL_SECONDS:
            # It has waited for its server, so the renewal may have been sent that long ago.
            self._renewed(self._lock.renew(self._holder))

        def act_abortably(warn: Warn) -> Result:
            abort_connections()
            return act(self._cluster.another(RetryPolicy(reached=True, allow=self._until_proven)), warn)

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
        ended = "the action was stopped"
        untouched = (
            "everything that the action had not reached; a server may still finish statements that it has received"
        )
        if self._lost is not None:
            raise OperatorError(
                f"{self._lost.found}; {ended}",
                expected=self._lost.expected,
                untouched=untouched,
                next_step=f"{self._lost.next_step}. It continues where this action stopped",
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
        """Why the lock is not confirmed, as far as known, and what to do about it."""
        error = self._failed
        next_step = "when the API server answers again, run the same command again: it continues where this one stopped"
        if isinstance(error, ApiException) and error.status == 401:
            return f": {unauthorized(error, self._cluster.trouble).found}", LOG_IN_AGAIN
        if isinstance(error, ApiException) and error.status:
            return f" ({error.status}: {words_of(error)})", next_step
        if isinstance(error, (ApiException, HTTPError)):
            return f" ({reason(error)})", next_step
        return "", next_step

    def _may_act(self) -> bool:
        """For the child: a stopped parent cannot kill it. A running parent reacts first."""
        return self._unproven_seconds() <= DURATION_SECONDS - MARGIN_SECONDS / 2

    def _until_proven(self) -> None:
        while self._unproven_seconds() > DURATION_SECONDS - MARGIN_SECONDS:
            time.sleep(TICK_SECONDS)


def abort_connections() -> None:
    """From now on, unreceived data of this process is discarded when it ends.

    Otherwise the system continues to send the data of a killed process: a request from before a network failure would
    arrive minutes later, when another run holds the lock.
    """
    connect = socket.socket.connect
    at_once = struct.pack("ii", 1, 0)

    def abortable(self: Any, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and self.type == socket.SOCK_STREAM:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        connect(self, address)

    # Applies to the whole process, which only performs the action, and so to the connections of every library.
    socket.socket.connect = abortable  # type: ignore[method-assign]
