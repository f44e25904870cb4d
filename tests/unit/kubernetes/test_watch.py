# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mirror of a list of objects, against an API server that ends, breaks, expires and refuses watches."""

from __future__ import annotations

import json
import threading
import time

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes import watch as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.watch import Mirror


def pod(uid, version, mark=""):
    return {"metadata": {"uid": uid, "resourceVersion": version, "name": mark or uid}}


class Stream:
    """The body of a watch: lines, then an end, or an exception in its place."""

    def __init__(self, lines, error):
        self._lines, self._error = lines, error

    def stream(self, **_arguments):
        yield from self._lines
        if self._error is not None:
            raise self._error

    def close(self):
        pass

    release_conn = close


class Server:
    """Answers lists and watches from a script; when the script is at its end, watches last."""

    def __init__(self, *script):
        self.script, self.asked, self.over = list(script), [], threading.Event()

    def list(self, _kind, **arguments):
        self.asked.append(arguments)
        if not self.script:
            self.over.set()
            time.sleep(0.05)
            return Stream([], None) if arguments.get("watch") else listing()
        expected, answer = self.script.pop(0)
        assert expected == ("watch" if arguments.get("watch") else "list")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def wait(self):
        assert self.over.wait(5)


def listing(*pods, version="10"):
    return {"items": list(pods), "metadata": {"resourceVersion": version}}


