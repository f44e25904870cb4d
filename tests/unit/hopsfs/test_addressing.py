# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HopsFS lists is in the copy, or there is none: no file counts as gone because it can't be asked for."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import snapshot
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.failure import HopsfsError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.store import Store
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.fake import RefusedError

TOP = "/Projects/demo/Airflow"
PATTERNS = ["/Projects/*/Airflow"]
# Each is a character that a URL, a form, a shell or a line means something by.
LETTERS = [
    "%",
    "%25",
    "%zz",
    "+",
    "#",
    "?",
    ";",
    ";x=1",
    "&",
    "=",
    " ",
    "\\",
    "\n",
    "\t",
    "'",
    '"',
    "ü",
    "日",
    "😀",
    ":",
    "*",
]


def take(hdfs, patterns=None, **options):
    store = Store(hdfs, "/airflow-snapshots")
    return snapshot.present(hdfs, store, "one", patterns or PATTERNS, workers=2, progress=[].append, **options)


def look(hdfs):
    store = Store(hdfs, "/airflow-snapshots")
    return inspect(hdfs, store, "one", verify=True, compare_live=True, workers=2, progress=[].append)[0]


@pytest.fixture
def four_files(hopsfs):
    for name in ("a.py", "50%25off.py", "c++/x.py", "c++/y.py"):
        hopsfs.put(f"{TOP}/{name}", "FILE", "0644", name.encode())
    return hopsfs


@pytest.mark.parametrize("letter", LETTERS)
def test_every_character_of_a_name_arrives(hopsfs, hdfs, letter):
    hopsfs.put(f"{TOP}/a{letter}b/c{letter}.py", "FILE", "0640", letter.encode())
    hopsfs.nodes[f"{TOP}/a{letter}b"].entries = ("group::r-x", "user:airflow:r-x")
    hopsfs.nodes[f"{TOP}/a{letter}b/c{letter}.py"].xattrs["user.note"] = "0x41"
    live = hopsfs.tree(TOP)
    assert take(hdfs).copied_files == 1
    copied = hopsfs.tree(f"/airflow-snapshots/one/files{TOP}")
    assert {path.removeprefix("/airflow-snapshots/one/files"): node for path, node in copied.items()} == live
    assert (look(hdfs)["verified"], look(hdfs)["equal"]) == (True, True)
    hopsfs.do_delete(f"{TOP}/a{letter}b", {}, b"")
    assert take(hdfs).removed == 1
    assert (look(hdfs)["files"], look(hdfs)["verified"], look(hdfs)["equal"]) == (0, True, True)


@pytest.mark.parametrize("telling", [True, False])
def test_a_server_that_decodes_twice_gets_no_snapshot_of_less(four_files, hdfs, monkeypatch, telling):
    four_files.decodes_twice = True
    if not telling:
        monkeypatch.setattr(hdfs, "decodes_twice", lambda: False)
    with pytest.raises(HopsfsError) as refused:
        take(hdfs)
    assert any(name in refused.value.found for name in ("50%25off.py", "c++"))
    assert "HDFS-14423" in refused.value.expected
    assert four_files.writes == []


def test_where_nothing_is_named_so_it_does_not_matter_how_often_a_server_decodes(hopsfs, hdfs):
    hopsfs.put(f"{TOP}/grüße 1.py", "FILE", "0644", b"a")
    hopsfs.decodes_twice = True
    assert take(hdfs).copied_files == 1


def test_a_file_taken_for_another_one_is_not_copied_for_it(hopsfs, hdfs):
    """Both exist, so no request fails."""
    hopsfs.put(f"{TOP}/a b.py", "FILE", "0644", b"one")
    hopsfs.put(f"{TOP}/a+b.py", "FILE", "0644", b"two")
    hopsfs.decodes_twice = True
    with pytest.raises(HopsfsError, match=r"reads it as .*/a b\.py"):
        take(hdfs)
    assert hopsfs.writes == []


def test_a_name_cut_off_at_a_semicolon_is_told(hopsfs, hdfs):
    hopsfs.put(f"{TOP}/a;b.py", "FILE", "0644", b"one")
    hopsfs.cuts_at_semicolon = True
    with pytest.raises(HopsfsError, match=r"a;b\.py can't be read: HopsFS lists it"):
        take(hdfs)


@pytest.mark.parametrize("pattern", ["/Projects/*/Airflow", "/Projects/c++/Airflow", "/Projects/c++/Air*"])
def test_a_folder_that_cannot_be_asked_for_is_not_passed_over(hopsfs, hdfs, monkeypatch, pattern):
    hopsfs.put("/Projects/c++/Airflow/x.py", "FILE", "0644", b"x")
    hopsfs.put(f"{TOP}/a.py", "FILE", "0644", b"a")
    hopsfs.decodes_twice = True
    monkeypatch.setattr(hdfs, "decodes_twice", lambda: False)
    with pytest.raises(HopsfsError, match=r"/Projects/c\+\+ can't be read"):
        take(hdfs, [f"{TOP}*", pattern])


