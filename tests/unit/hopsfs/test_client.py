# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import client
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.client import WebHdfs
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.failure import HopsfsError, refusal
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.fake import Answer, Node, RefusedError


def failing(times: int, failure: Exception):
    """A `before` that fails this often."""
    left = [times]

    def before(_operation: str, _path: str) -> None:
        if left[0]:
            left[0] -= 1
            raise failure

    return before


SAFE_MODE = RefusedError(403, "SafeModeException", "Cannot create file/x. Name node is in safe mode.")
RESET = requests.ConnectionError(ConnectionResetError(104, "Connection reset by peer"), "https://u:CANARY@namenode/x")


# Of HopsFS, whose NameNodes have their metadata in RonDB.
DATABASE = RefusedError(403, "TransientStorageException", "Time-out in NDB, probably caused by deadlock")
DEADLOCK = RefusedError(403, "TransientDeadLockException", "Time-out in NDB, probably caused by deadlock")


@pytest.mark.parametrize("failure", [SAFE_MODE, RESET, RefusedError(503, "", ""), DATABASE, DEADLOCK])
def test_what_passes_is_waited_for_and_said(hopsfs, hdfs, clock, said, failure):
    hopsfs.before = failing(6, failure)
    hdfs.mkdirs("/x")
    assert "/x" in hopsfs.nodes
    assert 3 < clock.now < 30
    assert 1 <= len(said) <= 3
    assert "CANARY" not in "".join(said)


def test_what_does_not_pass_ends_in_words(hopsfs, hdfs, clock):
    hopsfs.before = failing(10_000, SAFE_MODE)
    with pytest.raises(OperatorError, match="safe mode") as refused:
        hdfs.mkdirs("/x")
    assert 100 < clock.now <= 120
    assert "DataNode" in refused.value.expected


def test_a_refusal_for_good_is_not_repeated(hopsfs, hdfs, clock):
    hopsfs.before = failing(1, RefusedError(403, "AccessControlException", "Permission denied: user=airflow"))
    with pytest.raises(OperatorError) as refused:
        hdfs.set_owner("/", "a", "b")
    assert clock.now == 0
    assert "superuser" in refused.value.expected
    assert "SETOWNER /" in refused.value.found


def test_no_failure_shows_the_query(hopsfs, hdfs):
    """The query may hold the value of an extended attribute."""
    secret = "0x" + b"CANARY-attribute".hex()
    for failure in (
        requests.exceptions.InvalidURL(f"https://namenode/?xattr.value={secret}"),
        RefusedError(400, "IllegalArgumentException", f'Invalid value for webhdfs parameter "xattr.value": {secret}'),
    ):
        hopsfs.before = failing(10_000, failure)
        with pytest.raises(HopsfsError) as refused:
            hdfs.set_xattr("/", "user.note", secret)
        assert secret not in str(refused.value) + repr(refused.value.args) + str(refused.value.__cause__)


def test_another_web_server_is_recognised(hopsfs, hdfs, monkeypatch):
    monkeypatch.setattr(hopsfs, "request", lambda *_a, **_k: Answer("", 200, b"<html>Please log in</html>"))
    with pytest.raises(OperatorError, match="not JSON"):
        hdfs.status("/")


@pytest.mark.parametrize(
    "url", ["http://namenode:9870", "namenode:9870", "https://", "https://namenode/webhdfs/v1", "https://n:1/?x=1"]
)
def test_only_a_plain_https_address_is_accepted(hopsfs, said, url):
    with pytest.raises(OperatorError, match="the address of HopsFS"):
        WebHdfs(url, hopsfs, said.append)


@pytest.mark.parametrize("location", ["https://[::1/x", "https://datanode:99999/x", "https://data..node/x"])
def test_a_redirect_to_no_address_is_told(hopsfs, hdfs, monkeypatch, location):
    monkeypatch.setattr(hopsfs, "request", lambda *_a, **_k: Answer("", 307, location=location))
    with pytest.raises(OperatorError, match="OPEN /dags was redirected to an invalid address"):
        hdfs._once("GET", "/dags", "OPEN", {})


