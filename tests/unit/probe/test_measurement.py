# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import threading
import time

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe import measurement
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.answers import Answer, Expected
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.availability import Prober
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.measurement import (
    Probe,
    Writer,
    begun,
    ended,
    read,
    shortcomings,
    wait_until_begun,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.requester import Requester, Target
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.samples import Sample, summarise, windows
from ansible_collections.hopsworks.airflow.plugins.modules import availability_probe
from ansible_collections.hopsworks.airflow.tests.unit.http_server import HttpServer
from ansible_collections.hopsworks.airflow.tests.unit.waiting import until

START = 1_795_000_000.0
VERSION = {"kind": "version", "name": None, "url": None, "keep_alive": False, "statuses": [200]}
HTML = "text/html"
OLD_PAGE = Answer(200, None, HTML, b"<title>Airflow - DAGs</title>")
NEW = Answer(200, None, HTML, b'<title>Airflow</title><body><div id="root" style="x"></div>')
MAINTENANCE = Answer(200, None, HTML, b"<title>We are back soon</title>")


class Server:
    """Answers with `answer`, after `hold` is set; `answers` by path come first."""

    def __init__(self):
        outer = self
        self.answer, self.hold, self.asked = OLD_PAGE, threading.Event(), []
        self.hold.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append(self.path)
                answer = outer.answer
                outer.hold.wait(20)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.media_type)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

        self.server = HttpServer(Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hopsworks-api/airflow/"

    def close(self):
        self.hold.set()
        self.server.close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture
def module(tmp_path):
    """Calls the module with its options' defaults. `module.warnings` is what it warned of."""

    def call(state, **given):
        defaults = {name: option.get("default") for name, option in availability_probe.ACTION.argument_spec.items()}
        params = {**defaults, "state": state, "interval": 0.05, "answer_within": 1.0, **given}
        params |= {"file": str(tmp_path / "samples.jsonl"), "stop_file": str(tmp_path / "stop"), "seconds": 20}
        return availability_probe.act(Call(params, False, None, None, call.warnings.append))

    call.warnings = []
    call.file = tmp_path / "samples.jsonl"
    return call


@pytest.fixture
def background(module):
    threads = []

    def start(**given):
        threads.append(threading.Thread(target=lambda: module("probing", **given)))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join(20)


def test_an_upgrade_is_measured_from_the_old_answer_to_the_new(server, module, background):
    background(urls={"ui": server.url}, probe="one")
    assert module("begun", probe="one") == {"names": ["ui"]}
    server.answer = MAINTENANCE
    wait_for(module, lambda seen: seen[-1].error == "HTTP 200 from another server")
    server.answer = NEW
    wait_for(module, lambda seen: seen[-1].good)
    result = module("summary", probe="one")
    assert result["urls"]["ui"]["failures"] > 0
    assert result["urls"]["ui"]["not_measured"] is None
    assert len(result["urls"]["ui"]["absences"]) == 1
    assert result["problems"] == module.warnings == []


def test_a_second_attempt_remembers_what_the_first_one_learnt(server, module, background):
    background(urls={"ui": server.url}, probe="one")
    module("begun", probe="one")
    module("summary", probe="one")
    server.answer = MAINTENANCE
    background(urls={"ui": server.url}, probe="two")
    module("begun", probe="two")
    result = module("summary", probe="two")
    assert result["urls"]["ui"]["errors"] == {"HTTP 200 from another server": result["urls"]["ui"]["failures"]}


def test_what_is_there_when_the_old_one_is_gone_is_not_learnt(server, module, background):
    server.answer = MAINTENANCE
    background(urls={"ui": server.url}, probe="one", learn=False)
    module("begun", probe="one")
    seen = module("summary", probe="one")["urls"]["ui"]
    assert seen["failures"] == seen["requests"]


def test_a_login_in_front_is_told_as_unmeasured(server, module, background):
    server.answer = Answer(401, None, HTML)
    background(urls={"ui": server.url}, probe="one")
    module("begun", probe="one")
    result = module("summary", probe="one")
    assert "in front of Airflow" in result["urls"]["ui"]["not_measured"]
    assert module.warnings == result["problems"] != []


def wait_for(module, found):
    deadline = time.monotonic() + 10
    while not ((seen := read(module.file).samples) and found(seen)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_requests_under_way_at_the_end_are_waited_for(server, module, background):
    background(urls={"ui": server.url}, probe="one", answer_within=10.0)
    module("begun", probe="one")
    server.hold.clear()
    asked = len(server.asked)
    until(lambda: len(server.asked) >= asked + 5)
    threading.Timer(1.5, server.hold.set).start()
    seen = module("summary", probe="one")["urls"]["ui"]
    assert seen["requests"] == len(server.asked) - measured_before(server)
    assert seen["latency_seconds"]["longest"] > 1
    assert seen["failures"] == 0


def measured_before(server):
    """Requests by which the answer was learnt; they are not counted."""
    return 3


def test_requests_without_an_answer_at_the_end_have_failed(server, module, background):
    background(urls={"ui": server.url}, probe="one", answer_within=0.5)
    module("begun", probe="one")
    server.hold.clear()
    asked = len(server.asked)
    until(lambda: len(server.asked) >= asked + 5)
    seen = module("summary", probe="one")["urls"]["ui"]
    assert seen["requests"] == len(server.asked) - measured_before(server)
    assert seen["failures"] >= 5


class Stuck(Requester):
    """Never ends, as a question to a name server may do for long."""

    def probe(self):
        threading.Event().wait(20)


def test_a_request_that_does_not_even_time_out_is_counted(server, tmp_path, monkeypatch):
    target = Target("ui", server.url, Expected(frozenset([200])), keep_alive=True)
    prober = Prober([target], tmp_path / "x", interval_seconds=0.05, timeout_seconds=0.2)
    prober._kept = [Stuck(target, timeout_seconds=0.2, context=None)]
    prober.run(None, seconds=0.2, process_id=None)
    assert [(sample.error, sample.good) for sample in read(tmp_path / "x").samples] == [("NoAnswer", False)]


def test_an_answer_that_is_cut_off_is_none(server):
    server.answer = Answer(200, None, HTML, b"x" * 100)
    target = Target("ui", server.url, Expected(frozenset([200])))
    whole = Requester(target, timeout_seconds=2, context=None).probe()
    assert (whole.status, whole.error) == (200, None)

    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"x")
        handler.close_connection = True

    server.server.RequestHandlerClass.do_GET = cut
    sample = Requester(target, timeout_seconds=2, context=None).probe()
    assert (sample.error, sample.good) == ("IncompleteRead", False)


def test_an_answer_that_comes_too_slowly_is_none(server):
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        for _each in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    server.server.RequestHandlerClass.do_GET = drip
    sample = Requester(Target("ui", server.url, Expected(frozenset([200]))), timeout_seconds=0.4, context=None).probe()
    assert (sample.error, sample.good) == ("TimeoutError", False)


def test_a_probe_that_cannot_begin_says_why_to_those_who_wait_for_it(module):
    with pytest.raises(OperatorError, match="does not begin with http"):
        module("probing", urls={"ui": "ftp://x"}, probe="one")
    with pytest.raises(OperatorError, match="does not begin with http"):
        module("begun", probe="one")
    result = module("summary", probe="one")
    assert result["urls"] == {}
    assert result["problems"] == module.warnings
    assert "nothing was measured" in result["problems"][0]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"requests": [VERSION, {**VERSION, "keep_alive": True}]}, "version is the name of more than one"),
        ({"requests": [VERSION], "urls": {"version": "http://127.0.0.1/"}}, "version is the name of more than one"),
        ({"requests": [VERSION], "interval": 0.0}, "`interval` is 0.0 s"),
        ({"requests": [VERSION], "answer_within": -1.0}, "`answer_within` -1.0 s"),
    ],
)
def test_requests_that_could_not_be_told_apart_or_kept_to_are_refused(module, given, why):
    """One of them that is never sent was waited for as if the other one were it."""
    with pytest.raises(OperatorError, match=why):
        module("probing", url="http://127.0.0.1/", probe="one", **given)
    with pytest.raises(OperatorError, match=why):
        module("begun", probe="one")