def watching(*events, error=None):
    return Stream([json.dumps({"type": kind, "object": obj}).encode() + b"\n" for kind, obj in events], error)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(subject, "LONGEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(subject, "SHORTEST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def mirrored():
    """Names in the mirror when the server's script is at its end, and what the server was asked."""
    mirrors = []

    def follow(*script):
        server = Server(*script)
        mirror = Mirror(server, "Pod", threading.Event(), label_selector="app=x")
        mirrors.append(mirror)
        server.wait()
        return sorted(item["metadata"]["name"] for item in mirror.items()), server.asked

    yield follow
    for mirror in mirrors:
        mirror.stop()


def test_what_is_listed_and_then_told(mirrored):
    events = [
        ("ADDED", pod("b", "11")),
        ("MODIFIED", pod("a", "12", "a2")),
        ("DELETED", pod("b", "13")),
        ("ADDED", pod("c", "14")),
    ]
    names, asked = mirrored(("list", listing(pod("a", "9"))), ("watch", watching(*events)))
    assert names == ["a2", "c"]
    assert {arguments["label_selector"] for arguments in asked} == {"app=x"}
    assert asked[1]["resource_version"] == "10"
    # It goes on where the watch ended.
    assert asked[2]["watch"]
    assert asked[2]["resource_version"] == "14"


def test_bookmarks_move_on_and_are_no_objects(mirrored):
    bookmark = {"metadata": {"resourceVersion": "99"}}
    names, asked = mirrored(("list", listing(pod("a", "9"))), ("watch", watching(("BOOKMARK", bookmark))))
    assert names == ["a"]
    assert asked[2]["resource_version"] == "99"


EXPIRED = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


@pytest.mark.parametrize(
    "end",
    [
        watching(("ERROR", EXPIRED)),
        ApiException(status=410),
        ApiException(status=503),
        ApiException(status=429),
        ProtocolError("connection broken"),
        Stream([], ReadTimeoutError(HTTPConnectionPool("localhost"), "/", "timed out")),
        watching(("ADDED", pod("gone", "11")), error=ProtocolError("connection broken")),
        Stream([b'{"type": "ADDED", "obj'], ProtocolError("cut off")),
        Stream([b'{"type": "ADDED"}\n'], None),
    ],
    ids=[
        "expired event",
        "expired",
        "unavailable",
        "too many",
        "broken",
        "silent",
        "broken later",
        "cut off",
        "malformed",
    ],
)
def test_a_watch_that_breaks_is_begun_anew_with_a_list(mirrored, end):
    """What happened in between is not lost, what is gone does not stay."""
    names, _asked = mirrored(
        ("list", listing(pod("a", "9"), pod("b", "9"))),
        ("watch", end),
        ("list", listing(pod("b", "20"), pod("c", "21"), version="21")),
        ("watch", watching(("ADDED", pod("d", "22")))),
    )
    assert names == ["b", "c", "d"]


def test_an_api_server_that_is_away_is_waited_for(mirrored):
    names, _asked = mirrored(
        ("list", listing(pod("a", "9"))),
        ("watch", ProtocolError("refused")),
        ("list", ProtocolError("refused")),
        ("list", ApiException(status=503)),
        ("list", listing(pod("z", "30"))),
    )
    assert names == ["z"]


def test_an_api_server_that_is_back_may_forbid_for_a_while(mirrored):
    """Until it has read the roles it knows of no right."""
    names, _asked = mirrored(
        ("list", listing(pod("a", "9"))),
        ("watch", ProtocolError("refused")),
        ("list", ApiException(status=403)),
        ("list", ApiException(status=401)),
        ("list", listing(pod("z", "30"))),
    )
    assert names == ["z"]


def test_an_api_server_that_was_away_for_long_may_forbid_for_a_while_too(monkeypatch):
    monkeypatch.setattr(subject, "RETRY_SECONDS", 0.3)

    class Returning(Server):
        def list(self, kind, **arguments):
            if not arguments.get("watch") and len(self.asked) == 2:
                time.sleep(0.5)
            return super().list(kind, **arguments)

    server = Returning(
        ("list", listing(pod("a", "9"))),
        ("watch", ProtocolError("refused")),
        ("list", ApiException(status=403)),
        ("list", listing(pod("z", "30"))),
    )
    mirror = Mirror(server, "Pod", threading.Event())
    server.wait()
    assert [item["metadata"]["name"] for item in mirror.items()] == ["z"]
    mirror.stop()


def test_how_long_it_has_been_away_is_known():
    away, back = threading.Event(), threading.Event()

    class Leaving(Server):
        def list(self, kind, **arguments):
            if arguments.get("watch") and not back.is_set():
                away.set()
                raise ProtocolError("refused")
            if away.is_set():
                assert back.wait(5)
            return super().list(kind, **arguments)

    server = Leaving(("list", listing()))
    mirror = Mirror(server, "Pod", threading.Event())
    assert away.wait(5)
    time.sleep(0.1)
    assert mirror.away_seconds() > 0.05
    server.script.append(("list", listing()))
    back.set()
    server.wait()
    assert mirror.away_seconds() == 0
    mirror.stop()


def test_watches_that_end_at_once_are_not_asked_for_without_a_pause(monkeypatch):
    monkeypatch.setattr(subject, "SHORTEST_PAUSE_SECONDS", 0.05)

    class Ending(Server):
        def list(self, _kind, **arguments):
            self.asked.append(arguments)
            return Stream([], None) if arguments.get("watch") else listing()

    server = Ending()
    mirror = Mirror(server, "Pod", threading.Event())
    time.sleep(0.3)
    mirror.stop()
    assert 2 <= len(server.asked) <= 8


def test_a_right_lost_on_the_way_is_told():
    changed, go_on = threading.Event(), threading.Event()

    class Forbidding(Server):
        def list(self, kind, **arguments):
            if arguments.get("watch"):
                go_on.wait(5)
            return super().list(kind, **arguments)

    mirror = Mirror(Forbidding(("list", listing()), ("watch", ApiException(status=403))), "Pod", changed)
    assert mirror.items() == []
    changed.clear()
    go_on.set()
    assert changed.wait(5)
    with pytest.raises(ApiException, match="403"):
        mirror.items()


def test_a_right_that_lacks_from_the_beginning_is_told_at_once():
    with pytest.raises(ApiException):
        Mirror(Server(("list", ApiException(status=403))), "Pod", threading.Event())


def test_every_change_is_signalled():
    changed = threading.Event()
    server = Server(("list", listing()), ("watch", watching(("ADDED", pod("a", "11")))))
    mirror = Mirror(server, "Pod", changed)
    server.wait()
    assert changed.is_set()
    mirror.stop()