def test_a_snapshot_of_before_is_not_called_equal(four_files, hdfs):
    """Made by a version that took them for gone."""
    lost = {path: node for path, node in four_files.nodes.items() if "%" in path or "+" in path}
    for path in lost:
        del four_files.nodes[path]
    take(hdfs)
    four_files.nodes |= lost
    four_files.decodes_twice = True
    with pytest.raises(HopsfsError, match="can't be read"):
        look(hdfs)


@pytest.mark.parametrize("operation", ["OPEN", "GETACLSTATUS", "GETXATTRS", "LISTSTATUS"])
@pytest.mark.parametrize("place", ["", "/airflow-snapshots/one/files"])
def test_what_one_operation_alone_does_not_find_is_no_less_an_error(hopsfs, hdfs, operation, place):
    """A DataNode, or another part of the server, may decode otherwise than the rest."""
    hopsfs.put(f"{TOP}/sub/a.py", "FILE", "0644", b"a")
    take(hdfs)
    blind = f"{place}{TOP}/sub" if operation == "LISTSTATUS" else f"{place}{TOP}/sub/a.py"

    def before(asked: str, path: str) -> None:
        if (asked, path) == (operation, blind):
            raise RefusedError(404, "FileNotFoundException", f"File does not exist: {path}")

    hopsfs.before = before
    with pytest.raises(HopsfsError) as refused:
        look(hdfs)
    assert blind in refused.value.found


def test_a_file_replaced_at_that_moment_is_read_again(hopsfs, hdfs):
    """As an editor does, which deletes and writes again."""
    hopsfs.put(f"{TOP}/a.py", "FILE", "0644", b"a")
    away = []

    def before(operation: str, path: str) -> None:
        if operation == "GETACLSTATUS" and path.endswith("a.py") and not away:
            away.append(path)
            raise RefusedError(404, "FileNotFoundException", f"File does not exist: {path}")

    hopsfs.before = before
    assert take(hdfs).copied_files == 1
    assert away


def test_more_than_is_listed_is_refused(hopsfs, hdfs):
    hopsfs.put(f"{TOP}/a.py", "FILE", "0644", b"abc")
    hopsfs.uncounted = 1
    for check_mode in (True, False):
        with pytest.raises(HopsfsError) as refused:
            take(hdfs, check_mode=check_mode)
        assert "lists 1 files with 3 bytes, and counts 2 files with 3 bytes" in refused.value.found
    assert hopsfs.writes == []
    hopsfs.uncounted = 0
    assert take(hdfs).counted
    hopsfs.uncounted = 1
    with pytest.raises(HopsfsError, match="counts 2 files"):
        look(hdfs)


def test_a_hopsfs_that_does_not_count_is_told(hopsfs, hdfs):
    hopsfs.put(f"{TOP}/a.py", "FILE", "0644", b"abc")
    hopsfs.counts = False
    assert take(hdfs).counted is None
    assert (look(hdfs)["verified"], look(hdfs)["equal"]) == (True, True)


def test_a_folder_that_ended_while_it_was_counted_is_no_contradiction(hopsfs, hdfs):
    hopsfs.put(f"{TOP}/a.py", "FILE", "0644", b"abc")
    hopsfs.put("/Projects/other/Airflow/b.py", "FILE", "0644", b"b")
    ended = []

    def before(operation: str, path: str) -> None:
        if operation == "GETCONTENTSUMMARY" and path == "/Projects/other/Airflow" and not ended:
            ended.append(path)
            hopsfs.do_delete("/Projects/other", {}, b"")

    hopsfs.before = before
    take(hdfs)
    assert ended
    assert (look(hdfs)["files"], look(hdfs)["equal"]) == (1, True)


def test_a_folder_that_grew_while_it_was_counted_is_copied_again(hopsfs, hdfs):
    hopsfs.put(f"{TOP}/a.py", "FILE", "0644", b"abc")
    grown = []

    def before(operation: str, path: str) -> None:
        # After the copy is equal to what was listed.
        if operation == "GETCONTENTSUMMARY" and path == TOP and len(hopsfs.writes) > 5 and not grown:
            grown.append(path)
            hopsfs.put(f"{TOP}/b.py", "FILE", "0644", b"b")

    hopsfs.before = before
    outcome = take(hdfs)
    assert grown
    assert (outcome.copied_files, outcome.counted) == (2, True)


@pytest.mark.parametrize("letter", ["%", "+", ";", "?", "#", "\\", "\n"])
def test_snapshots_are_kept_where_every_server_finds_them(hdfs, letter):
    with pytest.raises(OperatorError, match="snapshot_root is"):
        Store(hdfs, f"/airflow{letter}snapshots")
