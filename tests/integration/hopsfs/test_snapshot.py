# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.scan import describe, digest_of, matching, walk
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.snapshot import present
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.store import Store
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.progress import Progress
from ansible_collections.hopsworks.airflow.tests.integration.hopsfs.trees import seed


def everything(hdfs, patterns):
    """All live entries, every file read."""
    return describe(hdfs, walk(hdfs, matching(hdfs, patterns), 8), 8, lambda status: digest_of(hdfs, status.path)[1])


def take(hdfs, store, name, patterns, **options):
    return present(hdfs, store, name, patterns, workers=8, progress=Progress("test"), **options)


def test_a_copy_has_all_content_and_metadata(hdfs, laboratory):
    patterns = seed(hdfs, laboratory)
    before = everything(hdfs, patterns)
    store = Store(hdfs, f"{laboratory}/snapshots")

    planned = take(hdfs, store, "one", patterns, check_mode=True)
    assert hdfs.status(store.root) is None
    outcome = take(hdfs, store, "one", patterns)

    assert (planned.copied_files, planned.copied_bytes) == (outcome.copied_files, outcome.copied_bytes)
    assert outcome.copied_files == sum(entry.kind == "file" for entry in before.values()) == 24
    copies = {path: entry for path, entry in store.copies("one", {}, {}, 8).items() if path in before}
    assert copies == before
    assert everything(hdfs, patterns) == before
    again = take(hdfs, store, "one", patterns)
    assert not again.changed
    assert again.fingerprint == outcome.fingerprint
