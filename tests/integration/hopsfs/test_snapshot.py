# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots on the bed's real HDFS, through the gate that makes it HopsFS-shaped."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
from urllib.parse import quote, unquote, unquote_plus, urlsplit

import pytest
from requests.adapters import BaseAdapter

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.progress import Progress
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.scan import describe, digest_of, matching, walk
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.snapshot import absent, present
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.store import Store
from ansible_collections.hopsworks.airflow.tests.integration.hopsfs import killed
from ansible_collections.hopsworks.airflow.tests.integration.hopsfs.conftest import OPTIONS
from ansible_collections.hopsworks.airflow.tests.integration.hopsfs.trees import AIRFLOW, LONG_AGO, seed

PROGRESS = Progress("test")


def everything(hdfs, patterns):
    """All live entries, every file read."""
    return describe(hdfs, walk(hdfs, matching(hdfs, patterns), 8), 8, lambda status: digest_of(hdfs, status.path)[1])


def take(hdfs, store, name, patterns, **options):
    return present(hdfs, store, name, patterns, workers=8, progress=PROGRESS, **options)


def look(hdfs, store, name):
    [found] = inspect(hdfs, store, name, verify=True, compare_live=True, workers=8, progress=PROGRESS)
    return found


def test_a_copy_has_all_content_and_metadata(hdfs, laboratory):
    patterns = seed(hdfs, laboratory)
    before = everything(hdfs, patterns)
    store = Store(hdfs, f"{laboratory}/snapshots")

    planned = take(hdfs, store, "one", patterns, check_mode=True)
    assert hdfs.status(store.root) is None
    outcome = take(hdfs, store, "one", patterns)

    assert (planned.copied_files, planned.copied_bytes) == (outcome.copied_files, outcome.copied_bytes)
    assert outcome.copied_files == sum(entry.kind == "file" for entry in before.values()) == 24
    # What the laboratory was dressed in has arrived at the original, or the comparison below means little.
    top = before[f"{laboratory}/Projects/demo/Airflow"]
    assert (top.permission, top.modified, len(top.acl)) == ("0750", LONG_AGO + 4, 7)
    assert before[f"{top.path}/sticky"].permission == "1770"
    assert before[f"{top.path}/sticky/deeper"].acl == AIRFLOW
    assert dict(before[f"{top.path}/large.bin"].xattrs)["user.bytes"] == "0x00ff10"
    assert before[f"{top.path}/large.bin"].length == 2 * (1 << 20) + 17

    copies = {path: entry for path, entry in store.copies("one", {}, {}, 8).items() if path in before}
    assert copies == before
    assert everything(hdfs, patterns) == before
    again = take(hdfs, store, "one", patterns)
    assert not again.changed
    assert again.fingerprint == outcome.fingerprint
    found = look(hdfs, store, "one")
    assert (found["verified"], found["equal"]) == (True, True)
    for private in (store.root, store.path("one"), f"{store.path('one')}/files"):
        assert hdfs.status(private).permission == "0700"

    assert absent(store, "one").found == "whole"
    assert hdfs.status(store.path("one")) is None
    assert everything(hdfs, patterns) == before


def test_a_refresh_follows_every_kind_of_change(hdfs, laboratory):
    patterns = seed(hdfs, laboratory)
    store = Store(hdfs, f"{laboratory}/snapshots")
    first = take(hdfs, store, "one", patterns)
    top = f"{laboratory}/Projects/demo/Airflow"
    # The same length and time: only the content tells.
    path = f"{top}/with space.py"
    was = hdfs.status(path)
    hdfs.create(path, b"X" * was.length)
    hdfs.set_modified(path, was.modified)
    hdfs.set_permission(f"{top}/sticky", "1775")
    hdfs.set_acl(f"{top}/empty", AIRFLOW, "0555")
    hdfs.remove_xattr(f"{top}/large.bin", "user.note")
    hdfs.delete(f"{top}/nothing.py")
    hdfs.mkdirs(f"{top}/nothing.py/now a directory", "755")
    hdfs.delete(f"{top}/sticky/deeper")
    hdfs.create(f"{top}/sticky/deeper", b"now a file")
    # Made in a directory with a default ACL, and without an ACL: the copy must not inherit one.
    hdfs.create(f"{top}/sticky/plain.py", b"plain")
    hdfs.set_acl(f"{top}/sticky/plain.py", (), "0600")

    planned = take(hdfs, store, "one", patterns, check_mode=True)
    outcome = take(hdfs, store, "one", patterns)
    assert outcome.changed
    assert outcome.fingerprint != first.fingerprint
    assert (planned.copied_files, planned.removed, planned.adjusted) == (
        outcome.copied_files,
        outcome.removed,
        outcome.adjusted,
    )
    assert outcome.copied_files == 3
    found = look(hdfs, store, "one")
    assert (found["verified"], found["equal"]) == (True, True)


