# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.acl import whole_acl
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.manifest import (
    Entry,
    Manifest,
    compare,
    differences,
)

FILE = Entry(
    path="/Projects/demo/Airflow/grüße\n.py",
    kind="file",
    length=3,
    owner="demo__meb10000",
    group="demo__Airflow",
    permission="0640",
    modified=1_500_000_000_123,
    acl=("group::r-x", "user:airflow:r-x"),
    xattrs=(("user.note", "0x41"),),
    sha256="ab" * 32,
)
FOLDER = Entry("/Projects/demo/Airflow", "directory", 0, "demo__meb10000", "demo__Airflow", "1770", 1_500_000_000_456)
MANIFEST = Manifest(
    "one", "2026-11-22T03:00:41Z", ("/Projects/*/Airflow",), {entry.path: entry for entry in (FILE, FOLDER)}
)


def test_what_is_written_is_read_again():
    content, fingerprint = MANIFEST.encoded()
    assert Manifest.decoded(content) == (MANIFEST, fingerprint)


def test_the_format_is_the_documented_one():
    lines = [json.loads(line) for line in MANIFEST.encoded()[0].decode().splitlines()]
    assert lines[0] == {
        "format": 1,
        "name": "one",
        "created": "2026-11-22T03:00:41Z",
        "sources": ["/Projects/*/Airflow"],
        "files": 1,
        "directories": 1,
        "bytes": 3,
    }
    assert [line["path"] for line in lines[1:-1]] == [FOLDER.path, FILE.path]
    assert lines[2] == {
        "path": FILE.path,
        "type": "file",
        "length": 3,
        "sha256": "ab" * 32,
        "owner": "demo__meb10000",
        "group": "demo__Airflow",
        "permission": "0640",
        "acl": ["group::r-x", "user:airflow:r-x"],
        "mtime": 1_500_000_000_123,
        "xattrs": {"user.note": "0x41"},
    }


@pytest.mark.parametrize("cut", [0, 1, 30, -1, -2, -40, -80])
def test_a_manifest_cut_off_anywhere_is_none(cut):
    content = MANIFEST.encoded()[0]
    # Without its last newline a manifest is still complete.
    if cut == -1:
        assert Manifest.decoded(content[:cut])[0] == MANIFEST
        return
    with pytest.raises(ValueError, match=r"last line|SHA-256"):
        Manifest.decoded(content[:cut])


def test_a_manifest_with_one_changed_letter_is_none():
    content = MANIFEST.encoded()[0]
    for at in range(0, len(content) - 80, 7):
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        with pytest.raises(ValueError, match=r"last line|SHA-256"):
            Manifest.decoded(changed)


def test_an_unknown_format_is_refused():
    newer = MANIFEST.encoded()[0].replace(b'"format":1', b'"format":2')
    body = newer[: newer.rstrip(b"\n").rindex(b"\n") + 1]
    import hashlib

    signed = body + json.dumps({"sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n"
    with pytest.raises(ValueError, match="format 2"):
        Manifest.decoded(signed)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("owner", "x", "owner"),
        ("group", "x", "group"),
        ("permission", "0600", "permission"),
        ("modified", 1, "mtime"),
        ("acl", (), "acl"),
        ("xattrs", (), "xattrs"),
        ("sha256", "cd" * 32, "content"),
        ("sha256", None, "content"),
        ("length", 4, "content"),
        ("kind", "directory", "type"),
    ],
)
def test_every_field_that_matters_is_compared(field, value, name):
    assert differences(FILE, replace(FILE, **{field: value})) == (name,)


def test_how_a_file_is_stored_does_not_matter():
    assert differences(FILE, replace(FILE, replication=3, block_size=1 << 27)) == ()


def test_content_that_nobody_read_is_never_equal():
    unread = replace(FILE, sha256=None)
    assert differences(unread, unread) == ("content",)


def test_missing_and_extra():
    assert compare({FILE.path: FILE}, {FOLDER.path: FOLDER}) == {FOLDER.path: ("extra",), FILE.path: ("missing",)}


@pytest.mark.parametrize(
    ("entries", "permission", "whole"),
    [
        # The group digit is the mask as soon as there is an access ACL.
        (
            ("group::rwx", "user:airflow:r-x"),
            "1750",
            ["user::rwx", "other::---", "mask::r-x", "group::rwx", "user:airflow:r-x"],
        ),
        # With a default ACL alone it is the group's.
        (("default:user::rwx",), "0751", ["user::rwx", "other::--x", "group::r-x", "default:user::rwx"]),
    ],
)
def test_the_acl_that_is_sent(entries, permission, whole):
    assert sorted(whole_acl(entries, permission)) == sorted(whole)
