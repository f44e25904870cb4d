# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.failure import HopsfsError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.manifest import Entry
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.transfer import copy_content
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.fake import Answer, RefusedError
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.test_client import failing


def entry(length: int) -> Entry:
    return Entry("/a", "file", length, "hdfs", "hdfs", "0644", 1)


@pytest.mark.parametrize("content", [b"", b"x", b"0123456789" * 50])
def test_a_copy_broken_off_or_damaged_is_made_again(hopsfs, hdfs, content):
    hopsfs.put("/a", "FILE", "0644", content)
    hopsfs.put("/b", "FILE", "0644", b"older and longer than what replaces it" * 50)
    hopsfs.broken_downloads = 1
    hopsfs.flipped_uploads = 1
    assert copy_content(hdfs, entry(len(content)), "/b")[0] == len(content)
    assert hopsfs.nodes["/b"].content == content


def test_a_copy_that_never_reads_back_the_same_is_refused(hopsfs, hdfs):
    hopsfs.put("/a", "FILE", "0644", b"content")
    hopsfs.flipped_uploads = 10_000
    with pytest.raises(OperatorError, match="does not read back"):
        copy_content(hdfs, entry(7), "/b")


def test_a_download_without_its_end_is_no_copy(hopsfs, hdfs, monkeypatch):
    """A DataNode that closes early without saying so."""
    hopsfs.put("/a", "FILE", "0644", b"0123456789")
    monkeypatch.setattr(Answer, "iter_content", lambda answer, _size: iter([answer.content[:4]]))
    with pytest.raises(OperatorError, match="ended after 4 of 10 bytes"):
        copy_content(hdfs, entry(10), "/b")
    assert "/b" not in hopsfs.nodes


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("IOException", 'Could not get block locations. Source file "/b" - Aborting...blk_1'),
        ("IOException", "Failed to find datanode, suggest to check cluster health."),
        ("IOException", "File /b could only be written to 0 of the 1 minReplication nodes."),
        ("EOFException", "Unexpected EOF while trying to read response from server"),
        ("LeaseExpiredException", "No lease on /b"),
    ],
)
def test_a_copy_outlives_a_data_node_s_restart(hopsfs, hdfs, clock, exception, message):
    """Seen with a DataNode restarted in the middle of uploads."""
    hopsfs.put("/a", "FILE", "0644", b"content")
    hopsfs.before = failing(4, RefusedError(403, exception, message))
    assert copy_content(hdfs, entry(7), "/b")[0] == 7
    assert clock.now > 0


@pytest.mark.parametrize("exception", ["DSQuotaExceededException", "AccessControlException", "FileNotFoundException"])
def test_a_copy_does_not_wait_for_what_lasts(hopsfs, hdfs, clock, exception):
    hopsfs.put("/a", "FILE", "0644", b"content")
    hopsfs.before = failing(1, RefusedError(403, exception, "for good"))
    with pytest.raises(HopsfsError, match="for good"):
        copy_content(hdfs, entry(7), "/b")
    assert clock.now == 0