def run_and_kill(last: int, root: str, name: str, patterns: list[str]) -> subprocess.CompletedProcess[str]:
    collections = pathlib.Path(__file__).parents[3] / ".collections"
    path = os.pathsep.join([str(collections), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, killed.__file__, str(last), root, name, *patterns],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_killed_anywhere_it_is_never_whole_and_the_next_run_finishes(hdfs, laboratory):
    patterns = seed(hdfs, laboratory)
    before = everything(hdfs, patterns)
    root = f"{laboratory}/snapshots"
    store = Store(hdfs, root)
    complete = run_and_kill(-1, root, "complete", patterns)
    assert complete.returncode == 0, complete.stderr
    writes = int(complete.stdout)
    assert writes > 100
    for last in (1, 2, 5, writes // 4, writes // 3, writes // 2, writes - 2, writes - 1):
        name = f"killed-{last}"
        died = run_and_kill(last, root, name, patterns)
        assert died.returncode == -9, died.stderr
        state = store.state(name)
        assert state.manifest is None, f"whole after {last} of {writes} writes"
        outcome = take(hdfs, store, name, patterns)
        assert outcome.before.found in ("unfinished", "absent")
        if last > writes // 2:
            assert outcome.copied_files < 24, "what was copied before is copied again"
        found = look(hdfs, store, name)
        assert (found["verified"], found["equal"]) == (True, True)
    assert everything(hdfs, patterns) == before


def test_killed_in_a_refresh_the_old_manifest_does_not_vouch_for_it(hdfs, laboratory):
    patterns = seed(hdfs, laboratory)
    store = Store(hdfs, f"{laboratory}/snapshots")
    take(hdfs, store, "one", patterns)
    hdfs.create(f"{laboratory}/Projects/demo/Airflow/large.bin", os.urandom(3 << 20))
    # Writes: directories, the commit mark's removal, then the upload of the changed file, which ends in its middle.
    assert run_and_kill(3, store.root, "one", patterns).returncode == -9
    assert store.state("one").found == "unfinished"
    assert take(hdfs, store, "one", patterns).changed
    found = look(hdfs, store, "one")
    assert (found["verified"], found["equal"]) == (True, True)


def test_no_room_is_found_out_before_anything_is_written(hdfs, laboratory, administer):
    patterns = seed(hdfs, laboratory)
    place = f"{laboratory}/backup"
    hdfs.mkdirs(place, "700")
    administer("-setSpaceQuota", "4m", place)
    store = Store(hdfs, f"{place}/snapshots")
    for check_mode in (True, False):
        with pytest.raises(OperatorError, match=f"space quota of {place} leaves 4194304") as refused:
            take(hdfs, store, "one", patterns, check_mode=check_mode)
        assert "nothing was written" in refused.value.untouched
    assert hdfs.status(store.root) is None
    administer("-clrSpaceQuota", place)
    administer("-setQuota", "20", place)
    with pytest.raises(OperatorError, match="name quota"):
        take(hdfs, store, "one", patterns)
    assert hdfs.status(store.root) is None
    administer("-clrQuota", place)
    room = take(hdfs, store, "one", patterns).room
    assert room.limited_by == "free space of the DataNodes"
    assert room.free_bytes > room.needed_bytes > 4 << 20


def test_enough_room_is_enough(hdfs, laboratory, administer):
    """The quota that the check accepts is one that HDFS accepts."""
    patterns = seed(hdfs, laboratory)
    place = f"{laboratory}/backup"
    hdfs.mkdirs(place, "700")
    store = Store(hdfs, f"{place}/snapshots")
    planned = take(hdfs, store, "one", patterns, check_mode=True)
    # The files were made with the bed's block size.
    blocks = 8 << 20
    administer("-setSpaceQuota", str(planned.room.needed_bytes + blocks), place)
    assert take(hdfs, store, "one", patterns).changed
    assert look(hdfs, store, "one")["verified"]


def test_the_gate_has_no_native_snapshots(hdfs, laboratory):
    assert hdfs.native_snapshots(f"{laboratory}/.probe") == "absent"


class DecodesTwice(BaseAdapter):
    """Stands in for a server with HDFS-14423, which the Hadoop of the test cluster no longer has.

    Such a server decodes the path of a request, and then once more, as a form. Here the second time is before the
    request is sent. So whatever the NameNode says, it says of the path that such a server looks for.
    """

    def __init__(self, inner):
        super().__init__()
        self._inner = inner

    def send(self, request, **options):
        path = urlsplit(request.url).path
        request.url = request.url.replace(path, quote(unquote_plus(unquote(path))), 1)
        return self._inner.send(request, **options)

    def close(self):
        self._inner.close()


@contextlib.contextmanager
def decoding_twice(hdfs):
    session = hdfs._session
    inner = session.get_adapter(OPTIONS["url"])
    session.mount("https://", DecodesTwice(inner))
    yield
    session.mount("https://", inner)


def test_a_server_that_decodes_twice_gets_no_snapshot_of_less(hdfs, laboratory):
    folder = f"{laboratory}/Projects/demo/Airflow"
    for name in ("a.py", "50%25off.py", "c++/x.py", "c++/y.py"):
        hdfs.create(f"{folder}/{name}", b"content")
    store = Store(hdfs, f"{laboratory}/snapshots")
    assert not hdfs.decodes_twice()
    with decoding_twice(hdfs):
        assert hdfs.decodes_twice()
        with pytest.raises(OperatorError) as refused:
            take(hdfs, store, "one", [folder])
    assert "HDFS-14423" in refused.value.expected
    assert any(name in refused.value.found for name in ("50%25off.py", "c++"))
    assert hdfs.status(store.root) is None
    assert take(hdfs, store, "one", [folder]).copied_files == 4
