# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .._common.processes import controller_process, process_is_gone
from .._http.policy import tls_context
from . import measurement
from .answers import Learnt
from .measurement import Probe, Writer
from .requester import Requester, Target
from .samples import Sample

# Airflow 3.2 and newer check in their event loop whether a token is revoked. If requests hold all connections of the
# pool (15 by default), that check waits for them, they wait for the event loop, and nothing is answered for 30 s
# (apache/airflow 66493). The probe must not be what fills the pool.
MOST_OPEN = 8
CONDITIONS_CHECK_SECONDS = 0.2
# Several, because there may be several servers behind one address.
LOOKS = 3
LOOK_PAUSE_SECONDS = 0.2
# A request is given up at once after its timeout, but its host name may still be being resolved.
GIVING_UP_SECONDS = 1.0


class Prober:
    """Sends requests at a fixed rate, each on a new connection, without waiting for the responses to earlier ones.

    So a slow response does not hide that others fail in the meantime. At most `MOST_OPEN` requests are open; with more
    than four targets, two of each. A target with a keep-alive connection waits for its responses, and one with an
    overloaded server pauses after a failure (`Requester.rests`). Each response is a JSON line in `file`.
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
        probe: str | None = None,
        learn: bool = True,
    ) -> None:
        self._interval, self._timeout, self._learn = interval_seconds, timeout_seconds, learn
        context = tls_context(ca_file, verify=verify)
        self._requesters = [Requester(target, timeout_seconds=timeout_seconds, context=context) for target in targets]
        self._single = [requester for requester in self._requesters if not requester.target.keep_alive]
        self._kept = [requester for requester in self._requesters if requester.target.keep_alive]
        # Two, so that one that hangs is not all that is seen.
        self._most_open = max(2, MOST_OPEN // max(1, len(self._single)))
        self._identities = {id(target.identity): target.identity for target in targets if target.identity is not None}
        self._file = file
        self._probe_id = probe or uuid.uuid4().hex
        self._writer = Writer(file)
        # Requests in progress or about to be sent: time and target, by number.
        self._open: dict[int, tuple[float, str]] = {}
        self._last_number = 0
        self._opening = threading.Lock()

    @property
    def requests(self) -> int:
        return self._writer.samples

    def run(self, stop_file: Path | None, *, seconds: float, process_id: int | None) -> str:
        """Probe until `stop_file` exists, the time is over, or the process has ended. Returns the reason in words.

        Waits for requests in progress; those without a response within their timeout count as failures.
        """
        process = controller_process(process_id) if process_id else None
        probe = self._describe()
        self._writer.line(measurement.begun(probe))
        begun = time.monotonic()

        def reason_to_end() -> str | None:
            if time.monotonic() - begun >= seconds:
                return "its time limit was reached"
            if stop_file is not None and stop_file.exists():
                return "told to stop"
            if process is not None and process_is_gone(process):
                return "its playbook has ended"
            return None

        done = threading.Event()
        pool = ThreadPoolExecutor(len(self._identities) + len(self._single) * self._most_open + 1)
        for requester in self._kept:
            threading.Thread(target=self._probe_over_one, args=(requester, done), daemon=True).start()
        try:
            reason = self._beat(pool, reason_to_end, begun)
        finally:
            sent_last = time.time()
            done.set()
            pool.shutdown(wait=False)
            self._wait_for_answers()
        self._writer.line(measurement.ended(probe, reason, sent_last))
        self._writer.close()
        return reason

    def _describe(self) -> Probe:
        """This probe, with the current responses, or those that an earlier attempt has learnt before the change."""
        before = measurement.read(self._file)
        probe = Probe(self._probe_id, time.time(), interval=self._interval, answer_within=self._timeout)
        for requester in self._requesters:
            name, judge = requester.target.name, requester.target.judge
            probe.names.append(name)
            if isinstance(judge, Learnt):
                recalled = before.recalled(name)
                if recalled is not None:
                    judge.recall(recalled)
                elif self._learn:
                    self._look(requester, judge)
                probe.learnt[name] = judge.as_line()
        probe.begun = time.time()
        return probe

    def _look(self, requester: Requester, judge: Learnt) -> None:
        for number in range(LOOKS):
            if number:
                time.sleep(LOOK_PAUSE_SECONDS)
            answer = requester.look()
            if answer is not None:
                judge.learn(answer)

    def _beat(self, pool: ThreadPoolExecutor, reason_to_end: Callable[[], str | None], begun: float) -> str:
        looked, position = 0.0, 0
        while True:
            if time.monotonic() - looked >= CONDITIONS_CHECK_SECONDS:
                looked = time.monotonic()
                if reason := reason_to_end():
                    return reason
                for identity in self._identities.values():
                    pool.submit(identity.renew_if_due)
            with self._opening:
                open_of = [name for _sent, name in self._open.values()].count
            for requester in self._single:
                if not requester.rests and open_of(requester.target.name) < self._most_open:
                    pool.submit(self._probe, requester, self._opened(requester))
            position = _wait_for_beat(begun, position + 1, self._interval)

    def _probe_over_one(self, requester: Requester, done: threading.Event) -> None:
        begun, position = time.monotonic(), 0
        while not done.is_set():
            if not requester.rests:
                self._probe(requester, self._opened(requester))
            position = _wait_for_beat(begun, position + 1, self._interval, done)
        requester.close()

    def _opened(self, requester: Requester) -> int:
        with self._opening:
            self._last_number += 1
            self._open[self._last_number] = (time.time(), requester.target.name)
            return self._last_number

    def _probe(self, requester: Requester, number: int) -> None:
        sample = requester.probe()
        with self._opening:
            # Otherwise it was given up and counted.
            if self._open.pop(number, None) is not None:
                self._writer.sample(sample)

    def _wait_for_answers(self) -> None:
        """Wait until no request is open, for the timeout of a request; requests that are still open have failed."""
        deadline = time.monotonic() + self._timeout + GIVING_UP_SECONDS
        while self._open and time.monotonic() < deadline:
            time.sleep(0.02)
        with self._opening:
            for sent, name in self._open.values():
                self._writer.sample(Sample(round(sent, 4), name, None, round(time.time() - sent, 4), "NoAnswer"))
            self._open.clear()


def _wait_for_beat(begun: float, position: int, interval: float, done: threading.Event | None = None) -> int:
    """Sleep until the beat with that number, or the next one; returns its number.

    Counted from the start, so that the rate does not drift; missed beats are skipped.
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
