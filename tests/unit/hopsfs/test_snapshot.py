# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.test_store import TOP, take


def test_nothing_to_copy_is_a_mistake(hdfs):
    with pytest.raises(OperatorError, match="no directory matches"):
        take(hdfs)


@pytest.mark.parametrize("wrong", ["/Projects/demo/Airflo", "/Projcets/*/Airflow", "/Projects/demo/Airflow/none"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_source_that_names_nothing_beside_one_that_does_is_a_mistake(folders, hdfs, wrong, check_mode):
    with pytest.raises(OperatorError, match=r"no directory matches") as refused:
        take(hdfs, patterns=["/Projects/*/Airflow", wrong], check_mode=check_mode)
    assert refused.value.found.endswith(wrong)
    assert folders.writes == []


def test_a_source_that_was_copied_and_is_gone_since_is_no_mistake(folders, hdfs):
    folders.put("/Projects/other/Airflow/c.py", "FILE", "0644", b"c")
    both = ["/Projects/demo/Airflow", "/Projects/other/Airflow"]
    assert take(hdfs, patterns=both).manifest.files == 4
    folders.do_delete("/Projects/other", {}, b"")
    again = take(hdfs, patterns=both)
    assert (again.changed, again.manifest.files, again.removed) == (True, 3, 1)


def test_a_link_is_refused(folders, hdfs):
    folders.put(f"{TOP}/link", "SYMLINK", "0777")
    with pytest.raises(OperatorError, match="is a symlink"):
        take(hdfs)
    assert folders.writes == []