# Each operation that changes something, what is there before it, and a call of it.
CHANGES = {
    "MKDIRS": lambda hdfs: hdfs.mkdirs("/new", "750"),
    "SETOWNER": lambda hdfs: hdfs.set_owner("/a", "airflow", "demo"),
    "SETPERMISSION": lambda hdfs: hdfs.set_permission("/a", "0640"),
    "SETACL": lambda hdfs: hdfs.set_acl("/a", ("group::r-x", "user:airflow:r-x"), "0750"),
    "REMOVEACL": lambda hdfs: hdfs.set_acl("/a", (), "0750"),
    "SETXATTR": lambda hdfs: hdfs.set_xattr("/a", "user.new", "0x41"),
    "REMOVEXATTR": lambda hdfs: hdfs.remove_xattr("/a", "user.old"),
    "SETTIMES": lambda hdfs: hdfs.set_modified("/a", 7),
    "RENAME": lambda hdfs: hdfs.rename("/a", "/b"),
    "DELETE": lambda hdfs: hdfs.delete("/a"),
    "CREATE": lambda hdfs: hdfs.repeating(lambda: hdfs.create("/a", b"new")),
}


def with_a_file(hopsfs):
    hopsfs.put("/a", "FILE", "0644", b"old")
    hopsfs.nodes["/a"].entries = ("group::r--", "user:other:r--")
    hopsfs.nodes["/a"].xattrs = {"user.old": "0x41"}


def without_times(hopsfs):
    return {path: replace(node, modified=0) for path, node in hopsfs.tree("/").items()}


def test_every_operation_that_writes_is_among_those_tried():
    written = set(re.findall(r'"(?:PUT|DELETE)", \w+, "([A-Z]+)"', Path(client.__file__).read_text(encoding="utf-8")))
    assert written == CHANGES.keys() | {"CREATESNAPSHOT"}


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize("lost", [1, 3])
def test_a_change_whose_answer_was_lost_is_done(hopsfs, hdfs, operation, lost):
    with_a_file(hopsfs)
    CHANGES[operation](hdfs)
    wanted = without_times(hopsfs)
    hopsfs.nodes = {"/": Node("DIRECTORY")}
    with_a_file(hopsfs)
    left = [lost]

    def after(done: str, _path: str) -> None:
        if done == operation and left[0]:
            left[0] -= 1
            raise RESET

    hopsfs.after = after
    CHANGES[operation](hdfs)
    assert without_times(hopsfs) == wanted
    assert left[0] < lost


def test_a_change_refused_at_once_was_not_done_before(hopsfs, hdfs):
    hopsfs.put("/there", "FILE", "0644", b"somebody else's")
    with pytest.raises(HopsfsError) as refused:
        hdfs.rename("/old", "/there")
    assert refused.value.missing
    with pytest.raises(HopsfsError, match="No matching attributes"):
        hdfs.remove_xattr("/there", "user.none")


@pytest.mark.parametrize(
    "change", [lambda hdfs: hdfs.rename("/a", "/b"), lambda hdfs: hdfs.remove_xattr("/a", "user.old")]
)
def test_a_change_refused_when_repeated_is_looked_at(hopsfs, hdfs, change):
    """The first attempt never arrived."""
    with_a_file(hopsfs)
    failures = [RESET, RefusedError(403, "AccessControlException", "Permission denied")]

    def before(operation: str, _path: str) -> None:
        if operation in ("RENAME", "REMOVEXATTR"):
            raise failures.pop(0)

    hopsfs.before = before
    with pytest.raises(HopsfsError, match="Permission denied"):
        change(hdfs)


def test_switched_off_acls_and_attributes_are_none(hopsfs, hdfs):
    message = "The {} operation has been rejected.  Support for {}s has been disabled by setting x to false."
    hopsfs.before = failing(1, RefusedError(403, "AclException", message.format("ACL", "ACL")))
    assert hdfs.acl("/") == ()
    hopsfs.before = failing(1, RefusedError(403, "IOException", message.format("XAttr", "XAttr")))
    assert hdfs.xattrs("/") == {}


def test_only_the_users_attributes_are_read(hopsfs, hdfs):
    hopsfs.nodes["/"].xattrs = {"user.a": "0x41"}
    assert hdfs.xattrs("/") == {"user.a": "0x41"}


@pytest.mark.parametrize(
    ("exception", "status", "answer"),
    [
        ("IllegalArgumentException", 400, "absent"),
        ("SnapshotException", 403, "possible"),
        ("FileNotFoundException", 404, "possible"),
    ],
)
def test_the_probe_for_native_snapshots(hopsfs, hdfs, exception, status, answer):
    hopsfs.before = failing(1, RefusedError(status, exception, "…"))
    assert hdfs.native_snapshots("/airflow-snapshots/.probe") == answer


@pytest.mark.parametrize("body", [None, [], {}, {"RemoteException": None}, {"RemoteException": {}}, "<html>"])
def test_any_other_answer_has_words_too(body):
    error = refusal(502, body, "OPEN", "/a")
    assert "502" in error.found
    assert error.temporary
