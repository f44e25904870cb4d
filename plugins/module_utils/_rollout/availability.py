# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.requester import Requester, Target
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.samples import Sample
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import controller_process, process_is_gone

MOST_THREADS = 200
CONDITIONS_CHECK_SECONDS = 0.2


class Prober:
    """Sends requests at a fixed rate, each on a new connection, whether or not earlier ones have been answered.

    So a slow answer does not hide that others fail meanwhile. A target whose connection is kept waits for its answers.
    Each answer is a JSON line in `file`.
    """

    def __init__(
        self,
        targets: list[Target],
        file: Path,
        *,
        interval_seconds: float,
        timeout_seconds: float,
        ca_file: str | None = None,
        verify: bool = True,
    ) -> None:
        self._interval, self._timeout = interval_seconds, timeout_seconds
        context = tls_context(ca_file, verify=verify)
        requesters = [Requester(target, timeout_seconds=timeout_seconds, context=context) for target in targets]
        self._single = [requester for requester in requesters if not requester.target.keep_alive]
        self._kept = [requester for requester in requesters if requester.target.keep_alive]
        self._identities = {id(target.identity): target.identity for target in targets if target.identity is not None}
        self._lock = threading.Lock()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._stream = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")
        self.requests = 0

    def run(self, stop_file: Path | None, *, seconds: float, process_id: int | None) -> str:
        """Probe until `stop_file` exists, the time is over, or the process has ended. Returns which, as words."""
        begun = time.monotonic()
        process = controller_process(process_id) if process_id else None

        def reason_to_end() -> str | None:
            if time.monotonic() - begun >= seconds:
                return "time is over"
            if stop_file is not None and stop_file.exists():
                return "told to stop"
            if process is not None and process_is_gone(process):
                return "its playbook has ended"
            return None

        done = threading.Event()
        threads = len(self._identities) + int(len(self._single) * (self._timeout / self._interval + 1)) + 1
        kept = [threading.Thread(target=self._probe_over_one, args=(requester, done)) for requester in self._kept]
        with self._stream, ThreadPoolExecutor(min(MOST_THREADS, threads)) as pool:
            for thread in kept:
                thread.start()
            try:
                return self._beat(pool, reason_to_end, begun)
            finally:
                done.set()
                for thread in kept:
                    thread.join()

    def _beat(self, pool: ThreadPoolExecutor, reason_to_end: Callable[[], str | None], begun: float) -> str:
        looked = 0.0
        position = 0
        while True:
            if time.monotonic() - looked >= CONDITIONS_CHECK_SECONDS:
                looked = time.monotonic()
                if reason := reason_to_end():
                    return reason
                for identity in self._identities.values():
                    pool.submit(identity.renew_if_due)
            for requester in self._single:
                pool.submit(self._probe, requester)
            position = _wait_for_beat(begun, position + 1, self._interval)

    def _probe_over_one(self, requester: Requester, done: threading.Event) -> None:
        begun = time.monotonic()
        position = 0
        while not done.is_set():
            self._probe(requester)
            position = _wait_for_beat(begun, position + 1, self._interval, done)
        requester.close()

    def _probe(self, requester: Requester) -> None:
        self._write(requester.probe())

    def _write(self, sample: Sample) -> None:
        with self._lock:
            self._stream.write(json.dumps(vars(sample)) + "\n")
            self._stream.flush()
            self.requests += 1


def _wait_for_beat(begun: float, position: int, interval: float, done: threading.Event | None = None) -> int:
    """Sleep until the beat of that number, or the next one to come; returns which.

    Counted from the beginning, so that the rate does not drift; what was missed is not made up for.
    """
    due = begun + position * interval
    if due < time.monotonic():
        position = int((time.monotonic() - begun) / interval) + 1
        due = begun + position * interval
    pause = max(0.0, due - time.monotonic())
    if done is not None:
        done.wait(pause)
    else:
        time.sleep(pause)
    return position


def tls_context(ca_file: str | None, *, verify: bool) -> ssl.SSLContext:
    """Raises OperatorError for a file without certificates."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise OperatorError(
            f"{ca_file} holds no certificates that can be read ({type(error).__name__})",
            expected="certificates in PEM form",
            untouched="everything; nothing was requested",
            next_step="correct `ca_file`",
        ) from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
