# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.modules.run_report import ACTION, act


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "20261122t030000" / "report.html"


def keep(path, page, *, check_mode=False):
    return act({"path": str(path), "page": page, "state": "written"}, check_mode=check_mode)


def possible(path, *, check_mode=False):
    given = {"path": str(path), "page": None, "state": "possible"}
    return ACTION.perform("run_report", given, check_mode=check_mode, warn=pytest.fail)


def test_a_page_is_for_its_owner_alone(path):
    result = keep(path, "<title>ä</title>")
    assert result == {
        "changed": True,
        "path": str(path),
        "diff": {"before": {}, "after": {"bytes": 17, "private": True}},
    }
    assert path.read_text(encoding="utf-8") == "<title>ä</title>"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_the_same_page_again_changes_nothing(path):
    keep(path, "page")
    written = path.stat()
    assert keep(path, "page") == {"path": str(path)}
    # Not all of it: whoever compares the page reads it, and that has a time, too.
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


def test_another_page_takes_its_place(path):
    keep(path, "page")
    assert keep(path, "longer page")["changed"]
    assert path.read_text(encoding="utf-8") == "longer page"


def test_one_that_others_could_read_is_made_private(path):
    keep(path, "page")
    path.chmod(0o644)
    assert keep(path, "page")["diff"]["before"] == {"bytes": 4, "private": False}
    assert path.stat().st_mode & 0o777 == 0o600


def test_check_mode_writes_nothing(path):
    assert keep(path, "page", check_mode=True)["changed"]
    assert not path.parent.exists()


@pytest.mark.parametrize("check_mode", [False, True])
def test_whether_it_can_be_written_is_seen_without_leaving_anything(path, tmp_path, check_mode):
    assert possible(path, check_mode=check_mode) == {"changed": False, "path": str(path)}
    assert list(tmp_path.iterdir()) == []
    keep(path, "page")
    assert possible(path, check_mode=check_mode)["changed"] is False
    assert list(path.parent.iterdir()) == [path]
    assert path.read_text(encoding="utf-8") == "page"


@pytest.mark.parametrize(
    ("where", "check_mode"), [("/dev/null/runs", False), ("/dev/null/runs", True), ("/proc/runs", False)]
)
def test_a_folder_that_can_not_be_written_is_told_in_words(where, check_mode):
    """No home of its own (`/.hopsworks-airflow`), another user's, a full or read-only volume."""
    told = [possible(f"{where}/r1/report.html", check_mode=check_mode)]
    if not check_mode:
        given = {"path": f"{where}/r1/report.html", "page": "x", "state": "written"}
        told.append(ACTION.perform("run_report", given, check_mode=False, warn=pytest.fail))
    for result in told:
        assert result["failed"]
        assert f"Found: {where}/r1/report.html can't be written on this machine" in result["msg"]
        assert "set airflow_run_directory to another folder" in result["msg"]
