# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._http.policy import tls_context
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe import requester
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.answers import Expected
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.availability import MOST_OPEN, Prober
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.measurement import read as read_measurement
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.requester import TOO_LATE, Requester, Target
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.samples import summarise
from ansible_collections.hopsworks.airflow.plugins.modules import availability_probe
from ansible_collections.hopsworks.airflow.tests.unit.http_server import HttpServer
from ansible_collections.hopsworks.airflow.tests.unit.waiting import until

ANY = Expected(frozenset([200]))


def read(file):
    return read_measurement(file).samples


class Server:
    """Answers as told: a status, or seconds to wait before a 200. `close_after` requests it drops each connection."""

    def __init__(self):
        outer = self
        self.status, self.wait, self.connections, self.tokens = 200, 0.0, set(), []
        self.close_after, self.announce = None, False

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            served = 0

            def do_GET(self):
                outer.connections.add(self.client_address)
                outer.tokens.append(self.headers["Authorization"])
                status = outer.status
                time.sleep(outer.wait)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.served += 1
                if outer.close_after and self.served >= outer.close_after:
                    self.close_connection = True
                    if outer.announce:
                        self.send_header("Connection", "close")
                self.end_headers()

        self.server = HttpServer(Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ui"

    def close(self):
        self.server.close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture
def probe(tmp_path):
    """Probe in a thread; ends and returns the samples when called."""
    file, stop_file, started = tmp_path / "samples.jsonl", tmp_path / "stop", []

    def begin(url, **options):
        target = Target("ui", url, **{"judge": ANY, **options.pop("target", {})})
        prober = Prober([target], file, interval_seconds=0.05, timeout_seconds=options.pop("timeout", 2.0))
        arguments = {"seconds": 30, "process_id": None, **options}
        ended = []
        thread = threading.Thread(target=lambda: ended.append(prober.run(stop_file, **arguments)))
        thread.start()
        started.append(thread)

        def end(*, stop=True):
            if stop:
                stop_file.touch()
            thread.join(10)
            assert not thread.is_alive()
            return read(file), ended[0]

        return end

    yield begin
    stop_file.touch()
    for thread in started:
        thread.join(10)


def test_the_summary_has_all_that_the_probe_wrote(server, tmp_path):
    """It waits until the probe says that it has ended."""
    folder = tmp_path / "runs" / "20261122t030000"
    given = {"file": str(folder / "samples.jsonl"), "stop_file": str(folder / "stop"), "windows": [], "requests": None}
    given |= {"urls": {"ui": server.url}, "interval": 0.05, "answer_within": 2.0, "ca_file": None, "verify": True}
    given |= {"seconds": 30.0, "watch_process": None, "probe": None, "learn": True}
    done = []

    def act(state):
        return availability_probe.act(Call({**given, "state": state}, False, None, None, None))

    thread = threading.Thread(target=lambda: done.append(act("probing")))
    thread.start()
    until(lambda: read(folder / "samples.jsonl"))
    summary = act("summary")
    thread.join(10)
    assert summary["urls"]["ui"]["requests"] == done[0]["requests"] == len(read(folder / "samples.jsonl"))
    assert done[0]["ended_because"] == "told to stop"
    assert not (folder / "stop").exists()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_every_request_is_a_connection_of_its_own(server, probe):
    end = probe(server.url)
    time.sleep(1)
    seen, ended = end()
    assert ended == "told to stop"
    assert 10 <= len(seen) <= 30
    assert len(server.connections) == len(seen)
    assert {sample.status for sample in seen} == {200}


def test_slow_answers_do_not_hide_what_comes_after_them(server, probe):
    server.wait = 1.0
    end = probe(server.url)
    until(lambda: len(server.tokens) >= 5)
    server.wait, server.status = 0.0, 503
    time.sleep(0.5)
    seen, _ended = end()
    slow = [sample for sample in seen if sample.status == 200]
    failed = [sample for sample in seen if sample.status == 503]
    assert len(slow) >= 4
    assert len(failed) >= 4
    assert failed[0].time < slow[0].time + slow[0].seconds


def test_a_server_that_hangs_is_not_sent_more_and_more(server, probe):
    """As many open requests as an api-server has connections to its database would let it hang for longer."""
    server.wait = 3.0
    end = probe(server.url, timeout=5.0)
    # At the rate of the test, thirty would be open.
    time.sleep(1.5)
    assert len(server.tokens) == MOST_OPEN
    server.wait = 0.0
    seen, _ended = end()
    assert all(sample.good for sample in seen)
    assert len(seen) == MOST_OPEN


def test_targets_share_the_open_requests_and_a_fast_one_is_not_held_up(server, tmp_path):
    slow = Server()
    slow.wait = 3.0
    stop_file = tmp_path / "stop"
    targets = [Target(f"slow{number}", slow.url, ANY) for number in range(3)] + [Target("fast", server.url, ANY)]
    prober = Prober(targets, tmp_path / "samples.jsonl", interval_seconds=0.05, timeout_seconds=5.0)
    thread = threading.Thread(target=lambda: prober.run(stop_file, seconds=30, process_id=None))
    thread.start()
    time.sleep(1.5)
    assert len(slow.tokens) == 3 * MOST_OPEN // 4
    assert len(server.tokens) >= 15
    stop_file.touch()
    thread.join(10)
    slow.close()
    assert not thread.is_alive()


def test_a_closed_port_is_named(probe):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        end = probe(f"http://127.0.0.1:{unused.getsockname()[1]}/")
        time.sleep(0.3)
        seen, _ended = end()
    assert {sample.error for sample in seen} == {"ConnectionRefusedError"}


def test_no_answer_in_time_is_a_failure(server, probe):
    server.wait = 1.0
    end = probe(server.url, timeout=0.2)
    time.sleep(0.3)
    seen, _ended = end()
    assert {sample.error for sample in seen} == {"TimeoutError"}


def test_it_ends_when_the_time_is_over(server, probe):
    seen, ended = probe(server.url, seconds=0.3)(stop=False)
    assert ended == "its time limit was reached"
    assert seen


def test_it_ends_with_the_process_that_it_watches(server, probe):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    end = probe(server.url, process_id=process.pid)
    time.sleep(0.3)
    process.kill()
    process.wait()
    _seen, ended = end(stop=False)
    assert ended == "its playbook has ended"


def test_the_file_is_for_its_owner_only(server, probe, tmp_path):
    end = probe(server.url)
    end()
    assert (tmp_path / "samples.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "url", ["", "ui", "ftp://example.com/", "http:///ui", "http://example.com:port/", "http://example.com:99999/"]
)
def test_a_url_that_cannot_be_requested_is_refused_before_it_is_needed(url, tmp_path):
    with pytest.raises(OperatorError, match="ui"):
        Prober([Target("ui", url, ANY)], tmp_path / "x", interval_seconds=1, timeout_seconds=1)
    assert not (tmp_path / "x").exists()


def test_certificates_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    for file in ("ca.pem", "absent.pem"):
        with pytest.raises(OperatorError, match="certificates"):
            Prober(
                [Target("ui", "https://example.com/", ANY)],
                tmp_path / "x",
                interval_seconds=1,
                timeout_seconds=1,
                ca_file=str(tmp_path / file),
            )


def test_a_status_that_is_not_expected_is_a_failure(server, probe):
    server.status = 401
    end = probe(server.url)
    time.sleep(0.3)
    seen, _ended = end()
    assert seen
    assert summarise(seen)["ui"]["failures"] == len(seen)


def test_a_kept_connection_is_one(server, probe):
    end = probe(server.url, target={"keep_alive": True})
    time.sleep(0.5)
    seen, _ended = end()
    assert len(seen) >= 5
    assert len(server.connections) == 1
    assert summarise(seen)["ui"]["reconnects"] == 0


@pytest.mark.parametrize("announce", [True, False])
def test_a_kept_connection_that_was_closed_is_made_anew_and_counted(server, probe, announce):
    server.close_after, server.announce = 3, announce
    end = probe(server.url, target={"keep_alive": True})
    time.sleep(0.8)
    seen, _ended = end()
    result = summarise(seen)["ui"]
    assert result["failures"] == 0
    assert result["reconnects"] == len(server.connections) - 1 >= 2
    assert len(result["reconnected_at"]) == result["reconnects"]


def test_a_kept_connection_is_tried_again_once_only(server, probe):
    end = probe(server.url, target={"keep_alive": True})
    time.sleep(0.3)
    server.close_after = 1
    server.close()
    time.sleep(0.3)
    seen, _ended = end()
    assert [sample.error for sample in seen if not sample.good][-1] == "ConnectionRefusedError"


class ShortLived:
    """Somebody whose token is replaced every so many looks."""

    def __init__(self):
        self.renewals = self.looks = 0
        self.ended = False

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.renewals}"}

    def renew_if_due(self):
        self.looks += 1
        self.renewals = self.looks // 2


