# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.watch import Mirror
from .._pods.definition import managers
from .._pods.verdict import DEFAULT_GRACE_SECONDS
from .._pods.watcher import LONGEST_SILENCE_SECONDS

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.objects import Objects

Object = dict[str, Any]
# For the kubelet and the garbage collector to notice that a pod's grace period is over.
GRACE_MARGIN_SECONDS = 60
LOOK_AGAIN_SECONDS = 0.5


def remove(objects: Objects, live: Object, progress: Progress, *, timeout_seconds: float, untouched: str) -> None:
    """Delete a workload and wait until the last of its pods has ended.

    `untouched` is for the OperatorError that is raised if they do not end in time.
    """
    kind, name, uid = live["kind"], live["metadata"]["name"], live["metadata"]["uid"]
    grace = live["spec"]["template"]["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    progress(f"{name}: removing the one of {', '.join(managers(live)) or 'others'}")
    # In the foreground: the object stays until the last of its pods has ended.
    objects.delete(kind, name, uid=uid, propagation="Foreground")
    changed = threading.Event()
    mirror = Mirror(objects, kind, changed, field_selector=f"metadata.name={name}")
    deadline = time.monotonic() + max(timeout_seconds, grace + GRACE_MARGIN_SECONDS)
    try:
        while True:
            changed.clear()
            if all(item["metadata"]["uid"] != uid for item in mirror.items()):
                return
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"the old {kind} {name} is deleted, but its pods have not ended",
                    expected=f"its pods end within their grace period of {grace} s",
                    untouched=untouched,
                    next_step="find out what they wait for (a finalizer, a lost node), then run the same command again",
                )
            if not changed.wait(LONGEST_SILENCE_SECONDS):
                progress(f"{name}: its old pods are still terminating ({deadline - time.monotonic():.0f} s left)")
    finally:
        mirror.stop()


def remove_plain(objects: Objects, live: Object, *, timeout_seconds: float, untouched: str) -> None:
    """Delete an object without pods and wait until it is gone. Needs the right to read it, but not to watch it."""
    kind, name, uid = live["kind"], live["metadata"]["name"], live["metadata"]["uid"]
    objects.delete(kind, name, uid=uid)
    deadline = time.monotonic() + timeout_seconds
    while (found := objects.read(kind, name)) is not None and found["metadata"]["uid"] == uid:
        if time.monotonic() > deadline:
            raise OperatorError(
                f"{kind} {name} is deleted, but not gone after {timeout_seconds:.0f} s",
                expected="an object that is gone once its finalizers are done",
                untouched=untouched,
                next_step=(
                    f"find out why: its finalizers are {', '.join(found['metadata'].get('finalizers', [])) or 'none'}; "
                    "then run the same command again"
                ),
            )
        time.sleep(LOOK_AGAIN_SECONDS)