def test_where_no_probe_ever_began_that_is_said(module):
    assert module("summary")["problems"] == ["nothing was measured: no probe has started"]


NAMES = ["version", "rest", "keep_alive"]


@pytest.fixture
def file(tmp_path):
    """Writes a measurement: a probe of NAMES that began at START, every 0.1 s a sample of each until `last` says."""

    def write(last, end=None, because="told to stop", begin=START):
        path = tmp_path / "samples.jsonl"
        probe = Probe("one", begin, NAMES, 0.1, 5.0)
        writer = Writer(path)
        writer.line(begun(probe))
        for name, seconds in last.items():
            for position in range(int(seconds * 10)):
                writer.sample(Sample(begin + position / 10, name, 200, 0.01, good=True))
        if end is not None:
            writer.line(ended(probe, because, begin + end))
        writer.close()
        return path

    return write


def test_each_name_is_waited_for_and_not_only_the_last(file):
    with pytest.raises(OperatorError, match=r"missing: rest, keep_alive\)"):
        wait_until_begun(file({"version": 1}), "one", 0.1)
    with pytest.raises(OperatorError, match="missing: all"):
        wait_until_begun(file({}), "another", 0.1)
    assert wait_until_begun(file(dict.fromkeys(NAMES, 1)), "one", 0.1) == NAMES