def test_a_new_token_is_used_and_counted_and_not_written_down(server, probe, tmp_path):
    end = probe(server.url, target={"identity": ShortLived()})
    time.sleep(1.2)
    seen, _ended = end()
    assert {"Bearer 0", "Bearer 1"} <= set(server.tokens)
    assert summarise(seen)["ui"]["renewals"] == len(set(server.tokens)) - 1
    assert "Bearer" not in (tmp_path / "samples.jsonl").read_text()


def test_a_token_that_has_ended_is_not_sent_and_counts_as_a_failure(server, probe):
    """Airflow 3.0 writes a traceback for each, and was kept from getting ready by them."""
    somebody = ShortLived()
    somebody.ended = True
    end = probe(server.url, target={"identity": somebody})
    time.sleep(0.3)
    seen, _ended = end()
    assert server.tokens == []
    (only,) = summarise(seen).values()
    assert only["failures"] == only["requests"] > 0
    assert only["errors"] == {TOO_LATE: only["failures"]}


def test_a_server_that_takes_its_time_to_fail_is_asked_ever_less_often(server, probe, monkeypatch):
    """Requests that nobody waits for any more kept an api-server of 3.0 busy for ever."""
    monkeypatch.setattr(requester, "SLOW_SECONDS", 0.1)
    monkeypatch.setattr(requester, "LONGEST_REST_SECONDS", 0.4)
    monkeypatch.setattr(Requester, "_answer", slowly_fails)
    end = probe(server.url)
    time.sleep(3)
    seen, _ended = end()
    # At the rate of the test, it would be asked sixty times.
    assert 3 <= len(seen) <= 25
    assert not any(sample.good for sample in seen)


def slowly_fails(_requester, _connection, _headers):
    time.sleep(0.15)
    raise TimeoutError


def test_a_rest_ends_with_the_first_good_answer(server, monkeypatch):
    target = Target("ui", server.url, ANY)
    asked = Requester(target, timeout_seconds=5, context=tls_context(None, verify=True))
    monkeypatch.setattr(requester, "SLOW_SECONDS", 0.2)
    server.status, server.wait = 503, 0.3
    asked.probe()
    assert asked.rests
    server.status, server.wait = 200, 0.0
    assert asked.probe().good
    assert not asked.rests
