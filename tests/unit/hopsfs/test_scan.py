# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.scan import digest_of
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.fake import Answer


def test_a_broken_download_is_begun_again(hopsfs, hdfs):
    hopsfs.put("/a", "FILE", "0644", b"0123456789" * 5)
    hopsfs.broken_downloads = 2
    length, digest = digest_of(hdfs, "/a")
    assert length == 50
    assert digest == digest_of(hdfs, "/a")[1]


def test_a_redirect_to_plain_http_is_not_followed(hopsfs, hdfs, monkeypatch):
    hopsfs.put("/a", "FILE", "0644", b"content")
    monkeypatch.setattr(hopsfs, "request", lambda *_a, **_k: Answer("", 307, location="http://datanode:9864/x?op=OPEN"))
    with pytest.raises(OperatorError, match="redirected to http://datanode"):
        digest_of(hdfs, "/a")
