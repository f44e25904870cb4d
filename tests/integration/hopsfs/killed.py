# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes a snapshot in a process of its own and kills it (SIGKILL) at its n-th write, in the middle of an upload if the
write is one. Arguments: n (-1: never), snapshot root, name, patterns. Prints the number of writes."""

from __future__ import annotations

import os
import signal
import sys
import threading

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.progress import Progress
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import client
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.access import opened
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.connection import send
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.snapshot import present
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.store import Store
from ansible_collections.hopsworks.airflow.tests.integration.access import bed_cluster
from ansible_collections.hopsworks.airflow.tests.integration.hopsfs.conftest import OPTIONS


class Dying:
    """The second half of this body is never sent."""

    def __init__(self, body) -> None:
        self._body = body
        self._sent = 0

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self):
        while True:
            yield self.read(4096)

    def read(self, _size: int) -> bytes:
        if self._sent * 2 >= len(self._body):
            die()
        piece: bytes = self._body.read(min(4096, len(self._body) // 2 + 1))
        self._sent += len(piece)
        return piece


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Reaper:
    def __init__(self, last: int) -> None:
        self._last = last
        self._lock = threading.Lock()
        self._send = send
        self.writes = 0

    def __call__(self, session, method, url, *, body=None, stream=False):
        # A CREATE is two requests; the one that goes to the NameNode writes nothing.
        if method in ("PUT", "DELETE") and not ("op=CREATE" in url and body is None):
            with self._lock:
                self.writes += 1
                if self.writes == self._last:
                    if hasattr(body, "read"):
                        return self._send(session, method, url, body=Dying(body), stream=stream)
                    if self.writes % 2:
                        self._send(session, method, url, body=body, stream=stream)
                    die()
        return self._send(session, method, url, body=body, stream=stream)


def main() -> None:
    last, root, name, *patterns = sys.argv[1:]
    reaper = Reaper(int(last))
    vars(client)["send"] = reaper
    progress = Progress("test")
    with opened(bed_cluster("hopsworks"), OPTIONS, progress) as hdfs:
        present(hdfs, Store(hdfs, root), name, patterns, workers=4, progress=progress)
    print(reaper.writes)


if __name__ == "__main__":
    main()
