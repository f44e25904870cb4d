# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of a deployment: one run at a time, on any machine.

The lock is a Lease in the deployment's namespace. Its holder is a run; an annotation names the process of the playbook.

1. A run reads the Lease. If another run holds it and is alive, the new run is refused. A holder is alive until its
   Lease expires, or until its process is found to be gone on this very machine.
2. The run writes itself into the Lease, with the version that it has read. If two runs do so at the same moment, the
   API server refuses the second one.
3. If the lock was taken over from a dead run, the new run waits two seconds. Actions of the dead run end within one.
4. Each action confirms that its run still holds the lock before it does anything, and renews it every ten seconds
   while it works (`keeper.py`). Between two actions nothing renews it, so it lasts longer than any such gap.
5. An action that cannot prove that its run holds the lock is killed before the Lease can expire.
6. At its end, the run deletes the Lease, if it is still its own, again with the version that it has read.

Guarantees:

- Two runs never act on a deployment at the same time, even if a machine sleeps, loses its network, or has a wrong
  clock: the age of a Lease is judged by the API server's clock, and what has passed here by a clock that is never
  adjusted.
- A run that was killed does not block others for longer than the duration of the Lease, and a run on the same machine
  takes the lock over at once.
- An expired Lease that no other run has taken is renewed, so a slow API server does not end a run.
"""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.processes import process_is_gone
from .._kubernetes.clock import server_time
from .._kubernetes.retrying_client import RETRY_SECONDS, Absence

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

try:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception
    HTTPError = OSError  # type: ignore[misc,assignment]

# Longer than any gap between two actions of a run: each action renews it while it works (`Keeper`).
DURATION_SECONDS = 60
# An action stops sooner after its playbook was killed; the next holder waits this long before it acts.
ORPHAN_GRACE_SECONDS = 2
CONFIRMATION_PAUSE_SECONDS = 1.0
PROCESS_ANNOTATION = "hopsworks.airflow/process"


def elapsed() -> float:
    """Seconds on a clock that is never adjusted and that continues while this machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lock:
    """A Lease: one run at a time for one deployment (https://kubernetes.io/docs/concepts/architecture/leases/).

    Every action of a run renews it and stops if the run is no longer the holder. If the holder died, a run on the same
    machine takes the lock over immediately; any other run does when the Lease has expired.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster, self._name = cluster, name
        labels = {"app.kubernetes.io/managed-by": "hopsworks.airflow"}
        self._metadata = {"name": name, "namespace": cluster.namespace, "labels": labels}

    def read(self) -> Any | None:
        """The Lease, or None. Its `age_seconds` is how long ago it was renewed."""

        def read(name: str, namespace: str) -> Any:
            lease, _status, headers = self._cluster.coordination.read_namespaced_lease_with_http_info(name, namespace)
            lease.age_seconds = _age_seconds(lease, server_time(headers))
            return lease

        return self._cluster.find(read, self._name)

    def acquire(self, holder: str, process: str, *, check_mode: bool = False) -> str | None:
        """Take the lock for `holder`. If it is taken over from a dead holder, returns that one.

        Raises OperatorError if another run holds it.
        """
        lease = self.read()
        body: dict[str, Any] = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {**self._metadata, "annotations": {PROCESS_ANNOTATION: process}},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": DURATION_SECONDS, **_times(acquire=True)},
        }
        previous = lease.spec.holder_identity if lease is not None else None
        taken_over = str(previous) if previous not in (None, "", holder) else None
        if taken_over is not None and is_alive(lease):
            raise self._held_by(lease)
        if check_mode:
            return taken_over
        try:
            if lease is None:
                self._cluster.coordination.create_namespaced_lease(self._cluster.namespace, body)
            else:
                # If two runs both saw a dead holder, the version gives the second one a conflict.
                body["metadata"]["resourceVersion"] = lease.metadata.resource_version
                self._cluster.coordination.replace_namespaced_lease(self._name, self._cluster.namespace, body)
        except ApiException as error:
            if error.status != 409:
                raise
            current = self.read()
            if current is None or current.spec.holder_identity != holder:
                raise self._held_by(current) from error
        if taken_over is not None:
            # Actions of the dead run may not have noticed yet that their playbook has ended.
            time.sleep(ORPHAN_GRACE_SECONDS)
        return taken_over

    def release(self, holder: str) -> bool:
        """Release the lock. Returns False and does nothing if `holder` did not hold it."""
        while True:
            lease = self.read()
            if lease is None or lease.spec.holder_identity != holder:
                return False
            version = {"preconditions": {"resourceVersion": lease.metadata.resource_version}}
            try:
                self._cluster.coordination.delete_namespaced_lease(self._name, self._cluster.namespace, body=version)
                return True
            except ApiException as error:
                # The last renewal of an action may arrive late, or another run has taken it: read it again.
                if error.status not in (404, 409):
                    raise

    def renew(self, holder: str) -> float:
        """Renew the lock. Returns when the renewal was sent, by `elapsed`: from then on it is held for the duration of
        the Lease.

        An expired Lease is renewed unless another run has taken it. Raises OperatorError if `holder` no longer holds
        it.
        """
        while True:
            lease = self.read()
            if lease is None or lease.spec.holder_identity != holder:
                raise self._held_by(lease)
            version = lease.metadata.resource_version
            body = {"metadata": {"resourceVersion": version}, "spec": _times(acquire=False)}
            sent = elapsed()
            try:
                self._cluster.coordination.patch_namespaced_lease(self._name, self._cluster.namespace, body)
                return sent
            except ApiException as error:
                # Another action of this run has renewed it in between, or another run has taken it: read it again.
                if error.status not in (404, 409):
                    raise

    def confirm(self, holder: str, process: str, seconds: float, tell: Callable[[str], None]) -> None:
        """Renew, and wait up to `seconds` for an API server that does not answer. `tell` gets a line after each failed
        attempt.

        A free Lease is taken again: it expired, and another run has taken and released it since. So the caller has to
        check everything again. Raises OperatorError if another run holds it, and the last failure when the time is up.
        """
        begun, absence = elapsed(), Absence()
        # The holder has had the right to renew, so a server that rejects it has just restarted.
        absence.noted()
        while True:
            try:
                self._renew_or_take(holder, process)
                return
            except (ApiException, HTTPError) as error:
                away = elapsed() - begun
                if not absence.explains(error, RETRY_SECONDS) or away >= seconds:
                    raise
                tell(f"the API server has not answered for {away:.0f} s; waiting for it up to {seconds:.0f} s")
                # Between two attempts of a client that does not wait by itself.
                time.sleep(CONFIRMATION_PAUSE_SECONDS)

    def _renew_or_take(self, holder: str, process: str) -> None:
        lease = self.read()
        if lease is None or not lease.spec.holder_identity:
            self.acquire(holder, process)
        else:
            self.renew(holder)

    def _held_by(self, lease: Any | None) -> OperatorError:
        if lease is None or not lease.spec.holder_identity:
            return OperatorError(
                f"this run does not hold the lock (Lease {self._name} in namespace {self._cluster.namespace} is free)",
                expected="the Lease to be held by this run",
                untouched="everything that this action would have changed",
                next_step="run the same command again: it takes the lock and continues where this one stopped",
            )
        duration = lease.spec.lease_duration_seconds or DURATION_SECONDS
        age = lease.age_seconds
        return OperatorError(
            f"{lease.spec.holder_identity} is working on this deployment (lock renewed {age:.0f} s ago)",
            expected="no other run at the same time",
            untouched="everything; this run has changed nothing since it lost or missed the lock",
            next_step=f"wait for it; if it has died, its lock expires in {max(0.0, duration - age):.0f} s",
        )


def _times(*, acquire: bool) -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"renewTime": now, "acquireTime": now} if acquire else {"renewTime": now}


def is_alive(lease: Any) -> bool:
    """Whether the holder of a Lease is, or may be, still alive, as far as this machine can determine."""
    if lease.age_seconds >= (lease.spec.lease_duration_seconds or DURATION_SECONDS):
        return False
    return not process_is_gone((lease.metadata.annotations or {}).get(PROCESS_ANNOTATION, ""))


def _age_seconds(lease: Any, answered: datetime.datetime | None) -> float:
    """How long ago a Lease was written, only by the API server's clock: those of two machines may differ by minutes.

    `answered` is the time of the API server's response with the Lease. If the server sends no time, its clock is
    assumed to agree with this machine's. Never negative; infinite for a Lease that was never renewed.
    """
    written = [entry.time for entry in lease.metadata.managed_fields or [] if entry.time is not None]
    if written and answered is not None:
        age: datetime.timedelta = answered - max(written)
        return max(0.0, age.total_seconds())
    if lease.spec.renew_time is None:
        return math.inf
    age = datetime.datetime.now(datetime.UTC) - lease.spec.renew_time
    return max(0.0, age.total_seconds())
