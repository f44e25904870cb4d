# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.modules.run_report import act


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "20261122t030000" / "report.html"


def keep(path, page, *, check_mode=False):
    return act({"path": str(path), "page": page}, check_mode=check_mode)


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