def test_samples_of_an_earlier_probe_are_no_begin_of_this_one(file):
    file(dict.fromkeys(NAMES, 1))
    path = file({"version": 1}, begin=START + 60)
    with pytest.raises(OperatorError, match="missing: rest, keep_alive"):
        wait_until_begun(path, None, 0.1)


def test_a_measurement_that_saw_all_to_its_end_has_no_shortcomings(file):
    assert shortcomings(read(file(dict.fromkeys(NAMES, 60), end=60)), "one") == []


@pytest.mark.parametrize(
    ("last", "end", "because", "said"),
    [
        ({}, None, None, "rest was not measured"),
        (dict.fromkeys(NAMES, 10), None, None, "version was not measured in the last 50 s"),
        ({**dict.fromkeys(NAMES, 60), "rest": 10}, 60, "told to stop", "rest was not measured in the last 50 s"),
        (dict.fromkeys(NAMES, 60), 60, "its time limit was reached", "ended early: its time limit was reached"),
        (dict.fromkeys(NAMES, 60), None, None, "the end of the probe was not recorded"),
    ],
)
def test_what_a_measurement_says_nothing_about(file, last, end, because, said):
    problems = shortcomings(read(file(last, end, because)), "one", now=START + 60)
    assert any(said in problem for problem in problems)


def test_a_probe_that_was_killed_is_not_waited_for_and_its_silence_counts(file, module, tmp_path):
    file(dict.fromkeys(NAMES, 10), begin=time.time() - 100)
    result = module("summary", probe="one")
    assert "in the last 90 s" in result["problems"][0]
    assert result["urls"]["rest"]["unobserved_seconds"] == pytest.approx(90, abs=2)


def kept(*answers):
    """Samples over one connection, one after the other: how long each took, and whether it succeeded."""
    found, now = [], START
    for seconds, good in answers:
        found.append(Sample(now, "kept", 200 if good else None, seconds, None if good else "TimeoutError", good=good))
        now += max(seconds, 0.15)
    return found


def test_a_hang_over_a_kept_connection_is_time_away():
    usual = [(0.01, True)] * 20
    hang = summarise(kept(*usual, (5.0, False), (3.0, True), *usual))["kept"]
    assert hang["away_seconds"] == pytest.approx(5.15, abs=0.02)
    assert hang["unobserved_seconds"] == 0
    two = summarise(kept(*usual, (5.0, False), (3.0, False), *usual))["kept"]
    assert two["away_seconds"] == pytest.approx(8.15, abs=0.02)
    slow = summarise(kept(*usual, (4.0, True), *usual))["kept"]
    assert (slow["away_seconds"], slow["unobserved_seconds"]) == (0, 0)
    assert slow["latency_seconds"]["longest"] == 4.0


def test_a_window_says_whether_it_was_measured(file):
    samples = read(file({**dict.fromkeys(NAMES, 60), "rest": 20})).samples
    spans = [("whole", 1, 19), ("rest ended", 15, 40), ("after all", 100, 110), ("end", 50, 100)]
    given = [{"name": name, "begun": iso(begin), "ended": iso(end)} for name, begin, end in spans]
    found = {window["name"]: window["measured"] for window in windows(samples, given)}
    assert found == {"whole": True, "rest ended": False, "after all": False, "end": False}


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + seconds))


def test_a_line_cut_off_by_a_kill_is_skipped(file):
    path = file(dict.fromkeys(NAMES, 1))
    with path.open("a") as stream:
        stream.write('{"begun": {"id": "tw')
    assert [probe.id for probe in read(path).probes] == ["one"]
    assert measurement.read(path.parent / "absent").samples == []


@pytest.mark.parametrize("cut_off", [b'{"begun": {"id": "tw', b"\xff\x00", b'{"time": 1'])
def test_a_probe_that_comes_after_a_line_cut_off_has_begun_all_the_same(file, cut_off):
    """A full disk cuts lines off; the next attempt of the run has the same file."""
    path = file(dict.fromkeys(NAMES, 1))
    with path.open("ab") as stream:
        stream.write(cut_off)
    before = len(read(path).samples)
    writer = Writer(path)
    writer.line(begun(Probe("two", START + 60, ["ui"], 0.1, 1.0)))
    writer.sample(Sample(START + 61, "ui", 200, 0.1, None, good=True))
    writer.close()
    Writer(path).close()
    found = read(path)
    assert [probe.id for probe in found.probes] == ["one", "two"]
    assert len(found.samples) == before + 1
    assert path.read_bytes().count(b"\n\n") == 0
    assert wait_until_begun(path, "two", 1) == ["ui"]
