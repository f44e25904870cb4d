# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod could not read is refused by the collection: both go by the same rules."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import generated, in_pod
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import Server

pytestmark = pytest.mark.usefixtures("quick_keys")


@pytest.mark.parametrize("around", ["{}\n", "{} ", " {}", "{}\r\n", "{}\0", "\ufeff{}"])
@pytest.mark.parametrize("step", [{}, {"state": "published", "rotation": "r1"}])
def test_a_kid_with_anything_around_it_is_refused(around, step):
    server = Server()
    server.keys()
    kid = server.entries["scheduler.kid"].decode()
    server.entries["scheduler.kid"] = around.format(kid).encode()
    with pytest.raises(ValueError, match="not just a key id"):
        in_pod.kid_of(server.entries["scheduler.kid"])
    for check_mode in (True, False):
        with pytest.raises(OperatorError, match=r"scheduler\.kid of Secret") as refused:
            server.keys(check_mode=check_mode, **step)
    assert "remove scheduler.kid: the next run derives it" in refused.value.next_step
    assert "scheduler.kid" in server.info()["problem"]
    del server.entries["scheduler.kid"]
    server.keys()
    assert server.entries["scheduler.kid"].decode() == kid


@pytest.mark.parametrize(
    ("value", "number"), [(b"7", 7), (b"7\n", 7), (b"0", 0), (b"-1", None), ("\u0667".encode(), None), (b"1.0", None)]
)
def test_a_generation(value, number):
    server = Server()
    server.keys()
    server.entries["generation"] = value
    if number is None:
        with pytest.raises(ValueError, match="number"):
            in_pod.generation_of(value)
        assert "generation" in server.info()["problem"]
    else:
        assert in_pod.generation_of(value) == server.info()["generation"] == number


def test_what_is_written_can_be_read_in_a_pod():
    server = Server()
    for step in ({}, {"state": "published", "rotation": "r1"}, {"state": "activated"}):
        server.keys(**step)
        kids = in_pod.kids_of(server.entries["jwks.json"])
        assert {in_pod.kid_of(server.entries[f"{signer}.kid"]) for signer in ("api-server", "scheduler")} <= set(kids)
        assert in_pod.generation_of(server.entries["generation"]) > 0


@pytest.mark.parametrize("value", [b"a\nb", b"a\x00", b"\n", b"", b"\xff"])
def test_text_that_would_break_the_configuration_is_none(value):
    with pytest.raises(ValueError, match=r"line break|empty|UTF-8"):
        in_pod.text_of(value)


def test_a_line_end_of_an_editor_is_no_part_of_a_text():
    assert in_pod.text_of("gr\u00fc\u00dfe \n".encode()) == "gr\u00fc\u00dfe "


@pytest.mark.parametrize(
    "rewritten",
    [lambda text: "\ufeff".encode() + text, lambda text: text.decode().encode("utf-16")],
    ids=["mark", "16"],
)
@pytest.mark.parametrize("step", [{}, {"state": "published", "rotation": "r1"}])
def test_a_key_set_that_airflow_could_not_read_is_refused(rewritten, step):
    """Airflow opens the file as a text in UTF-8, and no editor's mark is a part of JSON."""
    server = Server()
    server.keys()
    written = server.entries["jwks.json"]
    server.entries["jwks.json"] = rewritten(written)
    with pytest.raises(ValueError, match="not a set of keys"):
        in_pod.kids_of(server.entries["jwks.json"])
    with pytest.raises(OperatorError, match=r"jwks\.json of Secret \S+ holds no key set"):
        server.keys(**step)
    assert "jwks.json" in server.info()["problem"]
    del server.entries["jwks.json"]
    server.keys()
    assert server.entries["jwks.json"] == written


def test_a_blank_key_set_of_keys_that_are_not_due_is_told_as_none():
    server = Server()
    server.keys()
    server.entries["jwks.json"] = b"\n"
    result = server.keys(state="published", rotation="r1", minimum_age=86400)
    assert (result["changed"], result["diff"]["after"]["jwks.json"]) == (False, "kids ")


@pytest.mark.parametrize(
    ("document", "users"),
    [
        (b'{"admin": "x"}', {"admin": "x"}),
        (b'{"admin": "x", "bot": null}', {"admin": "x"}),
        # What Airflow compares with what somebody typed.
        (b'{"admin": 12345}', {}),
        (b'{"admin": ""}', {}),
        (b'{"admin": ["x"]}', {}),
        (b'[["admin", "x"]]', None),
        ("\ufeff{}".encode(), None),
        (b'{"admin": "\xff"}', None),
    ],
)
def test_who_can_log_in(document, users):
    if users is None:
        with pytest.raises(ValueError, match="not a JSON object"):
            in_pod.users_of(document)
    else:
        assert in_pod.users_of(document) == users
    assert (generated.problem_of("simple_auth_password_file", document, "admin") == "") == bool(users)
