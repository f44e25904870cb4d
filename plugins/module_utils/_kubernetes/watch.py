# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from .._common.pauses import LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS
from .retrying_client import RETRY_SECONDS, Absence

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.client.exceptions import ApiException
    from kubernetes.watch import Watch
    from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from .objects import Object, Objects

# Short, so that a dead connection is replaced soon.
WATCH_SECONDS = 30


class Mirror:
    """The objects of one kind as they are now: listed once, then kept by a watch in a thread of its own.

    Handles watches that end, expire (410) or break, and an API server that is unavailable, by listing again. After a
    restart, an API server may forbid everything until it has read the roles; it also waits for that. `changed` is set
    whenever an object has changed; several mirrors can share one. Selectors as for `Objects.list`.
    """

    def __init__(self, objects: Objects, kind: str, changed: threading.Event, **selectors: str) -> None:
        self._objects, self._kind, self._changed, self._selectors = objects, kind, changed, selectors
        self._items: dict[str, Object] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failure: Exception | None = None
        self._absence = Absence()
        # The first list is requested in the caller's thread, so that a missing right or a wrong name is reported at
        # once.
        self._version: str | None = self._relist()
        threading.Thread(target=self._run, name=f"mirror of {kind}", daemon=True).start()

    def items(self) -> list[Object]:
        """All objects. Raises the API server's error if it no longer answers."""
        if self._failure is not None:
            raise self._failure
        with self._lock:
            return list(self._items.values())

    def away_seconds(self) -> float:
        """How long the API server has not answered; 0 while it does."""
        return self._absence.seconds

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        pause = SHORTEST_PAUSE_SECONDS
        while not self._stopped.is_set():
            try:
                if self._version is None:
                    self._version = self._relist()
                self._absence.ended()
                begun = time.monotonic()
                self._watch()
                pause = SHORTEST_PAUSE_SECONDS
                if time.monotonic() - begun < SHORTEST_PAUSE_SECONDS:
                    # A terminating API server ends every watch at once.
                    self._stopped.wait(SHORTEST_PAUSE_SECONDS)
            except (ApiException, HTTPError, ValueError, KeyError) as error:
                # ValueError: a truncated line of the stream.
                if not isinstance(error, ApiException):
                    self._absence.noted()
                elif error.status != 410 and not self._absence.explains(error, RETRY_SECONDS):
                    self._failure = error
                    self._changed.set()
                    return
                self._version = None
                self._stopped.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _relist(self) -> str:
        found = self._objects.list(self._kind, **self._selectors)
        with self._lock:
            self._items = {item["metadata"]["uid"]: item for item in found["items"]}
        self._changed.set()
        return str(found["metadata"]["resourceVersion"])

    def _watch(self) -> None:
        events: Any = Watch().stream(
            self._objects.list,
            self._kind,
            resource_version=self._version,
            timeout_seconds=WATCH_SECONDS,
            allow_watch_bookmarks=True,
            **self._selectors,
        )
        for event in events:
            if self._stopped.is_set():
                return
            item = event["raw_object"]
            self._version = str(item["metadata"]["resourceVersion"])
            if event["type"] == "BOOKMARK":
                continue
            with self._lock:
                if event["type"] == "DELETED":
                    self._items.pop(item["metadata"]["uid"], None)
                else:
                    self._items[item["metadata"]["uid"]] = item
            self._changed.set()
